//! Status of Gateways.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gwapi::reasons::{ConditionType, Reason};
use snapshot::BindState;

use super::condition::Conditions;
use super::{Cause, Condition, GatewayStatus, ListenerStatus, Outcome, is_true};
use crate::acceptance::Role;
use crate::addresses::Requested;

use crate::gateways::Gateway;
use crate::listeners::{Listener, ListenerId};

/// Of one Gateway.
pub(super) fn status(
    gateway: &Gateway<'_>,
    outcome: &Outcome<'_, '_>,
    listener_statuses: &BTreeMap<ListenerId, ListenerStatus>,
) -> GatewayStatus {
    let own: Vec<(&Listener<'_>, &ListenerStatus)> = outcome
        .listeners
        .iter()
        .filter(|listener| listener.gateway.ordinal == gateway.ordinal && listener.set.is_none())
        .filter_map(|listener| Some((listener, listener_statuses.get(&listener.id)?)))
        .collect();
    let conditions = Conditions::of(gateway.object.metadata.generation);
    let bound = Bound::of(gateway, outcome);
    let accepted = accepted(conditions, gateway, outcome, &own);
    let mut list = vec![
        programmed(conditions, accepted.status, gateway, &bound, &own),
        resolved_refs(conditions, gateway, &own),
        addresses_assigned(conditions, gateway, &bound),
    ];
    list.insert(0, accepted);
    if let Some(field) = &gateway.frontend_tls.insecure_field {
        let message = "AllowInsecureFallback lets clients in that show no valid certificate";
        let cause = Cause::new(Reason::ConfigurationChanged, field.as_str(), message);
        list.push(conditions.warning(ConditionType::InsecureFrontendValidationMode, cause));
    }
    let sets = outcome.sets.iter().filter(|set| set.gateway.ordinal == gateway.ordinal);
    let attached = sets.filter(|set| outcome.acceptance.is_set_accepted(set)).count();
    GatewayStatus {
        addresses: bound.addresses,
        attached_listener_sets: i32::try_from(attached).unwrap_or(i32::MAX),
        conditions: list,
        listeners: own.into_iter().map(|(_, status)| status.clone()).collect(),
    }
}

/// What is known of a Gateway's addresses.
struct Bound {
    /// For the status: type and value.
    addresses: Vec<(&'static str, String)>,
    /// Requested addresses that cannot be used.
    unusable: Vec<Cause>,
    /// How many addresses there should be.
    wanted: usize,
}

impl Bound {
    fn of(gateway: &Gateway<'_>, outcome: &Outcome<'_, '_>) -> Self {
        let addresses = &gateway.addresses;
        let unusable = |index: usize, words: &str| {
            let requested = addresses.requested.get(index)?;
            let message = format!("{}: {words}", requested.value);
            Some(Cause::new(Reason::AddressNotUsable, requested.field.as_str(), message))
        };
        if let Some(assigned) = &addresses.assigned {
            let is_missing = |requested: &Requested| {
                !assigned.is_empty() && !assigned.iter().any(|address| requested.is(address))
            };
            let requested = addresses.requested.iter().enumerate();
            return Self {
                addresses: assigned
                    .iter()
                    .map(|value| (address_type(value), value.clone()))
                    .collect(),
                unusable: requested
                    .filter(|(_, requested)| is_missing(requested))
                    .filter_map(|(index, _)| unusable(index, "not assigned to the Service"))
                    .collect(),
                wanted: addresses.requested.len().max(1),
            };
        }
        let states = states(gateway, outcome);
        let problem = |address: Option<IpAddr>| match address {
            None => Some("not an IP address"),
            Some(address) => states.get(&address)?.iter().find_map(|state| match state {
                BindState::AddressNotAvailable(words) => Some(words.as_str()),
                _ => None,
            }),
        };
        let requested = addresses.requested.iter().enumerate();
        let is_bound = |address: &&IpAddr| {
            states.get(address).is_some_and(|states| states.iter().any(|state| state.is_bound()))
        };
        let bound = addresses.bind.iter().filter(is_bound);
        Self {
            addresses: bound.map(|address| ("IPAddress", address.to_string())).collect(),
            unusable: requested
                .filter_map(|(index, requested)| unusable(index, problem(requested.address)?))
                .collect(),
            wanted: addresses.bind.len(),
        }
    }
}

/// What was reported of the sockets at each address of a Gateway.
fn states<'l>(
    gateway: &Gateway<'_>,
    outcome: &Outcome<'l, '_>,
) -> BTreeMap<IpAddr, Vec<&'l BindState>> {
    let mut states: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let Some(report) = outcome.world.applied.get(&gateway.proxy) else { return states };
    for listener in outcome.listeners {
        if listener.gateway.ordinal == gateway.ordinal
            && outcome.acceptance.role(listener) == Role::Serves
        {
            for bind in listener.binds() {
                if let Some(state) = report.binds.get(&bind) {
                    states.entry(bind.address).or_default().push(state);
                }
            }
        }
    }
    states
}

