//! The deadlines of relayed connections, one set for each worker.
//!
//! Nearly all connections have none running, so none owns a timer: each has a slot here, and while
//! any slot waits for something a sweep looks at all of them ten times a second. An idle process
//! does not wake up.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;

use crate::clock::{Millis, NEVER};
use crate::cluster::Endpoint;
use crate::compiled::BindLife;
use crate::outcome::CloseReason;
use crate::worker::Shared;

/// How late a deadline may be noticed. 20,000 slots take about a tenth of a millisecond.
const TICK: Duration = Duration::from_millis(100);

/// The deadlines of one worker's connections.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    slots: RefCell<Slab<Slot>>,
    wanted: Notify,
}

/// What can end a connection besides its two peers.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The socket it came by.
    pub(crate) life: Arc<BindLife>,
    /// Where it goes.
    pub(crate) endpoint: Arc<Endpoint>,
    /// How long it lives on after its endpoint began to leave.
    pub(crate) backend_drain: Millis,
    /// How long it may be silent; [`NEVER`] for ever.
    pub(crate) idle: Millis,
    /// When it last moved a byte; kept up only if `idle` is set.
    pub(crate) active_at: Millis,
    /// A deadline of its own; [`NEVER`] if it has none.
    pub(crate) half_closed_until: Millis,
    /// Who to wake with a verdict.
    pub(crate) waker: Option<Waker>,
    /// Why it must end.
    pub(crate) verdict: Option<CloseReason>,
}

impl Slot {
    /// Why it must end now.
    fn judge(&self, now: Millis, forced: bool) -> Option<CloseReason> {
        let due = |at: Millis| at != NEVER && at <= now;
        let left = self.endpoint.left_at().unwrap_or(NEVER);
        if forced {
            Some(CloseReason::Forced)
        } else if due(self.life.ends_at().unwrap_or(NEVER)) {
            Some(CloseReason::Drained)
        } else if due(left.saturating_add(self.backend_drain)) {
            Some(CloseReason::BackendRemoved)
        } else if due(self.half_closed_until) {
            Some(CloseReason::HalfCloseTimeout)
        } else if due(self.active_at.saturating_add(self.idle)) {
            Some(CloseReason::Idle)
        } else {
            None
        }
    }

    /// Whether a sweep may find a verdict later without anyone asking for one.
    fn is_waiting(&self) -> bool {
        self.life.ends_at().is_some()
            || self.endpoint.left_at().is_some()
            || self.half_closed_until != NEVER
            || self.idle != NEVER
    }
}

impl Deadlines {
    /// Watches over one more connection.
    pub(crate) fn insert(&self, slot: Slot) -> usize {
        if slot.is_waiting() {
            self.sweep_soon();
        }
        self.slots.borrow_mut().insert(slot)
    }

    /// The connection has ended.
    pub(crate) fn remove(&self, key: usize) {
        self.slots.borrow_mut().try_remove(key);
    }

    /// Why the connection must end, or else remembers whom to wake when it must.
    pub(crate) fn verdict(&self, key: usize, waker: &Waker) -> Option<CloseReason> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(key)?;
        if slot.verdict.is_none() && !slot.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            slot.waker = Some(waker.clone());
        }
        slot.verdict
    }

    /// A byte was moved at `now`.
    pub(crate) fn touch(&self, key: usize, now: Millis) {
        if let Some(slot) = self.slots.borrow_mut().get_mut(key) {
            slot.active_at = now;
        }
    }

    /// One direction was shut down; the other may go on until `at`.
    pub(crate) fn half_closed(&self, key: usize, at: Millis) {
        if let Some(slot) = self.slots.borrow_mut().get_mut(key) {
            slot.half_closed_until = at;
        }
        self.sweep_soon();
    }

    /// Something outside changed that may end connections.
    pub(crate) fn sweep_soon(&self) {
        self.wanted.notify_one();
    }

    /// Gives verdicts as they become due, for as long as it is polled.
    pub(crate) async fn run(&self, shared: &Shared) {
        loop {
            self.wanted.notified().await;
            while self.sweep(shared.clock.now(), shared.forced.load(Relaxed)) {
                tokio::time::sleep(TICK).await;
            }
        }
    }

    /// Gives every verdict that is due; tells whether more may become due.
    fn sweep(&self, now: Millis, forced: bool) -> bool {
        let mut waiting = false;
        for (_, slot) in self.slots.borrow_mut().iter_mut() {
            if slot.verdict.is_some() {
                continue;
            }
            slot.verdict = slot.judge(now, forced);
            match (slot.verdict, &slot.waker) {
                (Some(_), Some(waker)) => waker.wake_by_ref(),
                (Some(_), None) => {}
                (None, _) => waiting |= slot.is_waiting(),
            }
        }
        waiting
    }
}

#[cfg(test)]
mod tests;
