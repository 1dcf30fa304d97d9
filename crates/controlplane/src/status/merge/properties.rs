//! What holds for every status that can stand there and every decision.

use gwapi::reasons::ConditionType;
use gwapi::{CONTROLLER_NAME, ObjectKey, ParentRef};
use proptest::prelude::*;
use serde_json::{Value, json};
use translate::status::{
    AncestorStatus, Condition, GatewayStatus, ListenerStatus, ParentStatus, PolicyStatus,
    RouteStatus,
};

use super::tests::{BASIS, object};
use super::{Merged, Wanted, merge};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,4}", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

fn type_of_ours() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(ConditionType::ALL).prop_map(ConditionType::as_str)
}

/// A condition as it may stand in a status: ours or not, complete or not.
fn standing_condition() -> impl Strategy<Value = Value> {
    let r#type = prop_oneof![
        type_of_ours().prop_map(str::to_owned),
        "example\\.com/[A-C]".prop_map(|name| name),
    ];
    let status = proptest::sample::select(&["True", "False", "Unknown"]);
    (r#type, status, 0..4_i64, json_value()).prop_map(|(r#type, status, generation, extra)| {
        json!({
            "type": r#type, "status": status, "observedGeneration": generation,
            "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "Because", "message": "m",
            "extra": extra,
        })
    })
}

fn standing_conditions() -> impl Strategy<Value = Vec<Value>> {
    proptest::collection::vec(standing_condition(), 0..6)
}

fn wanted_conditions() -> impl Strategy<Value = Vec<Condition>> {
    let flags = proptest::collection::btree_map(type_of_ours(), any::<bool>(), 0..5);
    flags.prop_map(|flags| {
        let condition = |(r#type, status)| Condition {
            r#type,
            status,
            reason: "Because",
            message: "m".to_owned(),
            observed_generation: 3,
            causes: vec![],
        };
        flags.into_iter().map(condition).collect()
    })
}

/// An entry of a list that controllers share.
fn standing_entry(about: &'static str) -> impl Strategy<Value = Value> {
    let controller = prop_oneof![Just(CONTROLLER_NAME), Just("example.com/other")];
    let name = proptest::sample::select(&NAMES);
    let entry = (controller, name, any::<bool>(), standing_conditions(), json_value());
    entry.prop_map(move |(controller, name, with_namespace, conditions, extra)| {
        let mut reference = json!({ "name": name });
        if with_namespace {
            reference["namespace"] = json!("db");
        }
        json!({
            (about): reference, "controllerName": controller, "conditions": conditions,
            "extra": extra,
        })
    })
}

fn wanted_parents() -> impl Strategy<Value = RouteStatus> {
    let parent = (proptest::sample::select(&NAMES), any::<bool>(), wanted_conditions());
    let parent = parent.prop_map(|(name, with_namespace, conditions)| ParentStatus {
        parent_ref: ParentRef {
            name: name.to_owned(),
            namespace: with_namespace.then(|| "db".to_owned()),
            ..ParentRef::default()
        },
        conditions,
    });
    proptest::collection::vec(parent, 0..4).prop_map(|parents| RouteStatus { parents })
}

fn wanted_ancestors() -> impl Strategy<Value = PolicyStatus> {
    let ancestors = proptest::collection::btree_map(
        proptest::sample::select(&NAMES),
        wanted_conditions(),
        0..4,
    );
    ancestors.prop_map(|ancestors| PolicyStatus {
        ancestors: ancestors
            .into_iter()
            .map(|(name, conditions)| AncestorStatus {
                gateway: ObjectKey::new("db", name),
                conditions,
            })
            .collect(),
    })
}

fn standing_gateway() -> impl Strategy<Value = Value> {
    let listener = (proptest::sample::select(&NAMES), standing_conditions(), json_value());
    let listener = listener.prop_map(|(name, conditions, extra)| {
        json!({ "name": name, "attachedRoutes": 1, "conditions": conditions, "extra": extra })
    });
    let listeners = proptest::collection::vec(listener, 0..4);
    (standing_conditions(), listeners, json_value()).prop_map(|(conditions, listeners, extra)| {
        json!({ "conditions": conditions, "listeners": listeners, "extra": extra })
    })
}

fn wanted_gateway() -> impl Strategy<Value = GatewayStatus> {
    let listeners = proptest::collection::btree_map(
        proptest::sample::select(&NAMES),
        wanted_conditions(),
        0..4,
    );
    (wanted_conditions(), listeners, 0..3_i32).prop_map(|(conditions, listeners, sets)| {
        GatewayStatus {
            addresses: vec![("IPAddress", "192.0.2.1".to_owned())],
            attached_listener_sets: sets,
            conditions,
            listeners: listeners
                .into_iter()
                .map(|(name, conditions)| ListenerStatus {
                    name: name.to_owned(),
                    conditions,
                    ..ListenerStatus::default()
                })
                .collect(),
        }
    })
}

