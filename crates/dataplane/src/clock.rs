//! The one clock of the data plane: milliseconds since it started, monotonic, small enough for an
//! atomic. Wall-clock time is for log lines only.

use std::time::{Duration, Instant};

/// Milliseconds since the data plane started.
pub(crate) type Millis = u64;

/// A moment that does not come.
pub(crate) const NEVER: Millis = u64::MAX;

/// Counts from the moment it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that stands at 0.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Millis {
        millis(self.start.elapsed())
    }
}

/// A duration in milliseconds; one too long to count is [`NEVER`].
pub(crate) fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER)
}
