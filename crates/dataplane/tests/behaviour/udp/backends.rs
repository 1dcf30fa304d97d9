//! Which server a flow goes to: weights, endpoints that leave, endpoints that refuse.

use std::collections::BTreeMap;

use snapshot::{EndpointState, Snapshot};

use super::peers::{Client, SILENCE, Server};
use super::{UdpWorld, key};
use crate::support::world::{World, invalid, to};
use crate::support::{Proxy, eventually};

#[tokio::test]
async fn weights_share_flows_and_the_share_of_an_invalid_backend_is_dropped() {
    let (a, b, never) =
        (Server::named("a").await, Server::named("b").await, Server::named("never").await);
    let key = key();
    let targets = vec![to("a", 50), to("b", 20), invalid(30), to("never", 0)];
    let snapshot = Snapshot::default()
        .udp(key, targets)
        .cluster("a", &[a.address])
        .cluster("b", &[b.address])
        .cluster("never", &[never.address]);
    let proxy = Proxy::serving(&snapshot).await;
    let dropped = [("reason", "no_endpoint"), ("direction", "from_client")];
    let seen = || {
        proxy.metric("tidegate_udp_flows_opened_total", &[])
            + proxy.metric("tidegate_udp_datagrams_dropped_total", &dropped)
    };
    let mut clients = Vec::new();
    for sent in 1..=600 {
        let client = Client::new(key.socket_addr()).await;
        client.send(b"?").await;
        clients.push(client);
        // A burst that the socket has no room for would be lost unseen.
        if sent % 50 == 0 {
            assert!(eventually(async || seen() == f64::from(sent)).await, "{} of {sent}", seen());
        }
    }
    let is_decided = eventually(async || {
        let answered = proxy.metric("tidegate_udp_datagrams_sent_total", &[]);
        answered + proxy.metric("tidegate_udp_datagrams_dropped_total", &[]) == 600.0
    });
    assert!(is_decided.await);
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    let mut silent = Vec::new();
    for client in clients {
        match client.at_hand() {
            Some(name) => *shares.entry(String::from_utf8(name).unwrap()).or_default() += 1,
            None => silent.push(client),
        }
    }
    // Six standard deviations of 600 draws.
    let is_share = |count: usize, percent: usize| count.abs_diff(6 * percent) < 75;
    let (a_share, b_share) = (shares["a"], shares["b"]);
    assert!(is_share(a_share, 50) && is_share(b_share, 20), "{shares:?}");
    assert!(is_share(silent.len(), 30), "{} silent", silent.len());
    assert_eq!(never.heard().len(), 0);
    // The draw is one per flow: who was silent stays so.
    let mut expected = silent.len() as f64;
    for some in silent.chunks(50) {
        for client in some {
            client.send(b"again").await;
        }
        expected += some.len() as f64;
        proxy.await_metric("tidegate_udp_datagrams_dropped_total", &dropped, expected).await;
    }
    assert_eq!(silent[0].listen(SILENCE).await, None);
    assert_eq!(proxy.metric("tidegate_udp_flows_opened_total", &[]), (a_share + b_share) as f64);
    // Once the backend is there, nobody has to wait for an end.
    let mut proxy = proxy;
    let snapshot = snapshot.udp(key, vec![to("a", 1)]);
    proxy.apply(&snapshot).await;
    assert_eq!(silent[0].insist(b"?").await, b"a");
}

#[tokio::test]
async fn without_a_backend_nothing_comes_back() {
    let key_without_route = key();
    let key_without_endpoint = key();
    let key_without_weight = key();
    let server = Server::echo().await;
    let snapshot = Snapshot::default()
        .udp_without_route(key_without_route)
        .udp(key_without_endpoint, vec![to("empty", 1)])
        .udp(key_without_weight, vec![to("a", 0)])
        .cluster("empty", &[])
        .cluster("a", &[server.address]);
    let mut proxy = Proxy::serving(&snapshot).await;
    let mut clients = Vec::new();
    for key in [key_without_route, key_without_endpoint, key_without_weight] {
        let client = Client::new(key.socket_addr()).await;
        for _ in 0..20 {
            client.send(b"anybody?").await;
        }
        clients.push(client);
    }
    let dropped = [("reason", "no_endpoint")];
    proxy.await_metric("tidegate_udp_datagrams_dropped_total", &dropped, 60.0).await;
    for client in &clients {
        assert_eq!(client.listen(SILENCE).await, None);
    }
    assert_eq!(proxy.metric("tidegate_sent_bytes_total", &[]), 0.0);
    assert_eq!(proxy.metric("tidegate_udp_flows_opened_total", &[]), 0.0);
    // What was missing comes, and the next datagram is answered.
    let snapshot = snapshot
        .udp(key_without_route, vec![to("a", 1)])
        .udp(key_without_weight, vec![to("a", 1)])
        .cluster("empty", &[server.address]);
    proxy.apply(&snapshot).await;
    for client in &clients {
        assert_eq!(client.insist(b"now?").await, b"now?");
    }
}

