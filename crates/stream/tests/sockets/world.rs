//! Snapshots that are easy to tell apart.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use snapshot::{
    App, BackendName, Bind, BindKey, Cluster, ClusterKey, Endpoint, EndpointState, Limits,
    ListenerName, Port, Route, RouteName, Snapshot, Target, TcpApp, Timeouts, Transport, Weighted,
};
use stream::{Fleet, Member};

pub(crate) fn fleet(name: &str) -> Fleet {
    Fleet::new(format!("edge/{name}"))
}

/// A proxy of a fleet whose token is good for an hour.
pub(crate) fn member(fleet: &Fleet, id: &str) -> Member {
    let expires = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    Member { fleet: fleet.clone(), id: id.into(), name: format!("pod-{id}"), expires }
}

pub(crate) fn key(port: u16) -> BindKey {
    let port = Port::new(port).expect("not zero");
    BindKey { transport: Transport::Tcp, port, address: Ipv4Addr::UNSPECIFIED.into() }
}

/// A snapshot with a bind for each port; `note` is in all of them.
pub(crate) fn snapshot(ports: &[u16], note: &str) -> Arc<Snapshot> {
    let binds = ports.iter().map(|port| (key(*port), Arc::new(bind(*port, note)))).collect();
    let clusters = ports.iter().map(|port| {
        let name = BackendName { namespace: "apps".into(), name: "echo".into(), port: *port };
        let address = ([10, 0, 0, 1], *port).into();
        let endpoints = vec![Endpoint { address, state: EndpointState::Ready }];
        (cluster(*port), Arc::new(Cluster { name: Arc::new(name), endpoints, tls: None }))
    });
    Arc::new(Snapshot { binds, clusters: clusters.collect() })
}

/// `snapshot` with one bind replaced.
pub(crate) fn with(snapshot: &Snapshot, port: u16, note: &str) -> Arc<Snapshot> {
    let mut next = snapshot.clone();
    next.binds.insert(key(port), Arc::new(bind(port, note)));
    Arc::new(next)
}

/// A snapshot whose message has about `bytes`.
pub(crate) fn large(bytes: usize) -> Arc<Snapshot> {
    snapshot(&[1, 2, 3, 4], &"x".repeat(bytes / 4))
}

pub(crate) fn feeds(entries: &[(&Fleet, &Arc<Snapshot>)]) -> Arc<BTreeMap<Fleet, Arc<Snapshot>>> {
    Arc::new(
        entries.iter().map(|(fleet, snapshot)| ((*fleet).clone(), (*snapshot).clone())).collect(),
    )
}

fn cluster(port: u16) -> ClusterKey {
    ClusterKey::new(format!("apps/echo:{port}"))
}

fn bind(port: u16, note: &str) -> Bind {
    let listener = ListenerName { listener: note.into(), ..ListenerName::default() };
    let target = Target::Cluster(cluster(port));
    let route = Route {
        name: Arc::new(RouteName::default()),
        targets: vec![Weighted { weight: 1, target }],
    };
    Bind {
        app: App::Tcp(TcpApp { listener: Arc::new(listener), route: Some(Arc::new(route)) }),
        timeouts: Timeouts::default(),
        limits: Limits::default(),
    }
}
