//! What a person should look at: every failed condition, and what no condition can say.

mod certificates;
mod listeners;
mod orphans;

use std::collections::BTreeSet;

use gwapi::reasons::ConditionType;
use gwapi::{Kind, ObjectKey, ObjectRef};
use serde::Serialize;

use crate::certs::Certificates;
use crate::status::{Condition, ListenerStatus, Outcome, Statuses};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is not served.
    Error,
    /// Something is served, but perhaps not as meant.
    Warning,
}

/// The ids of findings that no condition tells, sorted. Every other id is a condition's reason.
pub const IDS: [&str; 13] = [
    "certificate-expired",
    "certificate-expiring",
    "certificate-name-mismatch",
    "certificate-not-yet-valid",
    "class-not-found",
    "endpoint-is-listener",
    "host-on-tcp",
    "no-ready-endpoints",
    "one-route-per-port",
    "parameters-without-effect",
    "parent-not-found",
    "policy-without-effect",
    "unsafe-endpoint",
];

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The object at fault.
    pub object: ObjectRef,
    /// The field at fault, as a path from the object's root: `spec.listeners[2].tls`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Stable name, also the heading in the troubleshooting page: a condition's reason
    /// (`BackendNotFound`), or one of [`IDS`] where no condition says it.
    pub id: String,
    /// What is wrong, with the value found and the value expected.
    pub message: String,
    /// What would repair it, where that is clear: `use port 5432`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Collects everything a person should look at, the worst first, each thing once.
pub(crate) fn collect(
    outcome: &Outcome<'_, '_>,
    statuses: &Statuses,
    certificates: &Certificates<'_>,
    warnings: Vec<Finding>,
) -> Vec<Finding> {
    let mut findings: BTreeSet<Finding> = warnings.into_iter().collect();
    of_statuses(statuses, &mut findings);
    findings.extend(certificates::findings(certificates, outcome.world.now));
    findings.extend(listeners::findings(outcome));
    findings.extend(orphans::findings(outcome, statuses));
    findings.into_iter().collect()
}

/// Every cause of every condition is a finding. Conditions that sum up others have no causes.
fn of_statuses(statuses: &Statuses, findings: &mut BTreeSet<Finding>) {
    let mut add = |kind, key: &ObjectKey, conditions: &[Condition]| {
        for condition in conditions {
            findings.extend(of_condition(kind, key, condition));
        }
    };
    for (key, status) in &statuses.gateway_classes {
        add(Kind::GatewayClass, key, &status.conditions);
    }
    let mut add_listeners = |kind, key: &ObjectKey, listeners: &[ListenerStatus]| {
        for listener in listeners {
            add(kind, key, &listener.conditions);
        }
    };
    for (key, status) in &statuses.gateways {
        add_listeners(Kind::Gateway, key, &status.listeners);
    }
    for (key, status) in &statuses.listener_sets {
        add_listeners(Kind::ListenerSet, key, &status.listeners);
    }
    for (key, status) in &statuses.gateways {
        add(Kind::Gateway, key, &status.conditions);
    }
    for (key, status) in &statuses.listener_sets {
        add(Kind::ListenerSet, key, &status.conditions);
    }
    for (kind, routes) in [
        (Kind::TcpRoute, &statuses.tcp_routes),
        (Kind::UdpRoute, &statuses.udp_routes),
        (Kind::TlsRoute, &statuses.tls_routes),
        (Kind::HttpRoute, &statuses.http_routes),
    ] {
        for (key, status) in routes {
            for parent in &status.parents {
                add(kind, key, &parent.conditions);
            }
        }
    }
    for (key, status) in &statuses.gateway_parameters {
        add(Kind::GatewayParameters, key, &status.conditions);
    }
    for (key, status) in &statuses.backend_tls_policies {
        for ancestor in &status.ancestors {
            add(Kind::BackendTlsPolicy, key, &ancestor.conditions);
        }
    }
}

fn of_condition(
    kind: Kind,
    key: &ObjectKey,
    condition: &Condition,
) -> impl Iterator<Item = Finding> {
    const WARNINGS: [ConditionType; 4] = [
        ConditionType::OverlappingTlsConfig,
        ConditionType::InsecureFrontendValidationMode,
        ConditionType::SupportedVersion,
        ConditionType::Effective,
    ];
    let is_warning = WARNINGS.iter().any(|r#type| r#type.as_str() == condition.r#type);
    let is_lost = condition.r#type == ConditionType::Effective.as_str();
    let object = ObjectRef::new(kind, key.clone());
    condition.causes.iter().map(move |cause| Finding {
        severity: if is_warning { Severity::Warning } else { Severity::Error },
        object: object.clone(),
        field: cause.field.clone(),
        id: if is_lost { "one-route-per-port" } else { cause.reason.as_str() }.to_owned(),
        message: cause.message.clone(),
        fix: cause.fix.clone(),
    })
}

fn warning(object: ObjectRef, field: Option<String>, id: &str, message: String) -> Finding {
    Finding { severity: Severity::Warning, object, field, id: id.to_owned(), message, fix: None }
}
