//! The choice of endpoints and what becomes of those that leave.

use super::*;
use snapshot::{Endpoint as Spec, Snapshot};

use EndpointState::{Draining, Ready, Unready};

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 80))
}

fn snapshot(endpoints: &[(u8, EndpointState)]) -> Snapshot {
    let cluster = snapshot::Cluster {
        name: Arc::default(),
        endpoints: endpoints
            .iter()
            .map(|(last, state)| Spec { address: address(*last), state: *state })
            .collect(),
        tls: None,
    };
    let mut snapshot = Snapshot::default();
    snapshot.clusters.insert(ClusterKey::new("a"), Arc::new(cluster));
    snapshot
}

/// One cluster, driven through snapshots.
struct Fixture {
    clusters: Clusters,
    current: Snapshot,
    random: fastrand::Rng,
}

impl Fixture {
    fn new(endpoints: &[(u8, EndpointState)]) -> Self {
        let mut fixture = Self {
            clusters: Clusters::default(),
            current: Snapshot::default(),
            random: fastrand::Rng::with_seed(7),
        };
        fixture.apply(snapshot(endpoints), 0);
        fixture
    }

    fn apply(&mut self, new: Snapshot, now: Millis) -> bool {
        let leaving = self.clusters.apply(&self.current, &new, now);
        self.current = new;
        leaving
    }

    fn pick(&mut self, tried: &[u8]) -> Option<Lease> {
        let tried: Vec<_> = tried.iter().map(|last| address(*last)).collect();
        self.clusters.get(&ClusterKey::new("a")).pick(&tried, &mut self.random)
    }
}

#[test]
fn only_ready_endpoints_that_were_not_tried_are_chosen() {
    let mut fixture = Fixture::new(&[(1, Ready), (2, Unready), (3, Draining), (4, Ready)]);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        seen.insert(fixture.pick(&[]).unwrap().endpoint().address());
        assert_eq!(fixture.pick(&[1]).unwrap().endpoint().address(), address(4));
    }
    assert_eq!(seen, [address(1), address(4)].into());
    assert!(fixture.pick(&[1, 4]).is_none());
}

#[test]
fn load_stays_even_when_leases_are_held() {
    let all: Vec<_> = (1..=10).map(|last| (last, Ready)).collect();
    let mut fixture = Fixture::new(&all);
    let leases: Vec<_> = (0..1000).map(|_| fixture.pick(&[]).unwrap()).collect();
    let busiest = leases.iter().map(|lease| lease.endpoint().active.load(Relaxed)).max().unwrap();
    // Random choice alone would reach about 125.
    assert!(busiest <= 105, "{busiest}");
}

#[test]
fn the_busier_of_two_is_avoided() {
    let mut fixture = Fixture::new(&[(1, Ready), (2, Ready)]);
    let _held = fixture.pick(&[2]).unwrap();
    for _ in 0..20 {
        assert_eq!(fixture.pick(&[]).unwrap().endpoint().address(), address(2));
    }
}

#[test]
fn a_dead_endpoint_does_not_draw_new_connections_and_is_tried_now_and_then() {
    let mut fixture = Fixture::new(&[(1, Ready), (2, Ready)]);
    let dead = fixture.pick(&[2]).unwrap().endpoint().clone();
    dead.connected(Attempt::Timeout);
    let busy = fixture.pick(&[1]).unwrap();
    let mut to_dead = 0;
    for _ in 0..1600 {
        to_dead += u32::from(fixture.pick(&[]).unwrap().endpoint().address() == address(1));
    }
    assert!((50..150).contains(&to_dead), "{to_dead}");
    assert!(Arc::ptr_eq(fixture.pick(&[2]).unwrap().endpoint(), &dead), "better than none");
    dead.connected(Attempt::Ok);
    assert_eq!(fixture.pick(&[]).unwrap().endpoint().address(), address(1), "the idle one again");
    drop(busy);
}

#[test]
fn an_endpoint_leaves_once_and_may_come_back() {
    let mut fixture = Fixture::new(&[(1, Ready)]);
    let lease = fixture.pick(&[]).unwrap();
    assert!(fixture.apply(snapshot(&[(1, Draining)]), 10));
    assert!(fixture.apply(snapshot(&[]), 20));
    assert_eq!(lease.endpoint().left_at(), Some(10), "the second notice does not prolong");
    assert!(fixture.pick(&[]).is_none());
    assert!(!fixture.apply(snapshot(&[(1, Ready)]), 30));
    assert_eq!(lease.endpoint().left_at(), None);
    assert!(Arc::ptr_eq(lease.endpoint(), fixture.pick(&[]).unwrap().endpoint()));
}

#[test]
fn unready_keeps_its_connections() {
    let mut fixture = Fixture::new(&[(1, Ready)]);
    let lease = fixture.pick(&[]).unwrap();
    assert!(!fixture.apply(snapshot(&[(1, Unready)]), 10));
    assert_eq!(lease.endpoint().left_at(), None);
    assert!(fixture.pick(&[]).is_none());
}

#[test]
fn a_cluster_no_route_names_keeps_its_connections_and_is_the_same_when_it_returns() {
    let mut fixture = Fixture::new(&[(1, Ready)]);
    let key = ClusterKey::new("a");
    let cluster = fixture.clusters.get(&key);
    let lease = fixture.pick(&[]).unwrap();
    fixture.apply(Snapshot::default(), 10);
    assert_eq!(lease.endpoint().left_at(), None);
    fixture.apply(snapshot(&[(1, Ready)]), 20);
    assert!(Arc::ptr_eq(&cluster, &fixture.clusters.get(&key)));
}

#[test]
fn a_lease_counts_until_it_is_dropped() {
    let mut fixture = Fixture::new(&[(1, Ready)]);
    let endpoint = fixture.pick(&[]).unwrap().endpoint().clone();
    assert_eq!(endpoint.active.load(Relaxed), 0);
    let lease = fixture.pick(&[]).unwrap();
    assert_eq!(endpoint.active.load(Relaxed), 1);
    drop(lease);
    assert_eq!(endpoint.active.load(Relaxed), 0);
}
