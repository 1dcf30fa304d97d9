//! Status of routes, one entry for every parentRef that leads to a Gateway of ours.

use std::collections::BTreeMap;

use gwapi::reasons::{ConditionType, Reason};
use snapshot::PathMatch;

use super::condition::Conditions;
use super::{Cause, Condition, Outcome, ParentStatus, RouteStatus};
use crate::attach::Attachment;
use crate::claims::Loss;
use crate::listeners::{Listener, ListenerId};
use crate::routes::{Route, RouteId, find};

/// The losses of every route.
pub(super) type Losses<'l> = BTreeMap<RouteId, Vec<(ListenerId, &'l Loss)>>;

/// Sorts losses by the route that lost.
pub(super) fn losses<'l>(outcome: &Outcome<'l, '_>) -> Losses<'l> {
    let mut losses: Losses<'l> = BTreeMap::new();
    for listener in outcome.listeners {
        for loss in outcome.claims.of(listener.id).iter().flat_map(|claim| &claim.losses) {
            losses.entry(loss.loser).or_default().push((listener.id, loss));
        }
    }
    losses
}

/// Of one route; `None` if no parentRef leads to a Gateway of ours.
pub(super) fn status(
    route: &Route<'_>,
    outcome: &Outcome<'_, '_>,
    by_id: &BTreeMap<ListenerId, &Listener<'_>>,
    losses: &Losses<'_>,
) -> Option<RouteStatus> {
    let attachments = outcome.attachments.by_route.get(&route.id)?;
    let conditions = Conditions::of(route.metadata.generation);
    let resolved_refs = resolved_refs(conditions, route, outcome);
    let losses = losses.get(&route.id).map(Vec::as_slice).unwrap_or_default();
    let parent = |attachment: &Attachment<'_>| {
        let mut list = vec![accepted(conditions, attachment, by_id), resolved_refs.clone()];
        list.extend(effective(conditions, route, attachment, outcome, by_id, losses));
        ParentStatus { parent_ref: attachment.parent.clone(), conditions: list }
    };
    Some(RouteStatus { parents: attachments.iter().map(parent).collect() })
}

fn accepted(
    conditions: Conditions,
    attachment: &Attachment<'_>,
    by_id: &BTreeMap<ListenerId, &Listener<'_>>,
) -> Condition {
    let r#type = ConditionType::Accepted;
    match &attachment.outcome {
        Ok(listeners) => {
            let names = listeners.iter().filter_map(|id| by_id.get(id));
            let names: Vec<_> = names.map(|listener| listener.spec.name.as_str()).collect();
            let message = format!("attached to listener {}", names.join(", "));
            conditions.yes(r#type, Reason::Accepted, message)
        }
        Err(cause) => conditions
            .failed(r#type, std::slice::from_ref(cause))
            .unwrap_or_else(|| conditions.no(r#type, cause.reason, &*cause.message)),
    }
}

/// The same for every parent: what a backendRef leads to does not depend on it.
fn resolved_refs(
    conditions: Conditions,
    route: &Route<'_>,
    outcome: &Outcome<'_, '_>,
) -> Condition {
    let backends = outcome.backends.get(&route.id).map(Vec::as_slice).unwrap_or_default();
    let mut causes: Vec<_> =
        backends.iter().filter_map(|backend| backend.port.as_ref().err().cloned()).collect();
    causes.sort_by_key(|cause| severity(cause.reason));
    conditions.failed(ConditionType::ResolvedRefs, &causes).unwrap_or_else(|| {
        let message = "every backend resolves";
        conditions.yes(ConditionType::ResolvedRefs, Reason::ResolvedRefs, message)
    })
}

/// Which of several broken backends names the reason: in the order of the checks, 0 is the worst.
fn severity(reason: Reason) -> usize {
    match reason {
        Reason::InvalidKind => 0,
        Reason::RefNotPermitted => 1,
        Reason::BackendNotFound => 2,
        _ => 3,
    }
}

/// Present only where something that the parentRef asks for goes to an older route. That route is
/// named only to those who may know of it anyway.
fn effective(
    conditions: Conditions,
    route: &Route<'_>,
    attachment: &Attachment<'_>,
    outcome: &Outcome<'_, '_>,
    by_id: &BTreeMap<ListenerId, &Listener<'_>>,
    losses: &[(ListenerId, &Loss)],
) -> Option<Condition> {
    let attached = attachment.outcome.as_ref().ok()?;
    let here = losses.iter().filter(|(id, _)| attached.contains(id));
    let causes = here.filter_map(|(id, loss)| {
        let listener = by_id.get(id)?;
        let winner = find(outcome.routes, loss.winner)?;
        let who = if winner.key.namespace == route.key.namespace {
            format!("{} {}", winner.kind.as_str(), winner.key)
        } else {
            "a route of another namespace".to_owned()
        };
        let port = listener.spec.port;
        let path = match &loss.path {
            Some(PathMatch::Exact(path)) => Some(format!("path {path}")),
            Some(PathMatch::Prefix(path)) => Some(format!("path {path}/")),
            None => None,
        };
        let what = match (path, &loss.hostname) {
            (Some(path), Some(hostname)) => format!("{path} of {hostname} on port {port}"),
            (Some(path), None) => format!("{path} of every host on port {port}"),
            (None, Some(hostname)) => format!("{hostname} on port {port}"),
            (None, None) => format!("port {port}"),
        };
        let message = format!(
            "{what} of listener {} is served by {who} ({})",
            listener.spec.name,
            winner.age.advantage(route.age)
        );
        let (field, fix) = match (&loss.path, &loss.hostname) {
            (Some(_), _) => (
                "spec.rules".to_owned(),
                "use another path or hostname, or delete one of the routes",
            ),
            (None, Some(_)) => {
                ("spec.hostnames".to_owned(), "use another hostname, or delete one of the routes")
            }
            (None, None) => {
                (attachment.field(), "use another listener, or delete one of the routes")
            }
        };
        Some(Cause::new(Reason::ListenerAlreadyClaimed, field, message).with_fix(fix))
    });
    conditions.failed(ConditionType::Effective, &causes.collect::<Vec<_>>())
}
