//! A bind as workers serve it: the snapshot's plain data with the run-time objects it names looked
//! up, so that accepting a connection looks up nothing. Immutable; a changed bind is compiled anew
//! and a connection keeps the parts it started with.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use snapshot::{
    App, BackendName, Bind, BindKey, HttpTable, Limits, ListenerName, RouteName, ServerName,
    SniTable, Target, Timeouts, TlsMode, TlsRoutes, TlsServer,
};

use crate::budget::{Cost, Permit, Share};
use crate::clock::{Millis, NEVER};
use crate::cluster::{Cluster, Clusters};
use crate::metrics::{BackendSeries, ListenerSeries, Metrics, RouteSeries};
use crate::tls::{BuildError, Sessions, Terminator};

/// One socket and what to do there.
#[derive(Debug)]
pub(crate) struct CompiledBind {
    /// Which socket.
    pub(crate) key: BindKey,
    /// How a connection or flow finds its route.
    pub(crate) app: CompiledApp,
    /// Deadlines of what is accepted here.
    pub(crate) timeouts: Timeouts,
    /// Bounds of this socket.
    pub(crate) limits: Limits,
    /// What outlives changes of the bind.
    pub(crate) life: Arc<BindLife>,
}

/// How a connection or flow finds its route.
#[derive(Debug)]
pub(crate) enum CompiledApp {
    /// Every connection takes the one route.
    Tcp(SingleRoute),
    /// Every flow takes the one route.
    Udp(SingleRoute),
    /// The server name decides.
    Tls(CompiledTls),
    /// The request decides.
    Http(CompiledHttp),
}

/// A listener with at most one route.
#[derive(Debug)]
pub(crate) struct SingleRoute {
    /// The listener of this port.
    pub(crate) listener: Arc<ListenerSeries>,
    /// Where everything goes; `None` refuses it.
    pub(crate) route: Option<Arc<CompiledRoute>>,
}

/// The listeners of a TLS port.
#[derive(Debug)]
pub(crate) struct CompiledTls {
    /// By hostname.
    pub(crate) listeners: SniTable<Arc<CompiledTlsListener>>,
}

/// One listener of a TLS port.
#[derive(Debug)]
pub(crate) struct CompiledTlsListener {
    /// What is counted for it.
    pub(crate) series: Arc<ListenerSeries>,
    /// What happens to the session.
    pub(crate) mode: CompiledMode,
    /// Where connections go.
    pub(crate) routes: CompiledRoutes,
}

/// How a connection of a TLS listener finds its route.
#[derive(Debug)]
pub(crate) enum CompiledRoutes {
    /// By the server name.
    Names(SniTable<Arc<CompiledRoute>>),
    /// By the request that follows the handshake.
    Requests(HttpTable<Arc<CompiledRoute>>),
}

/// The listeners of an HTTP port.
#[derive(Debug)]
pub(crate) struct CompiledHttp {
    /// By hostname.
    pub(crate) listeners: SniTable<Arc<CompiledHttpListener>>,
}

/// One listener of an HTTP port.
#[derive(Debug)]
pub(crate) struct CompiledHttpListener {
    /// What is counted for it.
    pub(crate) series: Arc<ListenerSeries>,
    /// Routes by host and path.
    pub(crate) routes: HttpTable<Arc<CompiledRoute>>,
}

/// What happens to a TLS session.
#[derive(Clone, Debug)]
pub(crate) enum CompiledMode {
    /// Bytes are relayed as they are.
    Passthrough,
    /// TLS ends here.
    Terminate(Arc<Terminator>),
    /// TLS should end here and no certificate can be served.
    Unusable,
}

impl CompiledTls {
    /// The listener and route of a server name, as [`snapshot::TlsApp::lookup`] decides: no second
    /// lookup can disagree with this one.
    pub(crate) fn lookup(
        &self,
        name: Option<&ServerName>,
    ) -> Option<(&Arc<CompiledTlsListener>, Option<&Arc<CompiledRoute>>)> {
        let listener = self.listeners.lookup(name)?;
        let route = match &listener.routes {
            CompiledRoutes::Names(routes) => routes.lookup(name),
            CompiledRoutes::Requests(_) => None,
        };
        Some((listener, route))
    }
}

/// A route as one listener uses it.
#[derive(Debug)]
pub(crate) struct CompiledRoute {
    /// Its name.
    pub(crate) name: Arc<RouteName>,
    /// What is counted for it.
    pub(crate) series: Arc<RouteSeries>,
    spec: Arc<snapshot::Route>,
    total_weight: u64,
    targets: Vec<CompiledTarget>,
}

/// Where a share goes.
#[derive(Clone, Debug)]
pub(crate) enum CompiledTarget {
    /// To an endpoint of this backend.
    Backend(Arc<CompiledBackend>),
    /// Nowhere; the backend is named for the log.
    Reject(Arc<BackendName>),
}

