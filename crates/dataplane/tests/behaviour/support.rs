//! A data plane in this process with its snapshots, reports, metrics and access lines at hand.

pub mod backend;
pub mod child;
pub mod tls;
pub mod web;
pub mod world;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dataplane::{AccessLog, Config, Dataplane, Format, Shutdown, start};
use prometheus_client::registry::Registry;
use serde_json::Value;
use snapshot::{ApplyReport, BindKey, Port, Published, Snapshot, Transport};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Within this time everything a test waits for happens, on a busy machine too.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A running data plane.
pub struct Proxy {
    dataplane: Dataplane,
    publisher: watch::Sender<Published>,
    reports: watch::Receiver<ApplyReport>,
    registry: Registry,
    log: Log,
}

/// Access lines as they were written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Proxy {
    /// Starts a data plane with two workers and nothing to serve.
    pub fn start() -> Self {
        let log = Log::default();
        let (publisher, snapshots) = watch::channel(Published::default());
        let access_log = AccessLog { format: Format::Json, writer: Box::new(log.clone()) };
        let config = Config { workers: NonZeroUsize::new(2), access_log };
        let (dataplane, reports) = start(config, snapshots).unwrap();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(dataplane.metrics()));
        Self { dataplane, publisher, reports, registry, log }
    }

    /// Starts a data plane that serves `snapshot`.
    pub async fn serving(snapshot: &Snapshot) -> Self {
        let mut proxy = Self::start();
        let report = proxy.apply(snapshot).await;
        assert!(report.binds.values().all(|state| state.is_bound()), "{report:?}");
        proxy
    }

    /// Publishes a snapshot and waits until it is applied.
    pub async fn apply(&mut self, snapshot: &Snapshot) -> ApplyReport {
        let version = self.publisher.borrow().version + 1;
        self.publisher.send_replace(Published { version, snapshot: Arc::new(snapshot.clone()) });
        self.report(|report| report.version == version).await
    }

    /// Waits for a report.
    pub async fn report(&mut self, wanted: impl Fn(&ApplyReport) -> bool) -> ApplyReport {
        let report = tokio::time::timeout(DEADLINE, self.reports.wait_for(|report| wanted(report)));
        report.await.expect("the report should come in time").unwrap().clone()
    }

    pub async fn shutdown(&self, grace: Duration) -> Shutdown {
        tokio::time::timeout(DEADLINE, self.dataplane.shutdown(grace)).await.unwrap()
    }

    /// The sum of every series of `name` that has all of `labels`.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let wanted: Vec<_> =
            labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        text.lines()
            .filter(|line| {
                let rest = line.strip_prefix(name);
                rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            })
            .filter(|line| wanted.iter().all(|label| line.contains(label)))
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum()
    }

    /// Waits until a metric has a value.
    pub async fn await_metric(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let mut last = f64::NAN;
        let reached = eventually(async || {
            last = self.metric(name, labels);
            last == value
        });
        assert!(reached.await, "{name}{labels:?} is {last}, not {value}");
    }

    /// Every access line so far, each checked against the schema.
    pub fn lines(&self) -> Vec<Value> {
        let log = self.log.0.lock().unwrap();
        let whole = log.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        log[..whole]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .inspect(|line| {
                let errors = crate::schema::errors(line);
                assert!(errors.is_empty(), "{errors:?} in {line:#}");
            })
            .collect()
    }

    /// Waits for so many access lines.
    pub async fn await_lines(&self, count: usize) -> Vec<Value> {
        let enough = eventually(async || self.lines().len() >= count).await;
        let lines = self.lines();
        assert!(enough, "{} of {count} lines: {lines:#?}", lines.len());
        lines
    }
}

/// Whether `condition` holds within [`DEADLINE`].
pub async fn eventually(mut condition: impl AsyncFnMut() -> bool) -> bool {
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        if condition().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

/// What `future` gives, which must be soon.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("should not take this long")
}

/// A socket of its own: a loopback address no other test uses.
pub fn key(transport: Transport) -> BindKey {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let low = NEXT.fetch_add(1, Relaxed) % 250 + 1;
    // Below the range the kernel takes local ports from.
    let port = fastrand::u16(10_000..30_000);
    let address =
        Ipv4Addr::new(127, (std::process::id() % 200 + 20) as u8, fastrand::u8(..), low as u8);
    BindKey { transport, port: Port::new(port).unwrap(), address: IpAddr::V4(address) }
}

/// A connection to a socket of the data plane.
pub async fn dial(key: &BindKey) -> TcpStream {
    soon(TcpStream::connect(key.socket_addr())).await.unwrap()
}

/// Connects where a reset is expected, which may come before the connect returns: what was read,
/// and how it ended.
pub async fn knock(key: &BindKey) -> (Vec<u8>, backend::End) {
    match soon(TcpStream::connect(key.socket_addr())).await {
        Ok(mut stream) => backend::read_to_end(&mut stream).await,
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
            (vec![], backend::End::Reset)
        }
    }
}

/// An address nothing listens on: a connect there is refused.
pub fn closed_address() -> SocketAddr {
    key(Transport::Tcp).socket_addr()
}
