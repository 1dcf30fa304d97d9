//! Whole rounds against an API server in memory.

use std::collections::BTreeMap;

use gwapi::Objects;
use gwapi::manifest::{Source, read};
use http::Method;
use serde_json::{Value, json};
use translate::{Addresses, Settings, Translation};

use super::*;
use crate::fake_api::{Call, FakeApi, Fault};
use crate::leader::{Office, term};
use crate::owned::{MANAGED_BY, MANAGED_BY_LABEL, Owned};
use crate::source::Cluster;
use crate::{Loaded, cluster};

pub(super) const CLASS: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: tidegate}
spec: {controllerName: tidegate.dev/gateway-controller}
";
const OTHER_CLASS: &str = "---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: second}
spec: {controllerName: tidegate.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: foreign}
spec: {controllerName: example.com/other}
";

pub(super) fn settings() -> ProxySettings {
    ProxySettings {
        controller_name: gwapi::CONTROLLER_NAME.to_owned(),
        image: "tidegate/tidegate:0.1.0".to_owned(),
        controller: "tidegate-controller.tidegate.svc:18000".to_owned(),
        server_name: "tidegate-controller.tidegate.svc".to_owned(),
        reads_all_namespaces: true,
    }
}

pub(super) fn translated(
    objects: &Objects,
    services: &BTreeMap<ObjectKey, translate::ServiceAddresses>,
) -> Translation {
    translate::translate(&translate::World {
        objects,
        settings: &Settings {
            controller_name: gwapi::CONTROLLER_NAME.to_owned(),
            bundle_version: Some("v1.7.0".to_owned()),
            reserved_ports: vec![],
            trust_endpoints: false,
        },
        addresses: Addresses::Services(services),
        applied: &BTreeMap::new(),
        names: &BTreeMap::new(),
        now: 1_800_000_000,
    })
}

/// A Gateway `edge/l4` of a class with these addresses and listeners, and its parameters.
fn gateway(class: &str, addresses: &str, listeners: &str, parameters: &str) -> String {
    format!(
        "{CLASS}{OTHER_CLASS}---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: \
         {{name: l4, namespace: edge, uid: u1}}\nspec:\n  gatewayClassName: {class}\n  \
         infrastructure: {{parametersRef: {{group: tidegate.dev, kind: GatewayParameters, name: \
         p}}}}\n  addresses: [{addresses}]\n  listeners: [{listeners}]\n---\napiVersion: \
         tidegate.dev/v1alpha1\nkind: GatewayParameters\nmetadata: {{name: p, namespace: \
         edge}}\nspec: {{{parameters}}}\n"
    )
}

const PG: &str = "{name: pg, protocol: TCP, port: 5432}";
const PG_AND_DNS: &str =
    "{name: pg, protocol: TCP, port: 5432}, {name: dns, protocol: UDP, port: 53}";

fn plain() -> String {
    gateway("tidegate", "", PG, "")
}

/// A leader and the cluster that it works on.
struct Leader {
    api: FakeApi,
    objects: Objects,
    term: Term,
    _office: Office,
    memory: Memory,
    problems: Problems,
}

impl Leader {
    fn new(api: &FakeApi, manifests: &str) -> Self {
        let (office, term) = term();
        office.set(Some(Instant::now() + Duration::from_secs(3600)));
        let memory = Memory::default();
        let mut leader = Self {
            api: api.clone(),
            objects: Objects::default(),
            term,
            _office: office,
            memory,
            problems: Problems::new(),
        };
        leader.edit(manifests);
        leader
    }

    fn edit(&mut self, manifests: &str) {
        let read = read(&[Source { path: "a.yaml".into(), text: manifests.to_owned() }]);
        assert!(read.errors.is_empty(), "{:?}", read.errors);
        self.objects = read.objects;
    }

