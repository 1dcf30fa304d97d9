//! How long to wait: after errors, and between two lists of one kind. Pure; jitter is seeded.

use std::time::Duration;

use fastrand::Rng;

/// The longest wait after an error. With the deadline of a request it leaves room for a world that
/// is right 75 s after the last fault.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// The least time between two lists of one kind: a list costs the API server as much as anything.
const SHORTEST_GAP: Duration = Duration::from_secs(10);
/// The most that the gap grows to while lists keep being needed.
const LONGEST_GAP: Duration = Duration::from_secs(300);
/// A list that was good for this long starts over with the shortest gap.
const STABLE: Duration = Duration::from_secs(60);

/// Waits after errors: doubling from a second, jittered downwards so that many watches spread.
#[derive(Debug)]
pub(crate) struct Backoff {
    rng: Rng,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), failures: 0 }
    }

    /// One more error: how long to wait, at least what the server asked for (in bounds).
    pub(crate) fn failed(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = Duration::from_secs(1 << self.failures.min(5));
        self.failures = self.failures.saturating_add(1);
        let wait = self.jittered(doubled.min(LONGEST_BACKOFF));
        wait.max(asked.unwrap_or_default()).min(LONGEST_BACKOFF)
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Errors in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Between half and all of it.
    pub(crate) fn jittered(&mut self, whole: Duration) -> Duration {
        whole.mul_f64(0.5 + self.rng.f64() / 2.0)
    }

    /// Any number up to this one.
    pub(crate) fn up_to(&mut self, most: u32) -> u32 {
        self.rng.u32(..=most)
    }

    /// A tenth more or less.
    pub(crate) fn around(&mut self, middle: Duration) -> Duration {
        middle.mul_f64(0.9 + self.rng.f64() / 5.0)
    }
}

/// When the next list may begin.
#[derive(Debug)]
pub(crate) struct Gate {
    last: Option<Duration>,
    gap: Duration,
}

impl Default for Gate {
    fn default() -> Self {
        Self { last: None, gap: SHORTEST_GAP }
    }
}

impl Gate {
    /// Another list has become necessary.
    pub(crate) fn needed(&mut self, now: Duration) {
        if self.last.is_some_and(|last| now.saturating_sub(last) >= STABLE) {
            self.gap = SHORTEST_GAP;
        }
    }

    /// How long the next list has to wait.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        self.last.map_or(Duration::ZERO, |last| (last + self.gap).saturating_sub(now))
    }

    /// A list begins.
    pub(crate) fn passed(&mut self, now: Duration) {
        if self.last.is_some() {
            self.gap = (self.gap * 2).min(LONGEST_GAP);
        }
        self.last = Some(now);
    }

    /// What made lists necessary is over.
    pub(crate) fn reset(&mut self) {
        self.gap = SHORTEST_GAP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn lists_that_do_not_help_come_ever_more_rarely() {
        let mut gate = Gate::default();
        let mut now = seconds(0);
        let mut starts = vec![];
        for _ in 0..9 {
            gate.needed(now);
            now += gate.wait(now);
            gate.passed(now);
            starts.push(now.as_secs());
            now += seconds(1);
        }
        assert_eq!(starts, [0, 10, 30, 70, 150, 310, 610, 910, 1210]);
    }

    #[test]
    fn a_list_that_was_good_for_a_minute_is_followed_without_delay() {
        let mut gate = Gate::default();
        for now in [0, 10, 30] {
            gate.needed(seconds(now));
            assert_eq!(gate.wait(seconds(now)), Duration::ZERO);
            gate.passed(seconds(now));
        }
        gate.needed(seconds(90));
        assert_eq!(gate.wait(seconds(90)), Duration::ZERO);
        gate.passed(seconds(90));
        gate.needed(seconds(91));
        assert_eq!(gate.wait(seconds(91)), seconds(19));
    }

    #[test]
    fn errors_wait_ever_longer_up_to_half_a_minute() {
        for seed in 0..100 {
            let mut backoff = Backoff::new(seed);
            let mut most = seconds(1);
            for _ in 0..20 {
                let wait = backoff.failed(None);
                assert!(wait >= most / 2 && wait <= most, "{wait:?} of {most:?}");
                most = (most * 2).min(LONGEST_BACKOFF);
            }
            backoff.succeeded();
            assert!(backoff.failed(None) <= seconds(1));
        }
    }

    #[test]
    fn the_server_may_ask_for_a_longer_wait_but_not_for_any() {
        let mut backoff = Backoff::new(1);
        assert_eq!(backoff.failed(Some(seconds(20))), seconds(20));
        assert_eq!(backoff.failed(Some(seconds(3600))), LONGEST_BACKOFF);
    }
}
