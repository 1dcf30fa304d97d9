//! Where the traffic of a route goes: its targets, and the clusters behind them, made once for all
//! listeners that name them.

use std::collections::BTreeMap;
use std::sync::Arc;

use gwapi::reasons::Reason;
use snapshot::{BackendTls, Cluster, ClusterKey, EndpointState, Rejection, Target, Weighted};

use crate::backend_tls::Policies;
use crate::backends::{Backend, BackendsByRoute, ServicePort};
use crate::endpoints::{Endpoints, Found};
use crate::findings::{Finding, Severity};
use crate::gateways::Gateway;
use crate::routes::{Route, RouteId, find};

/// How a connection came to the route, which decides how it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hop {
    /// Its bytes are relayed as they are.
    Plain,
    /// A listener of this Gateway ended its TLS: policies say whether TLS begins anew.
    AfterTermination {
        /// The Gateway's ordinal.
        gateway: usize,
    },
}

/// Makes routes and clusters.
pub(crate) struct Targets<'l, 'a> {
    gateways: &'l [Gateway<'a>],
    routes: &'l [Route<'a>],
    backends: &'l BackendsByRoute<'a>,
    policies: &'l Policies<'a>,
    endpoints: &'l Endpoints<'a>,
    made_routes: BTreeMap<(RouteId, Hop), Arc<snapshot::Route>>,
    made_clusters: BTreeMap<ClusterKey, Arc<Cluster>>,
    found: BTreeMap<ServicePort<'a>, Found>,
    /// What is served, but perhaps not as meant.
    pub(crate) warnings: Vec<Finding>,
}

impl<'l, 'a> Targets<'l, 'a> {
    /// Nothing made yet.
    pub(crate) fn new(
        gateways: &'l [Gateway<'a>],
        routes: &'l [Route<'a>],
        backends: &'l BackendsByRoute<'a>,
        policies: &'l Policies<'a>,
        endpoints: &'l Endpoints<'a>,
    ) -> Self {
        Self {
            gateways,
            routes,
            backends,
            policies,
            endpoints,
            made_routes: BTreeMap::new(),
            made_clusters: BTreeMap::new(),
            found: BTreeMap::new(),
            warnings: vec![],
        }
    }

    /// The route as listeners of this kind use it.
    pub(crate) fn route(&mut self, id: RouteId, hop: Hop) -> Option<Arc<snapshot::Route>> {
        if let Some(made) = self.made_routes.get(&(id, hop)) {
            return Some(Arc::clone(made));
        }
        let route = find(self.routes, id)?;
        let backends = self.backends.get(&id).map(Vec::as_slice).unwrap_or_default();
        let targets = backends.iter().map(|backend| Weighted {
            weight: backend.weight,
            target: match self.cluster_of(route, backend, hop) {
                Ok(cluster) => Target::Cluster(cluster),
                Err(reason) => Target::Reject(Rejection {
                    backend: Arc::clone(&backend.name),
                    reason: reason.as_str().to_owned(),
                }),
            },
        });
        let targets = targets.collect();
        let made = Arc::new(snapshot::Route { name: Arc::clone(&route.name), targets });
        self.made_routes.insert((id, hop), Arc::clone(&made));
        Some(made)
    }

    /// The cluster of this key, if a route named it.
    pub(crate) fn cluster(&self, key: &ClusterKey) -> Option<&Arc<Cluster>> {
        self.made_clusters.get(key)
    }

    fn cluster_of(
        &mut self,
        route: &Route<'_>,
        backend: &'l Backend<'a>,
        hop: Hop,
    ) -> Result<ClusterKey, Reason> {
        let port = backend.port.as_ref().map_err(|cause| cause.reason)?;
        let tls = self.backend_tls(port, hop)?;
        // A cluster is another one where TLS differs: its connections cannot be shared. Per
        // Gateway it differs only by the certificate that the Gateway shows.
        let transport = if tls.is_some() { "tls".to_owned() } else { port.transport.to_string() };
        let gateway = match (&tls, hop) {
            (Some(BackendTls { identity: Some(_), .. }), Hop::AfterTermination { gateway }) => {
                self.gateways.get(gateway).map(|gateway| format!("@{}", gateway.key))
            }
            _ => None,
        };
        let gateway = gateway.unwrap_or_default();
        let key = ClusterKey::new(format!("{transport}/{}:{}{gateway}", port.service, port.number));
        let found = self.found.entry(port.clone()).or_insert_with(|| self.endpoints.of(port));
        self.warnings.extend(warnings(route, backend, port, found));
        self.made_clusters.entry(key.clone()).or_insert_with(|| {
            Arc::new(Cluster {
                name: Arc::clone(&backend.name),
                endpoints: found.endpoints.clone(),
                tls: tls.map(Arc::new),
            })
        });
        Ok(key)
    }

    fn backend_tls(&self, port: &ServicePort<'_>, hop: Hop) -> Result<Option<BackendTls>, Reason> {
        let Hop::AfterTermination { gateway } = hop else { return Ok(None) };
        let Some(policy) = self.policies.select(port) else { return Ok(None) };
        let settings = match &policy.settings {
            Ok(settings) => settings.clone(),
            Err(causes) => {
                return Err(causes.first().map_or(Reason::Invalid, |cause| cause.reason));
            }
        };
        // A backend that wants to know who calls must not be called anonymously instead.
        let identity = match self.gateways.get(gateway).map(|gateway| &gateway.client_identity) {
            Some(Ok(identity)) => identity.clone(),
            Some(Err(cause)) => return Err(cause.reason),
            None => None,
        };
        Ok(Some(BackendTls {
            server_name: settings.server_name,
            subject_names: settings.subject_names,
            roots: settings.roots,
            identity,
        }))
    }
}

fn warnings(
    route: &Route<'_>,
    backend: &Backend<'_>,
    port: &ServicePort<'_>,
    found: &Found,
) -> Vec<Finding> {
    let warning = |id: &str, message: String, fix: Option<String>| Finding {
        severity: Severity::Warning,
        object: route.object(),
        field: Some(backend.field.clone()),
        id: id.to_owned(),
        message,
        fix,
    };
    let mut warnings = vec![];
    let is_ready = |state| state == EndpointState::Ready;
    let name = format!("Service {} port {}", port.service, port.number);
    if backend.weight > 0 && !found.endpoints.iter().any(|endpoint| is_ready(endpoint.state)) {
        let message = match found.endpoints.len() {
            0 => format!("{name} has no endpoint"),
            number => format!("{name} has no ready endpoint ({number} not ready)"),
        };
        warnings.push(warning("no-ready-endpoints", message, None));
    }
    if !found.unsafe_addresses.is_empty() {
        let addresses: Vec<_> = found.unsafe_addresses.iter().cloned().collect();
        let message =
            format!("{name} has endpoints that are never dialled: {}", addresses.join(", "));
        warnings.push(warning("unsafe-endpoint", message, None));
    }
    if !found.own_sockets.is_empty() {
        let sockets: Vec<_> = found.own_sockets.iter().map(ToString::to_string).collect();
        let message =
            format!("{name} has endpoints that are sockets of our own: {}", sockets.join(", "));
        let fix = "use another port for the listener or for the backend".to_owned();
        warnings.push(warning("endpoint-is-listener", message, Some(fix)));
    }
    warnings
}
