//! What an idle UDP flow costs on the heap. A test binary of its own with one test in it, because
//! allocations are counted for the whole process.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::alloc::System;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use cap::Cap;
use dataplane::{AccessLog, Config, Format};
use snapshot::{
    App, Bind, BindKey, Cluster, ClusterKey, Endpoint, EndpointState, Limits, ListenerName, Port,
    Published, Route, RouteName, Snapshot, Target, Timeouts, Transport, UdpApp, Weighted,
};
use tokio::sync::watch;

/// Flows held at once.
const HELD: usize = 2000;
/// Half of the 2 KiB that a flow may cost the process beside its socket; the rest is for what the
/// allocator rounds up.
const BOUND: usize = 1024;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// A UDP socket that leads to `endpoint`.
fn serving(key: BindKey, endpoint: SocketAddr) -> Snapshot {
    let cluster = ClusterKey::new("a");
    let endpoints = vec![Endpoint { address: endpoint, state: EndpointState::Ready }];
    let targets = vec![Weighted { weight: 1, target: Target::Cluster(cluster.clone()) }];
    let app = UdpApp {
        listener: Arc::new(ListenerName { protocol: "UDP".into(), ..ListenerName::default() }),
        route: Some(Arc::new(Route { name: Arc::new(RouteName::default()), targets })),
    };
    let (timeouts, limits) = (Timeouts::default(), Limits::default());
    let bind = Bind { app: App::Udp(app), timeouts, limits };
    let cluster_of = Cluster { name: Arc::default(), endpoints, tls: None };
    Snapshot {
        binds: [(key, Arc::new(bind))].into(),
        clusters: [(cluster, Arc::new(cluster_of))].into(),
    }
}

/// Opens a flow and makes it assured.
fn client(key: BindKey) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.connect(key.socket_addr()).unwrap();
    for _ in 0..2 {
        socket.send(b"ping").unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 4);
    }
    socket
}

#[tokio::test]
async fn an_idle_flow_costs_less_than_a_kibibyte_of_heap() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let endpoint = server.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((len, from)) = server.recv_from(&mut buffer) {
            server.send_to(&buffer[..len], from).unwrap();
        }
    });
    let port = Port::new(UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let address = [127, 0, 0, 1].into();
    let key = BindKey { transport: Transport::Udp, port: port.unwrap(), address };
    let snapshot = Arc::new(serving(key, endpoint));
    let (_publisher, snapshots) = watch::channel(Published { version: 1, snapshot });
    let access_log = AccessLog { format: Format::Off, writer: Box::new(std::io::sink()) };
    let config = Config { workers: NonZeroUsize::new(1), access_log };
    let (_dataplane, mut reports) = dataplane::start(config, snapshots).unwrap();
    let report = reports.wait_for(|report| report.version == 1).await.unwrap().clone();
    assert!(report.binds[&key].is_bound(), "{report:?}");

    let each = tokio::task::spawn_blocking(move || {
        let mut held = Vec::with_capacity(HELD + 1);
        held.push(client(key));
        let before = HEAP.allocated();
        held.extend((0..HELD).map(|_| client(key)));
        HEAP.allocated().saturating_sub(before) / HELD
    });
    let each = each.await.unwrap();
    println!("idle UDP flow: {each} bytes of heap");
    assert!(each > 100, "{each} bytes: nothing was counted");
    assert!(each <= BOUND, "{each} bytes");
}
