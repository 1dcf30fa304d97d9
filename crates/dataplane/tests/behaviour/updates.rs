//! Snapshots that change while connections are held.

use std::time::{Duration, Instant};

use snapshot::{BindState, EndpointState, Snapshot, Transport};
use tokio::net::{TcpListener, TcpStream};

use crate::support::backend::{Backend, End, ask, read_to_end};
use crate::support::world::{World, to};
use crate::support::{Proxy, dial, eventually, key, knock, soon};

#[tokio::test]
async fn a_change_elsewhere_leaves_held_connections_alone() {
    let backend = Backend::echo().await;
    let held: Vec<_> = (0..4).map(|_| key(Transport::Tcp)).collect();
    let other = key(Transport::Tcp);
    let base = held
        .iter()
        .fold(Snapshot::default(), |snapshot, key| snapshot.tcp(*key, vec![to("a", 1)]))
        .cluster("a", &[backend.address]);
    let mut proxy = Proxy::serving(&base).await;
    let mut clients = Vec::new();
    for key in held.iter().cycle().take(40) {
        let mut client = dial(key).await;
        assert_eq!(ask(&mut client, "first").await.unwrap(), "first");
        clients.push(client);
    }
    for round in 0..30 {
        let snapshot = base.clone();
        let snapshot = match round % 3 {
            0 => snapshot.tcp(other, vec![to("b", 1)]).cluster("b", &[backend.address]),
            1 => snapshot.tcp_without_route(other),
            _ => snapshot,
        };
        proxy.apply(&snapshot).await;
    }
    for client in &mut clients {
        assert_eq!(ask(client, "last").await.unwrap(), "last");
    }
    assert_eq!(backend.accepted(), 40, "no connection was made anew");
    assert!(proxy.lines().is_empty());
}

