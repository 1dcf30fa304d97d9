//! Snapshots in a few words.

use std::net::SocketAddr;
use std::sync::Arc;

use snapshot::{
    App, BackendName, Bind, BindKey, Cluster, ClusterKey, Endpoint, EndpointState, Limits,
    ListenerName, Rejection, Route, RouteName, Snapshot, Target, TcpApp, Timeouts, Weighted,
};

/// The name of listener `listener` of the test gateway.
pub fn listener(listener: &str, protocol: &str) -> Arc<ListenerName> {
    Arc::new(ListenerName {
        gateway_namespace: "edge".into(),
        gateway: "l4".into(),
        listener: listener.into(),
        protocol: protocol.into(),
        ..ListenerName::default()
    })
}

/// A route with these shares.
pub fn route(kind: &str, name: &str, targets: Vec<Weighted>) -> Arc<Route> {
    let name = RouteName { kind: kind.into(), namespace: "db".into(), name: name.into() };
    Arc::new(Route { name: Arc::new(name), targets })
}

/// A share of a cluster.
pub fn to(cluster: &str, weight: u32) -> Weighted {
    Weighted { weight, target: Target::Cluster(ClusterKey::new(cluster)) }
}

/// A share of a backend that is not valid.
pub fn invalid(weight: u32) -> Weighted {
    let backend = Arc::new(BackendName { namespace: "db".into(), name: "gone".into(), port: 1 });
    let reason = "BackendNotFound".into();
    Weighted { weight, target: Target::Reject(Rejection { backend, reason }) }
}

/// Adds to a snapshot.
pub trait World: Sized {
    /// A TCP socket whose only route has these shares.
    fn tcp(self, key: BindKey, targets: Vec<Weighted>) -> Self;
    /// A TCP socket without a route.
    fn tcp_without_route(self, key: BindKey) -> Self;
    /// A cluster with these ready endpoints.
    fn cluster(self, name: &str, endpoints: &[SocketAddr]) -> Self;
    /// A cluster with endpoints in any state.
    fn cluster_of(self, name: &str, endpoints: &[(SocketAddr, EndpointState)]) -> Self;
    /// Other deadlines for a socket.
    fn timeouts(self, key: BindKey, change: impl FnOnce(&mut Timeouts)) -> Self;
    /// Other bounds for a socket.
    fn limits(self, key: BindKey, limits: Limits) -> Self;
    /// Anything at a socket.
    fn bind(self, key: BindKey, app: App) -> Self;
    /// A socket less.
    fn without(self, key: &BindKey) -> Self;
}

impl World for Snapshot {
    fn tcp(self, key: BindKey, targets: Vec<Weighted>) -> Self {
        let name = format!("p{}", key.port);
        let route = Some(route("TCPRoute", &name, targets));
        self.bind(key, App::Tcp(TcpApp { listener: listener(&name, "TCP"), route }))
    }

    fn tcp_without_route(self, key: BindKey) -> Self {
        let listener = listener(&format!("p{}", key.port), "TCP");
        self.bind(key, App::Tcp(TcpApp { listener, route: None }))
    }

    fn cluster(self, name: &str, endpoints: &[SocketAddr]) -> Self {
        let ready: Vec<_> =
            endpoints.iter().map(|address| (*address, EndpointState::Ready)).collect();
        self.cluster_of(name, &ready)
    }

    fn cluster_of(mut self, name: &str, endpoints: &[(SocketAddr, EndpointState)]) -> Self {
        let backend = BackendName { namespace: "db".into(), name: name.into(), port: 5432 };
        let endpoints =
            endpoints.iter().map(|&(address, state)| Endpoint { address, state }).collect();
        let cluster = Cluster { name: Arc::new(backend), endpoints, tls: None };
        self.clusters.insert(ClusterKey::new(name), Arc::new(cluster));
        self
    }

    fn timeouts(mut self, key: BindKey, change: impl FnOnce(&mut Timeouts)) -> Self {
        change(&mut Arc::make_mut(self.binds.get_mut(&key).unwrap()).timeouts);
        self
    }

    fn limits(mut self, key: BindKey, limits: Limits) -> Self {
        Arc::make_mut(self.binds.get_mut(&key).unwrap()).limits = limits;
        self
    }

    fn bind(mut self, key: BindKey, app: App) -> Self {
        let bind = Bind { app, timeouts: Timeouts::default(), limits: Limits::default() };
        self.binds.insert(key, Arc::new(bind));
        self
    }

    fn without(mut self, key: &BindKey) -> Self {
        self.binds.remove(key);
        self
    }
}
