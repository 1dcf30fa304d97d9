//! What is remembered between two plans: what was just written and is not seen yet, what the API
//! server insists on, and what failed. Losing all of it costs a few requests and changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::core::DynamicObject;
use serde_json::Value;
use tokio::time::Instant;

use super::Subject;
use super::desired::hash;
use crate::owned::Owned;

/// What was written is seen within this time, or something else happened to it.
const UNSEEN: Duration = Duration::from_secs(30);
/// What failed is tried again after this time, and after twice as long each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// At most after this.
const LAST_RETRY: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Memory {
    written: BTreeMap<Subject, Written>,
    settled: BTreeMap<Subject, (String, String)>,
    failures: BTreeMap<Subject, Failure>,
}

/// An object as it was answered to a write.
struct Written {
    /// The version that had been seen before.
    seen: Option<String>,
    /// `None` if it was removed.
    now: Option<Arc<DynamicObject>>,
    until: Instant,
}

/// A request that failed.
struct Failure {
    message: String,
    /// What was asked for: another wish is tried at once.
    wish: String,
    delay: Duration,
    not_before: Instant,
}

impl Memory {
    /// What is there: what has been seen, and what was written since.
    pub(super) fn live(
        &mut self,
        owned: &Owned,
        now: Instant,
    ) -> BTreeMap<Subject, Arc<DynamicObject>> {
        let mut live = owned.objects.clone();
        self.written.retain(|subject, written| {
            let seen =
                live.get(subject).and_then(|object| object.metadata.resource_version.as_ref());
            now < written.until && seen == written.seen.as_ref()
        });
        for (subject, written) in &self.written {
            match &written.now {
                Some(object) => drop(live.insert(subject.clone(), Arc::clone(object))),
                None => drop(live.remove(subject)),
            }
        }
        live
    }

    /// Notes what became of a write; `seen` is the object as it had been seen before.
    pub(super) fn wrote(
        &mut self,
        subject: &Subject,
        seen: Option<&DynamicObject>,
        object: Option<DynamicObject>,
        now: Instant,
    ) {
        self.failures.remove(subject);
        let written = Written {
            seen: seen.and_then(|object| object.metadata.resource_version.clone()),
            now: object.map(Arc::new),
            until: now + UNSEEN,
        };
        self.written.insert(subject.clone(), written);
    }

    /// Notes that the API server answered `live` to `wanted`: where the two differ, as amounts that
    /// it spells its own way, it will again.
    pub(super) fn settle(&mut self, subject: &Subject, wanted: &Value, live: &DynamicObject) {
        self.settled.insert(subject.clone(), (hash(wanted), digest(live)));
    }

    /// Whether the API server would answer with what is there.
    pub(super) fn is_settled(
        &self,
        subject: &Subject,
        wanted: &Value,
        live: &DynamicObject,
    ) -> bool {
        let settled = self.settled.get(subject);
        settled.is_some_and(|(wish, found)| *wish == hash(wanted) && *found == digest(live))
    }

    /// Notes that a request failed.
    pub(super) fn failed(
        &mut self,
        subject: &Subject,
        wish: String,
        message: String,
        now: Instant,
    ) {
        let earlier = self.failures.get(subject).filter(|earlier| earlier.wish == wish);
        let delay = earlier.map_or(FIRST_RETRY, |earlier| (earlier.delay * 2).min(LAST_RETRY));
        let failure = Failure { message, wish, delay, not_before: now + delay };
        self.failures.insert(subject.clone(), failure);
    }

    /// Whether a request may be made now.
    pub(super) fn may_try(&self, subject: &Subject, wish: &str, now: Instant) -> bool {
        let failure = self.failures.get(subject);
        failure.is_none_or(|failure| failure.wish != wish || failure.not_before <= now)
    }

    /// Forgets failures of requests that nobody makes any more.
    pub(super) fn keep_failures(&mut self, is_planned: impl Fn(&Subject) -> bool) {
        self.failures.retain(|subject, _| is_planned(subject));
    }

    /// What failed last.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&Subject, &str)> {
        self.failures.iter().map(|(subject, failure)| (subject, failure.message.as_str()))
    }

    /// When something has to be looked at again though nothing changes.
    pub(super) fn next(&self) -> Option<Instant> {
        let failures = self.failures.values().map(|failure| failure.not_before);
        failures.chain(self.written.values().map(|written| written.until)).min()
    }
}

/// A hash of what of an object is not the API server's own bookkeeping.
fn digest(object: &DynamicObject) -> String {
    let mut data = object.data.clone();
    if let Some(fields) = data.as_object_mut() {
        fields.remove("status");
    }
    let (labels, annotations) = (&object.metadata.labels, &object.metadata.annotations);
    hash(&serde_json::json!([data, labels, annotations]))
}
