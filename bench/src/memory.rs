//! User memory per idle connection and flow: resident anonymous memory of the process with N of
//! them, less that before, by N. Kernel memory (sockets) is not in it.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::peers::{Flow, Held, tcp_echo, udp_witness};
use e2e::{Gateway, address, manifests as m};
use tokio::time::sleep;

/// Targets, bytes each.
const CONNECTION: u64 = 4 * 1024;
const FLOW: u64 = 2 * 1024;
/// Opened and closed before the first reading, so that what a first use costs once is not counted.
const WARM_UP: u64 = 64;

/// Measures both, prints them and says whether both targets are met.
pub(crate) async fn measure(held: u64) -> bool {
    let backends = address::fresh();
    let (tcp, udp) = (SocketAddr::new(backends, 7000), SocketAddr::new(backends, 7001));
    tcp_echo(tcp).await;
    udp_witness(udp, Duration::ZERO).await;
    let manifests = [
        m::gateway(&[m::Listener::tcp("tcp", 7000), m::Listener::udp("udp", 7000)]),
        m::tcp_route("tcp", "tcp", "tcp"),
        m::udp_route("udp", "udp", "udp"),
        m::service("tcp", "TCP", &[tcp]),
        m::service("udp", "UDP", &[udp]),
    ]
    .concat();

    let gateway = Gateway::start(&manifests);
    let to = gateway.at(7000);
    drop(connections(to, WARM_UP).await);
    let before = settled(&gateway).await;
    let connections = connections(to, held).await;
    let each = settled(&gateway).await.saturating_sub(before) / held;
    let tcp_met = report("idle TCP connection", held, each, CONNECTION);
    drop(connections);
    drop(gateway);

    // A process of its own, so that no memory freed by the connections is used again unseen.
    let gateway = Gateway::start(&manifests);
    let to = gateway.at(7000);
    drop(flows(to, WARM_UP).await);
    let before = settled(&gateway).await;
    let flows = flows(to, held).await;
    let each = settled(&gateway).await.saturating_sub(before) / held;
    let udp_met = report("idle UDP flow", held, each, FLOW);
    drop(flows);
    tcp_met && udp_met
}

fn report(what: &str, held: u64, each: u64, most: u64) -> bool {
    let met = each <= most;
    let verdict = if met { "met" } else { "MISSED" };
    println!("{what}: {each} bytes of user memory each, {held} held; target {most}: {verdict}");
    met
}

/// Memory once it has stopped changing.
async fn settled(gateway: &Gateway) -> u64 {
    let mut last = gateway.process.memory();
    for _ in 0..50 {
        sleep(Duration::from_millis(200)).await; // the pace of the readings
        let now = gateway.process.memory();
        if now == last {
            break;
        }
        last = now;
    }
    last
}

async fn connections(to: SocketAddr, count: u64) -> Vec<Held> {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(Held::open(to).await.expect("it is routed"));
    }
    held
}

async fn flows(to: SocketAddr, count: u64) -> Vec<Flow> {
    let mut held = Vec::new();
    for number in 0..count {
        let flow = Flow::new(to, number).await.expect("a socket");
        // Twice: a flow whose client answered an answer is one that stays.
        for _ in 0..2 {
            flow.ping().await.expect("it is routed");
        }
        held.push(flow);
    }
    held
}
