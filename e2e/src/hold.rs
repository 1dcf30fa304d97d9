//! Connections and flows that are held while something else happens: each exchanges a message about
//! once a second, and nothing may break or move.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::peers::{Flow, Held};

/// What is held, and what it has seen.
#[derive(Debug, Default)]
pub struct Holding {
    seen: Arc<Seen>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    pings: AtomicU64,
    broken: AtomicU64,
    moved: AtomicU64,
    over: AtomicBool,
}

/// What all of them have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Messages that were answered.
    pub pings: u64,
    /// Connections that ended, and messages of flows that were not answered.
    pub broken: u64,
    /// Answers that came by another port of the gateway than the first one.
    pub moved: u64,
}

impl Holding {
    /// Holds a connection that is open.
    pub fn connection(&mut self, mut held: Held, number: u64) {
        let seen = Arc::clone(&self.seen);
        self.tasks.push(tokio::spawn(async move {
            while !seen.over.load(Ordering::Relaxed) {
                if held.ping(number).await.is_err() {
                    seen.broken.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                seen.pings.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(900 + number % 200)).await;
            }
        }));
    }

    /// Holds a flow whose first answer came by `port` of the gateway.
    pub fn flow(&mut self, flow: Flow, port: u16) {
        let seen = Arc::clone(&self.seen);
        self.tasks.push(tokio::spawn(async move {
            while !seen.over.load(Ordering::Relaxed) {
                match flow.ping().await {
                    Ok(found) if found == port => seen.pings.fetch_add(1, Ordering::Relaxed),
                    Ok(_) => seen.moved.fetch_add(1, Ordering::Relaxed),
                    Err(_) => seen.broken.fetch_add(1, Ordering::Relaxed),
                };
                sleep(Duration::from_millis(900 + u64::from(port) % 200)).await;
            }
        }));
    }

    /// What was seen until now.
    pub fn so_far(&self) -> Outcome {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let seen = &self.seen;
        Outcome {
            pings: count(&seen.pings),
            broken: count(&seen.broken),
            moved: count(&seen.moved),
        }
    }

    /// Ends it.
    ///
    /// # Panics
    /// When a task has panicked.
    pub async fn finish(self) -> Outcome {
        self.seen.over.store(true, Ordering::Relaxed);
        let outcome = Arc::clone(&self.seen);
        for task in self.tasks {
            task.await.expect("no task panics");
        }
        Self { seen: outcome, tasks: Vec::new() }.so_far()
    }
}
