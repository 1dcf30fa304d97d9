//! A bind that cannot be read is refused alone and keeps its last form.

use std::net::Ipv4Addr;
use std::sync::Arc;

use snapshot::{
    App, Bind, BindKey, ClusterKey, Limits, ListenerName, Port, Route, RouteName, Snapshot, Target,
    TcpApp, Timeouts, Transport, Weighted,
};
use stream::adopt::{Served, adopt};
use stream::packed::{Packed, pack};
use stream::wire::SCHEMA;

use crate::random::plain;

fn key(port: u16) -> BindKey {
    let port = Port::new(port).expect("not zero");
    BindKey { transport: Transport::Tcp, port, address: Ipv4Addr::UNSPECIFIED.into() }
}

/// Binds that each lead to one cluster.
fn snapshot(binds: &[(u16, &str, &str)]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (port, note, cluster) in binds {
        let cluster = ClusterKey::new(*cluster);
        let route = Route {
            name: Arc::new(RouteName::default()),
            targets: vec![Weighted { weight: 1, target: Target::Cluster(cluster.clone()) }],
        };
        let listener = ListenerName { listener: (*note).into(), ..ListenerName::default() };
        let app = TcpApp { listener: Arc::new(listener), route: Some(Arc::new(route)) };
        let bind =
            Bind { app: App::Tcp(app), timeouts: Timeouts::default(), limits: Limits::default() };
        snapshot.binds.insert(key(*port), Arc::new(bind));
        snapshot.clusters.insert(cluster.clone(), Arc::new(plain(&cluster)));
    }
    snapshot
}

fn serving(snapshot: &Snapshot) -> Served {
    adopt(&Served::default(), &pack(snapshot, None), SCHEMA)
}

/// The message with one bind that needs the schema after ours.
fn from_the_future(snapshot: &Snapshot, port: u16) -> Packed {
    let packed = pack(snapshot, None);
    let body = packed.binds()[&key(port)].body().to_vec();
    packed.with_bind(key(port), SCHEMA + 1, body)
}

#[test]
fn a_bind_of_a_newer_schema_keeps_its_last_form_while_the_others_move_on() {
    let before = serving(&snapshot(&[(1, "old", "a"), (2, "old", "b")]));
    let next = snapshot(&[(1, "new", "c"), (2, "new", "b"), (3, "new", "b")]);
    let after = adopt(&before, &from_the_future(&next, 1), SCHEMA);

    let (was, now) = (&before.snapshot, &after.snapshot);
    assert!(Arc::ptr_eq(&now.binds[&key(1)], &was.binds[&key(1)]));
    assert_eq!(now.binds[&key(2)], next.binds[&key(2)]);
    assert_eq!(now.binds[&key(3)], next.binds[&key(3)]);
    let kept = &now.clusters[&ClusterKey::new("a")];
    assert!(Arc::ptr_eq(kept, &was.clusters[&ClusterKey::new("a")]), "the last form needs it");
    let why = &after.refused[&key(1)];
    assert!(why.contains(&format!("schema {}", SCHEMA + 1)), "{why}");
    assert!(why.contains(&format!("up to {SCHEMA}")), "{why}");
    assert_eq!(after.refused.len(), 1);
}

#[test]
fn a_new_bind_of_a_newer_schema_is_not_served_at_all() {
    let next = snapshot(&[(1, "new", "a"), (2, "new", "b")]);
    let served = adopt(&Served::default(), &from_the_future(&next, 1), SCHEMA);
    assert_eq!(served.snapshot.binds.keys().collect::<Vec<_>>(), [&key(2)]);
    assert!(served.refused.contains_key(&key(1)));
}

