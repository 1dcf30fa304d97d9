//! Bytes that a slow receiver has not taken yet, and how many of them one worker may hold in all.

use std::task::Context;

use crate::tcp::Leg;
use crate::worker::Worker;

/// A read when a worker holds nearly all it may.
const CAREFUL: u32 = 2 * 1024;

/// What one receiver has not taken. Owns memory only while there is something.
#[derive(Debug, Default)]
pub(super) struct Residual {
    bytes: Box<[u8]>,
    start: u32,
}

impl Residual {
    /// Copies `bytes` to keep; there must be none kept.
    pub(super) fn keep(&mut self, worker: &Worker, bytes: &[u8]) {
        debug_assert!(self.bytes.is_empty(), "nothing is read while something is kept");
        self.bytes = bytes.into();
        self.start = 0;
        worker.residual().set(worker.residual().get() + bytes.len() as u64);
    }

    /// What is kept.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start as usize..).unwrap_or_default()
    }

    /// The receiver took so many bytes.
    pub(super) fn took(&mut self, worker: &Worker, count: usize) {
        self.start += count as u32;
        if self.bytes().is_empty() {
            self.clear(worker);
        }
    }

    /// Lets go of everything.
    pub(super) fn clear(&mut self, worker: &Worker) {
        // Memory is counted, not what is left in it: it is freed in one piece.
        let held = std::mem::take(&mut self.bytes).len() as u64;
        self.start = 0;
        worker.residual().set(worker.residual().get().saturating_sub(held));
    }
}

/// How much may be read now, given that the receiver may take none of it; `None` to wait until it
/// has room.
///
/// Up to half of the worker's limit nothing changes. Beyond it reads get smaller, and at the limit
/// only what the receiver has room for is read: slow receivers cannot make the worker hold more,
/// and receivers that keep up are served all the same.
pub(super) fn allowed_read(
    cx: &mut Context<'_>,
    worker: &Worker,
    receiver: &impl Leg,
    most: u32,
) -> Option<u32> {
    let (held, limit) = (worker.residual().get(), worker.shared().residual_limit);
    let free = limit.saturating_sub(held);
    if free >= limit / 2 {
        return Some(most);
    }
    if free < u64::from(CAREFUL) {
        return receiver.poll_room(cx).is_ready().then_some(most.min(CAREFUL));
    }
    let share = u32::try_from(free / 16).unwrap_or(u32::MAX);
    Some(most.min(share.max(CAREFUL)))
}
