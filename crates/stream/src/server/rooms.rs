//! Room for whole snapshots on their way: they take memory, so there may be few at once. Who waits
//! for room is not at the mercy of slow readers: the slowest has to go.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use super::counters::{Counters, Refusal};

/// So many at once.
pub(super) struct Rooms {
    free: Arc<Semaphore>,
    /// Who takes longer has to go when somebody waits.
    patience: Duration,
    held: Mutex<Held>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Held {
    next: u64,
    /// In the order of arrival: the first is the slowest.
    since: BTreeMap<u64, (Instant, CancellationToken)>,
}

/// One of them, until dropped.
pub(super) struct Room {
    rooms: Arc<Rooms>,
    number: u64,
    _free: OwnedSemaphorePermit,
}

impl Rooms {
    pub(super) fn new(most: usize, patience: Duration, counters: Arc<Counters>) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(most));
        Arc::new(Self { free, patience, held: Mutex::default(), counters })
    }

    /// Waits for room, first come, first served. `kill` closes the connection of who gets it.
    pub(super) async fn enter(self: &Arc<Self>, kill: &CancellationToken) -> Option<Room> {
        let mut waiting = pin!(self.free.clone().acquire_owned());
        let mut look = interval((self.patience / 4).max(Duration::from_millis(1)));
        let free = loop {
            tokio::select! {
                biased;
                free = &mut waiting => break free.ok()?,
                _ = look.tick() => self.evict(Instant::now()),
            }
        };
        let mut held = self.lock();
        let number = held.next;
        held.next += 1;
        held.since.insert(number, (Instant::now(), kill.clone()));
        Some(Room { rooms: self.clone(), number, _free: free })
    }

    /// Somebody waits: the slowest has to go, if it had its time.
    fn evict(&self, now: Instant) {
        let mut held = self.lock();
        let Some(slowest) = held.since.first_entry() else { return };
        if now.duration_since(slowest.get().0) >= self.patience {
            let (_, kill) = slowest.remove();
            kill.cancel();
            self.counters.refuse(Refusal::Slow);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.rooms.lock().since.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_slowest_goes_when_somebody_waits_and_not_before() {
        let rooms = Rooms::new(2, Duration::from_secs(5), Arc::default());
        let kills: Vec<_> = (0..4).map(|_| CancellationToken::new()).collect();
        let first = rooms.enter(&kills[0]).await.expect("room");
        tokio::time::advance(Duration::from_secs(100)).await;
        let second = rooms.enter(&kills[1]).await.expect("room");
        assert!(!kills[0].is_cancelled(), "nobody waited");

        let start = Instant::now();
        let (third, ()) = tokio::join!(rooms.enter(&kills[2]), async {
            kills[0].cancelled().await;
            drop(first);
        });
        assert!(start.elapsed() < Duration::from_secs(1));
        assert!(!kills[1].is_cancelled(), "it has just begun");
        let (fourth, ()) = tokio::join!(rooms.enter(&kills[3]), async {
            kills[1].cancelled().await;
            drop(second);
        });
        assert!(start.elapsed() >= Duration::from_secs(5));
        assert!(!kills[2].is_cancelled() && third.is_some() && fourth.is_some());
    }
}
