//! Writes statuses while this replica leads. A thin shell: [`super::upkeep`] decides what is due,
//! [`super::request`] asks the API server.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use kube::Client;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Desired;
use super::request;
use super::upkeep::Upkeep;
use crate::leader::Term;
use crate::metrics::StatusWrites;

/// Keeps the statuses of all objects as `desired` has them, until the election or whoever decides
/// ends. `controller` is our `controllerName`.
///
/// Whoever begins to lead looks at every object: what the leader before it did not get to write is
/// not known. Nothing is kept from one term to the next, and what is under way is dropped when a
/// term ends.
pub async fn run(
    client: Client,
    controller: String,
    mut desired: watch::Receiver<Arc<Desired>>,
    term: Term,
    writes: StatusWrites,
) {
    let mut changes = term.clone();
    while changes.begins().await.is_ok() {
        let ended = tokio::select! {
            biased;
            changed = changes.changed() => changed.is_err(),
            () = lead(&client, &controller, &mut desired, &term, &writes) => true,
        };
        if ended {
            return;
        }
        writes.pending(0);
    }
}

/// Writes until whoever decides ends.
async fn lead(
    client: &Client,
    controller: &str,
    desired: &mut watch::Receiver<Arc<Desired>>,
    term: &Term,
    writes: &StatusWrites,
) {
    let mut upkeep = Upkeep::new(controller, Instant::now());
    let first = Arc::clone(&desired.borrow_and_update());
    upkeep.desire(first, Instant::now());
    let mut under_way = FuturesUnordered::new();
    loop {
        while let Some(job) = upkeep.take(Instant::now()) {
            under_way.push(async move {
                let decided = Arc::clone(&job.desired);
                let outcome = request::write(client, controller, decided, &job.object, term).await;
                (job, outcome)
            });
        }
        writes.pending(upkeep.pending());
        let ready = upkeep.ready(Instant::now());
        tokio::select! {
            biased;
            Some((job, outcome)) = under_way.next(), if !under_way.is_empty() => {
                let now = Instant::now();
                writes.done(job.object.kind, outcome.label(), now - job.since);
                upkeep.done(&job, &outcome, now);
            }
            changed = desired.changed() => {
                if changed.is_err() {
                    return;
                }
                let next = Arc::clone(&desired.borrow_and_update());
                upkeep.desire(next, Instant::now());
            }
            () = until(ready) => {}
        }
    }
}

/// Waits until then; for ever without a time.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