#[tokio::test]
async fn a_flow_moves_on_when_its_endpoint_leaves_and_others_stay() {
    let servers = [Server::named("a").await, Server::named("b").await];
    let addresses = [servers[0].address, servers[1].address];
    for gone in [None, Some(EndpointState::Draining)] {
        let key = key();
        let snapshot = Snapshot::default().udp(key, vec![to("c", 1)]);
        let mut proxy = Proxy::serving(&snapshot.clone().cluster("c", &addresses)).await;
        let mut on_a = Vec::new();
        let mut on_b = Vec::new();
        for _ in 0..40 {
            let client = Client::new(key.socket_addr()).await;
            match client.ask(b"?").await.as_slice() {
                b"a" => on_a.push(client),
                _ => on_b.push((client, servers[1].last_from())),
            }
        }
        assert!(on_a.len() >= 5 && on_b.len() >= 5, "{} and {}", on_a.len(), on_b.len());
        let left = gone.map(|state| (addresses[0], state));
        let stays = (addresses[1], EndpointState::Ready);
        let endpoints: Vec<_> = left.into_iter().chain([stays]).collect();
        proxy.apply(&snapshot.cluster_of("c", &endpoints)).await;
        for client in &on_a {
            assert_eq!(client.ask(b"?").await, b"b");
        }
        for (client, from) in &on_b {
            assert_eq!(client.ask(b"?").await, b"b");
            assert_eq!(servers[1].last_from(), *from);
        }
        let moved = [("reason", "backend_removed")];
        let closed = proxy.metric("tidegate_udp_flows_closed_total", &moved);
        assert_eq!(closed, on_a.len() as f64);
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_ready_keeps_its_flows_and_gets_no_others() {
    let servers = [Server::named("a").await, Server::named("b").await];
    let key = key();
    let snapshot = Snapshot::default().udp(key, vec![to("c", 1)]);
    let ready = (servers[0].address, EndpointState::Ready);
    let mut proxy = Proxy::serving(&snapshot.clone().cluster_of("c", &[ready])).await;
    let client = Client::new(key.socket_addr()).await;
    client.ask(b"?").await;
    let endpoints =
        [(servers[0].address, EndpointState::Unready), (servers[1].address, EndpointState::Ready)];
    proxy.apply(&snapshot.cluster_of("c", &endpoints)).await;
    assert_eq!(client.ask(b"?").await, b"a");
    for _ in 0..10 {
        assert_eq!(Client::new(key.socket_addr()).await.ask(b"?").await, b"b");
    }
}

#[tokio::test]
async fn a_server_that_dies_harms_its_own_flows_and_they_find_another() {
    let (dying, living) = (Server::named("dying").await, Server::named("living").await);
    let key = key();
    let snapshot = Snapshot::default()
        .udp(key, vec![to("c", 1)])
        .cluster("c", &[dying.address, living.address]);
    let proxy = Proxy::serving(&snapshot).await;
    let (mut hit, mut unharmed) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        let client = Client::new(key.socket_addr()).await;
        match client.ask(b"?").await.as_slice() {
            b"dying" => hit.push(client),
            _ => unharmed.push((client, living.last_from())),
        }
    }
    assert!(hit.len() >= 5 && unharmed.len() >= 5, "{} and {}", hit.len(), unharmed.len());
    dying.stop().await;
    for client in &hit {
        assert_eq!(client.insist(b"?").await, b"living");
    }
    for (client, from) in &unharmed {
        assert_eq!(client.ask(b"?").await, b"living");
        assert_eq!(living.last_from(), *from);
    }
    let refused = [("reason", "icmp_unreachable")];
    let closed = proxy.metric("tidegate_udp_flows_closed_total", &refused);
    assert!(closed >= hit.len() as f64, "{closed} closed of {}", hit.len());
    let lines = proxy.await_lines(hit.len()).await;
    assert_eq!(lines[0]["error.type"], "icmp_unreachable");
    assert_eq!(lines[0]["tidegate.close.by"], "backend");
}

#[tokio::test]
async fn a_server_that_was_dead_is_found_when_it_is_back() {
    let server = Server::named("first").await;
    let address = server.address;
    let key = key();
    let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).cluster("a", &[address]);
    let proxy = Proxy::serving(&snapshot).await;
    let client = Client::new(key.socket_addr()).await;
    client.ask(b"?").await;
    server.stop().await;
    let is_noticed = eventually(async || {
        client.send(b"?").await;
        proxy.metric("tidegate_udp_flows_closed_total", &[("reason", "icmp_unreachable")]) > 0.0
    });
    assert!(is_noticed.await);
    let _server = Server::start(address, |_| vec![b"second".to_vec()]).await;
    assert_eq!(client.insist(b"?").await, b"second");
}
