//! Waiting for something to become true, with a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `holds`.
///
/// # Panics
/// When `deadline` passes; `what` says what was waited for.
pub fn eventually(what: &str, deadline: Duration, mut holds: impl FnMut() -> bool) {
    eventually_some(what, deadline, || holds().then_some(()));
}

/// Waits until `find` finds something.
///
/// # Panics
/// When `deadline` passes; `what` says what was waited for.
pub fn eventually_some<T>(
    what: &str,
    deadline: Duration,
    mut find: impl FnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(begun.elapsed() < deadline, "after {deadline:?} still not: {what}");
        sleep(PAUSE);
    }
}
