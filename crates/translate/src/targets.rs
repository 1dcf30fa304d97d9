//! Where the traffic of a route goes: its targets, and the clusters behind them, made once for all
//! listeners that name them.

use std::collections::HashMap;
use std::sync::Arc;

use gwapi::ObjectKey;
use gwapi::reasons::Reason;
use snapshot::{
    BackendTls, Cluster, ClusterKey, EndpointState, Rejection, Target, TlsIdentity, Weighted,
};

use crate::backend_tls::{Policies, Settings};
use crate::backends::{Backend, BackendsByRoute, ServicePort};
use crate::endpoints::{Endpoints, Found};
use crate::findings::{Finding, Severity};
use crate::gateways::Gateway;
use crate::routes::{Route, RouteId, find};

/// How a connection came to the route, which decides how it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Hop {
    /// Its bytes are relayed as they are.
    Plain,
    /// A listener of this Gateway ended its TLS or reads its requests: policies say whether TLS
    /// begins anew.
    InTheClear {
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
    made_routes: HashMap<(RouteId, usize, Hop), Arc<snapshot::Route>>,
    made_clusters: HashMap<ClusterKey, Made>,
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
            made_routes: HashMap::new(),
            made_clusters: HashMap::new(),
            warnings: vec![],
        }
    }

    /// The only rule of a route, as listeners of this kind use it.
    pub(crate) fn route(&mut self, id: RouteId, hop: Hop) -> Option<Arc<snapshot::Route>> {
        self.rule(id, 0, hop)
    }

    /// One rule of a route, as listeners of this kind use it.
    pub(crate) fn rule(
        &mut self,
        id: RouteId,
        rule: usize,
        hop: Hop,
    ) -> Option<Arc<snapshot::Route>> {
        if let Some(made) = self.made_routes.get(&(id, rule, hop)) {
            return Some(Arc::clone(made));
        }
        let route = find(self.routes, id)?;
        let backends = self.backends.get(&id).map(Vec::as_slice).unwrap_or_default();
        let of_rule = backends.iter().filter(|backend| backend.rule == rule);
        let targets = of_rule.map(|backend| Weighted {
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
        self.made_routes.insert((id, rule, hop), Arc::clone(&made));
        Some(made)
    }

    /// The cluster of this key, if a route named it.
    pub(crate) fn cluster(&self, key: &ClusterKey) -> Option<&Arc<Cluster>> {
        self.made_clusters.get(key).map(|made| &made.cluster)
    }

    fn cluster_of(
        &mut self,
        route: &Route<'_>,
        backend: &'l Backend<'a>,
        hop: Hop,
    ) -> Result<ClusterKey, Reason> {
        let port = backend.port.as_ref().map_err(|cause| cause.reason)?;
        let tls = self.backend_tls(port, hop)?;
        let key = cluster_key(port, tls.as_ref());
        let made = self.made_clusters.entry(key.clone()).or_insert_with(|| {
            let mut found = self.endpoints.of(port);
            let cluster = Arc::new(Cluster {
                name: Arc::clone(&backend.name),
                endpoints: std::mem::take(&mut found.endpoints),
                tls: tls.map(|tls| Arc::new(tls.for_cluster())),
            });
            Made { cluster, found }
        });
        self.warnings.extend(warnings(route, backend, port, made));
        Ok(key)
    }

    fn backend_tls(
        &self,
        port: &ServicePort<'_>,
        hop: Hop,
    ) -> Result<Option<TlsOfGateway<'l>>, Reason> {
        let Hop::InTheClear { gateway } = hop else { return Ok(None) };
        let Some(policy) = self.policies.select(port) else { return Ok(None) };
        let settings = match &policy.settings {
            Ok(settings) => settings,
            Err(causes) => {
                return Err(causes.first().map_or(Reason::Invalid, |cause| cause.reason));
            }
        };
        let Some(gateway) = self.gateways.get(gateway) else { return Err(Reason::Invalid) };
        // A backend that wants to know who calls must not be called anonymously instead.
        let identity = gateway.client_identity.as_ref().map_err(|cause| cause.reason)?.as_ref();
        Ok(Some(TlsOfGateway {
            settings,
            identity: identity.map(|identity| (gateway.key, identity)),
        }))
    }
}

/// A cluster, and what was found on the way.
struct Made {
    cluster: Arc<Cluster>,
    /// Without its endpoints: they are the cluster's.
    found: Found,
}

/// How a Gateway speaks TLS with a backend.
struct TlsOfGateway<'l> {
    settings: &'l Settings,
    /// The certificate it shows, and whose it is.
    identity: Option<(&'l ObjectKey, &'l Arc<TlsIdentity>)>,
}

impl TlsOfGateway<'_> {
    fn for_cluster(&self) -> BackendTls {
        BackendTls {
            server_name: self.settings.server_name.clone(),
            subject_names: self.settings.subject_names.clone(),
            roots: self.settings.roots.clone(),
            identity: self.identity.map(|(_, identity)| Arc::clone(identity)),
        }
    }
}

/// A cluster is another one where TLS differs: its connections cannot be shared. Between Gateways
/// it differs only by the certificate that a Gateway shows.
fn cluster_key(port: &ServicePort<'_>, tls: Option<&TlsOfGateway<'_>>) -> ClusterKey {
    let (service, number) = (port.service, port.number);
    ClusterKey::new(match tls {
        None => format!("{}/{service}:{number}", port.transport),
        Some(TlsOfGateway { identity: None, .. }) => format!("tls/{service}:{number}"),
        Some(TlsOfGateway { identity: Some((gateway, _)), .. }) => {
            format!("tls/{service}:{number}@{gateway}")
        }
    })
}

fn warnings(
    route: &Route<'_>,
    backend: &Backend<'_>,
    port: &ServicePort<'_>,
    Made { cluster, found }: &Made,
) -> Vec<Finding> {
    let warning = |id: &str, message: String, fix: Option<String>| Finding {
        severity: Severity::Warning,
        object: route.object(),
        field: Some(backend.field()),
        id: id.to_owned(),
        message,
        fix,
    };
    let mut warnings = vec![];
    let is_ready = |state| state == EndpointState::Ready;
    let name = || format!("Service {} port {}", port.service, port.number);
    if backend.weight > 0 && !cluster.endpoints.iter().any(|endpoint| is_ready(endpoint.state)) {
        let message = match cluster.endpoints.len() {
            0 => format!("{} has no endpoint", name()),
            number => format!("{} has no ready endpoint ({number} not ready)", name()),
        };
        warnings.push(warning("no-ready-endpoints", message, None));
    }
    if !found.unsafe_addresses.is_empty() {
        let addresses: Vec<_> = found.unsafe_addresses.iter().cloned().collect();
        let addresses = addresses.join(", ");
        let message = format!("{} has endpoints that are never dialled: {addresses}", name());
        warnings.push(warning("unsafe-endpoint", message, None));
    }
    if !found.own_sockets.is_empty() {
        let sockets: Vec<_> = found.own_sockets.iter().map(ToString::to_string).collect();
        let message =
            format!("{} has endpoints that are sockets of our own: {}", name(), sockets.join(", "));
        let fix = "use another port for the listener or for the backend".to_owned();
        warnings.push(warning("endpoint-is-listener", message, Some(fix)));
    }
    warnings
}
