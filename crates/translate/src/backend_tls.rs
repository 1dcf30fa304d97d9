//! BackendTLSPolicy: whether and how TLS is spoken with a backend. Where a policy selects a backend
//! and cannot be followed, the backend is refused: never is it spoken to in the clear instead.
//!
//! A policy holds where Tidegate itself ends the client's TLS and so begins a connection of its
//! own. It does not hold for TLS that is passed through, nor for plain TCP and UDP listeners.

use std::collections::BTreeMap;

use gwapi::backendtlspolicies::{
    BackendTlsPolicySpec, BackendTlsPolicyTargetRefs, BackendTlsPolicyValidation,
    BackendTlsPolicyValidationSubjectAltNames as SubjectAltName,
    BackendTlsPolicyValidationSubjectAltNamesType as SubjectAltNameType,
};
use gwapi::objects::ByKey;
use gwapi::reasons::Reason;
use gwapi::{BackendTlsPolicy, Kind, ObjectKey, Service};
use snapshot::{SubjectName, TrustRoots};

use crate::backends::ServicePort;
use crate::certs::Certificates;
use crate::hostnames::Hostname;
use crate::precedence::Age;
use crate::status::Cause;

/// All policies, the oldest first.
pub(crate) struct Policies<'a> {
    policies: Vec<Policy<'a>>,
    /// Places in `policies`, the oldest first.
    by_target: BTreeMap<Target, Vec<usize>>,
    services: &'a ByKey<Service>,
}

/// What a policy is for: a Service, or one port of it by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    /// The Service.
    pub(crate) service: ObjectKey,
    /// The name of its port; `None` for all of them.
    pub(crate) port: Option<String>,
}

/// One policy.
pub(crate) struct Policy<'a> {
    /// Its key.
    pub(crate) key: &'a ObjectKey,
    /// Its place in the order of precedence.
    age: Age<'a>,
    /// The object.
    pub(crate) object: &'a BackendTlsPolicy,
    /// Its targets, with their path in the policy.
    pub(crate) targets: Vec<(String, Target)>,
    /// How to speak TLS; why that cannot be told.
    pub(crate) settings: Result<Settings, Vec<Cause>>,
    /// References that do not resolve.
    pub(crate) unresolved: Vec<Cause>,
}

/// How to speak TLS with a backend, before a Gateway adds its certificate.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The server name to send.
    pub(crate) server_name: String,
    /// The names one of which the certificate must carry; empty for the server name.
    pub(crate) subject_names: Vec<SubjectName>,
    /// Who may have signed it.
    pub(crate) roots: TrustRoots,
}

impl<'a> Policies<'a> {
    /// Reads all policies.
    pub(crate) fn new(
        objects: &'a ByKey<BackendTlsPolicy>,
        services: &'a ByKey<Service>,
        certificates: &mut Certificates<'_>,
    ) -> Self {
        let mut policies: Vec<_> =
            objects.iter().map(|(key, object)| Policy::read(key, object, certificates)).collect();
        policies.sort_by_key(|policy| policy.age);
        let mut by_target: BTreeMap<Target, Vec<usize>> = BTreeMap::new();
        for (place, policy) in policies.iter().enumerate() {
            for (_, target) in &policy.targets {
                by_target.entry(target.clone()).or_default().push(place);
            }
        }
        Self { policies, by_target, services }
    }

    /// The policy that decides how this port is spoken to.
    ///
    /// Spec: GEP-1897: one for the port beats one for the Service; among equals the oldest.
    pub(crate) fn select(&self, port: &ServicePort<'_>) -> Option<&Policy<'a>> {
        if self.policies.is_empty() {
            return None;
        }
        let of_port = Target { service: port.service.clone(), port: Some(port.name.to_owned()) };
        let of_service = Target { service: port.service.clone(), port: None };
        self.winner(&of_port).or_else(|| self.winner(&of_service))
    }

    /// The oldest policy of exactly this target.
    fn winner(&self, target: &Target) -> Option<&Policy<'a>> {
        self.by_target.get(target)?.first().and_then(|place| self.policies.get(*place))
    }

    /// All of them, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Policy<'a>> {
        self.policies.iter()
    }

    /// Why `policy` does nothing for these targets of it: it must hold for all of them.
    pub(crate) fn ineffective(
        &self,
        policy: &Policy<'_>,
        targets: &[&(String, Target)],
    ) -> Option<Cause> {
        let missing = targets.iter().map(|(field, target)| self.missing(field, target));
        if let Some(causes) = missing.collect::<Option<Vec<_>>>() {
            return causes.into_iter().next();
        }
        let lost = targets.iter().filter(|(field, target)| self.missing(field, target).is_none());
        let lost = lost.map(|(field, target)| {
            let winner = self.winner(target).filter(|winner| winner.key != policy.key)?;
            let message = format!(
                "BackendTLSPolicy {} has the same target ({})",
                winner.key.name,
                winner.age.advantage(policy.age)
            );
            Some(Cause::new(Reason::Conflicted, field.as_str(), message))
        });
        lost.collect::<Option<Vec<_>>>()?.into_iter().next()
    }

    fn missing(&self, field: &str, target: &Target) -> Option<Cause> {
        let Some(service) = self.services.get(&target.service) else {
            let message = format!("Service {} does not exist", target.service);
            return Some(Cause::new(Reason::TargetNotFound, field, message));
        };
        let wanted = target.port.as_deref()?;
        let mut names = service.spec.ports.iter().filter_map(|port| port.name.as_deref());
        if names.any(|name| name == wanted) {
            return None;
        }
        let found: Vec<_> =
            service.spec.ports.iter().filter_map(|port| port.name.as_deref()).collect();
        let message = format!(
            "Service {} has no port named {wanted}: it has {}",
            target.service,
            if found.is_empty() { "no named port".to_owned() } else { found.join(", ") }
        );
        Some(Cause::new(Reason::TargetNotFound, format!("{field}.sectionName"), message))
    }
}