/// A backend as one route uses it.
#[derive(Debug)]
pub(crate) struct CompiledBackend {
    /// Its name.
    pub(crate) name: Arc<BackendName>,
    /// Its endpoints.
    pub(crate) cluster: Arc<Cluster>,
    /// What is counted for it.
    pub(crate) series: Arc<BackendSeries>,
}

impl CompiledRoute {
    /// Draws a target by weight; `None` if all weights are 0.
    pub(crate) fn pick(&self, random: &mut fastrand::Rng) -> Option<&CompiledTarget> {
        if self.total_weight == 0 {
            return None;
        }
        let position = self.spec.position(random.u64(..self.total_weight))?;
        self.targets.get(position)
    }
}

/// What belongs to a socket rather than to one version of its bind.
#[derive(Debug)]
pub(crate) struct BindLife {
    share: Share,
    connections: AtomicU32,
    /// When connections that outlived the bind end; [`NEVER`] while it is served.
    ends_at: AtomicU64,
}

impl BindLife {
    /// The life of a socket that is being opened.
    pub(crate) fn new(share: Share) -> Self {
        Self { share, connections: AtomicU32::new(0), ends_at: AtomicU64::new(NEVER) }
    }

    /// When connections and flows of this socket end; `None` while it is served.
    pub(crate) fn ends_at(&self) -> Option<Millis> {
        match self.ends_at.load(Relaxed) {
            NEVER => None,
            at => Some(at),
        }
    }

    /// Ends what is open here at `at`, if not earlier.
    pub(crate) fn end(&self, at: Millis) {
        self.ends_at.fetch_min(at, Relaxed);
    }

    /// Whether the process-wide budget has room for one more of this socket.
    pub(crate) fn has_room(&self, cost: Cost) -> bool {
        self.share.has_room(cost)
    }

    /// Takes the budget of one more connection or flow of this socket.
    pub(crate) fn admit(&self, cost: Cost) -> Option<Permit> {
        self.share.admit(cost)
    }

    /// Counts one more connection, unless `limit` are open.
    pub(crate) fn count(self: &Arc<Self>, limit: Option<u32>) -> Option<Counted> {
        let limit = limit.unwrap_or(u32::MAX);
        let below = |open: u32| (open < limit).then_some(open + 1);
        self.connections.fetch_update(Relaxed, Relaxed, below).ok()?;
        Some(Counted { life: self.clone() })
    }
}

/// One connection in the count of its socket.
#[derive(Debug)]
pub(crate) struct Counted {
    life: Arc<BindLife>,
}

impl Counted {
    /// The socket it came by.
    pub(crate) fn life(&self) -> &Arc<BindLife> {
        &self.life
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.life.connections.fetch_sub(1, Relaxed);
    }
}

impl CompiledBind {
    /// The listener, if the socket has only one.
    pub(crate) fn only_listener(&self) -> Option<&Arc<ListenerSeries>> {
        match &self.app {
            CompiledApp::Tcp(app) | CompiledApp::Udp(app) => Some(&app.listener),
            CompiledApp::Tls(app) => {
                let mut listeners = app.listeners.values();
                listeners.next().filter(|_| listeners.next().is_none()).map(|only| &only.series)
            }
            CompiledApp::Http(app) => {
                let mut listeners = app.listeners.values();
                listeners.next().filter(|_| listeners.next().is_none()).map(|only| &only.series)
            }
        }
    }

    /// The listener that counts what ended before it could be told whose it is.
    pub(crate) fn first_listener(&self) -> Option<&Arc<ListenerSeries>> {
        match &self.app {
            CompiledApp::Tcp(app) | CompiledApp::Udp(app) => Some(&app.listener),
            CompiledApp::Tls(app) => app.listeners.values().next().map(|first| &first.series),
            CompiledApp::Http(app) => app.listeners.values().next().map(|first| &first.series),
        }
    }
}

/// TLS settings in use. Loading keys is slow beside everything else here, and an unchanged listener
/// must not pay for its neighbour's change.
#[derive(Debug, Default)]
pub(crate) struct Terminators {
    sessions: Sessions,
    /// By session scope, of which every listener port has one.
    known: HashMap<String, Vec<InUse>>,
}

/// Settings and what was made of them.
type InUse = (Arc<TlsServer>, Weak<Terminator>);

