//! `status.listeners` of Gateways and ListenerSets: exactly one entry for each listener of the
//! spec, in its order. Entries of listeners that are gone go with everything in them.

use serde_json::{Map, Value, json};
use translate::status::ListenerStatus;

use super::conditions;
use super::fields::set_list;

/// Sets the entries.
pub(super) fn set(status: &mut Map<String, Value>, wanted: &[ListenerStatus], now: &str) {
    let current = status.get("listeners").and_then(Value::as_array);
    let current = current.map(Vec::as_slice).unwrap_or_default();
    let entry = |wanted: &ListenerStatus| {
        let before = current.iter().find(|entry| entry["name"] == *wanted.name);
        one(before.and_then(Value::as_object), wanted, now)
    };
    let list = wanted.iter().map(entry).collect();
    set_list(status, "listeners", list);
}

/// One entry; fields and conditions that are not ours stay.
fn one(before: Option<&Map<String, Value>>, wanted: &ListenerStatus, now: &str) -> Value {
    let mut entry = before.cloned().unwrap_or_default();
    let kinds = wanted.supported_kinds.iter();
    let kinds: Vec<_> =
        kinds.map(|kind| json!({ "group": kind.group, "kind": kind.kind })).collect();
    entry.insert("name".to_owned(), json!(wanted.name));
    // Written even if empty: it says that nothing may attach, and older CRDs require it.
    entry.insert("supportedKinds".to_owned(), Value::Array(kinds));
    entry.insert("attachedRoutes".to_owned(), json!(wanted.attached_routes));
    conditions::set(&mut entry, &wanted.conditions, now);
    Value::Object(entry)
}