    /// What the watches would say now.
    fn owned(&self) -> Owned {
        let mut owned = Owned::default();
        for (path, object) in self.api.all() {
            let kind = match path.split('/').rev().nth(1) {
                Some("serviceaccounts") => OwnedKind::ServiceAccount,
                Some("configmaps") => OwnedKind::ConfigMap,
                Some("services") => OwnedKind::Service,
                Some("deployments") => OwnedKind::Deployment,
                Some("poddisruptionbudgets") => OwnedKind::PodDisruptionBudget,
                other => panic!("{other:?} is never made"),
            };
            if object["metadata"]["labels"][MANAGED_BY_LABEL] == MANAGED_BY {
                let object: kube::core::DynamicObject =
                    serde_json::from_value(object).expect("an object");
                owned.objects.insert((kind, ObjectKey::of(&object.metadata)), Arc::new(object));
            }
        }
        owned
    }

    fn view(&self) -> ClusterView {
        let owned = self.owned();
        let services = addresses(&owned, &self.problems);
        let loaded = Loaded {
            objects: self.objects.clone(),
            cluster: Some(Cluster { synced: true, owned, ..Cluster::default() }),
            ..Loaded::default()
        };
        cluster::ClusterView {
            translation: Arc::new(translated(&self.objects, &services)),
            loaded: Arc::new(loaded),
            rounds: 1,
            ..cluster::ClusterView::default()
        }
    }

    async fn round(&mut self) {
        let view = self.view();
        let client = self.api.client();
        self.problems =
            round(&client, &settings(), &view, "PEM", &self.term, &mut self.memory).await;
    }

    /// Rounds until one asks for nothing; load balancers answer between them.
    async fn settle(&mut self) {
        for _ in 0..10 {
            let before = self.api.requests();
            self.round().await;
            balance(&self.api);
            if self.api.requests() == before {
                return;
            }
        }
        panic!("it never comes to an end: {:?}", self.problems);
    }

    fn names(&self, kind: &str) -> Vec<String> {
        let paths = self.api.all();
        let of_kind = paths.keys().filter(|path| path.split('/').rev().nth(1) == Some(kind));
        of_kind.filter_map(|path| path.rsplit('/').next().map(str::to_owned)).collect()
    }
}

impl FakeApi {
    fn requests(&self) -> usize {
        self.all_calls().len()
    }
}

fn is_write(call: &Call) -> bool {
    call.method != Method::GET
}

/// What a load balancer does: gives each Service what it asks for, or something of its own.
fn balance(api: &FakeApi) {
    for (path, object) in api.all() {
        if path.contains("/services/") && object["spec"]["type"] == "LoadBalancer" {
            let asked = object["spec"]["loadBalancerIP"].as_str().unwrap_or("192.0.2.99");
            let status = json!({"loadBalancer": {"ingress": [{"ip": asked}]}});
            if object["status"] != status {
                api.edit(&path, |object| object["status"] = status);
            }
        }
    }
}

/// Every object but for what the API server numbers.
fn content(api: &FakeApi) -> BTreeMap<String, Value> {
    let mut all = api.all();
    for object in all.values_mut() {
        let metadata = object["metadata"].as_object_mut().expect("metadata");
        metadata.remove("uid");
        metadata.remove("resourceVersion");
    }
    all
}

const SERVICE: &str = "/api/v1/namespaces/edge/services/l4-tidegate";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/edge/deployments/l4-tidegate";

#[tokio::test(start_paused = true)]
async fn everything_is_made_once_and_then_left_alone() {
    let api = FakeApi::new();
    let mut leader = Leader::new(&api, &gateway("tidegate", "", PG, "replicas: 2"));
    leader.settle().await;
    assert_eq!(api.all().len(), 5);
    assert_eq!(api.calls(&Method::PATCH).len(), 5);
    // Another leader finds nothing to do either.
    let before = api.requests();
    let mut next = Leader::new(&api, &gateway("tidegate", "", PG, "replicas: 2"));
    next.settle().await;
    assert_eq!(api.requests(), before);
    assert_eq!(next.problems, Problems::new());
}