impl Terminators {
    fn get(&mut self, settings: &Arc<TlsServer>) -> Result<Arc<Terminator>, BuildError> {
        self.known.retain(|_, known| {
            known.retain(|(_, terminator)| terminator.strong_count() > 0);
            !known.is_empty()
        });
        let known = self.known.entry(settings.session_scope.clone()).or_default();
        let same = |other: &Arc<TlsServer>| Arc::ptr_eq(other, settings) || other == settings;
        let found = known.iter().find(|(settings, _)| same(settings));
        if let Some(terminator) = found.and_then(|(_, terminator)| terminator.upgrade()) {
            return Ok(terminator);
        }
        let terminator = Arc::new(Terminator::new(settings, &self.sessions)?);
        for unusable in terminator.unusable() {
            tracing::warn!(secret = %unusable.name, error = %unusable.reason, "a certificate is left out");
        }
        known.push((settings.clone(), Arc::downgrade(&terminator)));
        Ok(terminator)
    }
}

/// Compiles binds against the run-time objects of this process.
#[derive(Debug)]
pub(crate) struct Compiler<'a> {
    /// Where clusters are looked up.
    pub(crate) clusters: &'a mut Clusters,
    /// Where series are looked up.
    pub(crate) metrics: &'a Metrics,
    /// Where TLS settings are looked up.
    pub(crate) terminators: &'a mut Terminators,
}

impl Compiler<'_> {
    /// The bind as workers serve it.
    pub(crate) fn bind(&mut self, key: BindKey, bind: &Bind, life: Arc<BindLife>) -> CompiledBind {
        let app = match &bind.app {
            App::Tcp(app) => CompiledApp::Tcp(self.single(&app.listener, app.route.as_ref())),
            App::Udp(app) => CompiledApp::Udp(self.single(&app.listener, app.route.as_ref())),
            App::Tls(app) => {
                let listeners = app.listeners.map(|listener| {
                    let mut route = |route: &Arc<_>| self.route(&listener.name, route);
                    let routes = match &listener.routes {
                        TlsRoutes::Names(routes) => CompiledRoutes::Names(routes.map(&mut route)),
                        TlsRoutes::Requests(routes) => {
                            CompiledRoutes::Requests(routes.map(&mut route))
                        }
                    };
                    Arc::new(CompiledTlsListener {
                        series: self.metrics.listener(&listener.name),
                        mode: self.mode(&listener.name, &listener.mode),
                        routes,
                    })
                });
                CompiledApp::Tls(CompiledTls { listeners })
            }
            App::Http(app) => {
                let listeners = app.listeners.map(|listener| {
                    Arc::new(CompiledHttpListener {
                        series: self.metrics.listener(&listener.name),
                        routes: listener.routes.map(|route| self.route(&listener.name, route)),
                    })
                });
                CompiledApp::Http(CompiledHttp { listeners })
            }
        };
        CompiledBind { key, app, timeouts: bind.timeouts, limits: bind.limits, life }
    }

    fn mode(&mut self, listener: &ListenerName, mode: &TlsMode) -> CompiledMode {
        let TlsMode::Terminate(settings) = mode else { return CompiledMode::Passthrough };
        match self.terminators.get(settings) {
            Ok(terminator) => CompiledMode::Terminate(terminator),
            Err(error) => {
                tracing::error!(%listener, %error, "a listener cannot terminate TLS");
                CompiledMode::Unusable
            }
        }
    }

    fn single(
        &mut self,
        listener: &Arc<ListenerName>,
        route: Option<&Arc<snapshot::Route>>,
    ) -> SingleRoute {
        SingleRoute {
            listener: self.metrics.listener(listener),
            route: route.map(|route| self.route(listener, route)),
        }
    }

    fn route(
        &mut self,
        listener: &Arc<ListenerName>,
        route: &Arc<snapshot::Route>,
    ) -> Arc<CompiledRoute> {
        let targets = route.targets.iter().map(|weighted| match &weighted.target {
            Target::Cluster(key) => {
                let cluster = self.clusters.get(key);
                let name = cluster.state().name.clone();
                let series = self.metrics.backend(listener, &route.name, &name);
                CompiledTarget::Backend(Arc::new(CompiledBackend { name, cluster, series }))
            }
            Target::Reject(rejection) => CompiledTarget::Reject(rejection.backend.clone()),
        });
        let targets = targets.collect();
        Arc::new(CompiledRoute {
            name: route.name.clone(),
            series: self.metrics.route(listener, &route.name),
            total_weight: route.total_weight(),
            spec: route.clone(),
            targets,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    #[test]
    fn connections_of_a_socket_are_counted_up_to_its_limit() {
        let life = Arc::new(BindLife::new(Budget::new(100).share(0)));
        let held: Vec<_> = (0..3).map(|_| life.count(Some(2))).collect();
        assert_eq!(held.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
        drop(held);
        assert!(life.count(Some(1)).is_some());
        assert!(life.count(Some(0)).is_none());
    }

    #[test]
    fn an_end_is_only_ever_brought_forward() {
        let life = BindLife::new(Budget::new(100).share(0));
        assert_eq!(life.ends_at(), None);
        life.end(50);
        life.end(90);
        assert_eq!(life.ends_at(), Some(50));
    }
}
