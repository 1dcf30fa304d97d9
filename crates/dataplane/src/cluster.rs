//! Clusters at run time: which endpoint takes the next connection or flow, and which endpoints
//! have left.
//!
//! A [`Cluster`] lives as long as its key is in a snapshot or anything it serves is open, so that
//! a change of endpoints changes nothing else. Its choice is local and lock-free: power of two
//! choices on the number of open connections and flows, shy of endpoints that just failed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use snapshot::{BackendName, BackendTls, ClusterKey, EndpointState};

use crate::clock::{Millis, NEVER};
use crate::outcome::Attempt;
use crate::tls::BackendConnector;

/// Of so many choices between an endpoint whose last connect failed and another, one goes to it
/// all the same: it may be well again. Without this a dead endpoint, which has no connections,
/// would look like the least busy one and draw all new ones.
const SECOND_CHANCE: u8 = 16;

/// One backend port, across snapshots.
#[derive(Debug)]
pub(crate) struct Cluster {
    state: ArcSwap<State>,
}

/// What one snapshot says of a cluster.
#[derive(Debug)]
pub(crate) struct State {
    /// Its name, for logs and metrics.
    pub(crate) name: Arc<BackendName>,
    /// TLS towards the endpoints.
    pub(crate) tls: Tls,
    /// Every endpoint of the snapshot, and those that left while they had connections.
    endpoints: Vec<Arc<Endpoint>>,
    /// The endpoints that may be chosen.
    ready: Vec<Arc<Endpoint>>,
    /// For the gauge of endpoints by state.
    counts: EndpointCounts,
}

/// How to speak to endpoints.
#[derive(Clone, Debug)]
pub(crate) enum Tls {
    /// As the client does.
    Plain,
    /// Under these settings.
    Session(Arc<BackendTls>, BackendConnector),
    /// Under these settings, which cannot be set up: not at all.
    Unusable(Arc<BackendTls>),
}

impl Tls {
    /// Settings that did not change keep their connector, and with it the sessions it can resume.
    fn new(before: &Self, settings: Option<&Arc<BackendTls>>) -> Self {
        let Some(settings) = settings else { return Self::Plain };
        match before {
            Self::Session(old, _) | Self::Unusable(old) if old == settings => before.clone(),
            _ => match BackendConnector::new(settings) {
                Ok(connector) => Self::Session(settings.clone(), connector),
                Err(error) => {
                    let server_name = &settings.server_name;
                    tracing::error!(%server_name, %error, "TLS to a backend cannot be set up");
                    Self::Unusable(settings.clone())
                }
            },
        }
    }
}

/// Endpoints of a snapshot by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EndpointCounts {
    /// May be chosen.
    pub(crate) ready: usize,
    /// Keep what they have.
    pub(crate) unready: usize,
    /// On their way out.
    pub(crate) draining: usize,
}

/// One address of a cluster, the same object for as long as the cluster knows the address.
#[derive(Debug)]
pub(crate) struct Endpoint {
    address: SocketAddr,
    /// Open connections and flows.
    active: AtomicU32,
    /// When it began to leave; [`NEVER`] while it stays.
    left_at: AtomicU64,
    /// Whether the last connect to it failed.
    is_failing: AtomicBool,
}

impl Endpoint {
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            active: AtomicU32::new(0),
            left_at: AtomicU64::new(NEVER),
            is_failing: AtomicBool::new(false),
        }
    }

    /// Where to connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Notes how the last connect to it ended.
    pub(crate) fn connected(&self, result: Attempt) {
        self.is_failing.store(result != Attempt::Ok, Relaxed);
    }

    /// When it began to leave the cluster: connections end their bind's `backend_drain` later.
    pub(crate) fn left_at(&self) -> Option<Millis> {
        match self.left_at.load(Relaxed) {
            NEVER => None,
            at => Some(at),
        }
    }
}

/// Counts as one open connection or flow of an endpoint until dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    endpoint: Arc<Endpoint>,
}

impl Lease {
    fn new(endpoint: Arc<Endpoint>) -> Self {
        endpoint.active.fetch_add(1, Relaxed);
        Self { endpoint }
    }

    /// The endpoint it counts for.
    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.endpoint.active.fetch_sub(1, Relaxed);
    }
}

impl Cluster {
    fn new() -> Self {
        Self {
            state: ArcSwap::from_pointee(State {
                name: Arc::default(),
                tls: Tls::Plain,
                endpoints: Vec::new(),
                ready: Vec::new(),
                counts: EndpointCounts::default(),
            }),
        }
    }

    /// What the newest snapshot says of it.
    pub(crate) fn state(&self) -> arc_swap::Guard<Arc<State>> {
        self.state.load()
    }

    /// Whether any endpoint may be chosen.
    pub(crate) fn has_ready(&self) -> bool {
        !self.state.load().ready.is_empty()
    }

    /// The number of endpoints by state.
    pub(crate) fn counts(&self) -> EndpointCounts {
        self.state.load().counts
    }

