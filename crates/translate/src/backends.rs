//! What each backendRef leads to: a port of a Service, or a reason why to nothing. Knows no
//! endpoints and no listeners: a reference resolves the same wherever the route is attached.

use std::collections::BTreeMap;
use std::sync::Arc;

use gwapi::objects::ByKey;
use gwapi::reasons::Reason;
use gwapi::{BackendRef, Kind, ObjectKey, Service};
use snapshot::{BackendName, Transport};

use crate::attach::Attachments;
use crate::grants::Grants;
use crate::routes::{Route, RouteId};
use crate::status::Cause;

/// The largest weight of a backendRef (`BackendRef.weight`).
const MAX_WEIGHT: u32 = 1_000_000;

/// One backendRef of a route.
pub(crate) struct Backend<'a> {
    /// The place of its rule.
    pub(crate) rule: usize,
    /// Its place in `backendRefs`.
    index: usize,
    /// Its name for logs and metrics.
    pub(crate) name: Arc<BackendName>,
    /// Its share.
    pub(crate) weight: u32,
    /// Where the share goes.
    pub(crate) port: Result<ServicePort<'a>, Cause>,
}

impl Backend<'_> {
    /// Its path in the route.
    pub(crate) fn field(&self) -> String {
        field((self.rule, self.index), "")
    }
}

fn field((rule, index): Place, field: &str) -> String {
    format!("spec.rules[{rule}].backendRefs[{index}]{field}")
}

/// The place of a rule, and of a backendRef in it.
type Place = (usize, usize);

/// A port of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServicePort<'a> {
    /// The Service.
    pub(crate) service: &'a ObjectKey,
    /// TCP or UDP.
    pub(crate) transport: Transport,
    /// Its number.
    pub(crate) number: u16,
    /// Its name; empty if it has none.
    pub(crate) name: &'a str,
}

/// The backends of each route, by the route.
pub(crate) type BackendsByRoute<'a> = BTreeMap<RouteId, Vec<Backend<'a>>>;

/// Resolves the backendRefs of every route that has a parent of ours.
pub(crate) fn resolve_all<'a>(
    routes: &[Route<'_>],
    attachments: &Attachments<'_>,
    services: &'a ByKey<Service>,
    grants: &Grants<'_>,
) -> BackendsByRoute<'a> {
    let ours = routes.iter().filter(|route| attachments.by_route.contains_key(&route.id));
    ours.map(|route| (route.id, resolve(route, services, grants))).collect()
}

fn resolve<'a>(
    route: &Route<'_>,
    services: &'a ByKey<Service>,
    grants: &Grants<'_>,
) -> Vec<Backend<'a>> {
    let backend = |place: Place, backend: &BackendRef| {
        let namespace = backend.namespace.as_ref().unwrap_or(&route.key.namespace);
        let port = backend.port.and_then(|port| u16::try_from(port).ok());
        Backend {
            name: Arc::new(BackendName {
                namespace: namespace.clone(),
                name: backend.name.clone(),
                port: port.unwrap_or_default(),
            }),
            weight: backend.weight().min(MAX_WEIGHT),
            port: resolve_port(route, backend, place, services, grants),
            rule: place.0,
            index: place.1,
        }
    };
    let rules = route.rules.iter().enumerate();
    rules
        .flat_map(|(rule, of_rule)| {
            let backends = of_rule.backends.iter().enumerate();
            backends.map(move |(index, reference)| ((rule, index), *reference))
        })
        .map(|(place, reference)| backend(place, reference))
        .collect()
}

/// The order of the checks is part of the rules: a grant is asked for before the Service is looked
/// up, or the answer would tell whether a foreign Service exists.
fn resolve_port<'a>(
    route: &Route<'_>,
    backend: &BackendRef,
    place: Place,
    services: &'a ByKey<Service>,
    grants: &Grants<'_>,
) -> Result<ServicePort<'a>, Cause> {
    if (backend.group(), backend.kind()) != (Kind::Service.group(), Kind::Service.as_str()) {
        let message = format!(
            "kind {} of group {:?} is no backend: expected a Service of the core group",
            backend.kind(),
            backend.group()
        );
        return Err(Cause::new(Reason::InvalidKind, field(place, ".kind"), message));
    }
    let namespace = backend.namespace.as_ref().unwrap_or(&route.key.namespace);
    let key = ObjectKey::new(namespace.as_str(), backend.name.as_str());
    grants.check(route.kind.kind(), &route.key.namespace, Kind::Service, &key, || {
        field(place, ".namespace")
    })?;
    let Some((key, service)) = services.get_key_value(&key) else {
        let message = format!("Service {key} does not exist");
        return Err(Cause::new(Reason::BackendNotFound, field(place, ".name"), message));
    };
    if service.spec.r#type.as_deref() == Some("ExternalName") {
        // CVE-2021-25740: its name leads wherever the author of the Service likes.
        let message = format!(
            "Service {key} is of type ExternalName: expected one with endpoints of its own"
        );
        return Err(Cause::new(Reason::InvalidKind, field(place, ".name"), message));
    }
    find_port(route, key, service, backend.port, || field(place, ".port"))
}

/// Finds a port by number and transport: a DNS Service has 53 twice.
fn find_port<'a>(
    route: &Route<'_>,
    key: &'a ObjectKey,
    service: &'a Service,
    wanted: Option<i32>,
    field: impl FnOnce() -> String,
) -> Result<ServicePort<'a>, Cause> {
    let transport = route.kind.transport();
    let protocol = protocol(transport);
    let Some(wanted) = wanted else {
        let message =
            format!("no port: expected one of Service {key}, which has {}", ports(service));
        return Err(Cause::new(Reason::BackendNotFound, field(), message));
    };
    let mut of_number = service.spec.ports.iter().filter(|port| port.port == wanted).peekable();
    let other = of_number.peek().map(|port| port.protocol().to_owned());
    if let Some(port) = of_number.find(|port| port.protocol() == protocol)
        && let Ok(number) = u16::try_from(port.port)
    {
        let name = port.name.as_deref().unwrap_or_default();
        return Ok(ServicePort { service: key, transport, number, name });
    }
    let right = service.spec.ports.iter().find(|port| port.protocol() == protocol);
    let cause = match other {
        Some(other) => Cause::new(
            Reason::UnsupportedProtocol,
            field(),
            format!(
                "port {wanted} of Service {key} is {other}, but a {} needs {protocol}: the Service \
                 has {}",
                route.kind.as_str(),
                ports(service)
            ),
        ),
        None => Cause::new(
            Reason::BackendNotFound,
            field(),
            format!("Service {key} has no port {wanted}: it has {}", ports(service)),
        ),
    };
    Err(match right {
        Some(port) => cause.with_fix(format!("use port {}", port.port)),
        None => cause.with_fix(format!("add a {protocol} port to Service {key}")),
    })
}

/// A transport as Services spell it.
pub(crate) fn protocol(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
    }
}

fn ports(service: &Service) -> String {
    let mut ports: Vec<_> = service
        .spec
        .ports
        .iter()
        .map(|port| format!("{}/{}", port.port, port.protocol()))
        .collect();
    if ports.is_empty() {
        return "no ports".to_owned();
    }
    ports.sort();
    ports.dedup();
    ports.join(", ")
}
