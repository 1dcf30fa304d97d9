//! What to send: every snapshot is written once for all the proxies of its fleet, and so is the step
//! from the one before.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prost::bytes::Bytes;
use snapshot::Snapshot;
use tokio::sync::watch;

use super::counters::{Counters, Refusal};
use super::rooms::Rooms;
use super::{Bounds, Feeds};
use crate::delta::{self, delta};
use crate::fleet::Fleet;
use crate::hash::SnapshotHash;
use crate::packed::{Packed, pack};
use crate::wire::SNAPSHOT_MAX;

/// Snapshots of a fleet that are remembered, so that a report can be read beside the one it speaks
/// of. Changes come at most every few milliseconds, reports within a second.
const RECENT: usize = 16;

/// One version of a fleet's snapshot.
pub(super) struct Version {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) packed: Packed,
    /// The step from the version before, for the many streams that have that one.
    pub(super) step: Option<(SnapshotHash, Bytes)>,
}

/// All versions, by fleet.
pub(super) struct Hub {
    lanes: Mutex<BTreeMap<Fleet, Lane>>,
    bounds: Bounds,
    counters: Arc<Counters>,
}

/// What is known of a fleet.
struct Lane {
    newest: watch::Sender<Option<Arc<Version>>>,
    recent: VecDeque<(SnapshotHash, Arc<Snapshot>)>,
    fulls: Arc<Rooms>,
}

/// A stream's view of its fleet.
pub(super) struct Subscription {
    pub(super) newest: watch::Receiver<Option<Arc<Version>>>,
    /// Whole snapshots of the fleet on their way.
    pub(super) fulls: Arc<Rooms>,
}

impl Hub {
    pub(super) fn new(bounds: &Bounds, counters: Arc<Counters>) -> Self {
        Self { lanes: Mutex::default(), bounds: *bounds, counters }
    }

    /// The versions of a fleet, also of one that has none yet.
    pub(super) fn subscribe(&self, fleet: &Fleet) -> Subscription {
        let mut lanes = self.lock();
        let lane = lanes.entry(fleet.clone()).or_insert_with(|| self.lane());
        Subscription { newest: lane.newest.subscribe(), fulls: lane.fulls.clone() }
    }

    /// The snapshot of that name, if it was served lately.
    pub(super) fn recall(&self, fleet: &Fleet, hash: SnapshotHash) -> Option<Arc<Snapshot>> {
        let lanes = self.lock();
        let mut recent = lanes.get(fleet)?.recent.iter();
        recent.find(|known| known.0 == hash).map(|(_, snapshot)| snapshot.clone())
    }

    /// Takes what comes, for ever.
    pub(super) async fn run(&self, mut feeds: watch::Receiver<Feeds>) {
        loop {
            let now = feeds.borrow_and_update().clone();
            if let Some(now) = now {
                self.take(&now).await;
            }
            if feeds.changed().await.is_err() {
                // Nobody feeds us any more: what was served last stays.
                return std::future::pending().await;
            }
        }
    }

    async fn take(&self, feeds: &BTreeMap<Fleet, Arc<Snapshot>>) {
        let changed = self.changed(feeds);
        // Writing and hashing megabytes must not hold up the streams.
        let work = tokio::task::spawn_blocking(move || {
            changed
                .into_iter()
                .map(|(fleet, snapshot, before)| {
                    let version = write(snapshot, before.as_deref());
                    (fleet, version)
                })
                .collect::<Vec<_>>()
        });
        let Ok(written) = work.await else {
            tracing::error!("writing a snapshot panicked; what was served before stays");
            return;
        };
        let mut lanes = self.lock();
        for (fleet, version) in written {
            if version.packed.len() > SNAPSHOT_MAX {
                self.counters.refuse(Refusal::TooLarge);
                tracing::error!(%fleet, bytes = version.packed.len(), most = SNAPSHOT_MAX,
                    "a snapshot is too large to be sent; the one before stays");
                continue;
            }
            let lane = lanes.entry(fleet).or_insert_with(|| self.lane());
            let hash = version.packed.hash();
            lane.recent.retain(|known| known.0 != hash);
            lane.recent.push_front((hash, version.snapshot.clone()));
            lane.recent.truncate(RECENT);
            lane.newest.send_replace(Some(Arc::new(version)));
        }
        lanes.retain(|fleet, lane| {
            let is_fed = feeds.contains_key(fleet);
            if !is_fed {
                // Who comes now gets nothing; who is here keeps what it has.
                lane.newest.send_replace(None);
            }
            is_fed || lane.newest.receiver_count() > 0
        });
    }

    /// The fleets with a new snapshot, with what they had.
    #[allow(clippy::type_complexity)]
    fn changed(
        &self,
        feeds: &BTreeMap<Fleet, Arc<Snapshot>>,
    ) -> Vec<(Fleet, Arc<Snapshot>, Option<Arc<Version>>)> {
        let lanes = self.lock();
        let with_former = |(fleet, snapshot): (&Fleet, &Arc<Snapshot>)| {
            let before = lanes.get(fleet).and_then(|lane| lane.newest.borrow().clone());
            let is_same =
                before.as_ref().is_some_and(|before| Arc::ptr_eq(&before.snapshot, snapshot));
            (!is_same).then(|| (fleet.clone(), snapshot.clone(), before))
        };
        feeds.iter().filter_map(with_former).collect()
    }

    fn lane(&self) -> Lane {
        Lane {
            newest: watch::Sender::new(None),
            recent: VecDeque::new(),
            fulls: Rooms::new(
                self.bounds.fulls_of_a_fleet,
                self.bounds.yielding,
                self.counters.clone(),
            ),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Fleet, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(snapshot: Arc<Snapshot>, before: Option<&Version>) -> Version {
    let former = before.map(|before| (&*before.snapshot, &before.packed));
    let packed = pack(&snapshot, former);
    let step = before.map(|before| {
        let step = delta::write(&delta(&before.packed, &packed));
        (before.packed.hash(), step)
    });
    Version { snapshot, packed, step }
}
