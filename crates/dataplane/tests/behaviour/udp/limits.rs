//! How many flows there may be, and who has to go.

use snapshot::{Limits, Snapshot};

use super::peers::{Client, SILENCE, Server};
use super::{UdpWorld, key};
use crate::support::Proxy;
use crate::support::world::{World, to};

#[tokio::test]
async fn a_flood_of_new_flows_costs_no_assured_flow_its_place() {
    let server = Server::echo().await;
    let key = key();
    let limits = Limits { flows: Some(40), ..Limits::default() };
    let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).limits(key, limits);
    let snapshot = snapshot.cluster("a", &[server.address]);
    let proxy = Proxy::serving(&snapshot).await;
    let mut honest = Vec::new();
    for _ in 0..8 {
        let client = Client::new(key.socket_addr()).await;
        // An answer, and a datagram after it: somebody is there.
        client.ask(b"one").await;
        client.ask(b"two").await;
        honest.push((client, server.last_from()));
    }
    for round in 0..10u8 {
        for _ in 0..60 {
            Client::new(key.socket_addr()).await.send(&[round]).await;
        }
        for (i, (client, from)) in honest.iter().enumerate() {
            let payload = [round, i as u8];
            assert_eq!(client.ask(&payload).await, payload);
            let heard = server.heard();
            let heard = heard.iter().rfind(|heard| heard.payload == payload);
            assert_eq!(heard.unwrap().from, *from);
        }
        let active = proxy.metric("tidegate_udp_flows_active", &[]);
        // Half may be new. A few more are there when the kernel gives a client of the flood the
        // port of an earlier one, who then seems to speak again.
        assert!(active <= 8.0 + 20.0 + 6.0, "{active} flows");
    }
    let evicted = proxy.metric("tidegate_udp_flows_closed_total", &[("reason", "limit")]);
    let opened = proxy.metric("tidegate_udp_flows_opened_total", &[]);
    assert!(evicted >= 500.0 && opened >= 600.0, "{evicted} evicted of {opened}");
    // A new client gets in all the same.
    let late = Client::new(key.socket_addr()).await;
    assert_eq!(late.insist(b"me").await, b"me");
}

#[tokio::test]
async fn when_all_flows_are_assured_a_new_one_is_refused() {
    let server = Server::echo().await;
    let key = key();
    let limits = |flows| Limits { flows: Some(flows), ..Limits::default() };
    let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).limits(key, limits(8));
    let snapshot = snapshot.cluster("a", &[server.address]);
    let mut proxy = Proxy::serving(&snapshot).await;
    let mut refused = Vec::new();
    let mut honest = Vec::new();
    // The kernel spreads clients over workers, which have four places each.
    while honest.len() < 8 {
        let client = Client::new(key.socket_addr()).await;
        client.send(b"one").await;
        match client.listen(SILENCE).await {
            Some(_) => {
                client.ask(b"two").await;
                honest.push(client);
            }
            None => refused.push(client),
        }
    }
    let client = Client::new(key.socket_addr()).await;
    client.send(b"no room").await;
    assert_eq!(client.listen(SILENCE).await, None);
    refused.push(client);
    let dropped = [("reason", "flow_limit"), ("direction", "from_client")];
    let count = refused.len() as f64;
    proxy.await_metric("tidegate_udp_datagrams_dropped_total", &dropped, count).await;
    assert_eq!(proxy.metric("tidegate_udp_flows_active", &[]), 8.0);
    assert_eq!(proxy.metric("tidegate_udp_flows_closed_total", &[]), 0.0);
    proxy.apply(&snapshot.limits(key, limits(100))).await;
    assert_eq!(client_of(&refused).insist(b"room").await, b"room");
    for client in &honest {
        assert_eq!(client.ask(b"still here").await, b"still here");
    }
}

fn client_of(refused: &[Client]) -> &Client {
    refused.last().unwrap()
}

#[tokio::test]
async fn a_lowered_limit_ends_new_flows_first() {
    let server = Server::echo().await;
    let key = key();
    let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).cluster("a", &[server.address]);
    let mut proxy = Proxy::serving(&snapshot).await;
    let assured = Client::new(key.socket_addr()).await;
    assured.ask(b"one").await;
    assured.ask(b"two").await;
    let from = server.last_from();
    let mut new = Vec::new();
    for _ in 0..30 {
        let client = Client::new(key.socket_addr()).await;
        client.ask(b"one").await;
        new.push(client);
    }
    let limits = Limits { flows: Some(4), ..Limits::default() };
    proxy.apply(&snapshot.limits(key, limits)).await;
    let closed = [("reason", "limit")];
    // One new flow may stay with each worker, two where no assured one is.
    let is_lowered = crate::support::eventually(async || {
        proxy.metric("tidegate_udp_flows_closed_total", &closed) >= 28.0
    });
    assert!(is_lowered.await);
    assert_eq!(assured.ask(b"three").await, b"three");
    assert_eq!(server.last_from(), from);
}
