//! What is counted, by listener, route and backend.
//!
//! Every worker has its own cells and adds to them without synchronising; a scrape sums them up on
//! the scraping thread ([`collector`]). Series exist from the moment a snapshot names them and are
//! forgotten ten minutes after nothing holds them any more. Names and labels are a contract with
//! dashboards: they are in [`collector`] and nowhere else.

pub(crate) mod cells;
mod collector;
mod process;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use snapshot::{BackendName, ListenerName, RouteName};

use crate::cluster::Cluster;
use crate::outcome::{
    Attempt, By, CloseReason, Direction, DropReason, FlowClose, Refusal, TlsSide,
};
use cells::{Counter, Counters, Gauge, Histogram, PerWorker};

/// How long the series of a route that is gone stay visible, so that its last counts are scraped.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// Upper bounds of `tidegate_connection_duration_seconds`.
pub(crate) const DURATION_BOUNDS: [f64; 9] =
    [0.1, 1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 21600.0, 86400.0];
/// Upper bounds of `tidegate_backend_connect_duration_seconds` and of TLS handshakes.
pub(crate) const CONNECT_BOUNDS: [f64; 11] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Everything counted in this process. Register it with
/// `registry.register_collector(Box::new(metrics))`; clones share the same counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    workers: usize,
    /// Relayed connections and flows of each worker.
    active: PerWorker<Gauge>,
    /// Tasks that ended by a panic.
    panics: Counter,
    access_log_dropped: Counter,
    series: Mutex<Series>,
    applied: Mutex<Applied>,
}

#[derive(Debug, Default)]
struct Series {
    listeners: BTreeMap<Arc<ListenerName>, Aged<ListenerSeries>>,
    routes: BTreeMap<(Arc<ListenerName>, Arc<RouteName>), Aged<RouteSeries>>,
    backends: BTreeMap<BackendKey, Aged<BackendSeries>>,
}

/// A backend of a route at a listener.
type BackendKey = (Arc<ListenerName>, Arc<RouteName>, Arc<BackendName>);

/// A series and since when nothing but this map holds it.
#[derive(Debug)]
struct Aged<T> {
    series: Arc<T>,
    unused_since: Option<Instant>,
}

/// What the supervisor last did, as gauges show it.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Version of the snapshot.
    pub(crate) version: u64,
    /// When it was applied.
    pub(crate) at: Option<SystemTime>,
    /// Whether every socket of a listener is open.
    pub(crate) bound: BTreeMap<Arc<ListenerName>, bool>,
    /// What each listener shows to clients: name of the identity, end of validity.
    pub(crate) certificates: Vec<(Arc<ListenerName>, String, i64)>,
    /// The clusters each gateway uses.
    pub(crate) clusters: Vec<GatewayCluster>,
}

/// A cluster as used by a gateway.
#[derive(Debug)]
pub(crate) struct GatewayCluster {
    /// Namespace and name of the gateway.
    pub(crate) gateway: (String, String),
    /// The cluster.
    pub(crate) cluster: Arc<Cluster>,
}

