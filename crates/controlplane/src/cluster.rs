//! The loop of the control plane in a cluster: whenever objects or what proxies say change,
//! translate, publish for each Gateway what differs, and show the outcome.
//!
//! The cluster's counterpart of [`crate::reconcile`]: many fleets in place of one data plane.
//! Those who write (statuses, provisioned objects) and those who send (snapshots) read from its
//! channels; nothing here waits for the network.

use std::collections::BTreeMap;
use std::sync::Arc;

use gwapi::ObjectKey;
use snapshot::{Published, Snapshot};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info};
use translate::{Addresses, Proxy, Settings, Translation, World};

use crate::Loaded;
use crate::fleet::{Answer, Fleet, Verdict};
use crate::metrics::Counters;
use crate::provision::{self, Problems};
use crate::reconcile::{AGAIN, APART, guarded, log_findings, share, unix_now};
use crate::status::Desired;

/// What proxies said last: by Gateway, then by pod UID.
pub type Answers = Arc<BTreeMap<ObjectKey, BTreeMap<String, Answer>>>;
/// What each Gateway's proxies must serve; `None` until every kind was listed: a young controller
/// must not publish an empty world.
pub type Feeds = Option<Arc<BTreeMap<ObjectKey, Published>>>;

/// What the loop reads.
#[derive(Debug)]
pub struct Inputs {
    /// The objects.
    pub loaded: watch::Receiver<Arc<Loaded>>,
    /// What proxies said.
    pub answers: watch::Receiver<Answers>,
    /// What could not be provisioned.
    pub problems: watch::Receiver<Arc<Problems>>,
}

/// What the loop writes.
#[derive(Debug)]
pub struct Outputs {
    /// For the proxies.
    pub feeds: watch::Sender<Feeds>,
    /// For those who write and those who want to know.
    pub view: watch::Sender<Arc<ClusterView>>,
}

/// Everything that is known after a translation.
#[derive(Clone, Debug, Default)]
pub struct ClusterView {
    /// The objects it is about.
    pub loaded: Arc<Loaded>,
    /// What could not be provisioned.
    pub problems: Arc<Problems>,
    /// What follows.
    pub translation: Arc<Translation>,
    /// What each Gateway's proxies must serve.
    pub feeds: Arc<BTreeMap<ObjectKey, Published>>,
    /// What each Gateway's proxies do. A Gateway with [`Verdict::held_until`] keeps the status it
    /// has.
    pub fleets: BTreeMap<ObjectKey, Verdict>,
    /// How many translations there were of a world that was listed whole; 0 is "nothing is known
    /// yet".
    pub rounds: u64,
}

impl ClusterView {
    /// What has to be written into statuses.
    pub fn desired(&self) -> Desired {
        let held = self.fleets.iter().filter(|(_, verdict)| verdict.held_until.is_some());
        Desired {
            loaded: Arc::clone(&self.loaded),
            translation: Arc::clone(&self.translation),
            held: held.map(|(gateway, _)| gateway.clone()).collect(),
        }
    }
}

/// What the loop remembers of each Gateway.
#[derive(Debug)]
struct Known {
    published: Published,
    since: Instant,
    /// When each ready pod was first seen to be ready.
    ready: BTreeMap<String, Instant>,
}

/// Runs until one of the inputs ends. `settings` holds what does not change while the process
/// runs; the version of the CRDs is taken from the objects.
pub async fn run(settings: Settings, mut inputs: Inputs, outputs: Outputs, counters: Counters) {
    let mut view = ClusterView::default();
    let mut known = BTreeMap::new();
    loop {
        let started = Instant::now();
        let loaded = Arc::clone(&inputs.loaded.borrow_and_update());
        let answers = Arc::clone(&inputs.answers.borrow_and_update());
        view.problems = Arc::clone(&inputs.problems.borrow_and_update());
        let mut again = started + AGAIN;
        if loaded.cluster.as_ref().is_some_and(|cluster| cluster.synced) {
            view.loaded = loaded;
            // Statuses follow from what proxies do with what is published, so a world that changes
            // the latter is translated a second time.
            while round(&settings, &mut view, &mut known, &answers, &counters) {
                outputs.feeds.send_replace(Some(Arc::clone(&view.feeds)));
            }
            if outputs.feeds.borrow().is_none() {
                outputs.feeds.send_replace(Some(Arc::clone(&view.feeds)));
            }
            view.rounds += 1;
            let held = view.fleets.values().filter_map(|verdict| verdict.held_until).min();
            again = held.map_or(again, |until| again.min(until));
            outputs.view.send_replace(Arc::new(view.clone()));
        }

        sleep(APART).await;
        let ended = tokio::select! {
            changed = inputs.loaded.changed() => changed.is_err(),
            changed = inputs.answers.changed() => changed.is_err(),
            changed = inputs.problems.changed() => changed.is_err(),
            () = sleep_until(again) => false,
        };
        if ended {
            return;
        }
    }
}

