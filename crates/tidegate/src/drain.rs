//! From the first signal to the end: readiness fails at once, new connections are accepted for a
//! while longer, what is open may end by itself, the rest is cut.

use std::future::pending;
use std::io;
use std::time::Duration;

use dataplane::{Dataplane, Shutdown};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::admin::Phase;
use crate::exit::Exit;

/// A signal this soon after another one is the same request: terminals and supervisors signal the
/// process and its group.
const REPEAT: Duration = Duration::from_millis(100);

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    term: Signal,
    int: Signal,
    last: Option<Instant>,
}

impl Signals {
    /// Receives them from now on.
    pub(crate) fn new() -> io::Result<Self> {
        let (term, int) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { term: signal(term)?, int: signal(int)?, last: None })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        loop {
            let name = self.either().await;
            if self.last.is_none_or(|last| last.elapsed() > REPEAT) {
                self.last = Some(Instant::now());
                info!(signal = name, "signal received");
                return;
            }
        }
    }

    async fn either(&mut self) -> &'static str {
        tokio::select! {
            Some(()) = self.term.recv() => "SIGTERM",
            Some(()) = self.int.recv() => "SIGINT",
            else => pending().await,
        }
    }
}

/// How long each part of the end may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// New connections are accepted for this long, while balancers notice.
    pub(crate) pre_stop_delay: Duration,
    /// Connections live on for this long after that.
    pub(crate) drain_timeout: Duration,
}

/// Serves until the first signal, then ends in order; a second signal ends at once.
pub(crate) async fn serve(
    dataplane: &Dataplane,
    mut signals: Signals,
    phase: &watch::Sender<Phase>,
    times: Times,
) -> Exit {
    signals.next().await;
    phase.send_replace(Phase::Draining);
    info!(
        accepting_for = ?times.pre_stop_delay,
        connections_for = ?times.drain_timeout,
        "draining; a second signal ends at once",
    );
    let outcome = tokio::select! {
        outcome = async {
            sleep(times.pre_stop_delay).await;
            dataplane.shutdown(times.drain_timeout).await
        } => outcome,
        _ = signals.next() => dataplane.shutdown(Duration::ZERO).await,
    };
    match outcome {
        Shutdown::Drained => {
            info!("drained and stopped");
            Exit::Ok
        }
        Shutdown::Cut => {
            warn!("stopped; open connections were cut");
            Exit::Forced
        }
    }
}
