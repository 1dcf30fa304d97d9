//! What goes through a flow, and how long it lasts.

use snapshot::{Snapshot, Transport};

use super::peers::{Client, SILENCE, Server};
use super::{UdpWorld, key, key_at};
use crate::support::world::{World, to};
use crate::support::{Proxy, dial};

#[tokio::test]
async fn datagrams_of_every_size_pass_both_ways() {
    for (listen, serve) in [("127.0.0.1", "127.0.0.1:0"), ("::1", "[::1]:0")] {
        let server = Server::start(serve, |payload| vec![payload.to_vec()]).await;
        let key = key_at(listen);
        let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]);
        let _proxy = Proxy::serving(&snapshot.cluster("a", &[server.address])).await;
        let client = Client::new(key.socket_addr()).await;
        for size in [0, 1, 512, 1472, 1500, 9000, 65_507, 0, 3] {
            let payload: Vec<u8> = (0..size).map(|i| i as u8).collect();
            let answer = client.ask(&payload).await;
            assert!(answer == payload, "{listen}: {size} bytes became {}", answer.len());
        }
    }
}

#[tokio::test]
async fn one_question_may_have_many_answers() {
    let numbered = |_: &[u8]| (0..200u8).map(|i| vec![i]).collect();
    let server = Server::start("127.0.0.1:0", numbered).await;
    let key = key();
    let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).cluster("a", &[server.address]);
    let _proxy = Proxy::serving(&snapshot).await;
    let client = Client::new(key.socket_addr()).await;
    client.send(b"?").await;
    for i in 0..200 {
        assert_eq!(client.answer().await, [i]);
    }
}

#[tokio::test]
async fn answers_come_from_the_address_that_was_asked() {
    let cases =
        [("0.0.0.0", ["127.0.0.1", "127.0.0.2", "127.99.0.7"].as_slice()), ("::", &["::1"])];
    for (wildcard, addresses) in cases {
        let server = Server::echo().await;
        let key = key_at(wildcard);
        let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]);
        let _proxy = Proxy::serving(&snapshot.cluster("a", &[server.address])).await;
        for address in addresses {
            // Connected, so it takes nothing from any other address.
            let client =
                Client::new((address.parse::<std::net::IpAddr>().unwrap(), key.port.get()).into());
            assert_eq!(client.await.ask(b"ping").await, b"ping", "{address}");
        }
    }
}

#[tokio::test]
async fn one_client_of_two_addresses_has_two_flows() {
    let server = Server::echo().await;
    let key = key_at("0.0.0.0");
    let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).cluster("a", &[server.address]);
    let proxy = Proxy::serving(&snapshot).await;
    let client = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for address in ["127.0.0.1", "127.0.0.2"] {
        let to = (address, key.port.get());
        client.send_to(address.as_bytes(), to).await.unwrap();
        let mut buffer = [0; 64];
        let (len, from) = client.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..len], from.ip().to_string()), (address.as_bytes(), address.into()));
    }
    assert_eq!(proxy.metric("tidegate_udp_flows_active", &[]), 2.0);
    let heard = server.heard();
    assert_ne!(heard[0].from, heard[1].from);
}

#[tokio::test]
async fn a_flow_keeps_its_source_port_until_it_was_idle_for_its_time() {
    let server = Server::echo().await;
    let key = key();
    let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).cluster("a", &[server.address]);
    let proxy = Proxy::serving(&snapshot.idle(key, 400)).await;
    let client = Client::new(key.socket_addr()).await;
    for i in 0..10 {
        assert_eq!(client.ask(&[i]).await, [i]);
    }
    let port = server.last_from();
    assert!(server.heard().iter().all(|heard| heard.from == port));
    assert_eq!(proxy.metric("tidegate_udp_flows_active", &[]), 1.0);
    proxy.await_metric("tidegate_udp_flows_closed_total", &[("reason", "idle")], 1.0).await;
    assert_eq!(proxy.metric("tidegate_udp_flows_active", &[]), 0.0);
    client.ask(b"again").await;
    assert_ne!(server.last_from(), port);
}

#[tokio::test]
async fn answers_alone_keep_a_flow_alive() {
    let server = Server::echo().await;
    let key = key();
    let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).cluster("a", &[server.address]);
    let proxy = Proxy::serving(&snapshot.idle(key, 300)).await;
    // Another socket of the server's address and port speaks in its place.
    let client = Client::new(key.socket_addr()).await;
    client.ask(b"ping").await;
    let (flow, address) = (server.last_from(), server.address);
    server.stop().await;
    let speaker = tokio::net::UdpSocket::bind(address).await.unwrap();
    for i in 0..12 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        speaker.send_to(&[i], flow).await.unwrap();
        assert_eq!(client.answer().await, [i]);
    }
    assert_eq!(proxy.metric("tidegate_udp_flows_closed_total", &[]), 0.0);
    proxy.await_metric("tidegate_udp_flows_closed_total", &[("reason", "idle")], 1.0).await;
}

