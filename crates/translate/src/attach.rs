//! Which listeners each route attaches to, decided for every parentRef. Whether the listener is
//! programmed, whether the backends resolve and whether an older route is there already make no
//! difference here.

use std::collections::{BTreeMap, HashMap};

use gwapi::listeners::FromNamespaces;
use gwapi::reasons::Reason;
use gwapi::{GATEWAY_GROUP, Kind, ObjectKey, ParentRef};

use crate::gateways::Gateway;
use crate::hostnames::{Hostname, overlap};
use crate::listener_sets::ListenerSet;
use crate::listeners::{Listener, ListenerId};
use crate::namespaces::Namespaces;
use crate::routes::{Route, RouteId};
use crate::status::Cause;

/// How many listeners a message names before it counts the rest.
const NAMED_LISTENERS: usize = 4;

/// Which routes hang where.
#[derive(Default)]
pub(crate) struct Attachments<'a> {
    /// What became of the parentRefs of each route that lead to a Gateway of ours, in the order of
    /// the spec.
    pub(crate) by_route: BTreeMap<RouteId, Vec<Attachment<'a>>>,
    /// The routes of each listener, each once.
    pub(crate) by_listener: BTreeMap<ListenerId, Vec<RouteId>>,
}

/// What became of one parentRef.
pub(crate) struct Attachment<'a> {
    /// Its place in `spec.parentRefs`.
    index: usize,
    /// The parentRef.
    pub(crate) parent: &'a ParentRef,
    /// The listeners it attaches to, at least one; or why to none.
    pub(crate) outcome: Result<Vec<ListenerId>, Cause>,
}

impl Attachment<'_> {
    /// Its path in the route.
    pub(crate) fn field(&self) -> String {
        field(self.index)
    }
}

fn field(index: usize) -> String {
    format!("spec.parentRefs[{index}]")
}

/// A Gateway or ListenerSet as routes see it.
#[derive(Default)]
struct Parent<'l, 'a> {
    listeners: Vec<&'l Listener<'a>>,
    /// The same by name.
    by_name: HashMap<&'l str, Vec<&'l Listener<'a>>>,
    /// Set where the Gateway does not let the ListenerSet in.
    is_shut: bool,
}

/// The Gateways and ListenerSets that are ours, by kind, namespace and name.
struct Parents<'l, 'a>(HashMap<(Kind, &'l str, &'l str), Parent<'l, 'a>>);

/// Attaches every route.
pub(crate) fn attach<'a>(
    routes: &[Route<'a>],
    gateways: &[Gateway<'a>],
    sets: &[ListenerSet<'a>],
    listeners: &[Listener<'a>],
    namespaces: &Namespaces<'_>,
) -> Attachments<'a> {
    let parents = Parents::of(gateways, sets, listeners);
    let mut attachments = Attachments::default();
    for route in routes {
        let mut entries: Vec<Attachment<'_>> = vec![];
        for (index, parent_ref) in route.parents.iter().enumerate() {
            let Some(parent) = parents.get(route, parent_ref) else { continue };
            if entries.iter().any(|entry| entry.parent == parent_ref) {
                continue;
            }
            let outcome = decide(route, parent_ref, parent, namespaces, index);
            for id in outcome.iter().flatten() {
                let attached = attachments.by_listener.entry(*id).or_default();
                if attached.last() != Some(&route.id) {
                    attached.push(route.id);
                }
            }
            entries.push(Attachment { index, parent: parent_ref, outcome });
        }
        if !entries.is_empty() {
            attachments.by_route.insert(route.id, entries);
        }
    }
    attachments
}

/// Kind, namespace and name of the object that a parentRef names, if it is of a kind that routes
/// attach to.
pub(crate) fn parent_of<'p>(
    route: &'p Route<'_>,
    parent: &'p ParentRef,
) -> Option<(Kind, &'p str, &'p str)> {
    let kind = [Kind::Gateway, Kind::ListenerSet]
        .into_iter()
        .find(|kind| parent.group() == GATEWAY_GROUP && parent.kind() == kind.as_str())?;
    let namespace = parent.namespace.as_ref().unwrap_or(&route.key.namespace);
    Some((kind, namespace, &parent.name))
}

fn place(kind: Kind, key: &ObjectKey) -> (Kind, &str, &str) {
    (kind, &key.namespace, &key.name)
}

impl<'l, 'a> Parents<'l, 'a> {
    fn of(
        gateways: &'l [Gateway<'a>],
        sets: &'l [ListenerSet<'a>],
        listeners: &'l [Listener<'a>],
    ) -> Self {
        let mut parents = HashMap::new();
        for gateway in gateways {
            parents.insert(place(Kind::Gateway, gateway.key), Parent::default());
        }
        for set in sets {
            let parent = Parent { is_shut: set.refusal.is_some(), ..Parent::default() };
            parents.insert(place(Kind::ListenerSet, set.key), parent);
        }
        for listener in listeners {
            let owner = match listener.set {
                None => place(Kind::Gateway, listener.gateway.key),
                Some(set) => place(Kind::ListenerSet, set.key),
            };
            if let Some(parent) = parents.get_mut(&owner) {
                parent.listeners.push(listener);
                parent.by_name.entry(&listener.spec.name).or_default().push(listener);
            }
        }
        Self(parents)
    }

    fn get<'p>(
        &'p self,
        route: &'p Route<'_>,
        parent: &'p ParentRef,
    ) -> Option<&'p Parent<'p, 'p>> {
        self.0.get(&parent_of(route, parent)?)
    }
}