#[tokio::test]
async fn a_new_listener_accepts_as_soon_as_it_is_reported() {
    let backend = Backend::echo().await;
    let base = Snapshot::default().cluster("a", &[backend.address]);
    let mut proxy = Proxy::serving(&base).await;
    for _ in 0..10 {
        let key = key(Transport::Tcp);
        let begun = Instant::now();
        proxy.apply(&base.clone().tcp(key, vec![to("a", 1)])).await;
        assert_eq!(ask(&mut dial(&key).await, "hi").await.unwrap(), "hi");
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn a_changed_route_takes_new_connections_and_the_old_ones_stay() {
    let (old, new) = (Backend::echo().await, Backend::greeting("new").await);
    let key = key(Transport::Tcp);
    let base = Snapshot::default().cluster("old", &[old.address]).cluster("new", &[new.address]);
    let mut proxy = Proxy::serving(&base.clone().tcp(key, vec![to("old", 1)])).await;
    let mut held = dial(&key).await;
    assert_eq!(ask(&mut held, "a").await.unwrap(), "a");
    proxy.apply(&base.tcp(key, vec![to("new", 1)])).await;
    for _ in 0..20 {
        let mut name = [0; 3];
        let mut client = dial(&key).await;
        soon(tokio::io::AsyncReadExt::read_exact(&mut client, &mut name)).await.unwrap();
        assert_eq!(&name, b"new");
    }
    assert_eq!(ask(&mut held, "b").await.unwrap(), "b");
}

#[tokio::test]
async fn a_route_that_goes_away_resets_new_connections_only() {
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let routed = Snapshot::default().tcp(key, vec![to("a", 1)]).cluster("a", &[backend.address]);
    let mut proxy = Proxy::serving(&routed).await;
    let mut held = dial(&key).await;
    assert_eq!(ask(&mut held, "a").await.unwrap(), "a");
    proxy.apply(&Snapshot::default().tcp_without_route(key)).await;
    assert_eq!(knock(&key).await.1, End::Reset);
    assert_eq!(ask(&mut held, "b").await.unwrap(), "b");
    proxy.apply(&routed).await;
    assert_eq!(ask(&mut dial(&key).await, "c").await.unwrap(), "c");
}

#[tokio::test]
async fn a_removed_listener_stops_at_once_and_its_connections_drain_then_reset() {
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let drain = Duration::from_millis(800);
    let base = Snapshot::default().cluster("a", &[backend.address]);
    let snapshot =
        base.clone().tcp(key, vec![to("a", 1)]).timeouts(key, |timeouts| timeouts.drain = drain);
    let mut proxy = Proxy::serving(&snapshot).await;
    let mut held = dial(&key).await;
    assert_eq!(ask(&mut held, "a").await.unwrap(), "a");
    let begun = Instant::now();
    proxy.apply(&base).await;
    let stopped = eventually(async || TcpStream::connect(key.socket_addr()).await.is_err());
    assert!(stopped.await);
    assert!(begun.elapsed() < drain, "it stops accepting before the drain is over");
    assert_eq!(ask(&mut held, "b").await.unwrap(), "b");
    assert_eq!(read_to_end(&mut held).await.1, End::Reset);
    assert!(begun.elapsed() >= drain);
    let lines = proxy.await_lines(1).await;
    let drained = lines.iter().filter(|line| line["tidegate.close.reason"] == "drained").count();
    assert_eq!(drained, 1, "{lines:#?}");
    proxy.apply(&snapshot).await;
    assert_eq!(ask(&mut dial(&key).await, "back").await.unwrap(), "back");
}

#[tokio::test]
async fn a_taken_port_is_reported_harms_no_other_and_is_bound_when_freed() {
    let backend = Backend::echo().await;
    let (taken, free) = (key(Transport::Tcp), key(Transport::Tcp));
    // The holder shares its port: a proxy that only asked with SO_REUSEPORT would not notice.
    let holder = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    holder.set_reuse_port(true).unwrap();
    holder.bind(&taken.socket_addr().into()).unwrap();
    holder.listen(1).unwrap();
    let snapshot = Snapshot::default()
        .tcp(taken, vec![to("a", 1)])
        .tcp(free, vec![to("a", 1)])
        .cluster("a", &[backend.address]);
    let mut proxy = Proxy::start();
    let report = proxy.apply(&snapshot).await;
    assert!(matches!(report.binds[&taken], BindState::PortInUse(_)), "{report:?}");
    assert!(report.binds[&free].is_bound());
    assert_eq!(ask(&mut dial(&free).await, "hi").await.unwrap(), "hi");
    let bound = |key: &snapshot::BindKey| {
        let name = format!("p{}", key.port);
        proxy.metric("tidegate_listener_bound", &[("listener", &name)])
    };
    assert_eq!((bound(&taken), bound(&free)), (0.0, 1.0));
    drop(holder);
    let freed = Instant::now();
    proxy.report(|report| report.binds[&taken].is_bound()).await;
    assert!(freed.elapsed() < Duration::from_secs(5));
    assert_eq!(ask(&mut dial(&taken).await, "hi").await.unwrap(), "hi");
}

#[tokio::test]
async fn an_address_of_another_host_is_reported_as_such() {
    let mut key = key(Transport::Tcp);
    key.address = "192.0.2.1".parse().unwrap();
    let mut proxy = Proxy::start();
    let report = proxy.apply(&Snapshot::default().tcp_without_route(key)).await;
    assert!(matches!(report.binds[&key], BindState::AddressNotAvailable(_)), "{report:?}");
}

#[tokio::test]
async fn a_bind_that_fails_and_is_withdrawn_is_not_tried_again() {
    let key = key(Transport::Tcp);
    let holder = TcpListener::bind(key.socket_addr()).await.unwrap();
    let mut proxy = Proxy::start();
    proxy.apply(&Snapshot::default().tcp_without_route(key)).await;
    let report = proxy.apply(&Snapshot::default()).await;
    assert!(report.binds.is_empty());
    drop(holder);
    // Longer than the longest pause between two tries.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(TcpStream::connect(key.socket_addr()).await.is_err());
}

/// Holds a connection to one of two endpoints, changes the state of that endpoint, and gives what
/// is needed to watch both.
async fn endpoint_becomes(
    state: Option<EndpointState>,
) -> (Proxy, TcpStream, Backend, Snapshot, snapshot::BindKey) {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let key = key(Transport::Tcp);
    let base = Snapshot::default()
        .tcp(key, vec![to("a", 1)])
        .timeouts(key, |timeouts| timeouts.backend_drain = Duration::from_millis(500));
    let before = base.clone().cluster("a", &[first.address]);
    let mut proxy = Proxy::serving(&before).await;
    let mut held = dial(&key).await;
    assert_eq!(ask(&mut held, "a").await.unwrap(), "a");
    let mut endpoints = vec![(second.address, EndpointState::Ready)];
    endpoints.extend(state.map(|state| (first.address, state)));
    proxy.apply(&base.cluster_of("a", &endpoints)).await;
    for _ in 0..10 {
        assert_eq!(ask(&mut dial(&key).await, "new").await.unwrap(), "new");
    }
    assert_eq!((first.accepted(), second.accepted()), (1, 10), "new ones go elsewhere");
    // The first backend must live on for what is held.
    std::mem::forget(first);
    (proxy, held, second, before, key)
}

#[tokio::test]
async fn connections_of_an_endpoint_that_leaves_are_reset_after_the_drain() {
    for state in [None, Some(EndpointState::Draining)] {
        let begun = Instant::now();
        let (proxy, mut held, ..) = endpoint_becomes(state).await;
        assert_eq!(ask(&mut held, "still").await.unwrap(), "still");
        assert_eq!(read_to_end(&mut held).await.1, End::Reset);
        assert!(begun.elapsed() >= Duration::from_millis(500));
        let removed = [("reason", "backend_removed"), ("by", "tidegate")];
        proxy.await_metric("tidegate_connections_closed_total", &removed, 1.0).await;
    }
}

#[tokio::test]
async fn connections_of_an_endpoint_that_is_not_ready_stay() {
    let (_proxy, mut held, ..) = endpoint_becomes(Some(EndpointState::Unready)).await;
    // Longer than the drain that must not happen.
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(ask(&mut held, "still").await.unwrap(), "still");
}

#[tokio::test]
async fn an_endpoint_that_comes_back_in_time_keeps_its_connections() {
    let (mut proxy, mut held, _second, before, _key) = endpoint_becomes(None).await;
    proxy.apply(&before).await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(ask(&mut held, "still").await.unwrap(), "still");
}
