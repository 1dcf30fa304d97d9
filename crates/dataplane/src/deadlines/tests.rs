//! One watched connection and everything that can end it.

use super::*;
use crate::budget::Budget;
use crate::cluster::Clusters;
use snapshot::{ClusterKey, EndpointState, Snapshot};

/// One watched connection and everything that can end it.
struct Fixture {
    deadlines: Deadlines,
    clusters: Clusters,
    snapshot: Snapshot,
    life: Arc<BindLife>,
    key: usize,
}

fn snapshot(state: Option<EndpointState>) -> Snapshot {
    let address = ([10, 0, 0, 1], 80).into();
    let endpoints = state.map(|state| snapshot::Endpoint { address, state });
    let cluster = snapshot::Cluster {
        name: Arc::default(),
        endpoints: endpoints.into_iter().collect(),
        tls: None,
    };
    Snapshot { clusters: [(ClusterKey::new("a"), Arc::new(cluster))].into(), ..Snapshot::default() }
}

fn watched(idle: Millis) -> Fixture {
    let mut clusters = Clusters::default();
    let snapshot = snapshot(Some(EndpointState::Ready));
    clusters.apply(&Snapshot::default(), &snapshot, 0);
    let cluster = clusters.get(&ClusterKey::new("a"));
    let lease = cluster.pick(&[], &mut fastrand::Rng::with_seed(1)).unwrap();
    let life = Arc::new(BindLife::new(Budget::new(10).share(0)));
    let deadlines = Deadlines::default();
    let key = deadlines.insert(Slot {
        life: life.clone(),
        endpoint: lease.endpoint().clone(),
        backend_drain: 30,
        idle,
        active_at: 0,
        half_closed_until: NEVER,
        waker: None,
        verdict: None,
    });
    // The lease is gone, but the cluster still lists the endpoint.
    Fixture { deadlines, clusters, snapshot, life, key }
}

impl Fixture {
    fn apply(&mut self, state: Option<EndpointState>, now: Millis) {
        let new = snapshot(state);
        self.clusters.apply(&self.snapshot, &new, now);
        self.snapshot = new;
    }

    /// Sweeps at `now`: the verdict, and whether more is to come.
    fn at(&self, now: Millis) -> (Option<CloseReason>, bool) {
        let waiting = self.deadlines.sweep(now, false);
        (self.deadlines.verdict(self.key, Waker::noop()), waiting)
    }
}

#[test]
fn a_connection_without_deadline_needs_no_sweeps() {
    assert_eq!(watched(NEVER).at(1 << 50), (None, false));
}

#[test]
fn a_leaving_endpoint_ends_its_connections_after_the_drain() {
    let mut fixture = watched(NEVER);
    fixture.apply(Some(EndpointState::Draining), 10);
    assert_eq!(fixture.at(39), (None, true));
    assert_eq!(fixture.at(40), (Some(CloseReason::BackendRemoved), false));
}

#[test]
fn an_endpoint_that_returns_keeps_its_connections() {
    let mut fixture = watched(NEVER);
    fixture.apply(Some(EndpointState::Draining), 10);
    fixture.apply(Some(EndpointState::Ready), 20);
    assert_eq!(fixture.at(500), (None, false));
}

#[test]
fn a_removed_socket_ends_its_connections_at_its_time() {
    let fixture = watched(NEVER);
    fixture.life.end(70);
    assert_eq!(fixture.at(69), (None, true));
    assert_eq!(fixture.at(70), (Some(CloseReason::Drained), false));
}

#[test]
fn silence_ends_a_connection_only_where_it_is_limited() {
    let fixture = watched(50);
    fixture.deadlines.touch(fixture.key, 30);
    assert_eq!(fixture.at(79), (None, true));
    assert_eq!(fixture.at(80), (Some(CloseReason::Idle), false));
}

#[test]
fn a_half_closed_connection_has_until_its_deadline() {
    let fixture = watched(NEVER);
    fixture.deadlines.half_closed(fixture.key, 60);
    assert_eq!(fixture.at(59), (None, true));
    assert_eq!(fixture.at(60), (Some(CloseReason::HalfCloseTimeout), false));
}

#[test]
fn force_ends_everything() {
    let fixture = watched(NEVER);
    assert!(!fixture.deadlines.sweep(0, true));
    let verdict = fixture.deadlines.verdict(fixture.key, Waker::noop());
    assert_eq!(verdict, Some(CloseReason::Forced));
}
