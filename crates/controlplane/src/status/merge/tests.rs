//! One rule after the other, by example.

use gwapi::listeners::RouteGroupKind;
use gwapi::{ObjectKey, ParentRef};
use serde_json::{Value, json};
use translate::status::{
    AncestorStatus, Condition, GatewayClassStatus, GatewayStatus, ListenerSetStatus,
    ListenerStatus, ParentStatus, PolicyStatus, RouteStatus,
};

use super::{Basis, Merged, Wanted, merge};

pub(super) const THEN: &str = "2026-01-01T00:00:00Z";
pub(super) const NOW: &str = "2026-02-02T00:00:00Z";
pub(super) const BASIS: Basis<'_> = Basis { controller: OURS, uid: "u", generation: 3, now: NOW };
const OURS: &str = "tidegate.dev/gateway-controller";

pub(super) fn says(r#type: &'static str, status: bool, message: &str) -> Condition {
    Condition {
        r#type,
        status,
        reason: "Because",
        message: message.to_owned(),
        observed_generation: 3,
        causes: vec![],
    }
}

fn written(r#type: &str, status: &str, generation: i64) -> Value {
    json!({
        "type": r#type, "status": status, "reason": "Because", "message": "m",
        "observedGeneration": generation, "lastTransitionTime": THEN,
    })
}

pub(super) fn object(status: Value) -> Value {
    json!({ "metadata": { "uid": "u", "generation": 3, "namespace": "db" }, "status": status })
}

fn changed(object: &Value, wanted: Wanted<'_>) -> Value {
    match merge(object, wanted, BASIS) {
        Merged::Changed(status) => status,
        other => panic!("{other:?} for {object}"),
    }
}

fn gateway(conditions: Vec<Condition>) -> GatewayStatus {
    GatewayStatus { conditions, ..GatewayStatus::default() }
}

fn parent(section: Option<&str>, namespace: Option<&str>) -> ParentStatus {
    let parent_ref = ParentRef {
        name: "l4".to_owned(),
        namespace: namespace.map(str::to_owned),
        section_name: section.map(str::to_owned),
        ..ParentRef::default()
    };
    ParentStatus { parent_ref, conditions: vec![says("Accepted", true, "m")] }
}

#[test]
fn a_new_gateway_gets_its_whole_status() {
    let wanted = GatewayStatus {
        addresses: vec![("IPAddress", "192.0.2.1".to_owned())],
        attached_listener_sets: 0,
        conditions: vec![says("Accepted", true, "m")],
        listeners: vec![ListenerStatus {
            name: "pg".to_owned(),
            supported_kinds: vec![RouteGroupKind {
                group: "gateway.networking.k8s.io".to_owned(),
                kind: "TCPRoute".to_owned(),
            }],
            attached_routes: 2,
            conditions: vec![says("Programmed", false, "m")],
        }],
    };
    let current = object(json!({ "conditions": [{
        "type": "Accepted", "status": "Unknown", "reason": "Pending",
        "message": "Waiting for controller", "lastTransitionTime": "1970-01-01T00:00:00Z",
    }] }));
    let mut accepted = written("Accepted", "True", 3);
    let mut programmed = written("Programmed", "False", 3);
    accepted["lastTransitionTime"] = json!(NOW);
    programmed["lastTransitionTime"] = json!(NOW);
    assert_eq!(
        changed(&current, Wanted::Gateway(Some(&wanted))),
        json!({
            "addresses": [{ "type": "IPAddress", "value": "192.0.2.1" }],
            "attachedListenerSets": 0,
            "conditions": [accepted],
            "listeners": [{
                "name": "pg",
                "supportedKinds": [{ "group": "gateway.networking.k8s.io", "kind": "TCPRoute" }],
                "attachedRoutes": 2,
                "conditions": [programmed],
            }],
        })
    );
}

#[test]
fn the_transition_time_moves_only_when_the_status_flips() {
    let current = object(json!({ "conditions": [written("Accepted", "True", 2)] }));
    let same = gateway(vec![says("Accepted", true, "other words")]);
    let status = changed(&current, Wanted::Gateway(Some(&same)));
    assert_eq!(status["conditions"][0]["lastTransitionTime"], THEN);
    assert_eq!(status["conditions"][0]["observedGeneration"], 3);
    assert_eq!(status["conditions"][0]["message"], "other words");
    let flipped = gateway(vec![says("Accepted", false, "m")]);
    let status = changed(&current, Wanted::Gateway(Some(&flipped)));
    assert_eq!(status["conditions"][0]["lastTransitionTime"], NOW);
}