impl<'a> Policy<'a> {
    fn read(
        key: &'a ObjectKey,
        object: &'a BackendTlsPolicy,
        certificates: &mut Certificates<'_>,
    ) -> Self {
        let mut unresolved = vec![];
        let settings = settings(&key.namespace, &object.spec, certificates, &mut unresolved);
        let targets = object.spec.target_refs.iter().enumerate();
        let targets =
            targets.filter_map(|(index, target)| read_target(&key.namespace, index, target));
        Self {
            key,
            age: Age::of(key, &object.metadata),
            object,
            targets: targets.collect(),
            settings,
            unresolved,
        }
    }
}

fn read_target(
    namespace: &str,
    index: usize,
    target: &BackendTlsPolicyTargetRefs,
) -> Option<(String, Target)> {
    let is_service = target.group == Kind::Service.group() && target.kind == Kind::Service.as_str();
    is_service.then(|| {
        let service = ObjectKey::new(namespace, target.name.as_str());
        let port = target.section_name.clone().filter(|name| !name.is_empty());
        (format!("spec.targetRefs[{index}]"), Target { service, port })
    })
}

fn settings(
    namespace: &str,
    spec: &BackendTlsPolicySpec,
    certificates: &mut Certificates<'_>,
    unresolved: &mut Vec<Cause>,
) -> Result<Settings, Vec<Cause>> {
    let validation = &spec.validation;
    let mut refusals = vec![];
    let invalid = |field: &str, message: String| {
        Cause::new(Reason::Invalid, format!("spec.validation.{field}"), message)
    };
    if !matches!(Hostname::parse(&validation.hostname), Some(Hostname::Exact(_))) {
        let message = format!(
            "{:?} is no server name: expected one like db.example.com",
            validation.hostname
        );
        refusals.push(invalid("hostname", message));
    }
    let mut subject_names = vec![];
    for (index, alternative) in validation.subject_alt_names.iter().flatten().enumerate() {
        match subject_name(alternative) {
            Some(name) => subject_names.push(name),
            None => refusals.push(invalid(
                &format!("subjectAltNames[{index}]"),
                "neither a hostname nor a URI of its type".to_owned(),
            )),
        }
    }
    let roots = match roots(namespace, validation, certificates, unresolved) {
        Ok(roots) => Some(roots),
        Err(cause) => {
            refusals.push(cause);
            None
        }
    };
    match roots {
        Some(roots) if refusals.is_empty() => Ok(Settings {
            server_name: validation.hostname.to_ascii_lowercase(),
            subject_names,
            roots,
        }),
        _ => Err(refusals),
    }
}

fn subject_name(alternative: &SubjectAltName) -> Option<SubjectName> {
    match alternative.r#type {
        SubjectAltNameType::Hostname => {
            let hostname = Hostname::parse(alternative.hostname.as_deref()?)?;
            Some(SubjectName::Dns(hostname.to_string()))
        }
        SubjectAltNameType::Uri => {
            let uri = alternative.uri.as_ref().filter(|uri| !uri.is_empty())?;
            Some(SubjectName::Uri(uri.clone()))
        }
    }
}

fn roots(
    namespace: &str,
    validation: &BackendTlsPolicyValidation,
    certificates: &mut Certificates<'_>,
    unresolved: &mut Vec<Cause>,
) -> Result<TrustRoots, Cause> {
    let refs = validation.ca_certificate_refs.as_deref().unwrap_or_default();
    let well_known = validation.well_known_ca_certificates.as_deref();
    match (refs, well_known.filter(|name| !name.is_empty())) {
        ([], Some("System")) => return Ok(TrustRoots::System),
        ([], other) => {
            let message = match other {
                Some(other) => format!("{other} is not supported: expected System"),
                None => "missing: expected System, or caCertificateRefs".to_owned(),
            };
            let field = "spec.validation.wellKnownCACertificates";
            return Err(Cause::new(Reason::Invalid, field, message));
        }
        (_, Some(_)) => {
            let message = "set together with caCertificateRefs: expected one of them";
            let field = "spec.validation.wellKnownCACertificates";
            return Err(Cause::new(Reason::Invalid, field, message));
        }
        (_, None) => {}
    }
    let mut roots = vec![];
    for (index, authority) in refs.iter().enumerate() {
        let field = format!("spec.validation.caCertificateRefs[{index}]");
        if authority.group != Kind::ConfigMap.group() || authority.kind != Kind::ConfigMap.as_str()
        {
            let message = format!(
                "kind {} of group {:?} holds no certificate authority: expected a ConfigMap of \
                 the core group",
                authority.kind, authority.group
            );
            unresolved.push(Cause::new(Reason::InvalidKind, field, message));
            continue;
        }
        match certificates.authorities(ObjectKey::new(namespace, authority.name.as_str())) {
            Ok(authorities) => roots.extend(authorities.iter().cloned()),
            Err(problem) => {
                unresolved.push(Cause::new(Reason::InvalidCaCertificateRef, field, problem));
            }
        }
    }
    if roots.is_empty() {
        let message = "none of the certificate authorities can be used";
        let field = "spec.validation.caCertificateRefs";
        return Err(Cause::new(Reason::NoValidCaCertificate, field, message));
    }
    roots.sort();
    roots.dedup();
    Ok(TrustRoots::Certificates(roots))
}