/// The order of the steps is the order of the reasons: the first step that leaves nothing names it.
fn decide(
    route: &Route<'_>,
    parent_ref: &ParentRef,
    parent: &Parent<'_, '_>,
    namespaces: &Namespaces<'_>,
    index: usize,
) -> Result<Vec<ListenerId>, Cause> {
    if let Some(refusal) = &route.refusal {
        return Err(refusal.clone());
    }
    if parent.is_shut {
        let message = format!("ListenerSet {} is not admitted by its Gateway", parent_ref.name);
        return Err(Cause::new(Reason::NotAllowedByListeners, field(index), message));
    }
    let candidates = match &parent_ref.section_name {
        Some(name) => parent.by_name.get(name.as_str()).map(Vec::as_slice).unwrap_or_default(),
        None => &parent.listeners,
    };
    let is_of_port =
        |listener: &&Listener<'_>| parent_ref.port.is_none_or(|port| port == listener.spec.port);
    let named: Vec<_> = candidates.iter().copied().filter(is_of_port).collect();
    if named.is_empty() {
        return Err(no_matching_parent(route, parent_ref, parent, index));
    }
    let admits_namespace = |listener: &Listener<'_>| {
        let from = &listener.spec.namespaces;
        namespaces.admits(from, listener.owner_namespace(), &route.key.namespace)
    };
    let admitting: Vec<_> = named
        .iter()
        .copied()
        .filter(|listener| listener.takes(route.kind) && admits_namespace(listener))
        .collect();
    if admitting.is_empty() {
        return Err(not_allowed(route, &named, index));
    }
    let matching: Vec<_> = admitting
        .iter()
        .filter(|listener| shares_hostname(route, listener.hostname.as_ref()))
        .map(|listener| listener.id)
        .collect();
    if matching.is_empty() {
        return Err(no_matching_hostname(route, &admitting));
    }
    Ok(matching)
}

fn shares_hostname(route: &Route<'_>, listener: Option<&Hostname>) -> bool {
    let hostnames = route.hostnames.as_ref();
    hostnames.is_none_or(|names| names.iter().any(|name| overlap(listener, Some(name))))
}

fn no_matching_parent(
    route: &Route<'_>,
    parent_ref: &ParentRef,
    parent: &Parent<'_, '_>,
    index: usize,
) -> Cause {
    let mut wanted = vec![];
    if let Some(name) = &parent_ref.section_name {
        wanted.push(format!("named {name}"));
    }
    if let Some(port) = parent_ref.port {
        wanted.push(format!("on port {port}"));
    }
    let mut message =
        format!("{} {} has no listener {}", parent_ref.kind(), parent_ref.name, wanted.join(" "));
    // Names of listeners are the business of whoever may read the parent.
    let namespace = parent_ref.namespace.as_ref().unwrap_or(&route.key.namespace);
    if *namespace == route.key.namespace && !parent.listeners.is_empty() {
        let found = parent
            .listeners
            .iter()
            .map(|listener| format!("{} on port {}", listener.spec.name, listener.spec.port));
        message.push_str(&format!(": it has {}", enumerate(found)));
    }
    Cause::new(Reason::NoMatchingParent, field(index), message)
}

fn not_allowed(route: &Route<'_>, named: &[&Listener<'_>], index: usize) -> Cause {
    let is_of_kind = |listener: &&&Listener<'_>| listener.takes(route.kind);
    let by_namespace: Vec<_> = named.iter().filter(is_of_kind).collect();
    if by_namespace.is_empty() {
        let found = named.iter().map(|listener| {
            let kinds: Vec<_> = listener.kinds.usable.iter().map(|kind| kind.as_str()).collect();
            let kinds = if kinds.is_empty() { "no route".to_owned() } else { kinds.join(" and ") };
            format!("listener {} ({}) takes {kinds}", listener.spec.name, listener.spec.protocol)
        });
        let expected = route.kind.as_str();
        let message = format!("{}: expected one that takes {expected}", enumerate(found));
        return Cause::new(Reason::NotAllowedByListeners, field(index), message);
    }
    let found = by_namespace.iter().map(|listener| {
        let from = match &listener.spec.namespaces {
            FromNamespaces::Same => format!("namespace {} only", listener.owner_namespace()),
            FromNamespaces::Selector(_) => "namespaces that its selector matches only".to_owned(),
            FromNamespaces::All => "all namespaces".to_owned(),
            FromNamespaces::None => "no namespace".to_owned(),
        };
        format!("listener {} admits routes from {from}", listener.spec.name)
    });
    let names = by_namespace.iter().map(|listener| listener.spec.name.clone());
    let message = format!("{}, not from {}", enumerate(found), route.key.namespace);
    Cause::new(Reason::NotAllowedByListeners, field(index), message).with_fix(format!(
        "let allowedRoutes.namespaces of listener {} admit namespace {}, or move the route",
        enumerate(names),
        route.key.namespace
    ))
}

fn no_matching_hostname(route: &Route<'_>, admitting: &[&Listener<'_>]) -> Cause {
    let found = route.hostnames.iter().flatten().map(Hostname::to_string);
    let expected = admitting.iter().filter_map(|listener| {
        Some(format!("{} of listener {}", listener.hostname.as_ref()?, listener.spec.name))
    });
    let message = format!("{} matches nothing of {}", enumerate(found), enumerate(expected));
    Cause::new(Reason::NoMatchingListenerHostname, "spec.hostnames", message)
}

fn enumerate(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<_> = items.collect();
    let more = items.len().saturating_sub(NAMED_LISTENERS);
    items.truncate(NAMED_LISTENERS);
    let text = items.join(", ");
    if more == 0 { text } else { format!("{text} and {more} more") }
}