#[test]
fn what_is_said_already_is_not_written_again() {
    let current = object(json!({
        "conditions": [written("Accepted", "True", 3)], "listeners": [], "addresses": [],
    }));
    let wanted = gateway(vec![says("Accepted", true, "m")]);
    assert_eq!(merge(&current, Wanted::Gateway(Some(&wanted)), BASIS), Merged::Unchanged);
}

#[test]
fn a_count_that_an_old_crd_drops_is_no_reason_to_write_but_a_wrong_one_is() {
    let mut current = object(json!({
        "conditions": [written("Accepted", "True", 3)], "attachedListenerSets": 2,
    }));
    let wanted = gateway(vec![says("Accepted", true, "m")]);
    let status = changed(&current, Wanted::Gateway(Some(&wanted)));
    assert_eq!(status["attachedListenerSets"], 0);
    current["status"]["attachedListenerSets"] = Value::Null;
    assert_eq!(merge(&current, Wanted::Gateway(Some(&wanted)), BASIS), Merged::Unchanged);
}

#[test]
fn foreign_conditions_stay_in_their_place_and_our_stale_ones_go() {
    let foreign = written("example.com/Audited", "False", 1);
    let unknown_fields = json!({ "type": "Ready", "status": "Unknown", "x": { "y": [1, null] } });
    let current = object(json!({
        "conditions": [
            foreign, written("Accepted", "True", 3), written("AddressesAssigned", "True", 2),
            unknown_fields,
        ],
        "listeners": [{
            "name": "pg", "supportedKinds": [], "attachedRoutes": 0, "note": "kept",
            "conditions": [written("OverlappingTLSConfig", "True", 2), foreign],
        }],
        "fieldOfTomorrow": { "a": 1 },
    }));
    let listener = ListenerStatus {
        name: "pg".to_owned(),
        conditions: vec![says("Programmed", true, "m")],
        ..ListenerStatus::default()
    };
    let mut wanted = gateway(vec![says("Accepted", true, "m"), says("Programmed", true, "m")]);
    wanted.listeners = vec![listener];
    let status = changed(&current, Wanted::Gateway(Some(&wanted)));
    let mut programmed = written("Programmed", "True", 3);
    programmed["lastTransitionTime"] = json!(NOW);
    assert_eq!(
        status["conditions"],
        json!([foreign, written("Accepted", "True", 3), unknown_fields, programmed])
    );
    assert_eq!(status["listeners"][0]["conditions"], json!([foreign, programmed]));
    assert_eq!(status["listeners"][0]["note"], "kept");
    assert_eq!(status["fieldOfTomorrow"], json!({ "a": 1 }));
}

#[test]
fn listeners_follow_the_spec_in_number_and_order() {
    let entry = |name: &str| json!({ "name": name, "attachedRoutes": 1, "conditions": [] });
    let current = object(json!({ "listeners": [entry("gone"), entry("b"), entry("a")] }));
    let listener = |name: &str| ListenerStatus { name: name.to_owned(), ..Default::default() };
    let wanted = ListenerSetStatus {
        conditions: vec![says("Accepted", true, "m")],
        listeners: vec![listener("a"), listener("b")],
    };
    let status = changed(&current, Wanted::ListenerSet(Some(&wanted)));
    let names: Vec<_> = status["listeners"].as_array().expect("a list").iter().collect();
    assert_eq!(names.len(), 2);
    assert_eq!((&names[0]["name"], &names[1]["name"]), (&json!("a"), &json!("b")));
    assert_eq!(names[0]["supportedKinds"], json!([]));
}

#[test]
fn features_are_objects_with_a_name() {
    let wanted = GatewayClassStatus {
        conditions: vec![says("Accepted", true, "m")],
        supported_features: vec!["Gateway", "TCPRoute"],
    };
    let status = changed(&object(json!({})), Wanted::GatewayClass(&wanted));
    assert_eq!(status["supportedFeatures"], json!([{ "name": "Gateway" }, { "name": "TCPRoute" }]));
}

