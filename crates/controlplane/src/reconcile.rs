//! The loop of the control plane: whenever objects, names or the data plane's report change,
//! translate, publish what differs, and show the outcome.
//!
//! It converges because nothing is published that equals what was published before. Sources feed
//! it over channels and consumers read from channels, so that another source or another way to
//! deliver snapshots changes nothing here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use snapshot::{ApplyReport, Published, Snapshot};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info, warn};
use translate::{Addresses, Finding, Proxy, Settings, Severity, Translation, World};

use crate::Loaded;
use crate::metrics::Counters;
use crate::source::dns::{self, Resolved};

/// Two translations are at least this far apart: a backend whose endpoints flap a hundred times
/// each second must not take a core.
pub(crate) const APART: Duration = Duration::from_millis(10);
/// Certificates expire without anything changing, so everything is looked at again this often.
pub(crate) const AGAIN: Duration = Duration::from_secs(600);

/// What the loop reads.
#[derive(Debug)]
pub struct Inputs {
    /// The objects.
    pub loaded: watch::Receiver<Arc<Loaded>>,
    /// What the data plane did. Version 0 is "nothing yet".
    pub applied: watch::Receiver<ApplyReport>,
    /// The addresses of DNS names.
    pub names: watch::Receiver<Resolved>,
}

/// What the loop writes.
#[derive(Debug)]
pub struct Outputs {
    /// For the data plane.
    pub published: watch::Sender<Published>,
    /// For those who want to know.
    pub view: watch::Sender<Arc<View>>,
    /// The DNS names that have to be resolved.
    pub wanted: watch::Sender<BTreeSet<String>>,
}

/// Everything that is known after a translation.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The objects it is about.
    pub loaded: Arc<Loaded>,
    /// The addresses of DNS names.
    pub names: Resolved,
    /// What the data plane had done.
    pub applied: ApplyReport,
    /// What follows.
    pub translation: Arc<Translation>,
    /// What the data plane was given.
    pub published: Published,
    /// How many translations there were; 0 is "nothing is known yet".
    pub rounds: u64,
}

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// What the operator chose.
    pub settings: Settings,
    /// What a Gateway without addresses of its own binds.
    pub addresses: Vec<IpAddr>,
}

/// Runs until one of the inputs ends.
pub async fn run(fixed: Fixed, mut inputs: Inputs, outputs: Outputs, counters: Counters) {
    let mut view = View::default();
    loop {
        let started = Instant::now();
        view.loaded = Arc::clone(&inputs.loaded.borrow_and_update());
        view.applied = inputs.applied.borrow_and_update().clone();
        view.names = inputs.names.borrow_and_update().clone();
        outputs.wanted.send_if_modified(|wanted| {
            let names = dns::names(&view.loaded.objects);
            let differ = *wanted != names;
            *wanted = names;
            differ
        });
        match guarded(|| step(&fixed, &view, unix_now())) {
            Some(translation) => {
                counters.translated(started.elapsed());
                log_findings(&view.translation.findings, &translation.findings);
                if let Some(next) = next(&view.published, &translation) {
                    info!(
                        version = next.version,
                        sockets = next.snapshot.binds.len(),
                        backends = next.snapshot.clusters.len(),
                        "configuration changed",
                    );
                    counters.published();
                    view.published = next.clone();
                    outputs.published.send_replace(next);
                }
                view.translation = Arc::new(translation);
            }
            None => {
                counters.failed();
                error!("translation failed by a defect of the program; the last good state stays");
            }
        }
        view.rounds += 1;
        outputs.view.send_replace(Arc::new(view.clone()));

        sleep(APART).await;
        let ended = tokio::select! {
            changed = inputs.loaded.changed() => changed.is_err(),
            changed = inputs.applied.changed() => changed.is_err(),
            changed = inputs.names.changed() => changed.is_err(),
            () = sleep_until(started + AGAIN) => false,
        };
        if ended {
            return;
        }
    }
}

/// One translation, as one standalone process sees the world.
fn step(fixed: &Fixed, view: &View, now: i64) -> Translation {
    let answered = (view.applied.version > 0).then(|| (Proxy::Standalone, view.applied.clone()));
    let applied: BTreeMap<_, _> = answered.into_iter().collect();
    translate::translate(&World {
        objects: &view.loaded.objects,
        settings: &fixed.settings,
        addresses: Addresses::Own(&fixed.addresses),
        applied: &applied,
        names: &view.names.names,
        now,
    })
}

/// A defect in the translation must not end what is served already.
pub(crate) fn guarded(translate: impl FnOnce() -> Translation) -> Option<Translation> {
    catch_unwind(AssertUnwindSafe(translate)).ok()
}

/// What has to be published after `published`, if anything.
fn next(published: &Published, translation: &Translation) -> Option<Published> {
    let mut snapshot = translation.snapshots.get(&Proxy::Standalone).cloned().unwrap_or_default();
    if snapshot == *published.snapshot {
        return None;
    }
    share(&published.snapshot, &mut snapshot);
    Some(Published { version: published.version + 1, snapshot: Arc::new(snapshot) })
}

/// Gives the parts of `new` that equal those of `old` their identity, so that whoever compares the
/// two stops at the pointer and equal parts are in memory once.
pub(crate) fn share(old: &Snapshot, new: &mut Snapshot) {
    for (key, bind) in &mut new.binds {
        if let Some(same) = old.binds.get(key).filter(|old| *old == bind) {
            *bind = Arc::clone(same);
        }
    }
    for (key, cluster) in &mut new.clusters {
        if let Some(same) = old.clusters.get(key).filter(|old| *old == cluster) {
            *cluster = Arc::clone(same);
        }
    }
}

/// The wall clock, seconds since 1970.
pub fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

pub(crate) fn log_findings(before: &[Finding], now: &[Finding]) {
    for finding in now.iter().filter(|finding| !before.contains(finding)) {
        let Finding { object, field, id, message, fix, .. } = finding;
        let (field, fix) = (field.as_deref(), fix.as_deref());
        match finding.severity {
            Severity::Error => {
                error!(%object, field, id, problem = message, fix, "not served as asked")
            }
            Severity::Warning => warn!(%object, field, id, problem = message, fix, "worth a look"),
        }
    }
    for finding in before.iter().filter(|finding| !now.contains(finding)) {
        info!(object = %finding.object, id = finding.id, "finding is gone");
    }
}

#[cfg(test)]
mod tests;