#[test]
fn a_refused_bind_is_served_as_asked_once_it_can_be_read_and_goes_when_it_is_removed() {
    let before = serving(&snapshot(&[(1, "old", "a")]));
    let next = snapshot(&[(1, "new", "b")]);
    let refused = adopt(&before, &from_the_future(&next, 1), SCHEMA);
    // Asked again, with something else changed: still the last form.
    let more = snapshot(&[(1, "new", "b"), (2, "new", "b")]);
    let still = adopt(&refused, &from_the_future(&more, 1), SCHEMA);
    assert_eq!(still.snapshot.binds[&key(1)], before.snapshot.binds[&key(1)]);

    let readable = adopt(&still, &pack(&more, None), SCHEMA);
    assert_eq!(*readable.snapshot, more, "without the cluster that only the last form needed");
    assert!(readable.refused.is_empty());
    let gone = adopt(&still, &pack(&snapshot(&[(2, "new", "b")]), None), SCHEMA);
    assert_eq!(gone.snapshot.binds.len(), 1);
    assert!(gone.refused.is_empty());
}

#[test]
fn what_is_kept_of_a_refused_snapshot_is_what_is_served() {
    let before = serving(&snapshot(&[(1, "old", "a"), (2, "old", "b")]));
    let next = snapshot(&[(1, "new", "c"), (2, "new", "b")]);
    let after = adopt(&before, &from_the_future(&next, 1), SCHEMA);
    // As after a restart: from the file alone.
    let again = adopt(&Served::default(), &after.packed, SCHEMA);
    assert_eq!(again.snapshot, after.snapshot);
    assert!(again.refused.is_empty());
}

#[test]
fn a_body_that_is_none_is_refused_like_a_newer_one() {
    let before = serving(&snapshot(&[(1, "old", "a"), (2, "old", "b")]));
    let next = pack(&snapshot(&[(1, "old", "a"), (2, "new", "b")]), None);
    for body in [vec![], vec![0xff; 9], vec![0x0a]] {
        let next = next.with_bind(key(1), SCHEMA, body);
        let after = adopt(&before, &next, SCHEMA);
        assert!(Arc::ptr_eq(&after.snapshot.binds[&key(1)], &before.snapshot.binds[&key(1)]));
        assert_ne!(after.snapshot.binds[&key(2)], before.snapshot.binds[&key(2)]);
        assert!(after.refused[&key(1)].contains("cannot be read"));
    }
}

#[test]
fn a_cluster_of_a_newer_schema_keeps_its_last_form_and_its_binds_say_so() {
    let before = serving(&snapshot(&[(1, "old", "a"), (2, "old", "b")]));
    let next = pack(&snapshot(&[(1, "new", "a"), (2, "new", "b")]), None);
    let next = next.with_cluster(ClusterKey::new("a"), SCHEMA + 1, vec![1, 2, 3]);
    let after = adopt(&before, &next, SCHEMA);
    let cluster = ClusterKey::new("a");
    assert!(Arc::ptr_eq(&after.snapshot.clusters[&cluster], &before.snapshot.clusters[&cluster]));
    assert_ne!(after.snapshot.binds[&key(1)], before.snapshot.binds[&key(1)], "the bind moves on");
    assert!(after.refused[&key(1)].contains("backend a needs schema"));
    assert!(!after.refused.contains_key(&key(2)));
}

#[test]
fn no_bind_is_served_that_names_a_cluster_which_is_not_there() {
    let before = serving(&snapshot(&[(1, "old", "a")]));
    let next = pack(&snapshot(&[(1, "new", "b"), (2, "new", "c")]), None);
    let next = next.with_cluster(ClusterKey::new("b"), SCHEMA + 1, vec![]);
    let after = adopt(&before, &next, SCHEMA);
    assert!(Arc::ptr_eq(&after.snapshot.binds[&key(1)], &before.snapshot.binds[&key(1)]));

    let mut broken = snapshot(&[(1, "new", "b"), (2, "new", "c")]);
    broken.clusters.remove(&ClusterKey::new("c"));
    let after = adopt(&before, &pack(&broken, None), SCHEMA);
    assert_eq!(after.snapshot.binds.keys().collect::<Vec<_>>(), [&key(1)]);
    assert!(after.refused[&key(2)].contains("backend c"));
}
