//! What is counted adds up, whatever happens to connections.

use std::time::Duration;

use snapshot::{ClientAuth, EndpointState, Snapshot, Transport};
use tokio::net::TcpStream;

use crate::pki::{Authority, server};
use crate::support::backend::{Backend, End, ask, read_to_end};
use crate::support::tls::{TlsWorld, connect, passthrough, terminating};
use crate::support::world::{World, invalid, route, to};
use crate::support::{Proxy, dial, key};

#[tokio::test]
async fn accepted_is_refused_plus_opened_and_every_opened_closes_once() {
    let backend = Backend::echo().await;
    let (mixed, empty) = (key(Transport::Tcp), key(Transport::Tcp));
    let snapshot = Snapshot::default()
        .tcp(mixed, vec![to("a", 1), invalid(1)])
        .tcp_without_route(empty)
        .cluster("a", &[backend.address]);
    let proxy = Proxy::serving(&snapshot).await;
    let mut clients = Vec::new();
    for round in 0..60 {
        let target = if round % 4 == 0 { &empty } else { &mixed };
        // A refusal may come before the connect returns.
        let Ok(mut client) = TcpStream::connect(target.socket_addr()).await else { continue };
        let _ = ask(&mut client, "hello").await;
        match round % 3 {
            0 => clients.push(client),
            1 => drop(client),
            _ => {
                // A reset that comes after ours is no news.
                let _ = client.set_zero_linger();
            }
        }
    }
    drop(clients);
    proxy.await_metric("tidegate_connections_accepted_total", &[], 60.0).await;
    proxy.await_metric("tidegate_connections_active", &[], 0.0).await;
    let metric = |name: &str| proxy.metric(name, &[]);
    let opened = metric("tidegate_connections_opened_total");
    assert_eq!(metric("tidegate_connections_refused_total") + opened, 60.0);
    assert_eq!(metric("tidegate_connections_closed_total"), opened);
    assert_eq!(metric("tidegate_connection_duration_seconds_count"), opened);
    assert_eq!(metric("tidegate_received_bytes_total"), metric("tidegate_sent_bytes_total"));
    assert_eq!(metric("tidegate_received_bytes_total"), opened * 5.0);
    for gauge in [
        "tidegate_backend_connections_active",
        "tidegate_proxy_connections",
        "tidegate_worker_connections",
        "tidegate_worker_panics_total",
        "tidegate_access_log_dropped_total",
    ] {
        assert_eq!(metric(gauge), 0.0, "{gauge}");
    }
    let lines = proxy.await_lines(60).await;
    assert_eq!(lines.len(), 60, "one line for each");
    let ids: std::collections::BTreeSet<_> =
        lines.iter().map(|line| line["tidegate.connection.id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 60, "no two ids alike");
}

#[tokio::test]
async fn held_connections_and_endpoints_show_in_gauges() {
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let elsewhere = |last: u8| ([192, 0, 2, last], 80).into();
    let snapshot = Snapshot::default().tcp(key, vec![to("a", 1)]).cluster_of(
        "a",
        &[
            (backend.address, EndpointState::Ready),
            (elsewhere(1), EndpointState::Unready),
            (elsewhere(2), EndpointState::Draining),
            (elsewhere(3), EndpointState::Draining),
        ],
    );
    let proxy = Proxy::serving(&snapshot).await;
    let mut held = Vec::new();
    for _ in 0..7 {
        let mut client = dial(&key).await;
        assert_eq!(ask(&mut client, "x").await.unwrap(), "x");
        held.push(client);
    }
    let metric = |name: &str, labels: &[(&str, &str)]| proxy.metric(name, labels);
    assert_eq!(metric("tidegate_connections_active", &[("route_kind", "TCPRoute")]), 7.0);
    assert_eq!(metric("tidegate_backend_connections_active", &[("backend", "a")]), 7.0);
    assert_eq!(metric("tidegate_proxy_connections", &[]), 7.0);
    assert_eq!(metric("tidegate_snapshot_version", &[]), 1.0);
    for (state, count) in [("ready", 1.0), ("unhealthy", 1.0), ("draining", 2.0)] {
        assert_eq!(metric("tidegate_backend_endpoints", &[("state", state)]), count, "{state}");
    }
    drop(held);
    proxy.await_metric("tidegate_proxy_connections", &[], 0.0).await;
}

#[tokio::test]
async fn certificates_and_handshakes_are_counted_by_listener() {
    let (authority, stranger) = (Authority::new("ca"), Authority::new("stranger"));
    let identity = authority.identity("edge/db-tls", &["db.example.com"]);
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let routes = vec![(Some("*.example.com"), route("TLSRoute", "a", vec![to("a", 1)]))];
    let listener = terminating("tls", server(&[&identity], ClientAuth::None), routes);
    let snapshot =
        Snapshot::default().tls(key, vec![(None, listener)]).cluster("a", &[backend.address]);
    let proxy = Proxy::serving(&snapshot).await;
    let shown = [("secret_namespace", "edge"), ("secret", "db-tls"), ("listener", "tls")];
    let name = "tidegate_certificate_not_after_timestamp_seconds";
    assert_eq!(proxy.metric(name, &shown), identity.not_after as f64);

    drop(connect(&key, &authority.client(), "db.example.com").await.unwrap());
    assert!(connect(&key, &stranger.client(), "db.example.com").await.is_err());
    for result in ["ok", "unknown_ca"] {
        let labels = [("side", "client"), ("result", result), ("listener", "tls")];
        proxy.await_metric("tidegate_tls_handshakes_total", &labels, 1.0).await;
    }
    assert_eq!(proxy.metric("tidegate_tls_handshake_duration_seconds_count", &[]), 1.0);
}

#[tokio::test]
async fn a_probe_is_counted_and_never_logged() {
    let key = key(Transport::Tcp);
    let snapshot = Snapshot::default()
        .tls(key, vec![(None, passthrough("tls", vec![]))])
        .timeouts(key, |timeouts| timeouts.hello = Duration::from_millis(300));
    let proxy = Proxy::serving(&snapshot).await;
    for _ in 0..5 {
        drop(dial(&key).await);
    }
    let name = "tidegate_connections_refused_total";
    proxy.await_metric(name, &[("reason", "probe")], 5.0).await;
    // One that stays and says nothing is no probe: it held a place until its deadline.
    assert_eq!(read_to_end(&mut dial(&key).await).await, (vec![], End::Finished));
    proxy.await_metric(name, &[("reason", "hello_timeout")], 1.0).await;
    assert_eq!(proxy.await_lines(1).await.len(), 1);
    assert_eq!(proxy.metric("tidegate_connections_accepted_total", &[]), 6.0);
}
