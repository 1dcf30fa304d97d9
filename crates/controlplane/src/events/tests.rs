//! Events as the API server gets them.

use std::collections::BTreeSet;

use gwapi::{Kind, ObjectKey};
use http::Method;
use tokio::time::sleep;
use translate::status::{Condition, GatewayStatus};
use translate::{Statuses, Translation};

use super::*;
use crate::Loaded;
use crate::fake_api::{FakeApi, Fault};
use crate::leader::{Office, term};
use crate::source::Cluster;

/// Gateways of these names, whose port is taken.
fn desired(names: &[String]) -> Arc<Desired> {
    let mut loaded = Loaded { cluster: Some(Cluster::default()), ..Loaded::default() };
    let mut statuses = Statuses::default();
    for name in names {
        let key = ObjectKey::new("edge", name.as_str());
        let mut gateway = gwapi::Gateway::default();
        gateway.metadata.uid = Some("the uid".to_owned());
        loaded.objects.gateways.insert(key.clone(), Arc::new(gateway));
        let condition = Condition {
            r#type: "Accepted",
            status: false,
            reason: "PortUnavailable",
            message: "port 80 is taken. ".repeat(100),
            observed_generation: 1,
            causes: vec![],
        };
        let status = GatewayStatus { conditions: vec![condition], ..GatewayStatus::default() };
        statuses.gateways.insert(key, status);
    }
    let translation = Translation { statuses, ..Translation::default() };
    Arc::new(Desired {
        loaded: Arc::new(loaded),
        translation: Arc::new(translation),
        held: BTreeSet::new(),
    })
}

fn start(api: &FakeApi) -> (watch::Sender<Arc<Desired>>, Office) {
    let (sender, receiver) = watch::channel(Arc::new(Desired::default()));
    let (office, term) = term();
    let reporter = Reporter {
        controller: "tidegate.dev/gateway-controller".to_owned(),
        instance: "tidegate-controller-0".to_owned(),
    };
    tokio::spawn(run(api.client(), reporter, receiver, term));
    (sender, office)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn an_event_names_object_reason_and_who_says_it() {
    let api = FakeApi::new();
    let (sender, office) = start(&api);
    office.set(Some(Instant::now() + secs(1000)));
    sender.send_replace(desired(&["l4".to_owned()]));
    sleep(secs(3)).await;
    let events = api.below("/apis/events.k8s.io/v1/namespaces/edge/events/");
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert_eq!(
        event["regarding"],
        json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "namespace": "edge", "name": "l4", "uid": "the uid" })
    );
    assert_eq!((&event["reason"], &event["type"]), (&json!("PortUnavailable"), &json!("Warning")));
    assert_eq!(event["reportingController"], "tidegate.dev/gateway-controller");
    assert_eq!(event["reportingInstance"], "tidegate-controller-0");
    let note = event["note"].as_str().expect("a text");
    assert!(note.len() <= 1024 && note.ends_with('…'), "{note}");
    let time = event["eventTime"].as_str().expect("a time");
    assert!(time.len() == 27 && time.ends_with('Z'), "{time}");
}

#[tokio::test(start_paused = true)]
async fn a_name_of_full_length_still_makes_a_valid_event() {
    let api = FakeApi::new();
    let (sender, office) = start(&api);
    office.set(Some(Instant::now() + secs(1000)));
    sender.send_replace(desired(&[format!("{}.{}", "a".repeat(199), "b".repeat(53))]));
    sleep(secs(3)).await;
    let events = api.below("/apis/events.k8s.io/");
    let name = events[0]["metadata"]["name"].as_str().expect("a name");
    assert!(name.len() <= 253 && !name.contains(".."), "{name}");
}

#[tokio::test(start_paused = true)]
async fn many_events_are_written_slowly_and_a_failure_ends_one() {
    let api = FakeApi::new();
    let (sender, office) = start(&api);
    office.set(Some(Instant::now() + secs(1000)));
    let names: Vec<_> = (0..60).map(|n| format!("g{n:02}")).collect();
    sender.send_replace(desired(&names));
    sleep(secs(3)).await;
    let first = api.calls(&Method::POST).len();
    assert!((25..=28).contains(&first), "{first} at once");
    api.fault(|_| Fault::Refuse(403));
    sleep(secs(5)).await;
    api.fault(|_| Fault::None);
    sleep(secs(30)).await;
    assert_eq!(api.calls(&Method::POST).len(), 60);
    let written = api.below("/apis/events.k8s.io/").len();
    assert!((45..=55).contains(&written), "{written} written");
}

#[tokio::test(start_paused = true)]
async fn only_the_leader_tells() {
    let api = FakeApi::new();
    let (sender, office) = start(&api);
    sender.send_replace(desired(&["l4".to_owned()]));
    sleep(secs(60)).await;
    assert_eq!(api.calls(&Method::POST).len(), 0);
    office.set(Some(Instant::now() + secs(1)));
    sleep(secs(60)).await;
    assert_eq!(api.calls(&Method::POST).len(), 0, "its term was over before that was due");
    office.set(None);
    sleep(secs(1)).await;
    office.set(Some(Instant::now() + secs(1000)));
    sleep(secs(3)).await;
    assert_eq!(api.calls(&Method::POST).len(), 1);
}

#[test]
fn a_cluster_wide_object_has_its_event_in_the_default_namespace() {
    let mut loaded = Loaded::default();
    let key = ObjectKey::new("", "tidegate");
    loaded.objects.gateway_classes.insert(key.clone(), Arc::default());
    let mut translation = Translation::default();
    translation.statuses.gateway_classes.insert(key.clone(), Default::default());
    let desired = Desired {
        loaded: Arc::new(loaded),
        translation: Arc::new(translation),
        held: BTreeSet::new(),
    };
    let news = News {
        object: ObjectRef::new(Kind::GatewayClass, key),
        reason: "UnsupportedVersion".to_owned(),
        note: "too old".to_owned(),
        is_warning: true,
    };
    let reporter = Reporter { controller: "c".to_owned(), instance: "i".to_owned() };
    let event = event(&reporter, &desired, &news).expect("an Event");
    assert_eq!(event["metadata"]["namespace"], "default");
    assert_eq!(event["regarding"]["namespace"], Value::Null);
}