/// The status after the merge, which must not want to change it again.
fn settled(status: &Value, wanted: Wanted<'_>) -> Result<Value, TestCaseError> {
    let before = object(status.clone());
    let after = match merge(&before, wanted, BASIS) {
        Merged::Changed(after) => after,
        Merged::Unchanged => status.clone(),
        Merged::Stale => return Err(TestCaseError::fail("nothing here is newer")),
    };
    let again = merge(&object(after.clone()), wanted, BASIS);
    prop_assert_eq!(again, Merged::Unchanged);
    Ok(after)
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn foreign_entries<'a>(status: &'a Value, name: &str) -> Vec<&'a Value> {
    let entries = list(status, name).iter();
    entries.filter(|entry| entry["controllerName"] != CONTROLLER_NAME).collect()
}

fn foreign_conditions(holder: &Value) -> Vec<&Value> {
    let conditions = list(holder, "conditions").iter();
    let is_ours = |condition: &&Value| {
        ConditionType::ALL.iter().any(|r#type| condition["type"] == r#type.as_str())
    };
    conditions.filter(|condition| !is_ours(condition)).collect()
}

/// Each of our conditions says what was decided, in a list that the API takes.
fn says_what_is_wanted(holder: &Value, wanted: &[Condition]) -> Result<(), TestCaseError> {
    let conditions = list(holder, "conditions");
    let foreign = foreign_conditions(holder).len();
    let ours: Vec<_> = conditions
        .iter()
        .filter(|condition| {
            ConditionType::ALL.iter().any(|r#type| condition["type"] == r#type.as_str())
        })
        .collect();
    prop_assert_eq!(ours.len(), wanted.len().min(8_usize.saturating_sub(foreign)));
    for condition in ours {
        let wanted = wanted.iter().find(|wanted| condition["type"] == wanted.r#type);
        let wanted = wanted.ok_or_else(|| TestCaseError::fail("a stale condition"))?;
        prop_assert_eq!(condition["status"] == "True", wanted.status);
        prop_assert_eq!(&condition["observedGeneration"], wanted.observed_generation);
    }
    Ok(())
}

proptest! {
    #[test]
    fn routes_keep_what_others_say(
        entries in proptest::collection::vec(standing_entry("parentRef"), 0..6),
        extra in json_value(),
        wanted in wanted_parents(),
    ) {
        let before = json!({ "parents": entries, "extra": extra });
        let after = settled(&before, Wanted::Route(Some(&wanted)))?;
        prop_assert_eq!(foreign_entries(&before, "parents"), foreign_entries(&after, "parents"));
        prop_assert_eq!(&before["extra"], &after["extra"]);
        for entry in list(&after, "parents") {
            if entry["controllerName"] == CONTROLLER_NAME {
                let parent = wanted.parents.iter().find(|parent| {
                    json!(parent.parent_ref) == entry["parentRef"]
                });
                let parent = parent.ok_or_else(|| TestCaseError::fail("a parent that is gone"))?;
                says_what_is_wanted(entry, &parent.conditions)?;
            }
        }
        let released = settled(&after, Wanted::Route(None))?;
        prop_assert_eq!(list(&released, "parents").len(), foreign_entries(&before, "parents").len());
    }

    #[test]
    fn policies_keep_what_others_say(
        entries in proptest::collection::vec(standing_entry("ancestorRef"), 0..20),
        wanted in wanted_ancestors(),
    ) {
        let before = json!({ "ancestors": entries });
        let after = settled(&before, Wanted::BackendTlsPolicy(Some(&wanted)))?;
        prop_assert_eq!(
            foreign_entries(&before, "ancestors"),
            foreign_entries(&after, "ancestors")
        );
        prop_assert!(list(&after, "ancestors").len() <= 16.max(list(&before, "ancestors").len()));
    }

    #[test]
    fn gateways_keep_what_others_say(before in standing_gateway(), wanted in wanted_gateway()) {
        let after = settled(&before, Wanted::Gateway(Some(&wanted)))?;
        prop_assert_eq!(&before["extra"], &after["extra"]);
        prop_assert_eq!(foreign_conditions(&before), foreign_conditions(&after));
        says_what_is_wanted(&after, &wanted.conditions)?;
        prop_assert_eq!(list(&after, "listeners").len(), wanted.listeners.len());
        for (entry, wanted) in list(&after, "listeners").iter().zip(&wanted.listeners) {
            prop_assert_eq!(&entry["name"], &wanted.name);
            says_what_is_wanted(entry, &wanted.conditions)?;
            let before = list(&before, "listeners").iter().find(|old| old["name"] == entry["name"]);
            if let Some(before) = before {
                prop_assert_eq!(foreign_conditions(before), foreign_conditions(entry));
                prop_assert_eq!(&before["extra"], &entry["extra"]);
            }
        }
    }
}