fn address_type(value: &str) -> &'static str {
    if value.parse::<IpAddr>().is_ok() { "IPAddress" } else { "Hostname" }
}

fn accepted(
    conditions: Conditions,
    gateway: &Gateway<'_>,
    outcome: &Outcome<'_, '_>,
    own: &[(&Listener<'_>, &ListenerStatus)],
) -> Condition {
    if let Some(refused) = conditions.failed(ConditionType::Accepted, &gateway.refusals) {
        return refused;
    }
    let refused: Vec<_> = own
        .iter()
        .filter(|(listener, _)| !outcome.acceptance.is_listener_accepted(listener))
        .map(|(listener, _)| listener.spec.name.as_str())
        .collect();
    if refused.is_empty() {
        return conditions.yes(ConditionType::Accepted, Reason::Accepted, "the Gateway is valid");
    }
    let message = format!("not accepted: listener {}", refused.join(", "));
    let reason = Reason::ListenersNotValid;
    if outcome.acceptance.is_gateway_accepted(gateway) {
        conditions.yes(ConditionType::Accepted, reason, message)
    } else {
        conditions.no(ConditionType::Accepted, reason, message)
    }
}

fn programmed(
    conditions: Conditions,
    is_accepted: bool,
    gateway: &Gateway<'_>,
    bound: &Bound,
    own: &[(&Listener<'_>, &ListenerStatus)],
) -> Condition {
    // What could not be made explains why nothing works; it is no fault of what works already.
    let no = |reason, message: &str| {
        let words = std::iter::once(message);
        let words = words.chain(gateway.addresses.problems.iter().map(String::as_str));
        conditions.no(ConditionType::Programmed, reason, words.collect::<Vec<_>>().join("; "))
    };
    if !is_accepted {
        return no(Reason::Invalid, "the Gateway is not accepted");
    }
    if let Some(failed) = conditions.failed(ConditionType::Programmed, &bound.unusable) {
        return failed;
    }
    if gateway.addresses.assigned.as_ref().is_some_and(Vec::is_empty) {
        return no(Reason::AddressNotAssigned, "the Service has no address yet");
    }
    let named = |wanted: bool| {
        let matching = own.iter().filter(move |(_, status)| {
            is_true(&status.conditions, ConditionType::Programmed) == wanted
        });
        matching.map(|(listener, _)| listener.spec.name.as_str()).collect::<Vec<_>>()
    };
    let (programmed, others) = (named(true), named(false));
    if !programmed.is_empty() {
        let mut message = format!("programmed: listener {}", programmed.join(", "));
        if !others.is_empty() {
            message.push_str(&format!("; not programmed: listener {}", others.join(", ")));
        }
        return conditions.yes(ConditionType::Programmed, Reason::Programmed, message);
    }
    let is_pending = own.iter().flat_map(|(_, status)| &status.conditions).any(|condition| {
        condition.r#type == ConditionType::Programmed.as_str()
            && condition.reason == Reason::Pending.as_str()
    });
    if is_pending {
        no(Reason::Pending, "the data plane has not answered yet")
    } else {
        no(Reason::Invalid, "no listener is programmed")
    }
}

fn resolved_refs(
    conditions: Conditions,
    gateway: &Gateway<'_>,
    own: &[(&Listener<'_>, &ListenerStatus)],
) -> Condition {
    if let Err(cause) = &gateway.client_identity
        && let Some(failed) =
            conditions.failed(ConditionType::ResolvedRefs, std::slice::from_ref(cause))
    {
        return failed;
    }
    let broken: Vec<_> = own
        .iter()
        .filter(|(listener, _)| !listener.unresolved.is_empty())
        .map(|(listener, _)| listener.spec.name.as_str())
        .collect();
    if broken.is_empty() {
        let message = "every reference resolves";
        return conditions.yes(ConditionType::ResolvedRefs, Reason::ResolvedRefs, message);
    }
    let message = format!("references that do not resolve: listener {}", broken.join(", "));
    conditions.no(ConditionType::ResolvedRefs, Reason::ListenersNotResolved, message)
}

fn addresses_assigned(conditions: Conditions, gateway: &Gateway<'_>, bound: &Bound) -> Condition {
    let r#type = ConditionType::AddressesAssigned;
    let values: Vec<_> = bound.addresses.iter().map(|(_, value)| value.as_str()).collect();
    let is_complete = values.len() >= bound.wanted
        && bound.unusable.is_empty()
        && gateway.addresses.unsupported.is_empty();
    if values.is_empty() {
        conditions.no(r#type, Reason::NotAssigned, "no address is bound")
    } else if is_complete {
        conditions.yes(r#type, Reason::AddressesAssigned, values.join(", "))
    } else {
        let message =
            format!("{} of {} addresses: {}", values.len(), bound.wanted, values.join(", "));
        conditions.no(r#type, Reason::PartiallyAssigned, message)
    }
}
