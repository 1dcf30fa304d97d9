//! Changes while traffic runs: `live-port` and `hold-through-churn`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::cluster::{NODE, Namespace, PATIENCE, peer, until_ok};
use e2e::hold::Holding;
use e2e::peers::{Flow, Held, tcp_echo, udp_witness};

use tokio::time::timeout;

use crate::manifests::{gateway, route};

/// From `kubectl apply` to the first answer through the Service's address.
const LIVE: Duration = Duration::from_secs(2);
/// Held connections and held flows, each.
const HELD: u64 = 1000;
/// Listeners of either transport that they are spread over.
const LISTENERS: u16 = 5;
const EDITS: u32 = 200;

fn listeners(ports: impl IntoIterator<Item = u16>) -> Vec<(String, &'static str, u16)> {
    ports
        .into_iter()
        .flat_map(|port| {
            [(format!("tcp-{port}"), "TCP", port), (format!("udp-{port}"), "UDP", port)]
        })
        .collect()
}

fn routes(ports: impl IntoIterator<Item = u16>, backend: &str) -> String {
    let mut text = String::new();
    for port in ports {
        let (tcp, udp) = (format!("tcp-{port}"), format!("udp-{port}"));
        text += &route("TCPRoute", &tcp, "edge", &tcp, backend);
        text += &route("UDPRoute", &udp, "edge", &udp, backend);
    }
    text
}

/// A client of the node that no other number has.
fn client(number: u64) -> SocketAddr {
    SocketAddr::new(NODE, 10_000 + u16::try_from(number).expect("few"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_port() {
    let namespace = Namespace::new("live-port");
    let at = peer();
    tcp_echo(at).await;
    udp_witness(at, Duration::ZERO).await;
    namespace.backend("peer", at);
    namespace.apply(&(gateway("edge", &listeners([6000])) + &routes([6000], "peer")));
    let address = namespace.address_of("edge");
    let first = SocketAddr::new(address, 6000);
    until_ok("the first port answers", PATIENCE, async || Held::open(first).await).await;
    let before = namespace.proxies_of("edge");

    let mut slowest = (Duration::ZERO, Duration::ZERO);
    for added in 6001..6006 {
        namespace.apply(&(gateway("edge", &listeners(6000..=added)) + &routes([added], "peer")));
        let to = SocketAddr::new(address, added);
        let (_, tcp) = until_ok("TCP answers", PATIENCE, async || {
            // A port that leads nowhere yet swallows what is sent to it: each try is a new one.
            timeout(Duration::from_millis(200), Held::open(to)).await?
        })
        .await;
        let (_, udp) = until_ok("UDP answers", PATIENCE, async || {
            let flow = Flow::from(client(u64::from(added)), to, 1).await?;
            flow.ask().await?;
            flow.answer(Duration::from_millis(100)).await
        })
        .await;
        slowest = (slowest.0.max(tcp), slowest.1.max(tcp + udp));
    }
    e2e::report(&format!(
        "live-port: an added port answers through the Service's address at most {} ms (TCP) and \
         {} ms (UDP) after kubectl apply has returned",
        slowest.0.as_millis(),
        slowest.1.as_millis()
    ));
    assert_eq!(namespace.proxies_of("edge"), before, "no proxy was replaced");
    assert!(slowest.1 < LIVE, "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hold_through_churn() {
    let namespace = Namespace::new("churn");
    let at = peer();
    tcp_echo(at).await;
    udp_witness(at, Duration::ZERO).await;
    namespace.backend("peer", at);
    let held: Vec<u16> = (2000..2000 + LISTENERS).collect();
    let mut others: Vec<u16> = (4000..4004).collect();
    let all = |others: &[u16]| gateway("edge", &listeners(held.iter().chain(others).copied()));
    namespace.apply(&(all(&others) + &routes(held.iter().chain(&others).copied(), "peer")));
    let address = namespace.address_of("edge");
    let mut holding = Holding::default();
    for number in 0..HELD {
        let port = held[usize::try_from(number).expect("few") % held.len()];
        let to = SocketAddr::new(address, port);
        let (connection, _) =
            until_ok("it is routed", PATIENCE, async || Held::open(to).await).await;
        holding.connection(connection, number);
        let flow = Flow::from(client(number), to, number).await.expect("a socket");
        let port = flow.ping().await.expect("it is routed");
        holding.flow(flow, port);
    }
    let pods = namespace.proxies_of("edge");

    let begun = Instant::now();
    for edit in 0..EDITS {
        match edit % 4 {
            0 => {
                others.push(4004 + u16::try_from(edit).expect("few"));
                let added = others.last().copied();
                namespace.apply(&(all(&others) + &routes(added, "peer")));
            }
            1 => {
                others.remove(0);
                namespace.apply(&all(&others));
            }
            2 => {
                // An endpoint that refuses joins a Service of the others, or leaves it.
                let refuses = SocketAddr::new(NODE, 9);
                let endpoints = if edit % 8 == 2 { vec![at, refuses] } else { vec![at] };
                namespace.apply(&e2e::cluster::backend("other", &endpoints));
            }
            _ => namespace.apply(&routes(others.first().copied(), "other")),
        }
    }
    let span = begun.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await; // one more round of pings
    let outcome = holding.finish().await;
    e2e::report(&format!(
        "hold-through-churn: {HELD} connections and {HELD} flows through {EDITS} edits in {:.0} s: \
         {} pings, {} broken, {} moved",
        span.as_secs_f64(),
        outcome.pings,
        outcome.broken,
        outcome.moved
    ));
    assert_eq!((outcome.broken, outcome.moved), (0, 0));
    assert_eq!(namespace.proxies_of("edge"), pods, "no proxy was replaced");
}