/// What is counted for a listener.
#[derive(Debug)]
pub(crate) struct ListenerSeries {
    /// Its name: the labels.
    pub(crate) name: Arc<ListenerName>,
    /// The cells of each worker.
    pub(crate) workers: PerWorker<ListenerCells>,
    /// Handshakes by side and result; a mutex, because results are open-ended and a handshake
    /// costs thousands of times more.
    handshakes: Mutex<BTreeMap<(&'static str, String), u64>>,
    /// Bounds log lines of refusals.
    pub(crate) refusal_lines: crate::access_log::RefusalLines,
}

/// One worker's counts of a listener.
#[derive(Debug, Default)]
pub(crate) struct ListenerCells {
    /// Sockets accepted.
    pub(crate) accepted: Counter,
    /// Connections that ended without a backend, by [`Refusal`].
    pub(crate) refused: Counters<{ Refusal::ALL.len() }>,
    /// Seconds from accept to close of relayed connections.
    pub(crate) duration: Histogram<{ DURATION_BOUNDS.len() }>,
    /// Seconds that successful handshakes with clients took.
    pub(crate) handshake_duration: Histogram<{ CONNECT_BOUNDS.len() }>,
    /// Dropped datagrams by [`Direction`], then by [`DropReason`].
    pub(crate) dropped: [Counters<{ DropReason::ALL.len() }>; Direction::ALL.len()],
}

impl ListenerCells {
    /// Counts datagrams that were not sent on.
    pub(crate) fn datagrams_dropped(&self, direction: Direction, reason: DropReason, count: u64) {
        if let Some(counters) = self.dropped.get(direction.index()) {
            counters.add(reason.index(), count);
        }
    }
}

impl ListenerSeries {
    /// Counts a TLS handshake that ended: `ok`, or the alert or error it ended with.
    pub(crate) fn handshake(&self, side: TlsSide, result: &str) {
        let mut handshakes = lock(&self.handshakes);
        *handshakes.entry((side.as_str(), result.to_owned())).or_default() += 1;
    }
}

/// What is counted for a route at a listener.
#[derive(Debug)]
pub(crate) struct RouteSeries {
    listener: Arc<ListenerName>,
    name: Arc<RouteName>,
    /// The cells of each worker.
    pub(crate) workers: PerWorker<RouteCells>,
}

/// One worker's counts of a route. Flows and connections never share a route.
#[derive(Debug, Default)]
pub(crate) struct RouteCells {
    /// Connections or flows that got a backend.
    pub(crate) opened: Counter,
    /// Connections or flows open now.
    pub(crate) active: Gauge,
    /// Closed connections by [`By`], then by [`CloseReason`].
    pub(crate) closed: [Counters<{ CloseReason::ALL.len() }>; By::ALL.len()],
    /// Closed flows by [`FlowClose`].
    pub(crate) flows_closed: Counters<{ FlowClose::ALL.len() }>,
    /// Payload bytes from clients.
    pub(crate) received_bytes: Counter,
    /// Payload bytes to clients.
    pub(crate) sent_bytes: Counter,
    /// Datagrams from clients.
    pub(crate) received_datagrams: Counter,
    /// Datagrams to clients.
    pub(crate) sent_datagrams: Counter,
}

/// What is counted for a backend of a route.
#[derive(Debug)]
pub(crate) struct BackendSeries {
    listener: Arc<ListenerName>,
    route: Arc<RouteName>,
    name: Arc<BackendName>,
    /// The cells of each worker.
    pub(crate) workers: PerWorker<BackendCells>,
}

/// One worker's counts of a backend.
#[derive(Debug, Default)]
pub(crate) struct BackendCells {
    /// Connections or flows open now.
    pub(crate) active: Gauge,
    /// Attempts to connect by [`Attempt`].
    pub(crate) attempts: Counters<{ Attempt::ALL.len() }>,
    /// Seconds that successful connects took.
    pub(crate) connect_duration: Histogram<{ CONNECT_BOUNDS.len() }>,
}

impl Metrics {
    /// Counts for so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                workers,
                active: PerWorker::new(workers),
                panics: Counter::default(),
                access_log_dropped: Counter::default(),
                series: Mutex::default(),
                applied: Mutex::default(),
            }),
        }
    }

    /// The series of a listener, made if it is new.
    pub(crate) fn listener(&self, name: &Arc<ListenerName>) -> Arc<ListenerSeries> {
        let mut series = lock(&self.inner.series);
        take(&mut series.listeners, name.clone(), || ListenerSeries {
            name: name.clone(),
            workers: PerWorker::new(self.inner.workers),
            handshakes: Mutex::default(),
            refusal_lines: crate::access_log::RefusalLines::default(),
        })
    }

    /// The series of a route at a listener, made if it is new.
    pub(crate) fn route(
        &self,
        listener: &Arc<ListenerName>,
        name: &Arc<RouteName>,
    ) -> Arc<RouteSeries> {
        let mut series = lock(&self.inner.series);
        take(&mut series.routes, (listener.clone(), name.clone()), || RouteSeries {
            listener: listener.clone(),
            name: name.clone(),
            workers: PerWorker::new(self.inner.workers),
        })
    }

    /// The series of a backend of a route at a listener, made if it is new.
    pub(crate) fn backend(
        &self,
        listener: &Arc<ListenerName>,
        route: &Arc<RouteName>,
        name: &Arc<BackendName>,
    ) -> Arc<BackendSeries> {
        let mut series = lock(&self.inner.series);
        let key = (listener.clone(), route.clone(), name.clone());
        take(&mut series.backends, key, || BackendSeries {
            listener: listener.clone(),
            route: route.clone(),
            name: name.clone(),
            workers: PerWorker::new(self.inner.workers),
        })
    }

    /// Relayed connections and flows of each worker.
    pub(crate) fn active(&self) -> &PerWorker<Gauge> {
        &self.inner.active
    }

    /// Tasks that ended by a panic.
    pub(crate) fn panics(&self) -> &Counter {
        &self.inner.panics
    }

    /// Access lines that found the queue full.
    pub(crate) fn access_log_dropped(&self) -> &Counter {
        &self.inner.access_log_dropped
    }

    /// Changes what the gauges of the supervisor show.
    pub(crate) fn applied(&self, change: impl FnOnce(&mut Applied)) {
        change(&mut lock(&self.inner.applied));
    }

    /// Drops series that nothing has held for [`FORGET_AFTER`].
    pub(crate) fn forget_unused(&self, now: Instant) {
        let mut series = lock(&self.inner.series);
        // Backends hold nothing of routes, and routes nothing of listeners: the order is free.
        series.backends.retain(|_, series| series.is_wanted(now));
        series.routes.retain(|_, series| series.is_wanted(now));
        series.listeners.retain(|_, series| series.is_wanted(now));
    }
}

impl<T> Aged<T> {
    fn is_wanted(&mut self, now: Instant) -> bool {
        if Arc::strong_count(&self.series) > 1 {
            self.unused_since = None;
            return true;
        }
        let since = *self.unused_since.get_or_insert(now);
        now.saturating_duration_since(since) < FORGET_AFTER
    }
}

fn take<K: Ord, T>(map: &mut BTreeMap<K, Aged<T>>, key: K, new: impl FnOnce() -> T) -> Arc<T> {
    let entry =
        map.entry(key).or_insert_with(|| Aged { series: Arc::new(new()), unused_since: None });
    entry.series.clone()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is counts and labels: whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