    /// Chooses an endpoint for one new connection or flow: the less busy of two drawn at random
    /// from the ready ones that are not among `tried`. `None` if there is none.
    pub(crate) fn pick(&self, tried: &[SocketAddr], random: &mut fastrand::Rng) -> Option<Lease> {
        let state = self.state.load();
        let untried = |endpoint: &&Arc<Endpoint>| !tried.contains(&endpoint.address);
        let left = match tried {
            [] => state.ready.len(),
            _ => state.ready.iter().filter(untried).count(),
        };
        let at = |position: usize| match tried {
            [] => state.ready.get(position),
            _ => state.ready.iter().filter(untried).nth(position),
        };
        let (first, second) = two_of(left, random)?;
        let (first, second) = (at(first)?, at(second)?);
        let is_second = match (first.is_failing.load(Relaxed), second.is_failing.load(Relaxed)) {
            (true, false) => random.u8(..SECOND_CHANCE) != 0,
            (false, true) => random.u8(..SECOND_CHANCE) == 0,
            _ => first.active.load(Relaxed) > second.active.load(Relaxed),
        };
        Some(Lease::new(if is_second { second } else { first }.clone()))
    }

    /// Takes over what a snapshot says. Endpoints that were ready or unready and are gone or
    /// draining now begin to leave at `now`; one that comes back stays. Gives back whether any
    /// endpoint is on its way out.
    fn update(&self, spec: &snapshot::Cluster, now: Millis) -> bool {
        let before = self.state.load();
        let mut known: HashMap<SocketAddr, Arc<Endpoint>> =
            before.endpoints.iter().map(|endpoint| (endpoint.address, endpoint.clone())).collect();
        let mut state = State {
            name: spec.name.clone(),
            tls: Tls::new(&before.tls, spec.tls.as_ref()),
            endpoints: Vec::with_capacity(spec.endpoints.len()),
            ready: Vec::new(),
            counts: EndpointCounts::default(),
        };
        let mut leaving = false;
        for entry in &spec.endpoints {
            let endpoint = known
                .remove(&entry.address)
                .unwrap_or_else(|| Arc::new(Endpoint::new(entry.address)));
            match entry.state {
                EndpointState::Ready => {
                    state.counts.ready += 1;
                    state.ready.push(endpoint.clone());
                }
                EndpointState::Unready => state.counts.unready += 1,
                EndpointState::Draining => state.counts.draining += 1,
            }
            if entry.state == EndpointState::Draining {
                leaving = true;
                endpoint.leave(now);
            } else {
                endpoint.left_at.store(NEVER, Relaxed);
            }
            state.endpoints.push(endpoint);
        }
        for endpoint in known.into_values() {
            endpoint.leave(now);
            // Kept so that an address that comes back finds its connections again.
            if endpoint.active.load(Relaxed) > 0 {
                leaving = true;
                state.endpoints.push(endpoint);
            }
        }
        self.state.store(Arc::new(state));
        leaving
    }
}

impl Endpoint {
    fn leave(&self, now: Millis) {
        // Only the first notice counts: a second one must not prolong the drain.
        let _ = self.left_at.compare_exchange(NEVER, now, Relaxed, Relaxed);
    }
}

/// Two different positions below `count` drawn at random; twice the only one if there is one.
fn two_of(count: usize, random: &mut fastrand::Rng) -> Option<(usize, usize)> {
    match count {
        0 => None,
        1 => Some((0, 0)),
        _ => {
            let first = random.usize(..count);
            let second = random.usize(..count - 1);
            Some((first, if second >= first { second + 1 } else { second }))
        }
    }
}

/// Every cluster of the newest snapshot, and older ones while something still uses them.
#[derive(Debug, Default)]
pub(crate) struct Clusters {
    current: HashMap<ClusterKey, Arc<Cluster>>,
    former: HashMap<ClusterKey, Weak<Cluster>>,
}

impl Clusters {
    /// Takes over the clusters of `new`; only those that differ from `old` are touched. A cluster
    /// that no route names any more keeps its connections: nothing is known of its endpoints.
    /// Gives back whether any endpoint is on its way out.
    pub(crate) fn apply(
        &mut self,
        old: &snapshot::Snapshot,
        new: &snapshot::Snapshot,
        now: Millis,
    ) -> bool {
        for key in old.clusters.keys().filter(|key| !new.clusters.contains_key(*key)) {
            if let Some(cluster) = self.current.remove(key) {
                self.former.insert(key.clone(), Arc::downgrade(&cluster));
            }
        }
        let mut leaving = false;
        for (key, spec) in &new.clusters {
            let before = old.clusters.get(key);
            if !before.is_some_and(|before| Arc::ptr_eq(before, spec) || before == spec) {
                leaving |= self.get(key).update(spec, now);
            }
        }
        self.former.retain(|_, cluster| cluster.strong_count() > 0);
        leaving
    }

    /// The cluster of a key, made without endpoints if it is not known.
    pub(crate) fn get(&mut self, key: &ClusterKey) -> Arc<Cluster> {
        if let Some(cluster) = self.current.get(key) {
            return cluster.clone();
        }
        let former = self.former.remove(key).and_then(|cluster| cluster.upgrade());
        let cluster = former.unwrap_or_else(|| Arc::new(Cluster::new()));
        self.current.insert(key.clone(), cluster.clone());
        cluster
    }
}

#[cfg(test)]
mod tests;
