//! `status.parents` of routes and `status.ancestors` of policies: lists that several controllers
//! share, in which an entry is known by what it is about and by who says it. Both are atomic lists,
//! so the whole of them is ours to keep.

use gwapi::{GATEWAY_GROUP, ParentRef};
use serde_json::{Map, Value, json};
use translate::status::{AncestorStatus, Condition, ParentStatus};

use super::{Basis, conditions};

/// `maxItems` of `status.parents` (`apis/v1/shared_types.go`, `RouteStatus`).
const MOST_PARENTS: usize = 32;
/// `maxItems` of `status.ancestors` (`apis/v1/policy_types.go`, `PolicyStatus`): a full list is
/// left as it is.
const MOST_ANCESTORS: usize = 16;

/// Sets our entries of a route. A parentRef is written word for word as the spec has it.
pub(super) fn parents(status: &mut Map<String, Value>, wanted: &[ParentStatus], basis: Basis<'_>) {
    let ours = wanted.iter().map(|parent| Ours {
        about: json!(parent.parent_ref),
        conditions: &parent.conditions,
        is: Box::new(|about| is_parent(about, &parent.parent_ref)),
    });
    set(status, Shape { list: "parents", about: "parentRef", most: MOST_PARENTS }, ours, basis);
}

/// Sets our entries of a policy that lives in `namespace`.
pub(super) fn ancestors(
    status: &mut Map<String, Value>,
    wanted: &[AncestorStatus],
    namespace: &str,
    basis: Basis<'_>,
) {
    let ours = wanted.iter().map(|ancestor| {
        let reference = ParentRef {
            group: Some(GATEWAY_GROUP.to_owned()),
            kind: Some("Gateway".to_owned()),
            namespace: Some(ancestor.gateway.namespace.clone()),
            name: ancestor.gateway.name.clone(),
            ..ParentRef::default()
        };
        let own = namespace.to_owned();
        Ours {
            about: json!(reference),
            conditions: &ancestor.conditions,
            is: Box::new(move |about| {
                let Some(about) = about.as_object() else { return false };
                let mut about = about.clone();
                about.entry("namespace").or_insert_with(|| json!(own));
                is_parent(&Value::Object(about), &reference)
            }),
        }
    });
    let shape = Shape { list: "ancestors", about: "ancestorRef", most: MOST_ANCESTORS };
    set(status, shape, ours, basis);
}

/// What differs between the two lists.
#[derive(Clone, Copy)]
struct Shape {
    list: &'static str,
    about: &'static str,
    most: usize,
}

/// One entry that we want.
struct Ours<'a> {
    about: Value,
    conditions: &'a [Condition],
    /// Whether a reference that stands in the list is this one.
    is: Box<dyn Fn(&Value) -> bool + 'a>,
}

fn set<'a>(
    status: &mut Map<String, Value>,
    shape: Shape,
    wanted: impl Iterator<Item = Ours<'a>>,
    basis: Basis<'_>,
) {
    let Basis { controller, now, .. } = basis;
    let wanted: Vec<_> = wanted.collect();
    let current = status.get(shape.list).and_then(Value::as_array);
    let current = current.map(Vec::as_slice).unwrap_or_default();
    let mut done = vec![false; wanted.len()];
    let mut list = Vec::with_capacity(current.len() + wanted.len());
    for entry in current {
        if entry["controllerName"] != controller {
            list.push(entry.clone());
            continue;
        }
        let position = wanted.iter().position(|wanted| (wanted.is)(&entry[shape.about]));
        if let Some(position) = position.filter(|position| !done[*position]) {
            done[position] = true;
            let mut entry = entry.as_object().cloned().unwrap_or_default();
            conditions::set(&mut entry, wanted[position].conditions, now);
            list.push(Value::Object(entry));
        }
    }
    for (wanted, done) in wanted.iter().zip(done) {
        // Two parentRefs that mean the same need no second entry.
        let is_double = || {
            list.iter().any(|entry| {
                entry["controllerName"] == controller && (wanted.is)(&entry[shape.about])
            })
        };
        if done || list.len() >= shape.most || is_double() {
            continue;
        }
        let mut entry = Map::new();
        entry.insert(shape.about.to_owned(), wanted.about.clone());
        entry.insert("controllerName".to_owned(), json!(controller));
        conditions::set(&mut entry, wanted.conditions, now);
        list.push(Value::Object(entry));
    }
    // The list is required: an object that nobody has described yet stays without a status, and
    // one that loses its last entry keeps an empty list.
    if !list.is_empty() || !current.is_empty() {
        status.insert(shape.list.to_owned(), Value::Array(list));
    }
}

/// Whether a reference in a status is `wanted`. Group and kind are compared with their defaults,
/// which the API server fills in; the namespace as it is written, because a parentRef with and one
/// without it are two entries.
fn is_parent(about: &Value, wanted: &ParentRef) -> bool {
    let text = |name: &str| about[name].as_str();
    text("group").unwrap_or(GATEWAY_GROUP) == wanted.group()
        && text("kind").unwrap_or("Gateway") == wanted.kind()
        && text("name") == Some(&wanted.name)
        && text("namespace") == wanted.namespace.as_deref()
        && text("sectionName") == wanted.section_name.as_deref()
        && about["port"].as_i64() == wanted.port.map(i64::from)
}
