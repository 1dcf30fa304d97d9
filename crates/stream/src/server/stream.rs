//! One stream: what is sent, and when it ends.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use prost::bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::Status;
use tonic::codec::Streaming;

use super::Shared;
use super::accept::{Counted, Presence};
use super::counters::Refusal;
use super::hub::{Subscription, Version};
use super::listen;
use super::outbox::{Sender, Turn};
use super::recheck::Recheck;
use super::roll::Seat;
use crate::delta::{self, Delta, delta};
use crate::fleet::{Authenticate, Member};
use crate::hash::SnapshotHash;
use crate::packed::write_full;
use crate::wire::SNAPSHOT_MAX;

/// How long the last word of a stream may take.
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(1);

/// One stream of one proxy.
pub(super) struct Stream {
    pub(super) shared: Arc<Shared>,
    pub(super) member: Member,
    pub(super) seat: Seat,
    pub(super) outbox: Sender,
    pub(super) presence: Arc<Presence>,
    pub(super) _counted: Counted,
}

impl Stream {
    /// Serves until something ends it.
    pub(super) async fn run<A: Authenticate>(self, words: Streaming<Bytes>, recheck: Recheck<A>) {
        let (fleet, name) = (&self.member.fleet, &self.member.name);
        tracing::info!(%fleet, proxy = name, "a proxy follows");
        let mut is_old = false;
        let status = tokio::select! {
            () = self.outbox.closed() => {
                tracing::info!(%fleet, proxy = name, "a proxy has gone");
                return;
            }
            () = self.seat.replaced() => {
                is_old = true;
                Status::aborted("a newer stream of this proxy has begun")
            }
            () = self.shared.stop.cancelled() => Status::unavailable("the controller stops"),
            status = recheck.run() => status,
            status = self.exchange(words) => status,
        };
        tracing::info!(%fleet, proxy = name, reason = status.message(), "a stream was ended");
        let is_stuck = timeout(FAREWELL, self.outbox.end(status)).await.is_err();
        // The connection of an older stream is of no use either: whoever opens one after the other
        // has one.
        if is_stuck || (is_old && self.presence.streams() <= 1) {
            self.presence.kill.cancel();
        }
    }

    async fn exchange(&self, mut words: Streaming<Bytes>) -> Status {
        let has = match timeout(self.shared.bounds.hello, listen::hello(&mut words)).await {
            Ok(Ok(has)) => has,
            Ok(Err(status)) => return self.malformed(status),
            Err(_) => return Status::deadline_exceeded("no hello in time"),
        };
        let asks = Notify::new();
        let said = listen::listen(words, &self.shared, &self.member, &self.seat, &asks);
        tokio::select! {
            status = self.send(has, &asks) => status,
            status = said => self.malformed(status),
        }
    }

    fn malformed(&self, status: Status) -> Status {
        if status.code() == tonic::Code::InvalidArgument {
            self.shared.counters.refuse(Refusal::Malformed);
        }
        status
    }

    /// Sends what is new, one message after the other has been taken: a slow reader skips versions,
    /// it never makes a queue.
    async fn send(&self, mut has: Option<SnapshotHash>, asks: &Notify) -> Status {
        let mut lane = self.shared.hub.subscribe(&self.member.fleet);
        let mut sent: Option<Arc<Version>> = None;
        // A whole snapshot may go out from then on.
        let mut again = Instant::now();
        loop {
            let newest = lane.newest.borrow_and_update().clone();
            let message = match (newest, &sent) {
                (None, _) => None,
                (Some(now), None) if has.take() == Some(now.packed.hash()) => {
                    self.shared.counters.unchanged.fetch_add(1, Relaxed);
                    Some((unchanged(now.packed.hash()), None, now))
                }
                (Some(_), None) => {
                    sleep_until(again).await;
                    again = Instant::now() + self.shared.bounds.full_again;
                    self.full(&mut lane).await
                }
                (Some(now), Some(last)) if now.packed.hash() == last.packed.hash() => None,
                (Some(now), Some(last)) => match step(last, &now) {
                    Some(bytes) => {
                        self.shared.counters.deltas.fetch_add(1, Relaxed);
                        Some((bytes, None, now))
                    }
                    None => self.full(&mut lane).await,
                },
            };
            if let Some((bytes, room, version)) = message {
                match timeout(self.shared.bounds.reader, self.outbox.send(bytes, room)).await {
                    Ok(true) => sent = Some(version),
                    Ok(false) => return Status::cancelled("the proxy has gone"),
                    Err(_) => {
                        self.shared.counters.refuse(Refusal::Slow);
                        // What it has not taken would stay in memory with the connection.
                        self.presence.kill.cancel();
                        return Status::deadline_exceeded("the proxy reads too slowly");
                    }
                }
            }
            tokio::select! {
                biased;
                () = asks.notified() => sent = None,
                changed = lane.newest.changed() => {
                    if changed.is_err() {
                        return Status::unavailable("the controller stops");
                    }
                }
            }
        }
    }

    /// The newest whole snapshot, once there is room for it on the way.
    async fn full(&self, lane: &mut Subscription) -> Option<(Bytes, Option<Turn>, Arc<Version>)> {
        // The fleet's own turn first: who waits for it takes no room from others.
        let kill = &self.presence.kill;
        let turn = lane.fulls.enter(kill).await?;
        let room = self.shared.fulls.enter(kill).await?;
        let now = lane.newest.borrow_and_update().clone()?;
        self.shared.counters.fulls.fetch_add(1, Relaxed);
        Some((write_full(&self.member.fleet, &now.packed), Some([turn, room]), now))
    }
}

/// The step from the version that was sent; `None` if the whole is no longer.
fn step(last: &Version, now: &Version) -> Option<Bytes> {
    let bytes = match &now.step {
        Some((base, bytes)) if *base == last.packed.hash() => bytes.clone(),
        _ => delta::write(&delta(&last.packed, &now.packed)),
    };
    (bytes.len() <= SNAPSHOT_MAX).then_some(bytes)
}

/// A delta that changes nothing: what the proxy has is right.
fn unchanged(hash: SnapshotHash) -> Bytes {
    delta::write(&Delta {
        base: hash,
        result: hash,
        binds: Default::default(),
        clusters: Default::default(),
        removed_binds: Vec::new(),
        removed_clusters: Vec::new(),
    })
}
