//! Status of one listener, of a Gateway and of a ListenerSet alike.

use std::collections::BTreeMap;

use gwapi::reasons::{ConditionType, Reason};
use snapshot::BindState;

use super::condition::Conditions;
use super::{Cause, Condition, ListenerStatus, Outcome};
use crate::acceptance::Role;
use crate::hostnames::overlap;
use crate::listeners::tls::Tls;
use crate::listeners::{Listener, ListenerId};

/// Of all listeners.
pub(super) fn statuses(outcome: &Outcome<'_, '_>) -> BTreeMap<ListenerId, ListenerStatus> {
    let overlaps = overlaps(outcome);
    let status = |listener: &Listener<'_>| {
        let conditions = Conditions::of(match listener.set {
            None => listener.gateway.object.metadata.generation,
            Some(set) => set.object.metadata.generation,
        });
        let conflict = outcome.acceptance.conflict(listener);
        let mut list = vec![
            accepted(conditions, listener, conflict),
            programmed(conditions, listener, outcome),
            conditions.failed(ConditionType::ResolvedRefs, &listener.unresolved).unwrap_or_else(
                || {
                    let message = "every reference resolves";
                    conditions.yes(ConditionType::ResolvedRefs, Reason::ResolvedRefs, message)
                },
            ),
            conflicted(conditions, conflict),
        ];
        if let Some(cause) = overlaps.get(&listener.id) {
            list.push(conditions.warning(ConditionType::OverlappingTlsConfig, cause.clone()));
        }
        let attached = outcome.attachments.by_listener.get(&listener.id).map_or(0, Vec::len);
        ListenerStatus {
            name: listener.spec.name.clone(),
            supported_kinds: listener.kinds.for_status(),
            attached_routes: i32::try_from(attached).unwrap_or(i32::MAX),
            conditions: list,
        }
    };
    outcome.listeners.iter().map(|listener| (listener.id, status(listener))).collect()
}

fn accepted(
    conditions: Conditions,
    listener: &Listener<'_>,
    conflict: Option<&Cause>,
) -> Condition {
    let causes: Vec<_> = listener.refusals.iter().chain(conflict).cloned().collect();
    conditions.failed(ConditionType::Accepted, &causes).unwrap_or_else(|| {
        conditions.yes(ConditionType::Accepted, Reason::Accepted, "the listener is valid")
    })
}

fn conflicted(conditions: Conditions, conflict: Option<&Cause>) -> Condition {
    match conflict {
        Some(cause) => conditions.yes(ConditionType::Conflicted, cause.reason, &*cause.message),
        None => {
            let message = "no other listener contradicts";
            conditions.no(ConditionType::Conflicted, Reason::NoConflicts, message)
        }
    }
}

/// What the data plane reported, and nothing else, makes this true.
fn programmed(
    conditions: Conditions,
    listener: &Listener<'_>,
    outcome: &Outcome<'_, '_>,
) -> Condition {
    let no = |reason, message: &str| conditions.no(ConditionType::Programmed, reason, message);
    if let Some(conflict) = outcome.acceptance.conflict(listener) {
        return no(conflict.reason, &conflict.message);
    }
    if outcome.acceptance.role(listener) != Role::Serves {
        return no(Reason::Invalid, why_not_served(listener, outcome));
    }
    let Some(report) = outcome.world.applied.get(&listener.gateway.proxy) else {
        return no(Reason::Pending, "the data plane has not answered yet");
    };
    let mut failures = vec![];
    let mut unusable = None;
    let mut is_pending = false;
    for bind in listener.binds() {
        match report.binds.get(&bind) {
            Some(BindState::Bound) => {}
            Some(BindState::PortInUse(words) | BindState::Failed(words)) => {
                let message = format!("{bind}: {words}");
                failures.push(Cause::new(Reason::PortUnavailable, listener.field("port"), message));
            }
            Some(BindState::AddressNotAvailable(words)) => {
                let message = format!("{bind}: {words}");
                // What the Gateway asked for is told there.
                if listener.gateway.addresses.is_requested(bind.address) {
                    unusable = Some(message);
                } else {
                    failures.push(Cause::of_object(Reason::AddressNotUsable, message));
                }
            }
            None => is_pending = true,
        }
    }
    if let Some(failed) = conditions.failed(ConditionType::Programmed, &failures) {
        return failed;
    }
    if let Some(message) = unusable {
        return no(Reason::AddressNotUsable, &message);
    }
    if listener.gateway.addresses.bind.is_empty() {
        return no(Reason::Invalid, "the Gateway has no address to bind");
    }
    if is_pending {
        return no(Reason::Pending, "the data plane has not answered yet");
    }
    conditions.yes(ConditionType::Programmed, Reason::Programmed, "bound")
}

fn why_not_served(listener: &Listener<'_>, outcome: &Outcome<'_, '_>) -> &'static str {
    if !listener.refusals.is_empty() {
        "the listener is not accepted"
    } else if listener.lacks_certificate() {
        "no certificate can be used"
    } else if listener.kinds.usable.is_empty() {
        "no kind of route can attach"
    } else if !outcome.acceptance.is_gateway_accepted(listener.gateway) {
        "the Gateway is not accepted"
    } else {
        "the ListenerSet is not accepted"
    }
}

/// The listeners whose hostnames overlap those of another one of their port, where TLS ends.
///
/// Spec: `OverlappingTLSConfig` (`apis/v1/gateway_types.go`).
fn overlaps(outcome: &Outcome<'_, '_>) -> BTreeMap<ListenerId, Cause> {
    let mut by_port: BTreeMap<_, Vec<&Listener<'_>>> = BTreeMap::new();
    for listener in outcome.listeners {
        let terminates = matches!(listener.tls, Some(Tls::Terminate(_)));
        if terminates && outcome.acceptance.role(listener) != Role::Absent {
            let place = (&listener.gateway.proxy, listener.spec.port);
            by_port.entry(place).or_default().push(listener);
        }
    }
    let mut causes = BTreeMap::new();
    for group in by_port.values() {
        for listener in group {
            let mut others = group.iter().filter(|other| {
                other.id != listener.id
                    && overlap(listener.hostname.as_ref(), other.hostname.as_ref())
                    && listener.gateway.addresses.overlap(&other.gateway.addresses)
            });
            let Some(other) = others.next() else { continue };
            let port = listener.spec.port;
            let message = if other.owner() == listener.owner() {
                format!("overlaps the hostname of listener {} on port {port}", other.spec.name)
            } else {
                format!("overlaps the hostname of another listener on port {port}")
            };
            let field = listener.field("hostname");
            causes.insert(listener.id, Cause::new(Reason::OverlappingHostnames, field, message));
        }
    }
    causes
}
