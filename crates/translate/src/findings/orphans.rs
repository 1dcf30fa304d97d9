//! Objects that lead nowhere. Said only standalone, where every manifest is meant for us; in a
//! cluster they may be another controller's.

use gwapi::{DEFAULT_CLASS, GATEWAY_GROUP, Kind, ObjectKey, ObjectRef};

use super::{Finding, Severity, warning};
use crate::Addresses;
use crate::attach::parent_of;
use crate::listener_sets::gateway_of;
use crate::routes::Route;
use crate::status::{Outcome, Statuses};

/// Of every object whose parent is missing.
pub(super) fn findings(outcome: &Outcome<'_, '_>, statuses: &Statuses) -> Vec<Finding> {
    if !matches!(outcome.world.addresses, Addresses::Own(_)) {
        return vec![];
    }
    let routes = outcome.routes.iter().flat_map(|route| of_route(route, outcome));
    gateways(outcome)
        .chain(listener_sets(outcome))
        .chain(routes)
        .chain(policies(outcome, statuses))
        .chain(parameters(outcome))
        .collect()
}

fn gateways(outcome: &Outcome<'_, '_>) -> impl Iterator<Item = Finding> {
    outcome.world.objects.gateways.iter().filter_map(|(key, gateway)| {
        let class = &gateway.spec.gateway_class_name;
        if outcome.classes.get(class).is_some() {
            return None;
        }
        let classes = &outcome.world.objects.gateway_classes;
        let is_foreign = classes.contains_key(&ObjectKey::new("", class.as_str()));
        let found = match is_foreign {
            true => format!("GatewayClass {class} is another controller's"),
            false => format!("GatewayClass {class} does not exist"),
        };
        let object = ObjectRef::new(Kind::Gateway, key.clone());
        let mut finding = error(object, "spec.gatewayClassName", "class-not-found", found);
        // Who defines another controller's class may well mean it.
        if is_foreign {
            finding.severity = Severity::Warning;
        } else if outcome.classes.get(DEFAULT_CLASS).is_some() {
            finding.fix = Some(format!("use gatewayClassName: {DEFAULT_CLASS}"));
        }
        Some(finding)
    })
}

/// A standalone process makes no proxies.
fn parameters(outcome: &Outcome<'_, '_>) -> impl Iterator<Item = Finding> {
    outcome.world.objects.gateway_parameters.keys().map(|key| {
        let object = ObjectRef::new(Kind::GatewayParameters, key.clone());
        let found =
            "the proxies of a cluster are made by it, a standalone process is not: use flags";
        warning(object, None, "parameters-without-effect", found.to_owned())
    })
}

fn listener_sets(outcome: &Outcome<'_, '_>) -> impl Iterator<Item = Finding> {
    outcome.world.objects.listener_sets.iter().filter_map(|(key, set)| {
        let parent = gateway_of(key, set);
        let exists = |key: &ObjectKey| outcome.world.objects.gateways.contains_key(key);
        if parent.as_ref().is_some_and(exists) {
            return None;
        }
        let found = match parent {
            Some(parent) => format!("Gateway {parent} does not exist"),
            None => "the parent is no Gateway".to_owned(),
        };
        let object = ObjectRef::new(Kind::ListenerSet, key.clone());
        Some(error(object, "spec.parentRef", "parent-not-found", found))
    })
}

fn of_route(route: &Route<'_>, outcome: &Outcome<'_, '_>) -> Vec<Finding> {
    let objects = &outcome.world.objects;
    let entries = outcome.attachments.by_route.get(&route.id).map_or(0, Vec::len);
    if entries == route.parents.len() && entries > 0 {
        return vec![];
    }
    let exists = |kind, key: &ObjectKey| match kind {
        Kind::ListenerSet => objects.listener_sets.contains_key(key),
        _ => objects.gateways.contains_key(key),
    };
    let mut findings = vec![];
    for (index, parent) in route.parents.iter().enumerate() {
        let field = format!("spec.parentRefs[{index}]");
        let Some((kind, namespace, name)) = parent_of(route, parent) else {
            // Meant for a mesh or for another controller, most likely.
            let message = format!(
                "kind {} of group {:?} is not served: expected a Gateway or a ListenerSet of \
                 group {GATEWAY_GROUP}",
                parent.kind(),
                parent.group()
            );
            findings.push(warning(route.object(), Some(field), "parent-not-found", message));
            continue;
        };
        let key = ObjectKey::new(namespace, name);
        if !exists(kind, &key) {
            let found = format!("{kind} {key} does not exist");
            findings.push(error(route.object(), &field, "parent-not-found", found));
        }
    }
    if route.parents.is_empty() {
        let found = "no parentRef: the route attaches to nothing".to_owned();
        findings.push(error(route.object(), "spec.parentRefs", "parent-not-found", found));
    }
    findings
}

fn policies(outcome: &Outcome<'_, '_>, statuses: &Statuses) -> impl Iterator<Item = Finding> {
    let told = &statuses.backend_tls_policies;
    outcome.policies.iter().filter(|policy| !told.contains_key(policy.key)).map(|policy| Finding {
        severity: Severity::Warning,
        object: ObjectRef::new(Kind::BackendTlsPolicy, policy.key.clone()),
        field: Some("spec.targetRefs".to_owned()),
        id: "policy-without-effect".to_owned(),
        message: "no listener that terminates TLS or speaks HTTP leads to a target: expected a \
                  Service that a route of such a listener names"
            .to_owned(),
        fix: None,
    })
}

fn error(object: ObjectRef, field: &str, id: &str, message: String) -> Finding {
    Finding {
        severity: Severity::Error,
        object,
        field: Some(field.to_owned()),
        id: id.to_owned(),
        message,
        fix: None,
    }
}
