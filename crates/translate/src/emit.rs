//! Everything that was decided, as snapshots. Decides nothing but what the data plane has to be
//! told: which sockets, which routes at each, which clusters behind them.

use std::collections::BTreeMap;
use std::sync::Arc;

use snapshot::{
    App, Bind, BindKey, HttpApp, HttpListener, HttpTable, Limits, Port, Route, Snapshot, SniTable,
    Target, TcpApp, Timeouts, TlsApp, TlsListener, TlsMode, TlsRoutes, TlsServer, Transport,
    UdpApp,
};

use crate::acceptance::{Acceptance, Role};
use crate::claims::{Claim, Claims};
use crate::endpoints::OwnSockets;
use crate::gateways::Gateway;
use crate::listeners::tls::{Termination, Tls};
use crate::listeners::{Listener, ListenerId, Protocol};
use crate::targets::{Hop, Targets};
use crate::{Addresses, Proxy, World};

/// What snapshots are made of.
pub(crate) struct Emitter<'l, 'a> {
    /// Which listeners are served.
    pub(crate) acceptance: &'l Acceptance,
    /// Which routes get their traffic.
    pub(crate) claims: &'l Claims,
    /// Where the traffic goes.
    pub(crate) targets: Targets<'l, 'a>,
}

/// Listeners that could share a socket.
type Group<'l, 'a> = BTreeMap<(&'l Proxy, Transport, Port), Vec<&'l Listener<'a>>>;

impl<'l, 'a> Emitter<'l, 'a> {
    /// One snapshot for each proxy, also if it is empty.
    pub(crate) fn snapshots(
        &mut self,
        world: &World<'_>,
        gateways: &[Gateway<'_>],
        listeners: &'l [Listener<'a>],
    ) -> BTreeMap<Proxy, Snapshot> {
        let proxies = gateways.iter().map(|gateway| gateway.proxy.clone());
        let always = match world.addresses {
            Addresses::Own(_) => Some(Proxy::Standalone),
            Addresses::Services(_) => None,
        };
        let mut snapshots: BTreeMap<_, _> =
            proxies.chain(always).map(|proxy| (proxy, Snapshot::default())).collect();
        let mut groups: Group<'_, '_> = BTreeMap::new();
        for listener in listeners {
            if let (Some(protocol), Some(port)) = (listener.protocol, listener.port)
                && self.acceptance.role(listener) != Role::Absent
            {
                let place = (&listener.gateway.proxy, protocol.transport(), port);
                groups.entry(place).or_default().push(listener);
            }
        }
        for ((proxy, _, port), group) in groups {
            if let Some(snapshot) = snapshots.get_mut(proxy) {
                self.add_group(snapshot, port, &group);
            }
        }
        for snapshot in snapshots.values_mut() {
            self.add_clusters(snapshot);
        }
        snapshots
    }

    fn add_group(&mut self, snapshot: &mut Snapshot, port: Port, group: &[&'l Listener<'a>]) {
        let mut tls_listeners = BTreeMap::new();
        let mut http_listeners = BTreeMap::new();
        for listener in group {
            if self.acceptance.role(listener) != Role::Serves {
                continue;
            }
            let shared = match listener.protocol {
                Some(Protocol::Tcp) => Some(Arc::new(bind(port, App::Tcp(self.tcp(listener))))),
                Some(Protocol::Udp) => Some(Arc::new(bind(port, App::Udp(self.udp(listener))))),
                Some(Protocol::Tls | Protocol::Https | Protocol::Http) | None => None,
            };
            for key in listener.binds() {
                if snapshot.binds.contains_key(&key) {
                    continue;
                }
                let bind = shared.clone().unwrap_or_else(|| {
                    let app = match listener.protocol {
                        Some(Protocol::Http) => {
                            App::Http(self.http(&key, group, &mut http_listeners))
                        }
                        _ => App::Tls(self.tls(&key, group, &mut tls_listeners)),
                    };
                    Arc::new(bind(port, app))
                });
                snapshot.binds.insert(key, bind);
            }
        }
    }

    fn tcp(&mut self, listener: &'l Listener<'a>) -> TcpApp {
        let route = self.claim(listener).and_then(|claim| claim.everything);
        let route = route.and_then(|route| self.targets.route(route, Hop::Plain));
        TcpApp { listener: Arc::clone(&listener.name), route }
    }

    fn udp(&mut self, listener: &'l Listener<'a>) -> UdpApp {
        let route = self.claim(listener).and_then(|claim| claim.everything);
        let route = route.and_then(|route| self.targets.route(route, Hop::Plain));
        UdpApp { listener: Arc::clone(&listener.name), route }
    }

    /// Everything that answers at one TLS socket.
    fn tls(
        &mut self,
        key: &BindKey,
        group: &[&'l Listener<'a>],
        made: &mut BTreeMap<ListenerId, Arc<TlsListener>>,
    ) -> TlsApp {
        let protocols = [Protocol::Tls, Protocol::Https];
        let make = |emitter: &mut Self, listener: &'l _| {
            let make = || Arc::new(emitter.tls_listener(listener));
            Arc::clone(made.entry(listener.id).or_insert_with(make))
        };
        TlsApp { listeners: self.by_hostname(key, group, &protocols, make) }
    }

    /// Everything that answers at one HTTP socket.
    fn http(
        &mut self,
        key: &BindKey,
        group: &[&'l Listener<'a>],
        made: &mut BTreeMap<ListenerId, Arc<HttpListener>>,
    ) -> HttpApp {
        let make = |emitter: &mut Self, listener: &'l Listener<'a>| {
            let make = || {
                let name = Arc::clone(&listener.name);
                Arc::new(HttpListener { name, routes: emitter.requests(listener) })
            };
            Arc::clone(made.entry(listener.id).or_insert_with(make))
        };
        HttpApp { listeners: self.by_hostname(key, group, &[Protocol::Http], make) }
    }

    /// The listeners of every Gateway that has the address of a socket, for a connection reaches
    /// the most specific socket only.
    fn by_hostname<T>(
        &mut self,
        key: &BindKey,
        group: &[&'l Listener<'a>],
        protocols: &[Protocol],
        mut make: impl FnMut(&mut Self, &'l Listener<'a>) -> T,
    ) -> SniTable<T> {
        let mut listeners = SniTable::default();
        let here = |listener: &&&Listener<'_>| {
            listener.protocol.is_some_and(|protocol| protocols.contains(&protocol))
                && listener.gateway.addresses.include(key.address)
        };
        for &listener in group.iter().filter(here) {
            let hostname = listener.hostname.as_ref().map(ToString::to_string);
            let is_served = self.acceptance.role(listener) == Role::Serves;
            if !is_served && listeners.contains(hostname.as_deref()) {
                continue;
            }
            listeners.insert(hostname.as_deref(), make(self, listener));
        }
        listeners
    }

    fn tls_listener(&mut self, listener: &'l Listener<'a>) -> TlsListener {
        let name = Arc::clone(&listener.name);
        let Some((mode, hop)) = self.tls_mode(listener) else {
            // Without routes every connection is closed before any byte of a handshake.
            return TlsListener { name, mode: TlsMode::Passthrough, routes: TlsRoutes::default() };
        };
        if listener.protocol == Some(Protocol::Https) {
            let routes = TlsRoutes::Requests(self.requests(listener));
            return TlsListener { name, mode, routes };
        }
        let mut routes = SniTable::default();
        if let Some(claim) = self.claim(listener) {
            for (hostname, route) in &claim.by_hostname {
                if let Some(route) = self.targets.route(*route, hop) {
                    routes.insert(Some(&hostname.to_string()), route);
                }
            }
            if let Some(route) = claim.everything.and_then(|route| self.targets.route(route, hop)) {
                routes.insert(None, route);
            }
        }
        TlsListener { name, mode, routes: TlsRoutes::Names(routes) }
    }

    /// Nothing for a listener that is not served: its requests are refused.
    fn requests(&mut self, listener: &'l Listener<'a>) -> HttpTable<Arc<Route>> {
        let mut routes = HttpTable::default();
        let is_served = self.acceptance.role(listener) == Role::Serves;
        let hop = Hop::InTheClear { gateway: listener.gateway.ordinal };
        if let Some(claim) = self.claim(listener).filter(|_| is_served) {
            for ((hostname, path), (route, rule)) in &claim.by_request {
                if let Some(route) = self.targets.rule(*route, *rule, hop) {
                    let hostname = hostname.as_ref().map(ToString::to_string);
                    routes.insert(hostname.as_deref(), path, route);
                }
            }
        }
        routes
    }

    fn tls_mode(&self, listener: &Listener<'_>) -> Option<(TlsMode, Hop)> {
        if self.acceptance.role(listener) != Role::Serves {
            return None;
        }
        let gateway = listener.gateway;
        match listener.tls.as_ref()? {
            Tls::Passthrough => Some((TlsMode::Passthrough, Hop::Plain)),
            Tls::Terminate(Termination { identities, client_auth }) => {
                let server = TlsServer {
                    identities: identities.clone(),
                    client_auth: client_auth.clone()?,
                    session_scope: format!("{}:{}", gateway.key, listener.spec.port),
                };
                let hop = Hop::InTheClear { gateway: gateway.ordinal };
                Some((TlsMode::Terminate(Arc::new(server)), hop))
            }
        }
    }

    fn claim(&self, listener: &Listener<'_>) -> Option<&'l Claim> {
        self.claims.of(listener.id)
    }

    fn add_clusters(&self, snapshot: &mut Snapshot) {
        let routes = snapshot.binds.values().flat_map(|bind| bind.routes());
        let targets = routes.flat_map(|route| &route.targets);
        let clusters = targets.filter_map(|weighted| match &weighted.target {
            Target::Cluster(key) => Some((key.clone(), Arc::clone(self.targets.cluster(key)?))),
            Target::Reject(_) => None,
        });
        snapshot.clusters = clusters.collect();
    }
}

/// The sockets that will be open: no endpoint may be one of them. Behind a Service those are the
/// Service's addresses, for that is where a connection would come back from.
pub(crate) fn own_sockets(listeners: &[Listener<'_>], acceptance: &Acceptance) -> OwnSockets {
    let mut own = OwnSockets::default();
    let served = listeners.iter().filter(|listener| acceptance.role(listener) == Role::Serves);
    for listener in served {
        let assigned = listener.gateway.addresses.assigned.as_ref();
        for bind in listener.binds() {
            match assigned {
                None => own.add(bind, bind.address),
                Some(assigned) => {
                    let addresses = assigned.iter().filter_map(|address| address.parse().ok());
                    addresses.for_each(|address| own.add(bind, address));
                }
            }
        }
    }
    own
}

fn bind(port: Port, app: App) -> Bind {
    let timeouts = match app {
        App::Udp(_) => Timeouts::for_udp_port(port.get()),
        App::Tcp(_) | App::Tls(_) | App::Http(_) => Timeouts::default(),
    };
    Bind { app, timeouts, limits: Limits::default() }
}
