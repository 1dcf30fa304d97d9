//! What of the present state deserves an Event. Pure.
//!
//! Failures at the object at fault, by the reason of its condition; what only sums up other
//! conditions, or is on its way, is left out. And the two good news that people wait for.

use std::time::Duration;

use gwapi::reasons::{ConditionType, Reason};
use gwapi::{Kind, ObjectKey, ObjectRef};
use translate::status::Condition;

use crate::conditions::{self, Placed};
use crate::owned::{Owned, OwnedKind};
use crate::status::Desired;

/// Objects that belong together are applied one after the other: a route comes before its Service.
const SETTLING: Duration = Duration::from_secs(2);
/// Endpoints come and go while a Deployment rolls.
const ROLLING: Duration = Duration::from_secs(15);
/// A cloud takes its time for an address.
const ASSIGNING: Duration = Duration::from_secs(60);

/// Findings that no condition tells and that change while nobody edits anything.
const FINDINGS: [&str; 6] = [
    "certificate-expired",
    "certificate-expiring",
    "certificate-not-yet-valid",
    "endpoint-is-listener",
    "no-ready-endpoints",
    "unsafe-endpoint",
];

/// Something that deserves an Event when it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notable {
    /// What makes it one thing: as long as this is there, it goes on.
    pub about: About,
    /// What is said.
    pub note: String,
    /// Whether something is wrong.
    pub is_warning: bool,
    /// It has to go on for this long.
    pub patience: Duration,
}

/// What a [`Notable`] is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct About {
    /// The object at fault.
    pub object: ObjectRef,
    /// The reason of the Event, CamelCase.
    pub reason: String,
    /// The part of the object; empty for the whole.
    pub section: String,
}

/// Everything that is notable now.
pub fn notable(desired: &Desired) -> Vec<Notable> {
    let statuses = &desired.translation.statuses;
    let mut list: Vec<_> = conditions::all(statuses).iter().filter_map(failure).collect();
    for finding in &desired.translation.findings {
        if FINDINGS.contains(&finding.id.as_str()) {
            let object = finding.object.clone();
            list.push(Notable {
                about: About {
                    object,
                    reason: camel_case(&finding.id),
                    section: finding.field.clone().unwrap_or_default(),
                },
                note: finding.message.clone(),
                is_warning: true,
                patience: ROLLING,
            });
        }
    }
    for (key, status) in &statuses.gateways {
        let gateway = ObjectRef::new(Kind::Gateway, key.clone());
        let addresses: Vec<_> = status.addresses.iter().map(|(_, value)| value.as_str()).collect();
        if !addresses.is_empty() {
            let addresses = addresses.join(", ");
            let note = format!("clients reach it at {addresses}");
            list.push(good(gateway.clone(), "AddressAssigned", addresses, note));
        }
        if let Some(cluster) = &desired.loaded.cluster {
            list.extend(provisioned(key, gateway, &cluster.owned));
        }
    }
    list
}

fn good(object: ObjectRef, reason: &str, section: String, note: String) -> Notable {
    Notable {
        about: About { object, reason: reason.to_owned(), section },
        note,
        is_warning: false,
        patience: Duration::ZERO,
    }
}