#[tokio::test(start_paused = true)]
async fn drift_is_repaired() {
    let api = FakeApi::new();
    let mut leader = Leader::new(&api, &plain());
    leader.settle().await;
    let before = content(&api);
    api.edit(SERVICE, |service| service["spec"]["ports"] = json!([]));
    api.edit(DEPLOYMENT, |deployment| {
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("other");
    });
    api.delete("/api/v1/namespaces/edge/serviceaccounts/l4-tidegate");
    leader.settle().await;
    assert_eq!(content(&api), before);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_asked_for_goes() {
    let api = FakeApi::new();
    let with = plain().replace("infrastructure: {", "infrastructure: {labels: {team: db}, ");
    let mut leader = Leader::new(&api, &with);
    leader.settle().await;
    assert_eq!(api.get(SERVICE).expect("a Service")["metadata"]["labels"]["team"], "db");
    leader.edit(&plain());
    leader.settle().await;
    for (path, object) in api.all() {
        assert!(object["metadata"]["labels"].get("team").is_none(), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_add_stays() {
    let api = FakeApi::new();
    let mut leader = Leader::new(&api, &plain());
    leader.settle().await;
    api.edit(SERVICE, |service| {
        service["metadata"]["annotations"]["cloud.example/id"] = json!("7")
    });
    api.edit(DEPLOYMENT, |deployment| deployment["spec"]["replicas"] = json!(5));
    let before = api.requests();
    leader.settle().await;
    assert_eq!(api.requests(), before);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_object_of_our_name_is_never_touched() {
    let api = FakeApi::new();
    let foreign = json!({"apiVersion": "v1", "kind": "Service", "metadata": {
        "name": "l4-tidegate", "namespace": "edge", "uid": "f", "labels": {"app": "theirs"},
    }, "spec": {"type": "ClusterIP"}});
    api.put(SERVICE, foreign.clone());
    let mut leader = Leader::new(&api, &plain());
    leader.round().await;
    leader.round().await;
    let mut found = api.get(SERVICE).expect("it stays");
    found["metadata"].as_object_mut().expect("metadata").remove("resourceVersion");
    assert_eq!(found, foreign);
    let told = leader.problems.get(&ObjectKey::new("edge", "l4")).expect("a problem");
    assert_eq!(
        told,
        &[
            "Service l4-tidegate is there already and was not made for this Gateway: it stays as it is"
        ]
    );
    assert!(api.get(DEPLOYMENT).is_some(), "the rest is made all the same");
    // When it goes, ours comes.
    api.delete(SERVICE);
    tokio::time::advance(Duration::from_secs(60)).await;
    leader.settle().await;
    assert_eq!(leader.problems, Problems::new());
    assert_eq!(api.get(SERVICE).expect("ours")["spec"]["type"], "LoadBalancer");
}

#[tokio::test(start_paused = true)]
async fn a_labelled_object_of_another_owner_is_never_touched() {
    let api = FakeApi::new();
    let mut theirs = json!({"apiVersion": "v1", "kind": "Service", "metadata": {
        "name": "l4-tidegate", "namespace": "edge", "uid": "f",
        "labels": {"app.kubernetes.io/managed-by": "tidegate"},
    }, "spec": {"type": "ClusterIP"}});
    api.put(SERVICE, theirs.clone());
    let mut leader = Leader::new(&api, &plain());
    leader.settle().await;
    theirs["metadata"]["resourceVersion"] = json!("1");
    assert_eq!(api.get(SERVICE).expect("it stays"), theirs);
    assert_eq!(leader.problems.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_what_this_installation_made_is_removed() {
    let api = FakeApi::new();
    let mut leader = Leader::new(&api, &plain());
    leader.settle().await;
    api.edit(DEPLOYMENT, |deployment| {
        deployment["metadata"]["annotations"][CONTROLLER_ANNOTATION] = json!("example.com/other");
    });
    // The Gateway goes to a class of another controller.
    leader.edit(&gateway("foreign", "", PG, ""));
    leader.settle().await;
    assert_eq!(api.all().keys().collect::<Vec<_>>(), [DEPLOYMENT]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_gateway_that_is_gone() {
    let api = FakeApi::new();
    let mut leader = Leader::new(&api, &gateway("tidegate", "", PG, "replicas: 2"));
    leader.settle().await;
    leader.edit(CLASS);
    leader.settle().await;
    assert_eq!(api.all().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_made_anew_gets_objects_of_its_own() {
    let api = FakeApi::new();
    let mut leader = Leader::new(&api, &plain());
    leader.settle().await;
    leader.edit(&plain().replace("uid: u1", "uid: u2"));
    leader.settle().await;
    assert_eq!(api.all().len(), 4);
    for (path, object) in api.all() {
        assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], "u2", "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_left_alone_while_parameters_are_refused() {
    let api = FakeApi::new();
    let mut leader = Leader::new(&api, &gateway("tidegate", "", PG, "replicas: 2"));
    leader.settle().await;
    let before = content(&api);
    leader.edit(&gateway("tidegate", "", PG, "replicas: 1, service: {addressFrom: Annotation}"));
    leader.settle().await;
    assert_eq!(content(&api), before);
}

#[tokio::test(start_paused = true)]
async fn a_service_keeps_its_address_while_no_listener_is_left() {
    let api = FakeApi::new();
    let mut leader = Leader::new(&api, &plain());
    leader.settle().await;
    leader.edit(&gateway("tidegate", "", "{name: odd, protocol: SCTP, port: 1}", ""));
    leader.settle().await;
    let service = api.get(SERVICE).expect("it stays");
    assert_eq!(service["spec"]["ports"][0]["name"], "tcp-5432");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_told_and_tried_again_while_the_rest_is_made() {
    let api = FakeApi::new();
    api.fault(|call| match is_write(call) && call.path.contains("/services/") {
        true => Fault::Refuse(403),
        false => Fault::None,
    });
    let mut leader = Leader::new(&api, &plain());
    leader.round().await;
    assert_eq!(api.all().len(), 3);
    let told = leader.problems.get(&ObjectKey::new("edge", "l4")).expect("a problem");
    assert_eq!(told, &["Service l4-tidegate: refused by the test"]);
    // Not at once: a server that refuses is not to be flooded.
    let tries =
        || api.calls(&Method::PATCH).iter().filter(|c| c.path.contains("services/")).count();
    let first = tries();
    for _ in 0..20 {
        leader.round().await;
    }
    assert_eq!(tries(), first);
    let told = leader.problems.len();
    assert_eq!(told, 1, "it is still true");
    api.fault(|_| Fault::None);
    tokio::time::advance(Duration::from_secs(2)).await;
    leader.settle().await;
    assert!(api.get(SERVICE).is_some());
    assert_eq!(leader.problems, Problems::new());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_lead_writes_nothing() {
    let api = FakeApi::new();
    let (office, term) = term();
    let (_views, views) = watch::channel(Arc::new(Leader::new(&api, &plain()).view()));
    let (_authority, authority) = watch::channel("PEM".to_owned());
    let (problems, _problems) = watch::channel(Arc::default());
    let task = tokio::spawn(run(api.client(), settings(), views, authority, term, problems));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(api.requests(), 0);
    office.set(Some(Instant::now() + Duration::from_secs(3600)));
    while api.all().len() < 4 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_be_changed_is_made_anew() {
    let api = FakeApi::new();
    let mut leader = Leader::new(&api, &plain());
    leader.settle().await;
    let uid = api.get(SERVICE).expect("a Service")["metadata"]["uid"].clone();
    leader.edit(&gateway("tidegate", "", PG, "service: {loadBalancerClass: a.example/b}"));
    leader.settle().await;
    let service = api.get(SERVICE).expect("a Service");
    assert_eq!(service["spec"]["loadBalancerClass"], "a.example/b");
    assert_ne!(service["metadata"]["uid"], uid);
}

/// Every change of an installation that takes several writes, from one set of manifests to another.
fn changes() -> Vec<(&'static str, String, String)> {
    let one = |address: &str| format!("{{value: {address}}}");
    let two = "{value: 192.0.2.1}, {value: 192.0.2.2}";
    let of =
        |addresses: &str, parameters: &str| gateway("tidegate", addresses, PG_AND_DNS, parameters);
    vec![
        ("from nothing", CLASS.to_owned(), of("", "replicas: 2")),
        ("to nothing", of("", "replicas: 2"), CLASS.to_owned()),
        ("split", of("", ""), of("", "service: {mixedProtocol: Split}")),
        ("joined", of("", "service: {mixedProtocol: Split}"), of("", "")),
        ("no budget", of("", "replicas: 2"), of("", "replicas: 1")),
        ("another class", of("", "replicas: 2"), gateway("second", "", PG_AND_DNS, "replicas: 2")),
        ("another controller", of("", ""), gateway("foreign", "", PG_AND_DNS, "")),
        ("an address more", of(&one("192.0.2.2"), ""), of(two, "")),
        ("an address less", of(two, ""), of(&one("192.0.2.2"), "")),
        ("another address", of(two, ""), of(&one("192.0.2.3"), "")),
        ("another load balancer", of("", ""), of("", "service: {loadBalancerClass: a.example/b}")),
        ("made anew", of("", ""), of("", "").replace("uid: u1", "uid: u2")),
    ]
}

#[tokio::test(start_paused = true)]
async fn killed_between_any_two_writes_it_comes_to_the_same_end() {
    for (name, from, to) in changes() {
        let start = async || {
            let api = FakeApi::new();
            Leader::new(&api, &from).settle().await;
            api
        };
        let undisturbed = start().await;
        let before = undisturbed.requests();
        Leader::new(&undisturbed, &to).settle().await;
        let writes = undisturbed.requests() - before;
        assert!(writes > 0, "{name} takes no request");
        let expected = content(&undisturbed);
        for lost in [true, false] {
            for last in 0..writes {
                let api = start().await;
                let mut count = 0;
                api.fault(move |call| {
                    count += usize::from(is_write(call));
                    match count.cmp(&(last + 1)) {
                        std::cmp::Ordering::Less => Fault::None,
                        std::cmp::Ordering::Equal if is_write(call) && lost => Fault::Lose,
                        _ => Fault::Hang,
                    }
                });
                let mut killed = Leader::new(&api, &to);
                let died = tokio::time::timeout(Duration::from_secs(5), killed.settle()).await;
                api.fault(|_| Fault::None);
                let mut next = Leader::new(&api, &to);
                next.settle().await;
                let died = died.is_err();
                assert_eq!(content(&api), expected, "{name}, killed: {died} at write {last}");
                assert_eq!(next.problems, Problems::new(), "{name}, write {last}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_is_asked_for_by_one_service_at_a_time() {
    let api = FakeApi::new();
    let two = "{value: 192.0.2.1}, {value: 192.0.2.2}";
    let mut leader = Leader::new(&api, &gateway("tidegate", two, PG, ""));
    leader.settle().await;
    assert_eq!(leader.names("services"), ["l4-tidegate", "l4-tidegate-1"]);
    leader.edit(&gateway("second", "{value: 192.0.2.2}", PG, ""));
    leader.settle().await;
    assert_eq!(leader.names("services"), ["l4-second"]);
    let at = |method: Method, name: &str| {
        let is_it = |call: &Call| call.method == method && call.path.ends_with(name);
        api.all_calls().iter().position(is_it).expect("it is asked for")
    };
    let freed = at(Method::DELETE, "/services/l4-tidegate-1");
    assert!(freed < at(Method::PATCH, "/services/l4-second"));
}

#[tokio::test(start_paused = true)]
async fn what_the_server_spells_its_own_way_is_not_applied_again() {
    let mut memory = Memory::default();
    let subject = (OwnedKind::Deployment, ObjectKey::new("edge", "l4"));
    let wanted = json!({"metadata": {}, "spec": {"cpu": "0.5"}});
    let read = |spec: Value, version: &str| -> kube::core::DynamicObject {
        let metadata = json!({"name": "l4", "resourceVersion": version});
        serde_json::from_value(
            json!({"metadata": metadata, "spec": spec, "status": {"a": version}}),
        )
        .expect("an object")
    };
    let live = read(json!({"cpu": "500m"}), "1");
    assert!(differs(&wanted, &live).is_some() && !memory.is_settled(&subject, &wanted, &live));
    memory.settle(&subject, &wanted, &live);
    assert!(memory.is_settled(&subject, &wanted, &read(json!({"cpu": "500m"}), "2")));
    assert!(!memory.is_settled(&subject, &wanted, &read(json!({"cpu": "1"}), "3")));
    let other = json!({"metadata": {}, "spec": {"cpu": "0.7"}});
    assert!(!memory.is_settled(&subject, &other, &live));
}
