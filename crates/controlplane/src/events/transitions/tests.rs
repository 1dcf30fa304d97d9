//! What is told, once, and what is not.

use std::collections::BTreeSet;
use std::sync::Arc;

use gwapi::reasons::Reason;
use gwapi::{Gateway, Kind, ObjectKey, ParentRef, TcpRoute};
use serde_json::json;
use translate::status::{
    Condition, GatewayStatus, ListenerStatus, ParentStatus, RouteStatus, Statuses,
};
use translate::{Finding, Severity, Translation};

use super::*;
use crate::Loaded;
use crate::owned::OwnedKind;
use crate::source::Cluster;

/// When the objects of these tests were made.
const MADE: i64 = 1_767_225_600;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn condition(r#type: &'static str, status: bool, reason: Reason) -> Condition {
    Condition {
        r#type,
        status,
        reason: reason.as_str(),
        message: format!("in words, {reason}"),
        observed_generation: 1,
        causes: vec![],
    }
}

fn key() -> ObjectKey {
    ObjectKey::new("edge", "l4")
}

/// Gateway `edge/l4` and route `db/pg`, with what is said of them.
#[derive(Clone, Default)]
struct Scene {
    listeners: Vec<(&'static str, Condition)>,
    route: Vec<Condition>,
    gateway: Vec<Condition>,
    addresses: Vec<&'static str>,
    findings: Vec<&'static str>,
    cluster: Cluster,
    stands: Value,
    held: bool,
}

impl Scene {
    fn desired(&self) -> Desired {
        let meta = |namespace: &str, name: &str| {
            json!({ "namespace": namespace, "name": name, "uid": "u", "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z" })
        };
        let gateway: Gateway = serde_json::from_value(json!({
            "metadata": meta("edge", "l4"), "status": self.stands,
            "spec": { "gatewayClassName": "tidegate", "listeners": [] },
        }))
        .expect("a Gateway");
        let route: TcpRoute =
            serde_json::from_value(json!({ "metadata": meta("db", "pg"), "spec": {} }))
                .expect("a route");
        let mut loaded = Loaded { cluster: Some(self.cluster.clone()), ..Loaded::default() };
        loaded.objects.gateways.insert(key(), Arc::new(gateway));
        loaded.objects.tcp_routes.insert(ObjectKey::new("db", "pg"), Arc::new(route));

        let mut statuses = Statuses::default();
        let listener = |(name, condition): &(&str, Condition)| ListenerStatus {
            name: (*name).to_owned(),
            conditions: vec![condition.clone()],
            ..ListenerStatus::default()
        };
        let status = GatewayStatus {
            addresses: self.addresses.iter().map(|at| ("IPAddress", (*at).to_owned())).collect(),
            conditions: self.gateway.clone(),
            listeners: self.listeners.iter().map(listener).collect(),
            ..GatewayStatus::default()
        };
        statuses.gateways.insert(key(), status);
        let parent_ref = ParentRef {
            namespace: Some("edge".to_owned()),
            name: "l4".to_owned(),
            ..ParentRef::default()
        };
        let parents = vec![ParentStatus { parent_ref, conditions: self.route.clone() }];
        statuses.tcp_routes.insert(ObjectKey::new("db", "pg"), RouteStatus { parents });
        let finding = |id: &&str| Finding {
            severity: Severity::Warning,
            object: ObjectRef::new(Kind::TcpRoute, ObjectKey::new("db", "pg")),
            field: None,
            id: (*id).to_owned(),
            message: "found".to_owned(),
            fix: None,
        };
        let findings = self.findings.iter().map(finding).collect();
        let translation = Translation { statuses, findings, ..Translation::default() };
        let held = if self.held { BTreeSet::from([key()]) } else { BTreeSet::new() };
        Desired { loaded: Arc::new(loaded), translation: Arc::new(translation), held }
    }
}

/// Transitions that saw a world without problems first, and the time.
struct Watcher {
    transitions: Transitions,
    now: Instant,
    wall: i64,
}

impl Watcher {
    fn new() -> Self {
        let mut watcher = Self::starting();
        watcher.tell(&Scene::default());
        watcher
    }

