//! One direction of a relay as a decision: what to do next, given what just happened. Pure: no
//! socket, no buffer, no clock; bytes are only counted.
//!
//! What is read goes out at once. Only when the receiver takes less than was read do bytes stay
//! behind, and then nothing more is read until they are gone: a slow receiver slows its sender.

/// Smallest read: one TLS record, and what idle-ish protocols send at most.
const SMALL: u32 = 16 * 1024;
/// Largest read: past it, throughput gains nothing measurable.
const LARGE: u32 = 256 * 1024;
/// Full reads, each fully written, that show that a larger read is worth its cache misses.
const FULL_READS_TO_GROW: u8 = 2;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Read at most so many bytes.
    Read(u32),
    /// Write what is left of the last read.
    Write,
    /// Push out what the writing side may hold back.
    Flush,
    /// Tell the receiver that no more comes.
    ShutDown,
    /// Wait until the sender has bytes.
    AwaitSender,
    /// Wait until the receiver has room.
    AwaitReceiver,
    /// This direction is done.
    Finished,
}

/// What just happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The task runs again.
    Resumed,
    /// So many bytes were read, more than 0.
    Read(u32),
    /// The sender has nothing now.
    ReadBlocked,
    /// The sender has no more.
    End,
    /// So many bytes were written, more than 0.
    Wrote(u32),
    /// The receiver has no room now.
    WriteBlocked,
    /// All written bytes are on their way.
    Flushed,
    /// The receiver knows that no more comes.
    WasShutDown,
}

/// The state of one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pump {
    phase: Phase,
    read_size: u32,
    full_reads: u8,
    /// Whether the last read came back short at its first write.
    fell_short: bool,
    /// Bytes of the last read.
    chunk: u32,
    /// Whether bytes were written since the last flush.
    is_dirty: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Reading,
    /// So many bytes of the last read are not written yet.
    Writing(u32),
    /// Flushing because the sender is silent.
    Flushing,
    /// Telling the receiver that the sender has no more.
    Ending,
    Done,
}

impl Pump {
    /// A direction with so many bytes to write before anything is read.
    pub(crate) fn new(pending: u32) -> Self {
        Self {
            phase: if pending > 0 { Phase::Writing(pending) } else { Phase::Reading },
            read_size: SMALL,
            full_reads: 0,
            fell_short: false,
            chunk: pending,
            is_dirty: false,
        }
    }

    /// Whether the receiver knows that no more comes.
    pub(crate) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Takes in an event that belongs to the last action, or [`Event::Resumed`].
    pub(crate) fn step(&mut self, event: Event) -> Action {
        match (self.phase, event) {
            (_, Event::Resumed) => self.resume(),
            (Phase::Reading, Event::Read(bytes)) => {
                self.chunk = bytes;
                self.fell_short = false;
                self.phase = Phase::Writing(bytes);
                Action::Write
            }
            (Phase::Reading, Event::ReadBlocked) if self.is_dirty => {
                self.phase = Phase::Flushing;
                Action::Flush
            }
            (Phase::Reading, Event::ReadBlocked) => Action::AwaitSender,
            (Phase::Reading, Event::End) => {
                self.phase = Phase::Ending;
                Action::ShutDown
            }
            (Phase::Writing(pending), Event::Wrote(bytes)) => {
                self.is_dirty = true;
                self.wrote(pending, bytes)
            }
            (Phase::Writing(_), Event::WriteBlocked) => {
                self.shrink();
                Action::AwaitReceiver
            }
            (Phase::Flushing, Event::Flushed) => {
                // Read again rather than wait: while the flush waited, the sender's wake-up may have
                // been used up.
                self.is_dirty = false;
                self.phase = Phase::Reading;
                Action::Read(self.read_size)
            }
            (Phase::Flushing | Phase::Ending, Event::WriteBlocked) => Action::AwaitReceiver,
            (Phase::Ending, Event::WasShutDown) => {
                self.phase = Phase::Done;
                Action::Finished
            }
            // An event that belongs to no action of this phase changes nothing.
            _ => self.resume(),
        }
    }

    fn resume(&self) -> Action {
        match self.phase {
            Phase::Reading => Action::Read(self.read_size),
            Phase::Writing(_) => Action::Write,
            Phase::Flushing => Action::Flush,
            Phase::Ending => Action::ShutDown,
            Phase::Done => Action::Finished,
        }
    }

    fn wrote(&mut self, pending: u32, bytes: u32) -> Action {
        let left = pending.saturating_sub(bytes);
        if left > 0 {
            self.phase = Phase::Writing(left);
            return Action::Write;
        }
        if !self.fell_short && self.chunk == self.read_size {
            self.grow();
        } else {
            self.full_reads = 0;
        }
        self.phase = Phase::Reading;
        Action::Read(self.read_size)
    }

    fn grow(&mut self) {
        self.full_reads += 1;
        if self.full_reads >= FULL_READS_TO_GROW {
            self.full_reads = 0;
            self.read_size = (self.read_size * 4).min(LARGE);
        }
    }

    /// The receiver is slower than the sender: hold less for it. Once for each read.
    fn shrink(&mut self) {
        if !std::mem::replace(&mut self.fell_short, true) {
            self.full_reads = 0;
            self.read_size = (self.read_size / 4).max(SMALL);
        }
    }
}

#[cfg(test)]
mod tests;
