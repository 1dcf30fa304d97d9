//! Who is there, and what each said last. One stream for each proxy: a newer one replaces the older.

use std::collections::{BTreeMap, btree_map::Entry};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use snapshot::{ApplyReport, Snapshot};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{MemberReport, Reports};
use crate::fleet::{Fleet, Member};
use crate::wire::report::Told;

/// Most proxies that have gone and are remembered: whoever makes pods without end fills no memory.
const GONE_MAX: usize = 4096;

/// Who is there.
pub(super) struct Roll {
    book: Arc<Book>,
}

struct Book {
    reports: watch::Sender<Reports>,
    streams: Mutex<BTreeMap<(Fleet, String), CancellationToken>>,
}

/// The place of one stream. Dropping it says that the proxy has gone, unless a newer stream of it
/// has come.
pub(super) struct Seat {
    book: Arc<Book>,
    key: (Fleet, String),
    replaced: CancellationToken,
    has_replaced: bool,
}

impl Roll {
    pub(super) fn new(reports: watch::Sender<Reports>) -> Self {
        Self { book: Arc::new(Book { reports, streams: Mutex::default() }) }
    }

    /// A stream of `member` begins; an older one is told to end.
    pub(super) fn enter(&self, member: &Member) -> Seat {
        let key = (member.fleet.clone(), member.id.clone());
        let replaced = CancellationToken::new();
        let mut streams = self.book.streams();
        let older = streams.insert(key.clone(), replaced.clone());
        if let Some(older) = &older {
            older.cancel();
        }
        let now = Instant::now();
        self.book.change(|reports| match reports.entry(key.clone()) {
            Entry::Occupied(mut known) => {
                let known = Arc::make_mut(known.get_mut());
                known.name.clone_from(&member.name);
                known.connected = true;
                known.since = now;
                known.last_heard = now;
            }
            Entry::Vacant(place) => {
                place.insert(Arc::new(MemberReport {
                    name: member.name.clone(),
                    connected: true,
                    since: now,
                    last_heard: now,
                    hash: None,
                    applied: None,
                    report: ApplyReport::default(),
                    refused: BTreeMap::new(),
                    last_good: false,
                }));
            }
        });
        Seat { book: self.book.clone(), key, replaced, has_replaced: older.is_some() }
    }

    /// Forgets, for ever, who has been gone for `time`.
    pub(super) async fn forget(&self, time: Duration) {
        let mut look = tokio::time::interval((time / 20).max(Duration::from_millis(10)));
        loop {
            look.tick().await;
            self.book.forget(time);
        }
    }
}

impl Seat {
    /// Whether there was an older stream.
    pub(super) fn has_replaced(&self) -> bool {
        self.has_replaced
    }

    /// Until a newer stream of the same proxy comes.
    pub(super) async fn replaced(&self) {
        self.replaced.cancelled().await;
    }

    /// The proxy has reported.
    pub(super) fn told(&self, told: Told, applied: Option<Arc<Snapshot>>) {
        self.change(|known| {
            known.hash = Some(told.hash);
            known.applied = applied;
            known.report = told.report;
            known.refused = told.refused;
            known.last_good = told.last_good;
        });
    }

    fn change(&self, change: impl FnOnce(&mut MemberReport)) {
        let streams = self.book.streams();
        if self.is_current(&streams) {
            self.book.change(|reports| {
                if let Some(known) = reports.get_mut(&self.key) {
                    let known = Arc::make_mut(known);
                    known.last_heard = Instant::now();
                    change(known);
                }
            });
        }
    }

    fn is_current(&self, streams: &BTreeMap<(Fleet, String), CancellationToken>) -> bool {
        streams.contains_key(&self.key) && !self.replaced.is_cancelled()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.change(|known| {
            known.connected = false;
            known.since = known.last_heard;
        });
        let mut streams = self.book.streams();
        if self.is_current(&streams) {
            streams.remove(&self.key);
        }
    }
}

impl Book {
    fn streams(&self) -> MutexGuard<'_, BTreeMap<(Fleet, String), CancellationToken>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<(Fleet, String), Arc<MemberReport>>)) {
        self.reports.send_modify(|reports| change(Arc::make_mut(reports)));
    }

    fn forget(&self, time: Duration) {
        let now = Instant::now();
        self.reports.send_if_modified(|reports| {
            let mut gone: Vec<_> = reports
                .iter()
                .filter(|(_, known)| !known.connected)
                .map(|(key, known)| (known.since, key.clone()))
                .collect();
            gone.sort();
            let extra = gone.len().saturating_sub(GONE_MAX);
            let forgotten: Vec<_> = gone
                .into_iter()
                .enumerate()
                .filter(|(place, (since, _))| {
                    *place < extra || now.saturating_duration_since(*since) >= time
                })
                .map(|(_, (_, key))| key)
                .collect();
            if forgotten.is_empty() {
                return false;
            }
            let reports = Arc::make_mut(reports);
            for key in &forgotten {
                reports.remove(key);
            }
            true
        });
    }
}