/// That there are proxies, and that their Service cannot have the ports.
fn provisioned<'a>(
    key: &'a ObjectKey,
    gateway: ObjectRef,
    owned: &'a Owned,
) -> impl Iterator<Item = Notable> + 'a {
    let from = |kind| (kind, ObjectKey::new(key.namespace.as_str(), ""));
    let of_namespace = |kind| {
        let objects = owned.objects.range(from(kind)..);
        objects
            .take_while(move |((of, at), _)| *of == kind && at.namespace == key.namespace)
            .filter(|(_, object)| Owned::gateway_of(object).as_ref() == Some(key))
    };
    let deployment = of_namespace(OwnedKind::Deployment).next().map(|((_, deployment), _)| {
        let note = format!("proxies run as Deployment {}", deployment.name);
        good(gateway.clone(), "Provisioned", String::new(), note)
    });
    let refused = of_namespace(OwnedKind::Service).filter_map(move |((_, service), object)| {
        let conditions = object.data["status"]["conditions"].as_array()?;
        let problem = conditions.iter().find(|condition| {
            condition["type"] == "LoadBalancerPortsError" && condition["status"] == "True"
        })?;
        let said = problem["message"].as_str().unwrap_or_default();
        let note = format!("Service {} cannot have all ports: {said}", service.name);
        Some(Notable {
            about: About {
                object: gateway.clone(),
                reason: "MixedProtocolRefused".to_owned(),
                section: service.name.clone(),
            },
            note,
            is_warning: true,
            patience: SETTLING,
        })
    });
    deployment.into_iter().chain(refused)
}

fn failure(placed: &Placed<'_>) -> Option<Notable> {
    let Condition { r#type, status, reason, message, .. } = placed.condition;
    let is_failure_when_true = *r#type == ConditionType::Conflicted.as_str()
        || *r#type == ConditionType::OverlappingTlsConfig.as_str()
        || *r#type == ConditionType::InsecureFrontendValidationMode.as_str();
    // Those say in another way what `Accepted` says, or what somebody chose.
    if is_failure_when_true || *status {
        return None;
    }
    let reason = Reason::ALL.iter().find(|known| known.as_str() == *reason)?;
    let (reason, patience) = announced(*reason)?;
    let mut note = message.clone();
    if !placed.section.is_empty() {
        note = format!("{}: {note}", placed.section);
    }
    Some(Notable {
        about: About {
            object: placed.object.clone(),
            reason: reason.to_owned(),
            section: placed.section.clone(),
        },
        note,
        is_warning: true,
        patience,
    })
}

/// The reason of the Event for a failed condition's reason, and how long it has to go on.
fn announced(reason: Reason) -> Option<(&'static str, Duration)> {
    match reason {
        Reason::AddressNotAssigned => Some(("AddressPending", ASSIGNING)),
        // Good, or on the way.
        Reason::Accepted
        | Reason::Programmed
        | Reason::ResolvedRefs
        | Reason::NoConflicts
        | Reason::SupportedVersion
        | Reason::AddressesAssigned
        | Reason::ConfigurationChanged
        | Reason::Pending => None,
        // Sums up what other conditions say.
        Reason::ListenersNotValid
        | Reason::ListenersNotResolved
        | Reason::Invalid
        | Reason::PartiallyAssigned
        | Reason::NotAssigned
        | Reason::ParentNotAccepted
        | Reason::ParentNotProgrammed => None,
        Reason::UnsupportedVersion
        | Reason::InvalidParameters
        | Reason::UnsupportedAddress
        | Reason::AddressNotUsable
        | Reason::InvalidClientCertificateRef
        | Reason::UnsupportedProtocol
        | Reason::UnsupportedValue
        | Reason::PortUnavailable
        | Reason::HostnameConflict
        | Reason::ProtocolConflict
        | Reason::InvalidRouteKinds
        | Reason::RefNotPermitted
        | Reason::InvalidCertificateRef
        | Reason::InvalidCaCertificateRef
        | Reason::InvalidCaCertificateKind
        | Reason::NoValidCaCertificate
        | Reason::OverlappingHostnames
        | Reason::NotAllowed
        | Reason::NoMatchingParent
        | Reason::NotAllowedByListeners
        | Reason::NoMatchingListenerHostname
        | Reason::InvalidKind
        | Reason::BackendNotFound
        | Reason::ListenerAlreadyClaimed
        | Reason::Conflicted
        | Reason::TargetNotFound => Some((reason.as_str(), SETTLING)),
    }
}

/// `no-ready-endpoints` as `NoReadyEndpoints`.
fn camel_case(id: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    id.split('-').map(word).collect()
}