    fn starting() -> Self {
        let wall = MADE + 24 * 3600;
        Self { transitions: Transitions::default(), now: Instant::now(), wall }
    }

    /// Shows a scene and tells what follows.
    fn tell(&mut self, scene: &Scene) -> Vec<String> {
        self.transitions.observe(&scene.desired(), self.wall, self.now);
        self.after(Duration::ZERO)
    }

    fn after(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.wall += i64::try_from(time.as_secs()).expect("a short time");
        let text = |news: News| {
            let kind = if news.is_warning { "Warning" } else { "Normal" };
            format!("{kind} {} {}: {}", news.object, news.reason, news.note)
        };
        self.transitions.due(self.now).into_iter().map(text).collect()
    }
}

#[test]
fn a_failure_is_told_once_when_it_has_settled() {
    let mut watcher = Watcher::new();
    let scene = Scene {
        listeners: vec![("pg", condition("Accepted", false, Reason::PortUnavailable))],
        ..Scene::default()
    };
    assert_eq!(watcher.tell(&scene), [""; 0]);
    assert_eq!(watcher.transitions.next(), Some(watcher.now + secs(2)));
    assert_eq!(
        watcher.after(secs(2)),
        ["Warning Gateway edge/l4 PortUnavailable: pg: in words, PortUnavailable"]
    );
    assert_eq!(watcher.transitions.next(), None);
    assert_eq!(watcher.tell(&scene), [""; 0]);
    assert_eq!(watcher.after(secs(3600)), [""; 0]);
}

#[test]
fn what_is_over_before_it_settled_was_nothing() {
    let mut watcher = Watcher::new();
    let scene = Scene {
        route: vec![condition("ResolvedRefs", false, Reason::BackendNotFound)],
        ..Scene::default()
    };
    watcher.tell(&scene);
    watcher.after(secs(1));
    watcher.tell(&Scene::default());
    assert_eq!(watcher.after(secs(60)), [""; 0]);
}

#[test]
fn what_flaps_is_told_every_five_minutes_at_most() {
    let mut watcher = Watcher::new();
    let scene = Scene {
        route: vec![condition("Accepted", false, Reason::NotAllowedByListeners)],
        ..Scene::default()
    };
    let mut told = 0;
    for _ in 0..120 {
        watcher.tell(&scene);
        told += watcher.after(secs(3)).len();
        watcher.tell(&Scene::default());
        told += watcher.after(secs(2)).len();
    }
    assert_eq!(told, 2);
}

#[test]
fn parts_with_the_same_reason_are_one_piece_of_news() {
    let mut watcher = Watcher::new();
    let part = |name| (name, condition("ResolvedRefs", false, Reason::InvalidCertificateRef));
    let scene = Scene { listeners: vec![part("a"), part("b"), part("c")], ..Scene::default() };
    watcher.tell(&scene);
    assert_eq!(
        watcher.after(secs(2)),
        [
            "Warning Gateway edge/l4 InvalidCertificateRef: a: in words, InvalidCertificateRef (and 2 more)"
        ]
    );
}

#[test]
fn what_sums_up_or_is_on_its_way_is_not_told() {
    let mut watcher = Watcher::new();
    let scene = Scene {
        gateway: vec![
            condition("Accepted", true, Reason::ListenersNotValid),
            condition("Programmed", false, Reason::Pending),
            condition("ResolvedRefs", false, Reason::ListenersNotResolved),
        ],
        listeners: vec![("pg", condition("Conflicted", true, Reason::ProtocolConflict))],
        ..Scene::default()
    };
    watcher.tell(&scene);
    assert_eq!(watcher.after(secs(600)), [""; 0]);
}

#[test]
fn an_address_is_missed_after_a_minute_and_welcomed_at_once() {
    let mut watcher = Watcher::new();
    let scene = Scene {
        gateway: vec![condition("Programmed", false, Reason::AddressNotAssigned)],
        ..Scene::default()
    };
    watcher.tell(&scene);
    assert_eq!(watcher.after(secs(59)), [""; 0]);
    assert_eq!(
        watcher.after(secs(1)),
        ["Warning Gateway edge/l4 AddressPending: in words, AddressNotAssigned"]
    );
    let scene = Scene { addresses: vec!["192.0.2.1", "2001:db8::1"], ..Scene::default() };
    assert_eq!(
        watcher.tell(&scene),
        ["Normal Gateway edge/l4 AddressAssigned: clients reach it at 192.0.2.1, 2001:db8::1"]
    );
}

#[test]
fn endpoints_may_be_away_while_a_deployment_rolls() {
    let mut watcher = Watcher::new();
    let scene =
        Scene { findings: vec!["no-ready-endpoints", "one-route-per-port"], ..Scene::default() };
    watcher.tell(&scene);
    assert_eq!(watcher.after(secs(14)), [""; 0]);
    assert_eq!(watcher.after(secs(1)), ["Warning TCPRoute db/pg NoReadyEndpoints: found"]);
}

#[test]
fn proxies_and_a_service_that_is_refused_are_told() {
    let object = |name: &str, status: Value| {
        let object = json!({ "metadata": { "name": name, "namespace": "edge", "ownerReferences": [{
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": "l4",
            "uid": "u", "controller": true }] }, "status": status });
        Arc::new(serde_json::from_value(object).expect("an object"))
    };
    let mut cluster = Cluster::default();
    let name = |kind| (kind, ObjectKey::new("edge", "l4-tidegate"));
    let objects = &mut cluster.owned.objects;
    objects.insert(name(OwnedKind::Deployment), object("l4-tidegate", json!({})));
    let refused = json!({ "conditions": [{ "type": "LoadBalancerPortsError", "status": "True",
        "reason": "LoadBalancerMixedProtocolNotSupported", "message": "no UDP here" }] });
    objects.insert(name(OwnedKind::Service), object("l4-tidegate", refused));
    let mut watcher = Watcher::new();
    let scene = Scene { cluster, ..Scene::default() };
    assert_eq!(
        watcher.tell(&scene),
        ["Normal Gateway edge/l4 Provisioned: proxies run as Deployment l4-tidegate"]
    );
    assert_eq!(
        watcher.after(secs(2)),
        [
            "Warning Gateway edge/l4 MixedProtocolRefused: Service l4-tidegate cannot have all ports: no UDP here"
        ]
    );
}

#[test]
fn a_new_leader_tells_only_what_no_status_says_yet() {
    let scene = Scene {
        gateway: vec![condition("Accepted", false, Reason::UnsupportedAddress)],
        listeners: vec![("pg", condition("Accepted", false, Reason::PortUnavailable))],
        addresses: vec!["192.0.2.1"],
        findings: vec!["no-ready-endpoints"],
        stands: json!({
            "addresses": [{ "value": "192.0.2.1" }],
            "listeners": [{ "name": "pg", "attachedRoutes": 0, "conditions": [{
                "type": "Accepted", "status": "False", "reason": "PortUnavailable", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z" }] }],
        }),
        ..Scene::default()
    };
    let mut watcher = Watcher::starting();
    watcher.tell(&scene);
    assert_eq!(
        watcher.after(secs(60)),
        ["Warning Gateway edge/l4 UnsupportedAddress: in words, UnsupportedAddress"]
    );
    // Of young objects, somebody may still be waiting for it.
    let mut watcher = Watcher::starting();
    watcher.wall = MADE + 60;
    watcher.tell(&scene);
    assert_eq!(
        watcher.after(secs(60)),
        [
            "Warning Gateway edge/l4 UnsupportedAddress: in words, UnsupportedAddress",
            "Warning TCPRoute db/pg NoReadyEndpoints: found",
        ]
    );
}

#[test]
fn what_goes_on_at_a_held_gateway_goes_on() {
    let mut watcher = Watcher::new();
    let broken = Scene {
        listeners: vec![("pg", condition("Accepted", false, Reason::PortUnavailable))],
        ..Scene::default()
    };
    watcher.tell(&broken);
    assert_eq!(watcher.after(secs(2)).len(), 1);
    watcher.tell(&Scene { held: true, ..Scene::default() });
    watcher.after(secs(400));
    watcher.tell(&broken);
    assert_eq!(watcher.after(secs(2)), [""; 0]);
}