/// Translates once. Says whether something new has to be published; it never does for a world that
/// it was called with before.
fn round(
    settings: &Settings,
    view: &mut ClusterView,
    known: &mut BTreeMap<ObjectKey, Known>,
    answers: &Answers,
    counters: &Counters,
) -> bool {
    let started = Instant::now();
    observe(known, &view.loaded, started);
    view.fleets = verdicts(known, answers, started);
    let Some(translation) = guarded(|| step(settings, view, unix_now())) else {
        counters.failed();
        error!("translation failed by a defect of the program; the last good state stays");
        return false;
    };
    counters.translated(started.elapsed());
    log_findings(&view.translation.findings, &translation.findings);
    let is_new = publish(known, &translation, started);
    if is_new {
        counters.published();
        view.feeds = Arc::new(feeds(known));
    }
    view.translation = Arc::new(translation);
    is_new
}

/// Notes which proxies are ready and since when.
fn observe(known: &mut BTreeMap<ObjectKey, Known>, loaded: &Loaded, now: Instant) {
    let Some(cluster) = &loaded.cluster else { return };
    let proxies = cluster.owned.proxies();
    for (gateway, fleet) in known {
        let ready = proxies.get(gateway).into_iter().flatten();
        fleet.ready = ready
            .filter(|pod| pod.ready && !pod.terminating)
            .map(|pod| (pod.uid.clone(), *fleet.ready.get(&pod.uid).unwrap_or(&now)))
            .collect();
    }
}

fn verdicts(
    known: &BTreeMap<ObjectKey, Known>,
    answers: &Answers,
    now: Instant,
) -> BTreeMap<ObjectKey, Verdict> {
    let nobody = BTreeMap::new();
    known
        .iter()
        .map(|(gateway, known)| {
            let fleet = Fleet {
                snapshot: &known.published.snapshot,
                version: known.published.version,
                published: known.since,
                ready: &known.ready,
                answers: answers.get(gateway).unwrap_or(&nobody),
            };
            (gateway.clone(), fleet.verdict(now))
        })
        .collect()
}

/// One translation, as the controller sees the world.
fn step(settings: &Settings, view: &ClusterView, now: i64) -> Translation {
    let cluster = view.loaded.cluster.as_ref();
    let settings = Settings {
        bundle_version: cluster.and_then(|cluster| cluster.bundle_version.clone()),
        ..settings.clone()
    };
    let services = cluster.map(|cluster| provision::addresses(&cluster.owned, &view.problems));
    let services = services.unwrap_or_default();
    let applied = view
        .fleets
        .iter()
        .filter_map(|(gateway, verdict)| {
            Some((Proxy::Gateway(gateway.clone()), verdict.report.clone()?))
        })
        .collect();
    translate::translate(&World {
        objects: &view.loaded.objects,
        settings: &settings,
        addresses: Addresses::Services(&services),
        applied: &applied,
        names: &BTreeMap::new(),
        now,
    })
}

/// Takes on what has to be published; says whether anything has. A fleet whose Gateway is gone is
/// forgotten: its proxies keep what they have until they are gone too.
fn publish(
    known: &mut BTreeMap<ObjectKey, Known>,
    translation: &Translation,
    now: Instant,
) -> bool {
    let gateways = translation.snapshots.iter().filter_map(|(proxy, snapshot)| match proxy {
        Proxy::Gateway(gateway) => Some((gateway, snapshot)),
        Proxy::Standalone => None,
    });
    let gateways: BTreeMap<&ObjectKey, &Snapshot> = gateways.collect();
    let before = known.len();
    known.retain(|gateway, _| gateways.contains_key(gateway));
    let mut differs = known.len() != before;
    for (gateway, snapshot) in gateways {
        let old = known.get(gateway);
        if old.is_some_and(|known| *known.published.snapshot == *snapshot) {
            continue;
        }
        let mut next = snapshot.clone();
        if let Some(old) = old {
            share(&old.published.snapshot, &mut next);
        }
        let version = old.map_or(0, |known| known.published.version) + 1;
        info!(
            %gateway,
            version,
            sockets = next.binds.len(),
            backends = next.clusters.len(),
            "configuration changed",
        );
        let ready = known.remove(gateway).map(|known| known.ready).unwrap_or_default();
        let published = Published { version, snapshot: Arc::new(next) };
        known.insert(gateway.clone(), Known { published, since: now, ready });
        differs = true;
    }
    differs
}

fn feeds(known: &BTreeMap<ObjectKey, Known>) -> BTreeMap<ObjectKey, Published> {
    known.iter().map(|(gateway, known)| (gateway.clone(), known.published.clone())).collect()
}
