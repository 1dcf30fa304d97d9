//! How much one proxy may say. Sans-IO.

use std::time::Duration;

use tokio::time::Instant;

/// Messages at once.
const BURST: f64 = 8.0;
/// Messages a second, in the long run.
const RATE: f64 = 5.0;
/// A message of this length counts as one more: a large one costs reading time.
const LENGTH: f64 = 32.0 * 1024.0;

/// A bucket of words.
#[derive(Debug)]
pub(super) struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: BURST, at: now }
    }

    /// Takes a message of `length` bytes; says how long to wait before the next is read.
    pub(super) fn take(&mut self, length: usize, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        let cost = 1.0 + f64::from(u32::try_from(length).unwrap_or(u32::MAX)) / LENGTH;
        self.left = (self.left + since * RATE).min(BURST) - cost;
        if self.left >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-self.left / RATE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of `length` that are taken within `time`.
    fn taken(length: usize, time: Duration) -> usize {
        let start = Instant::now();
        let mut now = start;
        let mut allowance = Allowance::new(now);
        let mut taken = 0;
        while now.duration_since(start) < time {
            now += allowance.take(length, now) + Duration::from_micros(1);
            taken += 1;
        }
        taken
    }

    #[tokio::test]
    async fn an_honest_proxy_never_waits() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        for second in 0..600 {
            let now = start + Duration::from_secs(second);
            assert_eq!(allowance.take(6000, now), Duration::ZERO);
            assert_eq!(allowance.take(6000, now), Duration::ZERO);
        }
    }

    #[tokio::test]
    async fn a_flood_is_cut_to_a_rate_and_long_messages_count_more() {
        let minute = Duration::from_secs(60);
        assert!((300..320).contains(&taken(0, minute)), "{}", taken(0, minute));
        assert!(taken(1 << 20, minute) <= 11, "{}", taken(1 << 20, minute));
    }
}
