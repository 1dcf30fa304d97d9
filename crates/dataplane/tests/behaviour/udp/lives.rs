//! What becomes of flows when the configuration changes around them.

use std::time::Duration;

use snapshot::{BindKey, Snapshot};

use super::peers::{Client, SILENCE, Server};
use super::{UdpWorld, key};
use crate::support::world::{World, invalid, to};
use crate::support::{Proxy, eventually};
use dataplane::Shutdown;

#[tokio::test]
async fn flows_keep_their_source_ports_through_unrelated_changes() {
    let server = Server::echo().await;
    let keys: Vec<BindKey> = (0..4).map(|_| key()).collect();
    let mut snapshot = Snapshot::default().cluster("a", &[server.address]);
    for key in &keys {
        snapshot = snapshot.udp(*key, vec![to("a", 1)]);
    }
    let mut proxy = Proxy::serving(&snapshot).await;
    let mut held = Vec::new();
    for i in 0..200 {
        let client = Client::new(keys[i % 4].socket_addr()).await;
        client.ask(b"?").await;
        held.push((client, server.last_from()));
    }
    let other = key();
    for change in 0..100 {
        let snapshot = match change % 5 {
            0 => snapshot.clone().udp(other, vec![to("a", 1)]),
            1 => snapshot.clone().cluster("b", &[([127, 0, 0, 1], 9 + change).into()]),
            // The cluster of the flows gets an endpoint more.
            2 => snapshot.clone().cluster("a", &[server.address, ([127, 0, 0, 9], 9).into()]),
            3 => snapshot.clone().udp(keys[3], vec![to("a", 1), invalid(change.into())]),
            _ => snapshot.clone().timeouts(keys[2], |timeouts| {
                timeouts.udp_idle = Duration::from_secs(60 + u64::from(change));
            }),
        };
        proxy.apply(&snapshot).await;
        let (client, from) = &held[usize::from(change) * 2];
        client.ask(&[change as u8]).await;
        assert_eq!(server.last_from(), *from, "after change {change}");
    }
    for (client, from) in &held {
        client.ask(b"still").await;
        assert_eq!(server.last_from(), *from);
    }
    assert_eq!(proxy.metric("tidegate_udp_flows_active", &[]), 200.0);
    assert_eq!(proxy.metric("tidegate_udp_flows_closed_total", &[]), 0.0);
}

#[tokio::test]
async fn a_changed_route_holds_for_new_flows() {
    let (before, after) = (Server::named("before").await, Server::named("after").await);
    let key = key();
    let snapshot = Snapshot::default()
        .udp(key, vec![to("before", 1)])
        .cluster("before", &[before.address])
        .cluster("after", &[after.address]);
    let mut proxy = Proxy::serving(&snapshot).await;
    let client = Client::new(key.socket_addr()).await;
    assert_eq!(client.ask(b"?").await, b"before");
    let mut snapshot = snapshot.udp(key, vec![to("after", 1)]);
    snapshot.clusters.remove(&snapshot::ClusterKey::new("before"));
    proxy.apply(&snapshot).await;
    assert_eq!(client.ask(b"?").await, b"before");
    assert_eq!(Client::new(key.socket_addr()).await.ask(b"?").await, b"after");
}

#[tokio::test]
async fn a_removed_listener_keeps_its_flows_and_takes_no_others() {
    let server = Server::echo().await;
    let key = key();
    let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).cluster("a", &[server.address]);
    let mut proxy = Proxy::serving(&snapshot).await;
    let mut held = Vec::new();
    for _ in 0..10 {
        let client = Client::new(key.socket_addr()).await;
        client.ask(b"?").await;
        held.push((client, server.last_from()));
    }
    proxy.apply(&snapshot.clone().without(&key)).await;
    let new = Client::new(key.socket_addr()).await;
    new.send(b"too late").await;
    assert_eq!(new.listen(SILENCE).await, None);
    for (client, from) in &held {
        client.ask(b"?").await;
        assert_eq!(server.last_from(), *from);
    }
    // It comes back: the flows are still the same, and there may be new ones again.
    let report = proxy.apply(&snapshot).await;
    assert!(report.binds[&key].is_bound(), "{report:?}");
    for (client, from) in &held {
        client.insist(b"?").await;
        assert_eq!(server.last_from(), *from);
    }
    assert_eq!(new.insist(b"hello").await, b"hello");
    assert_eq!(proxy.metric("tidegate_udp_flows_closed_total", &[]), 0.0);
}

#[tokio::test]
async fn flows_of_a_removed_listener_end_with_its_drain_time() {
    let server = Server::echo().await;
    let key = key();
    let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).cluster("a", &[server.address]);
    let snapshot = snapshot.timeouts(key, |timeouts| timeouts.drain = Duration::from_millis(300));
    let mut proxy = Proxy::serving(&snapshot).await;
    let client = Client::new(key.socket_addr()).await;
    client.ask(b"?").await;
    proxy.apply(&snapshot.without(&key)).await;
    let drained = [("reason", "drained")];
    proxy.await_metric("tidegate_udp_flows_closed_total", &drained, 1.0).await;
    assert_eq!(proxy.await_lines(1).await[0]["tidegate.close.reason"], "drained");
    // The port is free for somebody else, as soon as the worker has let go of its socket.
    let freed = eventually(async || std::net::UdpSocket::bind(key.socket_addr()).is_ok());
    assert!(freed.await);
}

#[tokio::test]
async fn a_removed_listener_without_flows_is_closed_at_once() {
    let key = key();
    let snapshot = Snapshot::default().udp_without_route(key);
    let mut proxy = Proxy::serving(&snapshot).await;
    proxy.apply(&snapshot.without(&key)).await;
    let is_free =
        crate::support::eventually(async || std::net::UdpSocket::bind(key.socket_addr()).is_ok());
    assert!(is_free.await);
}

#[tokio::test]
async fn a_shutdown_lets_flows_go_on_until_they_are_idle() {
    let server = Server::echo().await;
    let key = key();
    let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).cluster("a", &[server.address]);
    let proxy = Proxy::serving(&snapshot.idle(key, 500)).await;
    let client = Client::new(key.socket_addr()).await;
    client.ask(b"?").await;
    let ends = proxy.shutdown(Duration::from_secs(30));
    let goes_on = async {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            client.ask(b"still").await;
        }
    };
    let (outcome, ()) = tokio::join!(ends, goes_on);
    assert_eq!(outcome, Shutdown::Drained);
    assert_eq!(proxy.await_lines(1).await[0]["tidegate.close.reason"], "idle");
}

#[tokio::test]
async fn a_shutdown_that_cannot_wait_tells_of_every_flow() {
    let server = Server::echo().await;
    let key = key();
    let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).cluster("a", &[server.address]);
    let proxy = Proxy::serving(&snapshot).await;
    for _ in 0..20 {
        Client::new(key.socket_addr()).await.ask(b"?").await;
    }
    assert_eq!(proxy.shutdown(Duration::from_millis(50)).await, Shutdown::Cut);
    let lines = proxy.await_lines(20).await;
    assert!(lines.iter().all(|line| line["tidegate.close.reason"] == "drained"), "{lines:#?}");
}
