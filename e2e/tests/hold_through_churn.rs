//! `hold-through-churn`: 1,000 TCP connections and 1,000 UDP flows, held over ten listeners, while
//! 200 edits hit other listeners, routes, endpoints and certificates of the same Gateway within
//! 60 s. Nothing held may break, no flow may move to another source port, and a listener that is
//! added meanwhile accepts within 2 s.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::hold::Holding;
use e2e::peers::{Flow, Held, tcp_echo, udp_witness};
use e2e::{Authority, Gateway, address, manifests as m};
use tokio::time::{interval, sleep, timeout};

/// Per listener; five listeners of either transport.
const HELD: u64 = 200;
const EDITS: u32 = 200;
/// From the first edit to the last.
const SPAN: Duration = Duration::from_secs(50);
const LIVE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hold_through_churn() {
    let backends = address::fresh();
    let (tcp, udp) = (SocketAddr::new(backends, 7000), SocketAddr::new(backends, 7001));
    tcp_echo(tcp).await;
    udp_witness(udp, Duration::ZERO).await;
    let mut world = World::new(tcp, udp);
    let gateway = Gateway::start(&world.gateway());
    gateway.folder.write("held.yaml", &world.held());
    gateway.folder.write("other.yaml", &world.others());
    for held in 0..5 {
        let name = format!("held-tcp-{held}");
        let routed = format!("{name} is routed");
        let address = gateway.at(2000 + held);
        until_echo(&routed, address, Duration::from_secs(10)).await;
    }

    let mut holding = Holding::default();
    for number in 0..5 * HELD {
        let listener = (number / HELD) as u16;
        let held = Held::open(gateway.at(2000 + listener)).await.expect("it is routed");
        holding.connection(held, number);
        let flow = Flow::new(gateway.at(3000 + listener), number).await.expect("a socket");
        let port = flow.ping().await.expect("it is routed");
        holding.flow(flow, port);
    }
    let active = gateway.metrics();
    assert_eq!(active.sum("tidegate_connections_active", &[]), (5 * HELD) as f64);
    assert_eq!(active.sum("tidegate_udp_flows_active", &[]), (5 * HELD) as f64);

    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut pace = interval(SPAN / EDITS);
    for edit in 0..EDITS {
        pace.tick().await;
        if let Some(added) = world.edit(edit, &gateway) {
            let edited = Instant::now();
            until_echo("the added listener accepts", gateway.at(added), LIVE).await;
            slowest = slowest.max(edited.elapsed());
        }
    }
    let span = begun.elapsed();
    assert!(span < Duration::from_secs(60), "the edits took {span:?}");
    sleep(Duration::from_secs(2)).await; // one more round of pings after the last edit
    let outcome = holding.finish().await;
    e2e::report(&format!(
        "hold-through-churn: {} connections and {} flows through {EDITS} edits in {:.0} s: \
         {} pings, {} broken, {} moved; an added listener accepts after at most {} ms",
        5 * HELD,
        5 * HELD,
        span.as_secs_f64(),
        outcome.pings,
        outcome.broken,
        outcome.moved,
        slowest.as_millis()
    ));
    assert_eq!((outcome.broken, outcome.moved), (0, 0));
    assert!(!slowest.is_zero(), "no listener was added");
    tokio::task::spawn_blocking(|| gateway.finish()).await.expect("it ends in order");
}

/// Connects until an echo answers.
async fn until_echo(what: &str, to: SocketAddr, deadline: Duration) {
    let answered = timeout(deadline, async {
        while Held::open(to).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    });
    answered.await.unwrap_or_else(|_| panic!("after {deadline:?} still not: {what}"));
}

/// The manifests: ten listeners that stay, and others that are edited.
struct World {
    tcp: SocketAddr,
    udp: SocketAddr,
    authority: Authority,
    /// Ports of the other listeners that are there now.
    others: Vec<u16>,
    next: u16,
    generation: u32,
}

impl World {
    fn new(tcp: SocketAddr, udp: SocketAddr) -> Self {
        let authority = Authority::new("Churn");
        Self { tcp, udp, authority, others: (4000..4008).collect(), next: 4008, generation: 0 }
    }

    fn gateway(&self) -> String {
        let held = (0..5).flat_map(|n| {
            [
                m::Listener::tcp(&format!("held-tcp-{n}"), 2000 + n),
                m::Listener::udp(&format!("held-udp-{n}"), 3000 + n),
            ]
        });
        let ended = m::Listener::terminate("ended", 5443, "ended.example.com", "edge");
        let others = self.others.iter().map(|port| m::Listener::tcp(&format!("o-{port}"), *port));
        m::gateway(&held.chain([ended]).chain(others).collect::<Vec<_>>())
    }

    fn held(&self) -> String {
        let mut text = m::service("held-tcp", "TCP", &[self.tcp]);
        text += &m::service("held-udp", "UDP", &[self.udp]);
        for n in 0..5 {
            text += &m::tcp_route(&format!("held-{n}"), &format!("held-tcp-{n}"), "held-tcp");
            text += &m::udp_route(&format!("held-{n}"), &format!("held-udp-{n}"), "held-udp");
        }
        text
    }

    /// Routes, endpoints and certificate of the others, different in every generation. The one
    /// endpoint that works is always among them; the others refuse.
    fn others(&self) -> String {
        let endpoints: Vec<_> = (0..=self.generation % 4)
            .map(|n| SocketAddr::new(self.tcp.ip(), self.tcp.port() + n as u16 * 100))
            .collect();
        let mut text = m::service("other-a", "TCP", &endpoints);
        text += &m::service("other-b", "TCP", &[self.tcp]);
        text += &m::secret("edge", &self.authority.issue(&["ended.example.com"]));
        text += &m::tls_route("ended", "ended", "ended.example.com", "other-a");
        for port in &self.others {
            let service = if (u32::from(*port) + self.generation).is_multiple_of(2) {
                "other-a"
            } else {
                "other-b"
            };
            text += &m::tcp_route(&format!("o-{port}"), &format!("o-{port}"), service);
        }
        text
    }

    /// One edit; the port of the listener that it adds, if it adds one.
    fn edit(&mut self, number: u32, gateway: &Gateway) -> Option<u16> {
        self.generation += 1;
        match number % 4 {
            0 => {
                let added = self.next;
                self.next += 1;
                self.others.push(added);
                gateway.folder.write("other.yaml", &self.others());
                gateway.folder.write("gateway.yaml", &self.gateway());
                Some(added)
            }
            1 => {
                let gone = fastrand::usize(..self.others.len());
                self.others.remove(gone);
                gateway.folder.write("gateway.yaml", &self.gateway());
                gateway.folder.write("other.yaml", &self.others());
                None
            }
            _ => {
                gateway.folder.write("other.yaml", &self.others());
                None
            }
        }
    }
}