#[tokio::test]
async fn a_flow_is_counted_and_told_of_once() {
    let server = Server::start("127.0.0.1:0", |_| vec![vec![1; 100]; 3]).await;
    let key = key();
    let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).cluster("a", &[server.address]);
    let proxy = Proxy::serving(&snapshot.idle(key, 200)).await;
    let client = Client::new(key.socket_addr()).await;
    for _ in 0..2 {
        client.send(b"12345").await;
        for _ in 0..3 {
            client.answer().await;
        }
    }
    let line = proxy.await_lines(1).await.remove(0);
    let port = client.socket.local_addr().unwrap().port();
    for (name, value) in [
        ("message", "flow closed".into()),
        ("network.transport", "udp".into()),
        ("client.port", port.into()),
        ("network.local.address", key.address.to_string().into()),
        ("server.port", key.port.get().into()),
        ("tidegate.gateway.name", "edge/l4".into()),
        ("tidegate.route.name", format!("UDPRoute/db/u{}", key.port).into()),
        ("tidegate.backend.name", "db/a:5432".into()),
        ("tidegate.backend.address", "127.0.0.1".into()),
        ("tidegate.backend.port", server.address.port().into()),
        ("tidegate.connection.received_bytes", 10.into()),
        ("tidegate.connection.sent_bytes", 600.into()),
        ("tidegate.udp.received_datagrams", 2.into()),
        ("tidegate.udp.sent_datagrams", 6.into()),
        ("tidegate.udp.dropped_datagrams", 0.into()),
        ("tidegate.close.by", "tidegate".into()),
        ("tidegate.close.reason", "idle".into()),
        ("error.type", serde_json::Value::Null),
    ] {
        assert_eq!(line[name], value, "{name}");
    }
    for (name, value) in [
        ("tidegate_udp_flows_opened_total", 1.0),
        ("tidegate_udp_flows_active", 0.0),
        ("tidegate_udp_flows_closed_total", 1.0),
        ("tidegate_udp_datagrams_received_total", 2.0),
        ("tidegate_udp_datagrams_sent_total", 6.0),
        ("tidegate_received_bytes_total", 10.0),
        ("tidegate_sent_bytes_total", 600.0),
        ("tidegate_udp_datagrams_dropped_total", 0.0),
        ("tidegate_backend_connections_active", 0.0),
        ("tidegate_proxy_connections", 0.0),
    ] {
        assert_eq!(proxy.metric(name, &[]), value, "{name}");
    }
    assert_eq!(proxy.metric("tidegate_backend_connect_attempts_total", &[("result", "ok")]), 1.0);
}

#[tokio::test]
async fn strangers_reach_no_client() {
    let server = Server::echo().await;
    let key = key();
    let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).cluster("a", &[server.address]);
    let proxy = Proxy::serving(&snapshot).await;
    let client = Client::new(key.socket_addr()).await;
    client.ask(b"ping").await;
    let stranger = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..20 {
        stranger.send_to(b"forged", server.last_from()).await.unwrap();
    }
    assert_eq!(client.listen(SILENCE).await, None);
    assert_eq!(client.ask(b"pong").await, b"pong");
    proxy.await_metric("tidegate_udp_datagrams_sent_total", &[], 2.0).await;
}

#[tokio::test]
async fn tcp_and_udp_share_a_port_number() {
    let (tcp, udp) = (crate::support::backend::Backend::echo().await, Server::named("udp").await);
    let key = key();
    let tcp_key = snapshot::BindKey { transport: Transport::Tcp, ..key };
    let snapshot = Snapshot::default()
        .udp(key, vec![to("udp", 1)])
        .tcp(tcp_key, vec![to("tcp", 1)])
        .cluster("udp", &[udp.address])
        .cluster("tcp", &[tcp.address]);
    let _proxy = Proxy::serving(&snapshot).await;
    assert_eq!(Client::new(key.socket_addr()).await.ask(b"?").await, b"udp");
    let mut stream = dial(&tcp_key).await;
    assert_eq!(crate::support::backend::ask(&mut stream, "tcp").await.unwrap(), "tcp");
}

#[tokio::test]
async fn a_route_to_its_own_listener_does_not_loop() {
    for address in ["127.0.0.1", "0.0.0.0"] {
        let key = key_at(address);
        let itself = ([127, 0, 0, 1], key.port.get()).into();
        let snapshot = Snapshot::default().udp(key, vec![to("a", 1)]).cluster("a", &[itself]);
        let proxy = Proxy::serving(&snapshot).await;
        let client = Client::new(itself).await;
        client.send(b"round and round").await;
        let dropped = [("reason", "no_endpoint")];
        proxy.await_metric("tidegate_udp_datagrams_dropped_total", &dropped, 1.0).await;
        assert_eq!(client.listen(SILENCE).await, None);
        assert_eq!(proxy.metric("tidegate_udp_flows_opened_total", &[]), 0.0);
        assert_eq!(proxy.metric("tidegate_udp_datagrams_dropped_total", &[]), 1.0);
    }
}
