//! Cells that count: relaxed atomics, one set for each worker, each on its own cache lines. They
//! know no names.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counts up.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(crate) fn inc(&self) {
        self.add(1);
    }

    /// So many more.
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// The count.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicI64);

impl Gauge {
    /// One more.
    pub(crate) fn inc(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// One less.
    pub(crate) fn dec(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// The value.
    pub(crate) fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// One counter for each value of a closed list.
#[derive(Debug)]
pub(crate) struct Counters<const N: usize>([Counter; N]);

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl<const N: usize> Counters<N> {
    /// One more of value `index`.
    pub(crate) fn inc(&self, index: usize) {
        self.add(index, 1);
    }

    /// So many more of value `index`.
    pub(crate) fn add(&self, index: usize, count: u64) {
        if let Some(counter) = self.0.get(index) {
            counter.add(count);
        }
    }

    /// The count of value `index`.
    pub(crate) fn get(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, Counter::get)
    }
}

/// Durations by size; the bounds, in seconds, are given at each call, so that they take no memory.
#[derive(Debug)]
pub(crate) struct Histogram<const N: usize> {
    buckets: [Counter; N],
    count: Counter,
    nanos: Counter,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| Counter::default()),
            count: Counter::default(),
            nanos: Counter::default(),
        }
    }
}

impl<const N: usize> Histogram<N> {
    /// Counts one duration.
    pub(crate) fn observe(&self, bounds: &[f64; N], duration: Duration) {
        let seconds = duration.as_secs_f64();
        let place = bounds.iter().position(|bound| seconds <= *bound);
        if let Some(bucket) = place.and_then(|place| self.buckets.get(place)) {
            bucket.inc();
        }
        self.count.inc();
        self.nanos.add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// The sum of one histogram over the workers.
#[derive(Debug)]
pub(crate) struct HistogramSum<const N: usize> {
    /// Sum of the durations in seconds.
    pub(crate) seconds: f64,
    /// How many there were.
    pub(crate) count: u64,
    /// How many fell into each bucket and no lower one.
    pub(crate) buckets: [u64; N],
}

impl<const N: usize> HistogramSum<N> {
    /// Adds up one histogram of each worker.
    pub(crate) fn of<'a>(parts: impl Iterator<Item = &'a Histogram<N>>) -> Self {
        let mut sum = Self { seconds: 0.0, count: 0, buckets: [0; N] };
        for part in parts {
            sum.seconds += Duration::from_nanos(part.nanos.get()).as_secs_f64();
            sum.count += part.count.get();
            for (sum, bucket) in sum.buckets.iter_mut().zip(&part.buckets) {
                *sum += bucket.get();
            }
        }
        sum
    }
}

/// The same cells once for each worker.
#[derive(Debug)]
pub(crate) struct PerWorker<T>(Box<[Padded<T>]>);

/// Two cache lines: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T: Default> PerWorker<T> {
    /// Cells for so many workers, at least one.
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers.max(1)).map(|_| Padded::default()).collect())
    }
}

impl<T> PerWorker<T> {
    /// The cells of one worker.
    #[expect(clippy::indexing_slicing, reason = "bounded by the remainder; never empty")]
    pub(crate) fn at(&self, worker: usize) -> &T {
        &self.0[worker % self.0.len()].0
    }

    /// The cells of every worker.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }

    /// The sum of one counter over the workers.
    pub(crate) fn total(&self, of: impl Fn(&T) -> u64) -> u64 {
        self.iter().map(of).sum()
    }

    /// The sum of one gauge over the workers.
    pub(crate) fn level(&self, of: impl Fn(&T) -> i64) -> i64 {
        self.iter().map(of).sum()
    }
}
