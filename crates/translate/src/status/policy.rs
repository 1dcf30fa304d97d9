//! Status of BackendTLSPolicies, one entry for every Gateway of ours that uses a target.

use std::collections::{BTreeMap, BTreeSet};

use gwapi::ObjectKey;
use gwapi::reasons::{ConditionType, Reason};

use super::condition::Conditions;
use super::{AncestorStatus, Condition, Outcome, PolicyStatus};
use crate::backend_tls::{Policy, Target};
use crate::gateways::Gateway;
use crate::listeners::Protocol;
use crate::listeners::tls::Tls;

/// The status holds no more entries (`PolicyStatus.ancestors`).
const MAX_ANCESTORS: usize = 16;

/// The Services that each Gateway, by its ordinal, reaches in the clear of what it carries.
pub(super) type Uses = BTreeMap<usize, BTreeSet<ObjectKey>>;

/// Finds the Services that Gateways reach after ending TLS, or with HTTP: there alone do policies
/// hold.
pub(super) fn uses(outcome: &Outcome<'_, '_>) -> Uses {
    let mut uses: Uses = BTreeMap::new();
    for listener in outcome.listeners {
        let ends_tls = matches!(listener.tls, Some(Tls::Terminate(_)));
        if !ends_tls && listener.protocol != Some(Protocol::Http) {
            continue;
        }
        let attached = outcome.attachments.by_listener.get(&listener.id);
        for route in attached.into_iter().flatten() {
            for backend in outcome.backends.get(route).into_iter().flatten() {
                let may_be_known = backend
                    .port
                    .as_ref()
                    .err()
                    .is_none_or(|cause| cause.reason == Reason::BackendNotFound);
                if may_be_known {
                    let name = &backend.name;
                    let service = ObjectKey::new(name.namespace.as_str(), name.name.as_str());
                    uses.entry(listener.gateway.ordinal).or_default().insert(service);
                }
            }
        }
    }
    uses
}

/// Of one policy; `None` if no Gateway of ours uses a target.
pub(super) fn status(
    policy: &Policy<'_>,
    outcome: &Outcome<'_, '_>,
    uses: &Uses,
) -> Option<PolicyStatus> {
    let mut ancestors: Vec<_> = outcome
        .gateways
        .iter()
        .filter_map(|gateway| ancestor(policy, gateway, outcome, uses.get(&gateway.ordinal)?))
        .collect();
    ancestors.sort_by(|a, b| a.gateway.cmp(&b.gateway));
    ancestors.truncate(MAX_ANCESTORS);
    (!ancestors.is_empty()).then_some(PolicyStatus { ancestors })
}

fn ancestor(
    policy: &Policy<'_>,
    gateway: &Gateway<'_>,
    outcome: &Outcome<'_, '_>,
    used: &BTreeSet<ObjectKey>,
) -> Option<AncestorStatus> {
    let targets: Vec<&(String, Target)> =
        policy.targets.iter().filter(|(_, target)| used.contains(&target.service)).collect();
    if targets.is_empty() {
        return None;
    }
    let conditions = Conditions::of(policy.object.metadata.generation);
    let resolved =
        conditions.failed(ConditionType::ResolvedRefs, &policy.unresolved).unwrap_or_else(|| {
            let message = "every reference resolves";
            conditions.yes(ConditionType::ResolvedRefs, Reason::ResolvedRefs, message)
        });
    Some(AncestorStatus {
        gateway: gateway.key.clone(),
        conditions: vec![accepted(conditions, policy, &targets, outcome), resolved],
    })
}

fn accepted(
    conditions: Conditions,
    policy: &Policy<'_>,
    targets: &[&(String, Target)],
    outcome: &Outcome<'_, '_>,
) -> Condition {
    let ineffective = outcome.policies.ineffective(policy, targets);
    let refusals = policy.settings.as_ref().err().into_iter().flatten().cloned();
    let causes: Vec<_> = ineffective.into_iter().chain(refusals).collect();
    conditions.failed(ConditionType::Accepted, &causes).unwrap_or_else(|| {
        let message = format!("TLS with server name {}", policy.object.spec.validation.hostname);
        conditions.yes(ConditionType::Accepted, Reason::Accepted, message)
    })
}
