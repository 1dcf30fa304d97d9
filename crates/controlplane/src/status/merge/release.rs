//! A Gateway or ListenerSet that is not ours any more: its class was changed or deleted. Its
//! conditions name no controller, so `metadata.managedFields` says which of them are still our
//! words. Those go back to what the API server gives a new object; everything that another
//! controller has said since stays.

use gwapi::reasons::{ConditionType, Reason};
use serde_json::{Map, Value, json};

use super::conditions;
use super::fields::set_list;
use crate::status::FIELD_MANAGER;

/// What the CRD's default for `status.conditions` says.
const WAITING: &str = "Waiting for controller";

/// Takes back what we said.
pub(super) fn release(status: &mut Map<String, Value>, metadata: &Value, now: &str) {
    let owned = Owned::of(metadata);
    if owned.0.is_empty() {
        return;
    }
    if let Some(Value::Array(list)) = status.get_mut("conditions") {
        list.retain_mut(|condition| {
            let r#type = condition["type"].as_str().unwrap_or_default();
            if !conditions::is_ours(condition) || !owned.condition(r#type) {
                return true;
            }
            let has_default = [ConditionType::Accepted, ConditionType::Programmed]
                .iter()
                .any(|default| default.as_str() == r#type);
            if has_default && condition["status"] != "Unknown" {
                *condition = json!({
                    "type": r#type,
                    "status": "Unknown",
                    "reason": Reason::Pending.as_str(),
                    "message": WAITING,
                    "lastTransitionTime": now,
                });
            }
            has_default
        });
    }
    for name in ["addresses", "attachedListenerSets"] {
        if owned.has(&[name]) {
            status.remove(name);
        }
    }
    if let Some(Value::Array(list)) = status.get("listeners") {
        let kept = list.iter().filter_map(|entry| keep_listener(entry, &owned)).collect();
        set_list(status, "listeners", kept);
    }
}

/// An entry of ours goes, unless somebody else has said something in it.
fn keep_listener(entry: &Value, owned: &Owned<'_>) -> Option<Value> {
    let key = format!(r#"k:{{"name":{}}}"#, json!(entry["name"]));
    if !owned.has_key("listeners", &key, "attachedRoutes") {
        return Some(entry.clone());
    }
    let foreign = conditions::foreign(entry.get("conditions"));
    if foreign.is_empty() {
        return None;
    }
    let mut entry = entry.clone();
    entry["conditions"] = Value::Array(foreign);
    entry["attachedRoutes"] = json!(0);
    Some(entry)
}

/// The sets of fields of `status` that were last written by us.
struct Owned<'a>(Vec<&'a Value>);

impl<'a> Owned<'a> {
    fn of(metadata: &'a Value) -> Self {
        let entries = metadata["managedFields"].as_array().into_iter().flatten();
        let ours = entries
            .filter(|entry| entry["manager"] == FIELD_MANAGER && entry["subresource"] == "status");
        Self(ours.filter_map(|entry| entry["fieldsV1"].get("f:status")).collect())
    }

    /// Whether the field at this path is ours.
    fn has(&self, path: &[&str]) -> bool {
        self.0.iter().any(|fields| {
            let step = |at: &&'a Value, name: &&str| at.get(format!("f:{name}"));
            path.iter().try_fold(*fields, |at, name| step(&at, name)).is_some()
        })
    }

    /// Whether a field of the entry of this key in a list is ours.
    fn has_key(&self, list: &str, key: &str, field: &str) -> bool {
        self.0
            .iter()
            .any(|fields| fields[format!("f:{list}")][key].get(format!("f:{field}")).is_some())
    }

    /// Whether a condition is ours as it stands: whoever took it over wrote at least its message
    /// or the generation that it is about.
    fn condition(&self, r#type: &str) -> bool {
        let key = format!(r#"k:{{"type":{}}}"#, json!(r#type));
        self.has_key("conditions", &key, "message")
            && self.has_key("conditions", &key, "observedGeneration")
    }
}
