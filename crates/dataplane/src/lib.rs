//! Sockets and bytes: serves a [`snapshot::Snapshot`] and reports what it could bind.
//!
//! Knows nothing of Kubernetes and nothing of where snapshots come from. N workers, each a
//! single-threaded runtime; every listener has one `SO_REUSEPORT` socket per worker; a connection
//! lives and dies on the worker that accepted it.
//!
//! Reading order: `supervisor` (applies snapshots) → `diff` → `socket` → `compiled` (a bind as it
//! is served) → `worker` (the context of all below) → `tcp` → `connection` (counters and access
//! line of one connection) → `udp` → `cluster` (endpoints at run time) → `budget` → `deadlines` →
//! `metrics`, `access_log`, `outcome`. `sys` has the system calls that no crate offers.
//!
//! Invariants: bytes from the network never panic, never allocate without bound and never wait
//! without a deadline. An unchanged bind is not touched. A connection keeps what it started with.

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used))]

mod access_log;
mod budget;
mod clock;
mod cluster;
mod compiled;
mod connection;
mod deadlines;
mod diff;
mod metrics;
mod outcome;
mod socket;
mod supervisor;
mod sys;
mod tcp;
pub mod tls;
pub mod udp;
mod worker;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use snapshot::{ApplyReport, Published};
use tokio::sync::{mpsc, oneshot, watch};

pub use access_log::{AccessLog, Format};
pub use metrics::Metrics;
pub use supervisor::Shutdown;

use budget::Budget;
use budget::limits::Limits;
use budget::memory::MemoryGroup;
use supervisor::{Request, Supervisor};
use worker::Shared;

/// What the data plane is started with, for the life of the process.
#[derive(Debug)]
pub struct Config {
    /// Worker threads; `None` is one for each processor this process may use.
    pub workers: Option<NonZeroUsize>,
    /// Where access lines go.
    pub access_log: AccessLog,
}

/// Why the data plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// [`start`] was called outside a tokio runtime.
    #[error("no tokio runtime to supervise on")]
    NoRuntime,
    /// A thread or its runtime could not be made.
    #[error("a thread could not be started")]
    Thread(#[source] std::io::Error),
}

/// The running data plane. Dropping it ends everything at once; [`Dataplane::shutdown`] lets what
/// is open end first.
#[derive(Debug)]
pub struct Dataplane {
    requests: mpsc::UnboundedSender<Request>,
    metrics: Metrics,
}

/// Serves what is published, from the current snapshot on, and reports on every apply and every
/// change of a socket's state. The supervisor runs on the caller's runtime.
pub fn start(
    config: Config,
    snapshots: watch::Receiver<Published>,
) -> Result<(Dataplane, watch::Receiver<ApplyReport>), StartError> {
    let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
    let workers = config.workers.map_or_else(available_workers, NonZeroUsize::get);
    let memory = MemoryGroup::of_this_process();
    let limits = Limits::take(memory.as_ref());
    let metrics = Metrics::new(workers);
    let (sender, writer) =
        access_log::start(config.access_log, metrics.clone()).map_err(StartError::Thread)?;
    let shared = Arc::new(Shared {
        workers,
        clock: clock::Clock::start(),
        metrics: metrics.clone(),
        access_log: sender,
        ids: access_log::Ids::default(),
        budget: Budget::new(limits.descriptors_for_traffic(workers)),
        residual_limit: limits.residual_bytes(workers),
        forced: AtomicBool::new(false),
    });
    let handles: Result<Vec<_>, _> =
        (0..workers).map(|id| worker::spawn(id, shared.clone())).collect();
    let handles = handles.map_err(StartError::Thread)?;
    tracing::info!(
        workers,
        descriptors = limits.descriptors,
        memory = limits.memory,
        "data plane started"
    );
    let (requests, received) = mpsc::unbounded_channel();
    let (reports, reported) = watch::channel(ApplyReport::default());
    let supervisor = Supervisor::new(shared, handles, writer, memory, reports);
    runtime.spawn(supervisor.run(snapshots, received));
    Ok((Dataplane { requests, metrics }, reported))
}

fn available_workers() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

impl Dataplane {
    /// Everything counted, to be registered as a collector.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Stops accepting at once and lets connections and flows live on for at most `grace`; then
    /// they are reset. A second call, while the first waits, ends everything at once.
    pub async fn shutdown(&self, grace: Duration) -> Shutdown {
        let (done, outcome) = oneshot::channel();
        // An error means that it has ended before: nothing was left to cut.
        let _ = self.requests.send(Request { grace, done });
        outcome.await.unwrap_or(Shutdown::Drained)
    }
}
