//! New connections at a rate, while something else happens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use e2e::peers::Held;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

/// Connects, exchanges a message and resets, so many times a second, until told to stop.
pub(crate) struct Dialling {
    opened: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Dialling {
    pub(crate) fn start(to: SocketAddr, a_second: u32) -> Self {
        let (opened, failed) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let counters = (Arc::clone(&opened), Arc::clone(&failed));
        let task = tokio::spawn(async move {
            let mut pace = interval(Duration::from_secs(1) / a_second);
            loop {
                pace.tick().await;
                let (opened, failed) = counters.clone();
                tokio::spawn(async move {
                    match timeout(Duration::from_secs(10), Held::open(to)).await {
                        Ok(Ok(held)) => {
                            opened.fetch_add(1, Ordering::Relaxed);
                            held.reset();
                        }
                        _ => {
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        Self { opened, failed, task }
    }

    /// Ends it: how many were opened, and how many failed.
    pub(crate) fn finish(self) -> (u64, u64) {
        self.task.abort();
        (self.opened.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}
