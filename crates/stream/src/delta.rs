//! What leads from one snapshot to the next. Pure; what does not change is shared.

use std::collections::BTreeMap;

use prost::bytes::Bytes;
use snapshot::{BindKey, ClusterKey};

use crate::hash::SnapshotHash;
use crate::packed::{self, Packed, Part};
use crate::wire::key::Key;
use crate::wire::message::{self, ToProxy};
use crate::wire::{self, Malformed};

/// The changes between two snapshots, with the names of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// What it can be applied to.
    pub base: SnapshotHash,
    /// What comes out.
    pub result: SnapshotHash,
    /// New and changed binds.
    pub binds: BTreeMap<BindKey, Part>,
    /// New and changed clusters.
    pub clusters: BTreeMap<ClusterKey, Part>,
    /// Binds that are gone.
    pub removed_binds: Vec<BindKey>,
    /// Clusters that are gone.
    pub removed_clusters: Vec<ClusterKey>,
}

/// A delta that does not fit: the whole snapshot has to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// It changes another snapshot than the one that is held: one before it was lost, or it came
    /// twice.
    #[error("it changes another snapshot than the one held")]
    Base,
    /// What comes out is not what the sender meant.
    #[error("what comes out has another hash than the one it names")]
    Result,
}

/// The changes from `base` to `next`.
pub fn delta(base: &Packed, next: &Packed) -> Delta {
    Delta {
        base: base.hash(),
        result: next.hash(),
        binds: changed(base.binds(), next.binds()),
        clusters: changed(base.clusters(), next.clusters()),
        removed_binds: removed(base.binds(), next.binds()),
        removed_clusters: removed(base.clusters(), next.clusters()),
    }
}

fn changed<K: Ord + Clone>(
    base: &BTreeMap<K, Part>,
    next: &BTreeMap<K, Part>,
) -> BTreeMap<K, Part> {
    let is_new =
        |(key, part): &(&K, &Part)| base.get(key).is_none_or(|before| before.hash() != part.hash());
    next.iter().filter(is_new).map(|(key, part)| (key.clone(), part.clone())).collect()
}

fn removed<K: Ord + Clone>(base: &BTreeMap<K, Part>, next: &BTreeMap<K, Part>) -> Vec<K> {
    base.keys().filter(|key| !next.contains_key(key)).cloned().collect()
}

/// `base` with the changes of `delta`, or nothing at all.
pub fn apply(base: &Packed, delta: &Delta) -> Result<Packed, Mismatch> {
    if base.hash() != delta.base {
        return Err(Mismatch::Base);
    }
    let (mut binds, mut clusters) = (base.binds().clone(), base.clusters().clone());
    for key in &delta.removed_binds {
        binds.remove(key);
    }
    for key in &delta.removed_clusters {
        clusters.remove(key);
    }
    binds.extend(delta.binds.iter().map(|(key, part)| (*key, part.clone())));
    clusters.extend(delta.clusters.iter().map(|(key, part)| (key.clone(), part.clone())));
    let result = Packed::from_parts(binds, clusters);
    if result.hash() == delta.result { Ok(result) } else { Err(Mismatch::Result) }
}

/// The delta as a message of the controller.
pub fn write(delta: &Delta) -> Bytes {
    let removed_clusters = delta.removed_clusters.iter().map(|key| key.as_str().to_owned());
    let message = message::Delta {
        base: Bytes::copy_from_slice(delta.base.as_bytes()),
        result: Bytes::copy_from_slice(delta.result.as_bytes()),
        binds: delta.binds.iter().map(|(key, part)| packed::bind_part(key, part)).collect(),
        clusters: delta
            .clusters
            .iter()
            .map(|(key, part)| packed::cluster_part(key, part))
            .collect(),
        removed_binds: delta.removed_binds.iter().map(Key::of).collect(),
        removed_clusters: removed_clusters.collect(),
    };
    packed::envelope(ToProxy::DELTA, &message)
}

/// Reads a message.
pub(crate) fn read(message: message::Delta) -> Result<Delta, Malformed> {
    let hash = |bytes: &[u8]| SnapshotHash::from_bytes(bytes).ok_or(Malformed::Field("delta.hash"));
    let keys = message.removed_binds.iter().map(Key::read);
    Ok(Delta {
        base: hash(&message.base)?,
        result: hash(&message.result)?,
        binds: message.binds.into_iter().map(packed::read_bind).collect::<Result<_, _>>()?,
        clusters: message
            .clusters
            .into_iter()
            .map(packed::read_cluster)
            .collect::<Result<_, _>>()?,
        removed_binds: keys.collect::<Result<_, wire::Malformed>>()?,
        removed_clusters: message.removed_clusters.into_iter().map(ClusterKey::new).collect(),
    })
}
