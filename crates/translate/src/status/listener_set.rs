//! Status of ListenerSets. Nothing is said of one whose Gateway is missing or not ours.

use std::collections::BTreeMap;

use gwapi::reasons::{ConditionType, Reason};

use super::condition::Conditions;
use super::{Condition, GatewayStatus, ListenerSetStatus, ListenerStatus, Outcome, is_true};
use crate::listener_sets::ListenerSet;
use crate::listeners::ListenerId;

/// Of one set. A set that its Gateway does not let in has no listeners to speak of.
pub(super) fn status(
    set: &ListenerSet<'_>,
    gateway: &GatewayStatus,
    outcome: &Outcome<'_, '_>,
    listener_statuses: &BTreeMap<ListenerId, ListenerStatus>,
) -> ListenerSetStatus {
    let conditions = Conditions::of(set.object.metadata.generation);
    let is_of_set = |listener: &&crate::listeners::Listener<'_>| {
        listener.set.is_some_and(|owner| owner.ordinal == set.ordinal)
    };
    let listeners: Vec<_> = outcome.listeners.iter().filter(is_of_set).collect();
    let statuses: Vec<_> =
        listeners.iter().filter_map(|listener| listener_statuses.get(&listener.id)).collect();
    let is_usable = |listener: &crate::listeners::Listener<'_>| {
        outcome.acceptance.is_listener_accepted(listener) && !listener.lacks_permitted_certificate()
    };
    let unusable: Vec<_> = listeners
        .iter()
        .filter(|listener| !is_usable(listener))
        .map(|listener| listener.spec.name.as_str())
        .collect();
    let accepted = accepted(conditions, set, gateway, &unusable, outcome);
    let programmed = programmed(conditions, &accepted, gateway, &statuses);
    ListenerSetStatus {
        conditions: vec![accepted, programmed],
        listeners: statuses.into_iter().cloned().collect(),
    }
}

fn accepted(
    conditions: Conditions,
    set: &ListenerSet<'_>,
    gateway: &GatewayStatus,
    unusable: &[&str],
    outcome: &Outcome<'_, '_>,
) -> Condition {
    let r#type = ConditionType::Accepted;
    if let Some(refused) = conditions.failed(r#type, set.refusal.as_slice()) {
        return refused;
    }
    if !is_true(&gateway.conditions, ConditionType::Accepted) {
        let message = format!("Gateway {} is not accepted", set.gateway.key);
        return conditions.no(r#type, Reason::ParentNotAccepted, message);
    }
    if unusable.is_empty() {
        return conditions.yes(r#type, Reason::Accepted, "the ListenerSet is valid");
    }
    let message = format!("not usable: listener {}", unusable.join(", "));
    if outcome.acceptance.is_set_accepted(set) {
        conditions.yes(r#type, Reason::ListenersNotValid, message)
    } else {
        conditions.no(r#type, Reason::ListenersNotValid, message)
    }
}

fn programmed(
    conditions: Conditions,
    accepted: &Condition,
    gateway: &GatewayStatus,
    statuses: &[&ListenerStatus],
) -> Condition {
    let r#type = ConditionType::Programmed;
    if !accepted.status {
        let refused = Condition { r#type: r#type.as_str(), causes: vec![], ..accepted.clone() };
        if accepted.reason != Reason::ParentNotAccepted.as_str() {
            return refused;
        }
        return conditions.no(r#type, Reason::ParentNotProgrammed, refused.message);
    }
    if !is_true(&gateway.conditions, ConditionType::Programmed) {
        let message = "the Gateway is not programmed";
        return conditions.no(r#type, Reason::ParentNotProgrammed, message);
    }
    let is_programmed =
        |status: &&&ListenerStatus| is_true(&status.conditions, ConditionType::Programmed);
    let programmed: Vec<_> =
        statuses.iter().filter(is_programmed).map(|status| status.name.as_str()).collect();
    if !programmed.is_empty() {
        let message = format!("programmed: listener {}", programmed.join(", "));
        return conditions.yes(r#type, Reason::Programmed, message);
    }
    let is_pending = statuses.iter().flat_map(|status| &status.conditions).any(|condition| {
        condition.r#type == r#type.as_str() && condition.reason == Reason::Pending.as_str()
    });
    if is_pending {
        conditions.no(r#type, Reason::Pending, "the data plane has not answered yet")
    } else {
        conditions.no(r#type, Reason::Invalid, "no listener is programmed")
    }
}