#[test]
fn a_decision_about_an_older_generation_does_not_replace_a_newer_one() {
    let mut current = object(json!({ "conditions": [written("Accepted", "False", 4)] }));
    current["metadata"]["generation"] = json!(5);
    let wanted = gateway(vec![says("Accepted", true, "m")]);
    assert_eq!(merge(&current, Wanted::Gateway(Some(&wanted)), BASIS), Merged::Stale);
    let route = json!({ "parentRef": { "name": "l4" }, "controllerName": OURS,
        "conditions": [written("Accepted", "False", 4)] });
    current["status"] = json!({ "parents": [route] });
    assert_eq!(merge(&current, Wanted::Route(None), BASIS), Merged::Stale);
    // One that is older than the object but newer than what stands there is a step forward.
    current["status"] = json!({ "conditions": [written("Accepted", "False", 2)] });
    assert_eq!(
        changed(&current, Wanted::Gateway(Some(&wanted)))["conditions"][0]["status"],
        "True"
    );
}

#[test]
fn a_generation_that_does_not_exist_yet_is_not_believed() {
    let current = object(json!({ "conditions": [written("Accepted", "False", 400)] }));
    let wanted = gateway(vec![says("Accepted", true, "m")]);
    let status = changed(&current, Wanted::Gateway(Some(&wanted)));
    assert_eq!(status["conditions"][0]["observedGeneration"], 3);
}

#[test]
fn an_object_that_was_made_anew_is_not_told_what_was_decided_of_the_old_one() {
    let mut current = object(json!({}));
    let wanted = gateway(vec![says("Accepted", true, "m")]);
    current["metadata"]["uid"] = json!("other");
    assert_eq!(merge(&current, Wanted::Gateway(Some(&wanted)), BASIS), Merged::Stale);
    current["metadata"] = json!({ "uid": "u", "generation": 1 });
    assert_eq!(merge(&current, Wanted::Gateway(Some(&wanted)), BASIS), Merged::Stale);
}

#[test]
fn parents_of_other_controllers_keep_their_words_and_their_place() {
    let other = json!({ "parentRef": { "name": "l4", "namespace": "edge" },
        "controllerName": "example.com/other", "conditions": [written("Accepted", "False", 1)],
        "fieldOfTomorrow": true });
    let gone = json!({ "parentRef": { "name": "old" }, "controllerName": OURS,
        "conditions": [written("Accepted", "True", 2)] });
    let kept = json!({
        "parentRef": { "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "l4",
            "namespace": "edge", "sectionName": "pg" },
        "controllerName": OURS,
        "conditions": [written("example.com/Audited", "True", 1), written("Accepted", "True", 2)],
    });
    let current = object(json!({ "parents": [gone, other, kept, kept] }));
    let wanted =
        RouteStatus { parents: vec![parent(None, None), parent(Some("pg"), Some("edge"))] };
    let status = changed(&current, Wanted::Route(Some(&wanted)));
    let mut described = kept.clone();
    described["conditions"][1]["observedGeneration"] = json!(3);
    let mut accepted = written("Accepted", "True", 3);
    accepted["lastTransitionTime"] = json!(NOW);
    let new = json!({ "parentRef": { "name": "l4" }, "controllerName": OURS,
        "conditions": [accepted] });
    assert_eq!(status["parents"], json!([other, described, new]));
    let status = changed(&object(status), Wanted::Route(None));
    assert_eq!(status["parents"], json!([other]));
}

#[test]
fn one_parent_with_and_one_without_its_namespace_are_two() {
    let wanted = RouteStatus {
        parents: vec![parent(None, None), parent(None, Some("db")), parent(None, None)],
    };
    let status = changed(&object(json!({})), Wanted::Route(Some(&wanted)));
    let parents = status["parents"].as_array().expect("a list");
    assert_eq!(parents.len(), 2);
    assert_eq!(parents[0]["parentRef"], json!({ "name": "l4" }));
    assert_eq!(parents[1]["parentRef"], json!({ "name": "l4", "namespace": "db" }));
}

#[test]
fn a_route_that_nobody_describes_gets_no_status() {
    let current = json!({ "metadata": { "generation": 3 } });
    assert_eq!(merge(&current, Wanted::Route(None), BASIS), Merged::Unchanged);
}

