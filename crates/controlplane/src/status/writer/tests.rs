//! The writer against an API server in memory, in virtual time. What a watch and the control loop
//! do in between is done by [`Cluster::sync`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gwapi::objects::ByKey;
use gwapi::{CONTROLLER_NAME, Kind, ObjectKey, Objects};
use http::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use translate::{Addresses, Settings, World};

use super::run;
use crate::fake_api::{FakeApi, Fault};
use crate::leader::{Office, term};
use crate::metrics::StatusWrites;
use crate::source::Cluster as FromCluster;
use crate::status::Desired;
use crate::{Loaded, leader};

const GROUP: &str = "/apis/gateway.networking.k8s.io/v1";

struct Cluster {
    api: FakeApi,
    desired: watch::Sender<Arc<Desired>>,
    served: BTreeMap<Kind, String>,
}

/// A writer that leads.
struct Writer {
    office: Office,
    task: JoinHandle<()>,
}

fn path(plural: &str, namespace: &str, name: &str) -> String {
    match namespace {
        "" => format!("{GROUP}/{plural}/{name}"),
        _ => format!("{GROUP}/namespaces/{namespace}/{plural}/{name}"),
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Cluster {
    /// A class, and a Gateway in `edge` that admits all TCPRoutes to its listener `pg`.
    fn new() -> Self {
        let (desired, _) = watch::channel(Arc::new(Desired::default()));
        let cluster = Self { api: FakeApi::new(), desired, served: BTreeMap::new() };
        cluster.put("gatewayclasses", "", "tidegate", json!({ "controllerName": CONTROLLER_NAME }));
        cluster.put(
            "gateways",
            "edge",
            "l4",
            json!({ "gatewayClassName": "tidegate", "listeners": [{
                "name": "pg", "port": 5432, "protocol": "TCP",
                "allowedRoutes": { "namespaces": { "from": "All" } },
            }] }),
        );
        cluster
    }

    fn put(&self, plural: &str, namespace: &str, name: &str, spec: Value) {
        let path = path(plural, namespace, name);
        let mut metadata = json!({
            "name": name, "uid": format!("uid of {path}"), "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        });
        if !namespace.is_empty() {
            metadata["namespace"] = json!(namespace);
        }
        self.api.put(&path, json!({ "metadata": metadata, "spec": spec }));
    }

    fn route(&self, namespace: &str, name: &str) {
        let spec = json!({
            "parentRefs": [{ "group": "gateway.networking.k8s.io", "kind": "Gateway",
                "namespace": "edge", "name": "l4", "sectionName": "pg" }],
            "rules": [{ "backendRefs": [{ "name": "pg", "port": 5432 }] }],
        });
        self.put("tcproutes", namespace, name, spec);
    }

    fn status(&self, plural: &str, namespace: &str, name: &str) -> Value {
        self.api.get(&path(plural, namespace, name)).expect("it is there")["status"].clone()
    }

    fn is_described(&self, namespace: &str, route: &str) -> bool {
        !self.status("tcproutes", namespace, route).is_null()
    }

    /// Reads all objects and decides anew. An object that did not change stays the same one in
    /// memory.
    fn sync(&self) {
        self.sync_holding(&[]);
    }

    fn sync_holding(&self, held: &[ObjectKey]) {
        let before = Arc::clone(&self.desired.borrow());
        let old = &before.loaded.objects;
        let objects = Objects {
            gateway_classes: self.read("gatewayclasses", &old.gateway_classes),
            gateways: self.read("gateways", &old.gateways),
            tcp_routes: self.read("tcproutes", &old.tcp_routes),
            ..Objects::default()
        };
        let settings = Settings {
            controller_name: CONTROLLER_NAME.to_owned(),
            bundle_version: Some("v1.6.0".to_owned()),
            reserved_ports: vec![],
            trust_endpoints: false,
        };
        let translation = translate::translate(&World {
            objects: &objects,
            settings: &settings,
            addresses: Addresses::Services(&BTreeMap::new()),
            applied: &BTreeMap::new(),
            names: &BTreeMap::new(),
            now: 0,
        });
        let cluster = FromCluster { served: self.served.clone(), ..FromCluster::default() };
        let loaded = Loaded { objects, cluster: Some(cluster), ..Loaded::default() };
        self.desired.send_replace(Arc::new(Desired {
            loaded: Arc::new(loaded),
            translation: Arc::new(translation),
            held: held.iter().cloned().collect(),
        }));
    }

    fn read<T>(&self, plural: &str, old: &ByKey<T>) -> ByKey<T>
    where
        T: kube::Resource + serde::de::DeserializeOwned,
    {
        let objects = self.api.below(GROUP).into_iter();
        let marker = format!("/{plural}/");
        let of_kind = objects.filter(|object| {
            object["metadata"]["uid"].as_str().is_some_and(|uid| uid.contains(&marker))
        });
        let typed = of_kind.map(|object| {
            let new: T = serde_json::from_value(object).expect("an object of its kind");
            let key = ObjectKey::of(new.meta());
            let same = old
                .get(&key)
                .filter(|old| old.meta().resource_version == new.meta().resource_version);
            let object = same.map_or_else(|| Arc::new(new), Arc::clone);
            (key, object)
        });
        typed.collect()
    }

    fn start(&self) -> Writer {
        let (office, term) = term();
        office.set(Some(Instant::now() + secs(1_000_000)));
        Writer { task: self.start_with(term), office }
    }

    fn start_with(&self, term: leader::Term) -> JoinHandle<()> {
        let (client, desired) = (self.api.client(), self.desired.subscribe());
        let writes = StatusWrites::default();
        tokio::spawn(run(client, CONTROLLER_NAME.to_owned(), desired, term, writes))
    }

    fn writes(&self) -> usize {
        self.api.calls(&Method::PUT).len()
    }

    /// Lets time pass, with a watch that is a tenth of a second behind.
    async fn pass(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut seen = 0;
        while Instant::now() < until {
            sleep(Duration::from_millis(100)).await;
            let version = self.api.version();
            if std::mem::replace(&mut seen, version) != version {
                self.sync();
            }
        }
    }

    /// Every status, without times.
    fn statuses(&self) -> Vec<Value> {
        let mut statuses = Vec::new();
        for object in self.api.below(GROUP) {
            let mut status = object["status"].clone();
            forget_times(&mut status);
            statuses.push(json!([object["metadata"]["uid"], status]));
        }
        statuses
    }
}

fn forget_times(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("lastTransitionTime");
            map.values_mut().for_each(forget_times);
        }
        Value::Array(list) => list.iter_mut().for_each(forget_times),
        _ => {}
    }
}

/// Six objects.
fn small() -> Cluster {
    let cluster = Cluster::new();
    for (namespace, name) in [("db", "a"), ("db", "b"), ("web", "a"), ("web", "b")] {
        cluster.route(namespace, name);
    }
    cluster.sync();
    cluster
}

#[tokio::test(start_paused = true)]
async fn every_object_gets_its_status_once_and_then_there_is_silence() {
    let cluster = small();
    let _writer = cluster.start();
    cluster.pass(secs(5)).await;
    assert_eq!(cluster.writes(), 6);
    let class = cluster.status("gatewayclasses", "", "tidegate");
    assert_eq!(class["conditions"][0]["type"], "Accepted");
    let route = cluster.status("tcproutes", "db", "a");
    assert_eq!(route["parents"][0]["controllerName"], CONTROLLER_NAME);
    assert_eq!(route["parents"][0]["conditions"][0]["status"], "True");
    let gateway = cluster.status("gateways", "edge", "l4");
    assert_eq!(gateway["listeners"][0]["attachedRoutes"], 4);
    let asked = cluster.api.calls(&Method::GET).len();
    cluster.pass(secs(600)).await;
    assert_eq!(cluster.writes(), 6);
    assert_eq!(cluster.api.calls(&Method::GET).len(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_dies_between_any_two_writes_is_taken_over_from() {
    let cluster = small();
    let _writer = cluster.start();
    cluster.pass(secs(5)).await;
    let (expected, total) = (cluster.statuses(), cluster.writes());
    for fault in [Fault::Hang, Fault::Lose] {
        for dies_at in 0..total {
            let cluster = small();
            let mut seen = 0;
            let last = fault.clone();
            cluster.api.fault(move |call| {
                seen += usize::from(call.method == Method::PUT);
                match seen.checked_sub(dies_at + 1) {
                    None => Fault::None,
                    Some(0) if call.method == Method::PUT => last.clone(),
                    Some(_) => Fault::Hang,
                }
            });
            let first = cluster.start();
            cluster.pass(secs(2)).await;
            first.task.abort();
            cluster.api.fault(|_| Fault::None);
            let _second = cluster.start();
            cluster.pass(secs(5)).await;
            assert_eq!(cluster.statuses(), expected, "died at write {dies_at} ({fault:?})");
            let settled = cluster.writes();
            cluster.pass(secs(60)).await;
            assert_eq!(cluster.writes(), settled);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_that_both_think_they_lead_say_the_same_and_come_to_rest() {
    let cluster = small();
    let _writers = (cluster.start(), cluster.start());
    cluster.pass(secs(5)).await;
    let (statuses, writes) = (cluster.statuses(), cluster.writes());
    assert!(statuses.iter().all(|status| !status[1].is_null()));
    cluster.pass(secs(600)).await;
    assert_eq!((cluster.statuses(), cluster.writes()), (statuses, writes));
}

#[tokio::test(start_paused = true)]
async fn what_another_controller_writes_meanwhile_is_kept() {
    let cluster = Cluster::new();
    cluster.route("db", "a");
    cluster.sync();
    cluster.api.fault(|call| match call.method {
        Method::PUT => Fault::Slow(secs(1)),
        _ => Fault::None,
    });
    let _writer = cluster.start();
    sleep(Duration::from_millis(500)).await;
    let other = json!({ "parentRef": { "name": "mesh", "kind": "Service", "group": "" },
        "controllerName": "example.com/other", "conditions": [] });
    cluster.api.edit(&path("tcproutes", "db", "a"), |route| {
        route["status"] = json!({ "parents": [other] });
    });
    sleep(secs(5)).await;
    let parents = cluster.status("tcproutes", "db", "a")["parents"].clone();
    assert_eq!(parents[0], other);
    assert_eq!(parents[1]["controllerName"], CONTROLLER_NAME);
}

#[tokio::test(start_paused = true)]
async fn many_changes_are_written_at_a_bounded_rate() {
    let cluster = Cluster::new();
    for n in 0..500 {
        cluster.route("db", &format!("r{n:03}"));
    }
    cluster.sync();
    let _writer = cluster.start();
    let mut before = 0;
    let mut seconds = 0;
    while cluster.writes() < 502 {
        sleep(secs(1)).await;
        let writes = cluster.writes();
        assert!(writes - before <= 61, "{} in a second", writes - before);
        before = writes;
        seconds += 1;
        assert!(seconds < 15, "too slow");
    }
    assert!(seconds >= 9, "too fast");
}

#[tokio::test(start_paused = true)]
async fn a_new_route_is_described_within_a_second_however_much_there_is_to_do() {
    let cluster = Cluster::new();
    for n in 0..300 {
        cluster.route("db", &format!("r{n:03}"));
    }
    cluster.sync();
    let _writer = cluster.start();
    sleep(secs(10)).await;
    cluster.sync();
    // A change that concerns all routes.
    cluster.api.edit(&path("gateways", "edge", "l4"), |gateway| {
        gateway["metadata"]["generation"] = json!(2);
        gateway["spec"]["listeners"][0]["protocol"] = json!("UDP");
    });
    cluster.sync();
    sleep(secs(2)).await;
    cluster.route("db", "zz");
    cluster.route("other", "new");
    cluster.sync();
    sleep(secs(1)).await;
    assert!(cluster.is_described("db", "zz") && cluster.is_described("other", "new"));
}

#[tokio::test(start_paused = true)]
async fn only_the_leader_writes() {
    let cluster = small();
    let (office, term) = term();
    let _task = cluster.start_with(term);
    sleep(secs(5)).await;
    assert_eq!(cluster.api.calls(&Method::GET).len(), 0);
    office.set(Some(Instant::now() + secs(1000)));
    cluster.pass(secs(3)).await;
    assert_eq!(cluster.writes(), 6);
    office.set(None);
    cluster.route("db", "c");
    cluster.pass(secs(3)).await;
    assert!(!cluster.is_described("db", "c"));
    office.set(Some(Instant::now() + secs(1000)));
    cluster.pass(secs(3)).await;
    assert!(cluster.is_described("db", "c"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_after_the_end_of_a_term_that_nobody_has_announced_yet() {
    let cluster = small();
    cluster.api.fault(|call| match call.method {
        Method::GET => Fault::Slow(secs(2)),
        _ => Fault::None,
    });
    let (office, term) = term();
    office.set(Some(Instant::now() + secs(1)));
    let _task = cluster.start_with(term);
    sleep(secs(30)).await;
    assert_eq!(cluster.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_cannot_be_written_holds_up_no_other_and_is_asked_rarely() {
    let cluster = small();
    cluster.api.fault(|call| match call.path.contains("tcproutes") {
        true => Fault::Refuse(500),
        false => Fault::None,
    });
    let _writer = cluster.start();
    cluster.pass(secs(2)).await;
    assert!(!cluster.status("gateways", "edge", "l4").is_null());
    let before = cluster.api.calls(&Method::GET).len();
    cluster.pass(secs(600)).await;
    let asked = cluster.api.calls(&Method::GET).len() - before;
    assert!((10..=60).contains(&asked), "{asked} requests in ten minutes");
    cluster.api.fault(|_| Fault::None);
    cluster.pass(secs(40)).await;
    assert!(cluster.is_described("web", "b"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_waited_for() {
    let cluster = small();
    cluster.api.fault(|_| Fault::Hang);
    let _writer = cluster.start();
    cluster.pass(secs(60)).await;
    let asked = cluster.api.calls(&Method::GET).len();
    assert!(asked <= 40, "{asked} requests in a minute");
    cluster.api.fault(|_| Fault::None);
    cluster.pass(secs(60)).await;
    assert!(cluster.statuses().iter().all(|status| !status[1].is_null()));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_without_permission_holds_up_no_other() {
    let cluster = small();
    cluster.api.fault(|call| match call.path.contains("namespaces/db/") {
        true => Fault::Refuse(403),
        false => Fault::None,
    });
    let _writer = cluster.start();
    cluster.pass(secs(2)).await;
    assert!(cluster.is_described("web", "a") && cluster.is_described("web", "b"));
    assert!(!cluster.is_described("db", "a"));
    cluster.api.fault(|_| Fault::None);
    cluster.pass(secs(40)).await;
    assert!(cluster.is_described("db", "a"));
}

#[tokio::test(start_paused = true)]
async fn somebody_who_takes_back_our_words_is_answered_ever_more_slowly() {
    let cluster = Cluster::new();
    cluster.sync();
    let _writer = cluster.start();
    cluster.pass(secs(2)).await;
    let before = cluster.writes();
    for _ in 0..600 {
        cluster.api.edit(&path("gateways", "edge", "l4"), |gateway| {
            gateway["status"]["conditions"][0]["reason"] = json!("NotYours");
        });
        cluster.pass(Duration::from_millis(500)).await;
    }
    let writes = cluster.writes() - before;
    assert!((5..=25).contains(&writes), "{writes} writes in five minutes");
}

#[tokio::test(start_paused = true)]
async fn a_held_gateway_keeps_its_status_while_routes_get_theirs() {
    let cluster = small();
    let held = [ObjectKey::new("edge", "l4")];
    cluster.sync_holding(&held);
    let _writer = cluster.start();
    sleep(secs(5)).await;
    assert!(cluster.status("gateways", "edge", "l4").is_null());
    assert!(cluster.is_described("db", "a"));
    cluster.sync();
    sleep(secs(1)).await;
    assert!(!cluster.status("gateways", "edge", "l4").is_null());
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_changes_its_class_is_given_up_and_others_are_asked_once() {
    let cluster = Cluster::new();
    cluster.put("gatewayclasses", "", "other", json!({ "controllerName": "example.com/other" }));
    cluster.put(
        "gateways",
        "edge",
        "foreign",
        json!({ "gatewayClassName": "other",
            "listeners": [{ "name": "a", "port": 1, "protocol": "TCP" }] }),
    );
    let foreign = path("gateways", "edge", "foreign");
    let condition = |message: &str| {
        json!({ "type": "Accepted", "status": "True", "reason": "Accepted", "message": message,
            "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z" })
    };
    cluster.api.edit(&foreign, |gateway| {
        gateway["status"] = json!({ "conditions": [condition("theirs")] });
    });
    cluster.sync();
    let _writer = cluster.start();
    cluster.pass(secs(2)).await;
    // What the API server keeps of who wrote what.
    cluster.api.edit(&path("gateways", "edge", "l4"), |gateway| {
        gateway["spec"]["gatewayClassName"] = json!("other");
        gateway["metadata"]["generation"] = json!(2);
        let ours = json!({ "f:message": {}, "f:observedGeneration": {} });
        gateway["metadata"]["managedFields"] = json!([{
            "manager": "tidegate", "operation": "Update", "subresource": "status",
            "fieldsV1": { "f:status": { "f:conditions": {
                r#"k:{"type":"Accepted"}"#: ours, r#"k:{"type":"Programmed"}"#: ours,
                r#"k:{"type":"ResolvedRefs"}"#: ours, r#"k:{"type":"AddressesAssigned"}"#: ours,
            } } },
        }]);
    });
    for n in 0..20 {
        cluster.api.edit(&foreign, |gateway| {
            gateway["status"]["conditions"] = json!([condition(&format!("theirs, {n}"))]);
        });
        cluster.pass(secs(1)).await;
    }
    let released = cluster.status("gateways", "edge", "l4");
    let conditions = released["conditions"].as_array().expect("a list");
    assert_eq!(conditions.len(), 2, "{released}");
    assert!(conditions.iter().all(|condition| condition["status"] == "Unknown"));
    let reads = cluster.api.calls(&Method::GET);
    assert_eq!(reads.iter().filter(|call| call.path == foreign).count(), 1);
    let writes = cluster.api.calls(&Method::PUT);
    assert!(writes.iter().all(|call| !call.path.starts_with(&foreign)));
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_written_at_the_version_that_is_served() {
    let mut cluster = Cluster::new();
    cluster.served.insert(Kind::TcpRoute, "v1alpha2".to_owned());
    cluster.route("db", "a");
    cluster.sync();
    let _writer = cluster.start();
    sleep(secs(1)).await;
    let reads = cluster.api.calls(&Method::GET);
    let at = "/apis/gateway.networking.k8s.io/v1alpha2/namespaces/db/tcproutes/a";
    assert!(reads.iter().any(|call| call.path == at), "{reads:?}");
}

#[tokio::test(start_paused = true)]
async fn parameters_of_our_own_kind_are_written_in_our_own_group() {
    let cluster = Cluster::new();
    let at = "/apis/tidegate.dev/v1alpha1/namespaces/edge/gatewayparameters/small";
    let object = json!({ "metadata": { "name": "small", "namespace": "edge", "generation": 1 },
        "spec": {} });
    cluster.api.put(at, object.clone());
    cluster.sync();
    let key = ObjectKey::new("edge", "small");
    let mut desired = Desired::clone(&cluster.desired.borrow());
    let mut loaded = Loaded::clone(&desired.loaded);
    let parameters = serde_json::from_value(object).expect("parameters");
    loaded.objects.gateway_parameters.insert(key.clone(), Arc::new(parameters));
    let mut translation = translate::Translation::clone(&desired.translation);
    let accepted = translate::status::Condition {
        r#type: "Accepted",
        status: true,
        reason: "Accepted",
        message: String::new(),
        observed_generation: 1,
        causes: vec![],
    };
    let status = translate::status::GatewayParametersStatus { conditions: vec![accepted] };
    translation.statuses.gateway_parameters.insert(key, status);
    (desired.loaded, desired.translation) = (Arc::new(loaded), Arc::new(translation));
    cluster.desired.send_replace(Arc::new(desired));
    let _writer = cluster.start();
    sleep(secs(1)).await;
    let written = cluster.api.get(at).expect("it is there");
    assert_eq!(written["status"]["conditions"][0]["status"], "True");
}

#[tokio::test(start_paused = true)]
async fn the_writer_ends_with_the_election() {
    let cluster = small();
    let writer = cluster.start();
    sleep(secs(1)).await;
    drop(writer.office);
    tokio::time::timeout(secs(1), writer.task).await.expect("it ends").expect("no panic");
}
