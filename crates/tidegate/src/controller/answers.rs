//! Between the control plane, which speaks of Gateways and versions, and the stream, which speaks
//! of fleets and hashes.

use std::collections::BTreeMap;
use std::sync::Arc;

use controlplane::cluster::{Answers, Feeds};
use controlplane::fleet::Answer;
use gwapi::ObjectKey;
use snapshot::{ApplyReport, Published};
use stream::{Fleet, Reports, SnapshotHash};
use tokio::sync::watch;

/// The name of a Gateway's fleet.
pub(super) fn fleet(gateway: &ObjectKey) -> Fleet {
    Fleet::new(gateway.to_string())
}

/// Hands on what has to be served, while this replica may serve.
pub(super) async fn feed(
    mut feeds: watch::Receiver<Feeds>,
    mut serving: watch::Receiver<bool>,
    stream: watch::Sender<stream::Feeds>,
) {
    loop {
        let may = *serving.borrow_and_update();
        let now = feeds.borrow_and_update().clone().filter(|_| may).map(|feeds| {
            let named = feeds
                .iter()
                .map(|(gateway, published)| (fleet(gateway), Arc::clone(&published.snapshot)));
            Arc::new(named.collect::<BTreeMap<_, _>>())
        });
        stream.send_replace(now);
        let ended = tokio::select! {
            changed = feeds.changed() => changed.is_err(),
            changed = serving.changed() => changed.is_err(),
        };
        if ended {
            return;
        }
    }
}

/// Tells the control plane what proxies report, in its own words.
pub(super) async fn collect(
    mut reports: watch::Receiver<Reports>,
    mut feeds: watch::Receiver<Feeds>,
    answers: watch::Sender<Answers>,
) {
    let mut hashes = Hashes::default();
    loop {
        let reports_now = Arc::clone(&reports.borrow_and_update());
        let feeds_now = feeds.borrow_and_update().clone().unwrap_or_default();
        hashes.follow(&feeds_now);
        let now = hashes.answers(&reports_now);
        answers.send_if_modified(|before| {
            let differs = **before != now;
            if differs {
                *before = Arc::new(now);
            }
            differs
        });
        let ended = tokio::select! {
            changed = reports.changed() => changed.is_err(),
            changed = feeds.changed() => changed.is_err(),
        };
        if ended {
            return;
        }
    }
}

/// The hash of what each Gateway's proxies must serve.
#[derive(Default)]
struct Hashes(BTreeMap<ObjectKey, (Published, SnapshotHash)>);

impl Hashes {
    /// A hash is taken once for each snapshot.
    fn follow(&mut self, feeds: &BTreeMap<ObjectKey, Published>) {
        self.0.retain(|gateway, _| feeds.contains_key(gateway));
        for (gateway, published) in feeds {
            let known = self.0.get(gateway);
            if known.is_none_or(|(known, _)| known.version != published.version) {
                let hash = stream::packed::hash(&published.snapshot);
                self.0.insert(gateway.clone(), (published.clone(), hash));
            }
        }
    }

    fn answers(&self, reports: &Reports) -> BTreeMap<ObjectKey, BTreeMap<String, Answer>> {
        let mut answers: BTreeMap<ObjectKey, BTreeMap<String, Answer>> = BTreeMap::new();
        for ((fleet, member), said) in reports.iter() {
            let Some((namespace, name)) = fleet.as_str().split_once('/') else { continue };
            let gateway = ObjectKey::new(namespace, name);
            let current = self.0.get(&gateway).filter(|(_, hash)| said.hash == Some(*hash));
            let version = current.map_or(0, |(published, _)| published.version);
            let report = ApplyReport { version, binds: said.report.binds.clone() };
            let answer = Answer { report, is_connected: said.connected };
            answers.entry(gateway).or_default().insert(member.clone(), answer);
        }
        answers
    }
}