#[test]
fn ancestors_are_added_while_there_is_room() {
    let other = |number: usize| {
        json!({ "ancestorRef": { "name": format!("g{number}") },
            "controllerName": "example.com/other", "conditions": [] })
    };
    let ancestor = |name: &str| AncestorStatus {
        gateway: ObjectKey::new("db", name),
        conditions: vec![says("Accepted", true, "m")],
    };
    let wanted = PolicyStatus { ancestors: vec![ancestor("a"), ancestor("b")] };
    let full: Vec<_> = (0..15).map(other).collect();
    let status =
        changed(&object(json!({ "ancestors": full })), Wanted::BackendTlsPolicy(Some(&wanted)));
    let ancestors = status["ancestors"].as_array().expect("a list");
    assert_eq!((ancestors.len(), &ancestors[..15]), (16, &full[..]));
    assert_eq!(
        ancestors[15]["ancestorRef"],
        json!({ "group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "db",
            "name": "a" })
    );
    let again = merge(&object(status), Wanted::BackendTlsPolicy(Some(&wanted)), BASIS);
    assert_eq!(again, Merged::Unchanged);
}

#[test]
fn messages_and_lists_stay_within_what_the_api_takes() {
    let long = "é".repeat(40_000);
    let mut conditions: Vec<_> = ["Accepted", "Programmed", "ResolvedRefs"]
        .into_iter()
        .map(|r#type| says(r#type, true, "m"))
        .collect();
    conditions[0].message = long;
    let foreign: Vec<_> =
        (0..6).map(|n| written(&format!("example.com/C{n}"), "True", 1)).collect();
    let wanted = gateway(conditions);
    let current = object(json!({ "conditions": foreign }));
    let status = changed(&current, Wanted::Gateway(Some(&wanted)));
    let list = status["conditions"].as_array().expect("a list");
    assert_eq!((list.len(), &list[..6]), (8, &foreign[..]));
    let message = list[6]["message"].as_str().expect("a text");
    assert_eq!(message.chars().count(), 32_768);
    assert!(message.ends_with("é…"));
    assert_eq!(list[7]["type"], "Programmed");
    let again = merge(&object(status), Wanted::Gateway(Some(&wanted)), BASIS);
    assert_eq!(again, Merged::Unchanged);
}

#[test]
fn a_gateway_that_changed_hands_loses_only_what_is_still_ours() {
    let field = |name: &str| json!({ "f:message": {}, (format!("f:{name}")): {} });
    let mut current = object(json!({
        "addresses": [{ "type": "IPAddress", "value": "192.0.2.1" }],
        "conditions": [
            written("Accepted", "True", 4), written("Programmed", "True", 3),
            written("AddressesAssigned", "True", 3), written("ResolvedRefs", "True", 4),
        ],
        "listeners": [
            { "name": "pg", "attachedRoutes": 1, "conditions": [written("Accepted", "True", 3)] },
            { "name": "web", "attachedRoutes": 4, "conditions": [written("Accepted", "True", 4)] },
            { "name": "dns", "attachedRoutes": 1, "supportedKinds": [], "conditions": [
                written("Accepted", "True", 3), written("example.com/Audited", "True", 4)] },
        ],
    }));
    current["metadata"]["generation"] = json!(4);
    current["metadata"]["managedFields"] = json!([
        { "manager": "tidegate", "operation": "Update", "subresource": "status", "fieldsV1": {
            "f:status": {
                "f:addresses": {},
                "f:conditions": {
                    r#"k:{"type":"Accepted"}"#: { "f:message": {} },
                    r#"k:{"type":"Programmed"}"#: field("observedGeneration"),
                    r#"k:{"type":"AddressesAssigned"}"#: field("observedGeneration"),
                },
                "f:listeners": {
                    r#"k:{"name":"pg"}"#: { "f:attachedRoutes": {} },
                    r#"k:{"name":"dns"}"#: { "f:attachedRoutes": {} },
                },
            } } },
        { "manager": "other", "operation": "Update", "subresource": "status", "fieldsV1": {
            "f:status": { "f:conditions": {
                r#"k:{"type":"ResolvedRefs"}"#: field("observedGeneration") } } } },
    ]);
    let status = changed(&current, Wanted::Gateway(None));
    assert_eq!(
        status,
        json!({
            "conditions": [
                written("Accepted", "True", 4),
                { "type": "Programmed", "status": "Unknown", "reason": "Pending",
                    "message": "Waiting for controller", "lastTransitionTime": NOW },
                written("ResolvedRefs", "True", 4),
            ],
            "listeners": [
                { "name": "web", "attachedRoutes": 4,
                    "conditions": [written("Accepted", "True", 4)] },
                { "name": "dns", "attachedRoutes": 0, "supportedKinds": [],
                    "conditions": [written("example.com/Audited", "True", 4)] },
            ],
        })
    );
    current["metadata"]["managedFields"] = json!([]);
    assert_eq!(merge(&current, Wanted::Gateway(None), BASIS), Merged::Unchanged);
}
