//! A process without descriptors to spare, as a child of the test with a limit of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use snapshot::{BindKey, Snapshot, Transport};
use tokio::net::TcpStream;

use crate::support::backend::{Backend, ask};
use crate::support::world::{World, to};
use crate::support::{Proxy, dial, eventually, key};

const CHILD: &str = "TIDEGATE_TEST_CHILD";
/// Of these about 120 are not for connections, which take two each: room for about 70 in all.
const DESCRIPTORS: u64 = 264;
/// More than there can be room for.
const MANY: usize = 300;

/// A data plane in a process of its own.
struct FewDescriptors {
    child: Child,
    orders: ChildStdin,
    answers: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl FewDescriptors {
    fn start(keys: &[BindKey; 2], backend: SocketAddr) -> Self {
        let sockets = keys.map(|key| key.socket_addr().to_string()).join(" ");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "budgets::a_process_without_descriptors_to_spare"])
            .env(CHILD, format!("{sockets} {backend}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut this = Self { child, orders, answers };
        this.answer("ready");
        this
    }

    /// The rest of the next line that begins with `word`.
    fn answer(&mut self, word: &str) -> String {
        self.answers
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| {
                // The harness prints the test's name without a line feed before it.
                let (_, rest) = line.split_once(word)?;
                Some(rest.trim().to_owned())
            })
            .unwrap()
    }

    /// A metric, or `cpu` for the seconds of processor time.
    fn ask(&mut self, name: &str) -> f64 {
        writeln!(self.orders, "{name}").unwrap();
        self.answer("answer").parse().unwrap()
    }
}

impl Drop for FewDescriptors {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's side: serves until its parent is gone.
async fn serve(order: &str) {
    let limit = Rlimit { current: Some(DESCRIPTORS / 2), maximum: Some(DESCRIPTORS) };
    setrlimit(Resource::Nofile, limit).unwrap();
    let addresses: Vec<SocketAddr> =
        order.split(' ').map(|address| address.parse().unwrap()).collect();
    let backend = addresses[2];
    let mut snapshot = Snapshot::default().cluster("a", &[backend]);
    for address in &addresses[..2] {
        let port = snapshot::Port::new(address.port()).unwrap();
        let key = BindKey { transport: Transport::Tcp, port, address: address.ip() };
        snapshot = snapshot.tcp(key, vec![to("a", 1)]);
    }
    let proxy = Proxy::serving(&snapshot).await;
    let mut answers = std::io::stdout();
    writeln!(answers, "ready").unwrap();
    let mut orders = std::io::stdin().lines();
    while let Some(Ok(order)) = orders.next() {
        let (name, reason) = order.split_once(' ').unwrap_or((&order, ""));
        let labels = [("reason", reason)];
        let labels = if reason.is_empty() { &[][..] } else { &labels };
        writeln!(answers, "answer {}", proxy.metric(name, labels)).unwrap();
    }
}

#[tokio::test]
async fn a_process_without_descriptors_to_spare() {
    if let Ok(order) = std::env::var(CHILD) {
        return serve(&order).await;
    }
    let backend = Backend::echo().await;
    let keys = [key(Transport::Tcp), key(Transport::Tcp)];
    let mut child = FewDescriptors::start(&keys, backend.address);
    let [flooded, calm] = &keys;

    // A flood. The kernel accepts them all; the proxy only as many as it has room for.
    let mut flood: Vec<TcpStream> = Vec::new();
    for _ in 0..MANY {
        flood.push(dial(flooded).await);
    }
    let mut held = 0.0;
    let full = eventually(async || {
        let before = std::mem::replace(&mut held, child.ask("tidegate_connections_active"));
        tokio::time::sleep(Duration::from_millis(200)).await;
        held > 40.0 && held == before
    });
    assert!(full.await, "{held}");
    assert!(held < 75.0, "{held}");

    // Being full costs nothing.
    let (cpu, begun) = (child.ask("process_cpu_seconds_total"), Instant::now());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let spent = child.ask("process_cpu_seconds_total") - cpu;
    assert!(spent <= 0.05 * begun.elapsed().as_secs_f64() + 0.02, "{spent} s");

    assert_eq!(child.ask("tidegate_connections_active"), held, "the rest waits");

    // The other listener keeps its share: half of the whole for both of them.
    const SHARE: usize = 15;
    let mut others = Vec::new();
    for _ in 0..SHARE {
        let mut client = dial(calm).await;
        assert_eq!(ask(&mut client, "calm").await.unwrap(), "calm");
        others.push(client);
    }
    assert!(child.ask("process_open_fds") <= DESCRIPTORS as f64);

    // Room that is given back is taken by those who waited.
    let opened = child.ask("tidegate_connections_opened_total");
    flood.drain(..MANY / 2);
    let begun = Instant::now();
    let full = eventually(async || {
        child.ask("tidegate_connections_opened_total") > opened
            && child.ask("tidegate_connections_active") == held + SHARE as f64
    });
    assert!(full.await, "{}", child.ask("tidegate_connections_active"));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(child.ask("tidegate_connections_refused_total"), 0.0, "nobody was turned away");
    drop((flood, others));
    let gone = eventually(async || child.ask("tidegate_connections_active") == 0.0);
    assert!(gone.await);
}
