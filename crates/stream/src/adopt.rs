//! What a proxy makes of a snapshot it received. Pure.
//!
//! A bind that this build cannot read, because it needs a newer schema or is malformed, is refused
//! alone: it keeps the last form that could be read, with the clusters that form names, and
//! everything else moves on. What did not change keeps its `Arc`, so that nobody downstream needs to
//! look at it.

use std::collections::BTreeMap;
use std::sync::Arc;

use snapshot::{Bind, BindKey, Cluster, ClusterKey, Snapshot, Target};

use crate::packed::{Packed, Part};
use crate::wire::{self, Malformed};

/// What a proxy serves, in both forms, and what it could not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// What is served.
    pub snapshot: Arc<Snapshot>,
    /// The parts it was read from. The whole has the controller's hash if nothing was refused.
    pub packed: Packed,
    /// Binds that are not served as asked, with the reason. Each is served in its last good form,
    /// if it had one.
    pub refused: BTreeMap<BindKey, String>,
}

/// A value with the part it was read from.
type Both<T> = (Arc<T>, Part);

/// What to serve when `next` is asked for and `before` is served. `reads` is the newest schema
/// that is understood: [`wire::SCHEMA`], except in tests.
pub fn adopt(before: &Served, next: &Packed, reads: u32) -> Served {
    let mut clusters = BTreeMap::new();
    let mut unread = BTreeMap::new();
    for (key, part) in next.clusters() {
        let was = former(key, &before.snapshot.clusters, before.packed.clusters());
        match read(was.as_ref(), part, reads, wire::cluster::read) {
            Ok(now) => {
                clusters.insert(key.clone(), now);
            }
            Err(why) => {
                unread.insert(key, why);
                clusters.extend(was.map(|was| (key.clone(), was)));
            }
        }
    }

    let mut binds = BTreeMap::new();
    let mut refused = BTreeMap::new();
    let mut kept = Vec::new();
    for (key, part) in next.binds() {
        let was = former(key, &before.snapshot.binds, before.packed.binds());
        let read = read(was.as_ref(), part, reads, wire::bind::read);
        let why = match &read {
            Ok((bind, _)) => cluster_trouble(bind, &clusters, &unread),
            Err(why) => Some(why.clone()),
        };
        refused.extend(why.map(|why| (*key, why)));
        match read {
            Ok(now) if names(&now.0).all(|name| clusters.contains_key(name)) => {
                binds.insert(*key, now);
            }
            _ => kept.extend(was.map(|was| (*key, was))),
        }
    }
    // A last good form needs its clusters, also those that nobody else names any more.
    for (key, was) in kept {
        for name in names(&was.0) {
            if !clusters.contains_key(name)
                && let Some(cluster) =
                    former(name, &before.snapshot.clusters, before.packed.clusters())
            {
                clusters.insert(name.clone(), cluster);
            }
        }
        binds.insert(key, was);
    }

    let (binds, bind_parts) = split(binds);
    let (clusters, cluster_parts) = split(clusters);
    let snapshot = Snapshot { binds, clusters };
    let snapshot =
        if snapshot == *before.snapshot { before.snapshot.clone() } else { Arc::new(snapshot) };
    Served { snapshot, packed: Packed::from_parts(bind_parts, cluster_parts), refused }
}

/// What stood at a key.
fn former<K: Ord, T>(
    key: &K,
    values: &BTreeMap<K, Arc<T>>,
    parts: &BTreeMap<K, Part>,
) -> Option<Both<T>> {
    Some((values.get(key)?.clone(), parts.get(key)?.clone()))
}

/// The value of `part`, or why it cannot be read.
fn read<T: PartialEq>(
    was: Option<&Both<T>>,
    part: &Part,
    reads: u32,
    reader: impl Fn(&[u8]) -> Result<T, Malformed>,
) -> Result<Both<T>, String> {
    if let Some(was) = was.filter(|was| was.1.hash() == part.hash()) {
        return Ok(was.clone());
    }
    if part.schema() > reads {
        let needs = part.schema();
        return Err(format!("needs schema {needs}, this proxy reads up to {reads}"));
    }
    let value =
        reader(part.body()).map_err(|error| format!("cannot be read by this proxy: {error}"))?;
    let value = match was {
        Some((was, _)) if **was == value => was.clone(),
        _ => Arc::new(value),
    };
    Ok((value, part.clone()))
}

/// Why a bind is not served as asked although it was read: one of its clusters was not.
fn cluster_trouble(
    bind: &Bind,
    clusters: &BTreeMap<ClusterKey, Both<Cluster>>,
    unread: &BTreeMap<&ClusterKey, String>,
) -> Option<String> {
    names(bind).find_map(|name| match unread.get(name) {
        Some(why) => Some(format!("backend {name} {why}")),
        None if clusters.contains_key(name) => None,
        None => Some(format!("names backend {name}, which the snapshot lacks")),
    })
}

/// The clusters that a bind names.
fn names(bind: &Bind) -> impl Iterator<Item = &ClusterKey> {
    let shares = bind.routes().into_iter().flat_map(|route| &route.targets);
    shares.filter_map(|share| match &share.target {
        Target::Cluster(key) => Some(key),
        Target::Reject(_) => None,
    })
}

fn split<K: Ord + Clone, T>(
    both: BTreeMap<K, Both<T>>,
) -> (BTreeMap<K, Arc<T>>, BTreeMap<K, Part>) {
    both.into_iter().map(|(key, (value, part))| ((key.clone(), value), (key, part))).unzip()
}
