//! TCP connections that get no backend: what the client sees, what is counted, what is tried.

use std::net::SocketAddr;
use std::time::Duration;

use snapshot::{EndpointState, Snapshot, Transport, Weighted};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::support::backend::{Backend, End, ask};
use crate::support::world::{World, invalid, to};
use crate::support::{Proxy, closed_address, dial, key, knock, soon};

/// Connects once, expects a reset, and gives the access line.
async fn refused(
    targets: Option<Vec<Weighted>>,
    endpoints: &[(SocketAddr, EndpointState)],
) -> serde_json::Value {
    let key = key(Transport::Tcp);
    let snapshot = Snapshot::default().cluster_of("a", endpoints);
    let snapshot = match targets {
        Some(targets) => snapshot.tcp(key, targets),
        None => snapshot.tcp_without_route(key),
    };
    let proxy = Proxy::serving(&snapshot).await;
    assert_eq!(knock(&key).await, (vec![], End::Reset));
    let line = proxy.await_lines(1).await.remove(0);
    let reason = line["tidegate.close.reason"].as_str().unwrap();
    assert_eq!(line["message"], "connection refused");
    assert_eq!(line["error.type"], reason);
    let name = "tidegate_connections_refused_total";
    assert_eq!(proxy.metric(name, &[("reason", reason)]), 1.0);
    assert_eq!(proxy.metric("tidegate_connections_accepted_total", &[]), 1.0);
    assert_eq!(proxy.metric("tidegate_connections_opened_total", &[]), 0.0);
    line
}

#[tokio::test]
async fn a_port_without_a_valid_backend_resets_every_connection() {
    use EndpointState::{Draining, Ready, Unready};
    let closed = closed_address();
    for (targets, endpoints, reason) in [
        (None, vec![], "no_backend"),
        (Some(vec![]), vec![], "no_backend"),
        (Some(vec![to("a", 0)]), vec![(closed, Ready)], "no_backend"),
        (Some(vec![invalid(1)]), vec![], "no_backend"),
        (Some(vec![to("a", 1)]), vec![], "no_endpoint"),
        (Some(vec![to("a", 1)]), vec![(closed, Unready)], "no_endpoint"),
        (Some(vec![to("a", 1)]), vec![(closed, Draining)], "no_endpoint"),
        (Some(vec![to("a", 1)]), vec![(closed, Ready)], "connect_failed"),
    ] {
        let shown = format!("{targets:?}");
        let line = refused(targets, &endpoints).await;
        assert_eq!(line["tidegate.close.reason"], reason, "{shown}");
    }
}

#[tokio::test]
async fn three_endpoints_are_tried_and_no_more() {
    let endpoints: Vec<_> = (0..5).map(|_| (closed_address(), EndpointState::Ready)).collect();
    let line = refused(Some(vec![to("a", 1)]), &endpoints).await;
    assert_eq!(line["tidegate.backend.attempts"], 3);
    assert_eq!(line["tidegate.backend.name"], "db/a:5432");
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_given_up_in_time() {
    // Nobody accepts here, and the queue for one connection is filled: the kernel drops what
    // else comes.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let _fill: Vec<_> = (0..3)
        .map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)))
        .collect();
    let key = key(Transport::Tcp);
    let snapshot = Snapshot::default()
        .tcp(key, vec![to("a", 1)])
        .cluster("a", &[address])
        .timeouts(key, |timeouts| timeouts.connect = Duration::from_millis(200));
    let proxy = Proxy::serving(&snapshot).await;
    assert_eq!(knock(&key).await.1, End::Reset);
    let line = &proxy.await_lines(1).await[0];
    assert_eq!(line["tidegate.close.reason"], "connect_timeout");
    let name = "tidegate_backend_connect_attempts_total";
    assert_eq!(proxy.metric(name, &[("result", "timeout")]), 1.0);
}

#[tokio::test]
async fn a_failing_endpoint_is_replaced_by_another_of_the_same_backend() {
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let snapshot = Snapshot::default()
        .tcp(key, vec![to("a", 1)])
        .cluster("a", &[closed_address(), closed_address(), backend.address]);
    let proxy = Proxy::serving(&snapshot).await;
    for _ in 0..30 {
        assert_eq!(ask(&mut dial(&key).await, "hello").await.unwrap(), "hello");
    }
    proxy.await_metric("tidegate_connections_active", &[], 0.0).await;
    let name = "tidegate_backend_connect_attempts_total";
    assert_eq!(proxy.metric(name, &[("result", "ok")]), 30.0);
    let failed = proxy.metric(name, &[("result", "refused")]);
    assert!((1.0..=60.0).contains(&failed), "{failed}");
    assert_eq!(proxy.metric("tidegate_connections_refused_total", &[]), 0.0);
}

/// Connects so often and counts what each backend's name answered; "" is a reset.
async fn shares(
    targets: Vec<Weighted>,
    connections: usize,
) -> std::collections::BTreeMap<String, usize> {
    let (a, b) = (Backend::greeting("a").await, Backend::greeting("b").await);
    let key = key(Transport::Tcp);
    let snapshot =
        Snapshot::default().tcp(key, targets).cluster("a", &[a.address]).cluster("b", &[b.address]);
    let _proxy = Proxy::serving(&snapshot).await;
    let mut shares = std::collections::BTreeMap::new();
    for _ in 0..connections {
        let mut name = String::new();
        // A reset, before or after the connect returns, leaves the name empty.
        if let Ok(client) = TcpStream::connect(key.socket_addr()).await {
            let _ = soon(client.take(1).read_to_string(&mut name)).await;
        }
        *shares.entry(name).or_default() += 1;
    }
    shares
}

// Bounds are six standard deviations wide: one false alarm in 10^8 runs.

#[tokio::test]
async fn weights_are_kept_between_backends() {
    let shares = shares(vec![to("a", 3), to("b", 1), invalid(0)], 400).await;
    assert!((248..=352).contains(&shares["a"]), "{shares:?}");
    assert_eq!(shares["a"] + shares["b"], 400, "{shares:?}");
}

#[tokio::test]
async fn the_share_of_an_invalid_backend_is_refused_and_not_given_to_others() {
    let shares = shares(vec![to("a", 1), invalid(4)], 400).await;
    assert!((272..=368).contains(&shares[""]), "{shares:?}");
    assert_eq!(shares["a"] + shares[""], 400, "{shares:?}");
}
