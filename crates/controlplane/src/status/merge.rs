//! What the status of one object becomes. Pure: the object as the API server has it, what we want
//! to say, and the time come in.
//!
//! Works on JSON, not on types: what others wrote has to survive whole, with fields of versions
//! that this program does not know. Must not know where objects come from or how they are written.

mod conditions;
mod entries;
mod fields;
mod listeners;
mod release;

use serde_json::{Map, Value, json};
use translate::status::{
    GatewayClassStatus, GatewayParametersStatus, GatewayStatus, ListenerSetStatus, PolicyStatus,
    RouteStatus,
};

/// What we want to say of one object. `None`: nothing, and what we said before goes. A class names
/// its controller for good, and parameters are of a kind of our own, so there is none for those.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Wanted<'a> {
    GatewayClass(&'a GatewayClassStatus),
    Gateway(Option<&'a GatewayStatus>),
    ListenerSet(Option<&'a ListenerSetStatus>),
    Route(Option<&'a RouteStatus>),
    BackendTlsPolicy(Option<&'a PolicyStatus>),
    GatewayParameters(&'a GatewayParametersStatus),
}

/// The object that the decision was made about, and when it is written.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// Our `controllerName`: entries of routes and policies that carry it are ours.
    pub controller: &'a str,
    /// Its `metadata.uid`; empty where it is not known.
    pub uid: &'a str,
    /// Its `metadata.generation`.
    pub generation: i64,
    /// Now, RFC 3339 in seconds: the `lastTransitionTime` of what flips.
    pub now: &'a str,
}

/// What has to be done about an object's status.
#[derive(Clone, Debug, PartialEq)]
pub enum Merged {
    /// Nothing: it says what we want to say.
    Unchanged,
    /// Nothing now: the decision is about another or an older object than the one that is there.
    /// The newer one is on its way.
    Stale,
    /// The whole new value of `status`.
    Changed(Value),
}

/// Merges what we want to say into the status of `object`.
pub fn merge(object: &Value, wanted: Wanted<'_>, basis: Basis<'_>) -> Merged {
    let metadata = &object["metadata"];
    let generation = metadata["generation"].as_i64().unwrap_or_default();
    let uid = metadata["uid"].as_str().unwrap_or_default();
    let is_other = !uid.is_empty() && !basis.uid.is_empty() && uid != basis.uid;
    if is_other || generation < basis.generation {
        return Merged::Stale;
    }
    let before = object["status"].as_object().cloned().unwrap_or_default();
    // A claim about a generation that does not exist yet cannot be newer than ours.
    let seen = newest(&before, wanted, basis.controller).filter(|seen| *seen <= generation);
    if seen.is_some_and(|seen| seen > basis.generation) {
        return Merged::Stale;
    }
    let mut after = before.clone();
    match wanted {
        Wanted::GatewayClass(wanted) => class(&mut after, wanted, basis),
        Wanted::GatewayParameters(wanted) => {
            conditions::set(&mut after, &wanted.conditions, basis.now);
        }
        Wanted::Gateway(Some(wanted)) => gateway(&mut after, wanted, basis),
        Wanted::ListenerSet(Some(wanted)) => listener_set(&mut after, wanted, basis),
        Wanted::Gateway(None) | Wanted::ListenerSet(None) => {
            release::release(&mut after, metadata, basis.now);
        }
        Wanted::Route(wanted) => {
            let wanted = wanted.map(|wanted| wanted.parents.as_slice()).unwrap_or_default();
            entries::parents(&mut after, wanted, basis);
        }
        Wanted::BackendTlsPolicy(wanted) => {
            let namespace = metadata["namespace"].as_str().unwrap_or_default();
            let wanted = wanted.map(|wanted| wanted.ancestors.as_slice()).unwrap_or_default();
            entries::ancestors(&mut after, wanted, namespace, basis);
        }
    }
    if before == after {
        return Merged::Unchanged;
    }
    if let Wanted::Gateway(Some(wanted)) = wanted {
        // 0 is written out but is no reason to write: CRDs before 1.5 drop the field.
        after.insert("attachedListenerSets".to_owned(), json!(wanted.attached_listener_sets));
    }
    Merged::Changed(Value::Object(after))
}

/// The newest generation that we have said something of.
fn newest(status: &Map<String, Value>, wanted: Wanted<'_>, controller: &str) -> Option<i64> {
    let list = |name: &str| status.get(name).and_then(Value::as_array).into_iter().flatten();
    let is_ours = |entry: &&Value| entry["controllerName"] == controller;
    match wanted {
        Wanted::GatewayClass(_)
        | Wanted::Gateway(Some(_))
        | Wanted::ListenerSet(Some(_))
        | Wanted::GatewayParameters(_) => conditions::newest(status.get("conditions")),
        // Who wrote them is told by the managed fields alone.
        Wanted::Gateway(None) | Wanted::ListenerSet(None) => None,
        Wanted::Route(_) => list("parents")
            .filter(is_ours)
            .filter_map(|entry| conditions::newest(entry.get("conditions")))
            .max(),
        Wanted::BackendTlsPolicy(_) => list("ancestors")
            .filter(is_ours)
            .filter_map(|entry| conditions::newest(entry.get("conditions")))
            .max(),
    }
}

fn class(status: &mut Map<String, Value>, wanted: &GatewayClassStatus, basis: Basis<'_>) {
    conditions::set(status, &wanted.conditions, basis.now);
    let features = wanted.supported_features.iter().map(|name| json!({ "name": name })).collect();
    fields::set_list(status, "supportedFeatures", features);
}

fn gateway(status: &mut Map<String, Value>, wanted: &GatewayStatus, basis: Basis<'_>) {
    conditions::set(status, &wanted.conditions, basis.now);
    let addresses = wanted.addresses.iter();
    let addresses = addresses.map(|(r#type, value)| json!({ "type": r#type, "value": value }));
    fields::set_list(status, "addresses", addresses.collect());
    listeners::set(status, &wanted.listeners, basis.now);
    let sets = status.get("attachedListenerSets").and_then(Value::as_i64).unwrap_or_default();
    if sets != i64::from(wanted.attached_listener_sets) {
        let sets = json!(wanted.attached_listener_sets);
        status.insert("attachedListenerSets".to_owned(), sets);
    }
}

fn listener_set(status: &mut Map<String, Value>, wanted: &ListenerSetStatus, basis: Basis<'_>) {
    conditions::set(status, &wanted.conditions, basis.now);
    listeners::set(status, &wanted.listeners, basis.now);
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
