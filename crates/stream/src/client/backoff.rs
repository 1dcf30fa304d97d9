//! How long to wait before the next dial. Sans-IO: full jitter, so that a thousand proxies do not
//! come back at once (Marc Brooker, "Exponential Backoff And Jitter").

use std::time::Duration;

/// Waits between dials.
#[derive(Clone, Debug)]
pub struct Backoff {
    random: fastrand::Rng,
    first: Duration,
    most: Duration,
    tries: u32,
}

impl Backoff {
    /// Waits of at most `first`, doubling up to `most`, drawn with the given numbers.
    pub fn new(random: fastrand::Rng, first: Duration, most: Duration) -> Self {
        Self { random, first, most, tries: 0 }
    }

    /// The next wait: anything from nothing to the bound, which doubles each time.
    pub fn wait(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(self.tries).unwrap_or(u32::MAX));
        self.tries = (self.tries + 1).min(31);
        doubled.min(self.most).mul_f64(self.random.f64())
    }

    /// Begins anew: the last stream was a good one.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(seed: u64) -> Backoff {
        let (first, most) = (Duration::from_millis(100), Duration::from_secs(30));
        Backoff::new(fastrand::Rng::with_seed(seed), first, most)
    }

    #[test]
    fn waits_stay_below_a_bound_that_doubles_to_thirty_seconds() {
        for seed in 0..200 {
            let mut backoff = backoff(seed);
            for tries in 0..100_u32 {
                let bound =
                    Duration::from_millis(100 << tries.min(20)).min(Duration::from_secs(30));
                let wait = backoff.wait();
                assert!(wait <= bound, "seed {seed}, try {tries}: {wait:?}");
            }
        }
    }

    #[test]
    fn waits_are_spread_over_the_whole_range() {
        let waits: Vec<_> = (0..1000)
            .map(|seed| {
                let mut backoff = backoff(seed);
                (0..20).map(|_| backoff.wait()).last().expect("twenty waits")
            })
            .collect();
        let below = waits.iter().filter(|wait| **wait < Duration::from_secs(15)).count();
        assert!((400..600).contains(&below), "{below} of 1000 in the lower half");
    }

    #[test]
    fn a_good_stream_makes_the_next_dial_quick_again() {
        let mut backoff = backoff(7);
        let late = (0..20).map(|_| backoff.wait()).max().expect("twenty waits");
        assert!(late > Duration::from_secs(5), "{late:?}");
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_millis(100));
    }
}
