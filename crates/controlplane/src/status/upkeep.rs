//! What has to be looked at, and when: the state of the writer between two requests. Pure;
//! instants are arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gwapi::{Kind, ObjectRef};
use serde_json::Value;
use tokio::time::Instant;
use tracing::{info, warn};

use super::desired::{Desired, Target};
use super::merge::{Basis, Merged, Wanted, merge};
use super::queue::Queue;
use super::request::Outcome;

/// Looks each second, in the long run, and at once: more would make the API server's other clients
/// wait when ten thousand routes change.
const RATE: f64 = 50.0;
const BURST: f64 = 10.0;
/// Looks under way at once.
const IN_FLIGHT: usize = 8;
/// The longest wait after failures.
const LONGEST: Duration = Duration::from_secs(30);
/// Somebody may take back what we wrote this often before we wait longer and longer.
const REVERSALS: u32 = 3;
/// After this long, reversals are forgotten.
const FORGIVEN: Duration = Duration::from_secs(300);

/// The state of the writer.
pub(super) struct Upkeep {
    controller: String,
    desired: Option<Arc<Desired>>,
    queue: Queue,
    busy: BTreeSet<ObjectRef>,
    /// Gateways and ListenerSets that are not ours and hold nothing of ours, by UID and
    /// generation: only the object itself tells, and it need not be asked again.
    released: BTreeMap<ObjectRef, (Option<String>, Option<i64>)>,
    /// How often the same words were written, and when last.
    written: BTreeMap<ObjectRef, (u32, Instant)>,
    /// How often an object was refused in a row.
    refused: BTreeMap<ObjectRef, u32>,
    /// Kinds that the API server did not answer about.
    trouble: BTreeMap<Kind, Trouble>,
    tokens: f64,
    counted: Instant,
}

/// Failures in a row, and until when the kind is left alone. By kind, because what fails is often
/// one kind: an admission or conversion webhook that does not answer.
#[derive(Clone, Copy)]
struct Trouble {
    failures: u32,
    until: Instant,
}

/// What there is to do.
pub(super) struct Job {
    /// The object.
    pub(super) object: ObjectRef,
    /// What its status has to be.
    pub(super) desired: Arc<Desired>,
    /// Since when it waits.
    pub(super) since: Instant,
}

impl Upkeep {
    pub(super) fn new(controller: &str, now: Instant) -> Self {
        Self {
            controller: controller.to_owned(),
            desired: None,
            queue: Queue::default(),
            busy: BTreeSet::new(),
            released: BTreeMap::new(),
            written: BTreeMap::new(),
            refused: BTreeMap::new(),
            trouble: BTreeMap::new(),
            tokens: BURST,
            counted: now,
        }
    }

    /// Takes on what statuses have to be from now on.
    pub(super) fn desire(&mut self, desired: Arc<Desired>, now: Instant) {
        let before = self.desired.replace(Arc::clone(&desired));
        desired.each(|kind, key, target| {
            let old = before.as_ref().and_then(|before| before.find(kind, key));
            if old.is_some_and(|old| target.is_same_as(&old)) {
                return;
            }
            let object = ObjectRef::new(kind, key.clone());
            let has_new_words = old.is_none_or(|old| old.wanted != target.wanted);
            if has_new_words {
                self.written.remove(&object);
                self.refused.remove(&object);
            }
            self.look(object, target, has_new_words, now);
        });
        let objects = &desired.loaded.objects;
        self.released.retain(|object, _| objects.contains(object));
        self.written.retain(|object, _| objects.contains(object));
        self.refused.retain(|object, _| objects.contains(object));
    }

    /// Queues an object if it has to be looked at, by what is in memory of it.
    fn look(&mut self, object: ObjectRef, target: Target<'_>, has_new_words: bool, now: Instant) {
        let cached = target.cached();
        let status = &cached["status"];
        let needs_look = match target.wanted {
            _ if target.is_held => false,
            Wanted::Gateway(None) | Wanted::ListenerSet(None) => {
                let metadata = target.metadata();
                let known = (metadata.uid.clone(), metadata.generation);
                has_words(status) && self.released.get(&object) != Some(&known)
            }
            wanted => {
                let metadata = target.metadata();
                let basis = Basis {
                    controller: &self.controller,
                    uid: metadata.uid.as_deref().unwrap_or_default(),
                    generation: metadata.generation.unwrap_or_default(),
                    now: "",
                };
                matches!(merge(&cached, wanted, basis), Merged::Changed(_))
            }
        };
        if !needs_look {
            // An object under way is looked at when the API server's answer is here.
            self.queue.remove(&object);
            return;
        }
        let not_before = if has_new_words { now } else { self.patience(&object, now) };
        self.queue.push(object, is_described(status, &self.controller), now, not_before);
    }

    /// When the same words may be written once more.
    fn patience(&mut self, object: &ObjectRef, now: Instant) -> Instant {
        let Some((times, last)) = self.written.get(object).copied() else { return now };
        if last + FORGIVEN < now {
            self.written.remove(object);
            return now;
        }
        times.checked_sub(REVERSALS).map_or(now, |times| last + backoff(times))
    }

    /// The next object to look at.
    pub(super) fn take(&mut self, now: Instant) -> Option<Job> {
        if self.ready(now)? > now {
            return None;
        }
        let desired = Arc::clone(self.desired.as_ref()?);
        let (object, since) =
            self.queue.take(now, |object| may(&self.busy, &self.trouble, object, now))?;
        self.tokens = self.tokens_at(now) - 1.0;
        self.counted = now;
        self.busy.insert(object.clone());
        Some(Job { object, desired, since })
    }

    /// When something can be taken; `None` if not before something else happens.
    pub(super) fn ready(&self, now: Instant) -> Option<Instant> {
        if self.busy.len() >= IN_FLIGHT {
            return None;
        }
        let due = self.queue.due(now, |object| may(&self.busy, &self.trouble, object, now))?;
        let missing = (1.0 - self.tokens_at(now)).max(0.0);
        Some(due.max(now + Duration::from_secs_f64(missing / RATE)))
    }

    fn tokens_at(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.counted).as_secs_f64();
        (self.tokens + passed * RATE).min(BURST)
    }

    /// What came of a job.
    pub(super) fn done(&mut self, job: &Job, outcome: &Outcome, now: Instant) {
        let object = &job.object;
        self.busy.remove(object);
        let is_failure = matches!(outcome, Outcome::Failed(_));
        if !is_failure && self.trouble.remove(&object.kind).is_some() {
            info!(kind = %object.kind, "the API server takes statuses again");
        }
        match outcome {
            Outcome::Written => {
                let (times, last) = self.written.entry(object.clone()).or_insert((0, now));
                (*times, *last) = (times.saturating_add(1), now);
            }
            Outcome::Unchanged => {
                let target = job.desired.find(object.kind, &object.key);
                if let Some(target) = target
                    && matches!(target.wanted, Wanted::Gateway(None) | Wanted::ListenerSet(None))
                {
                    let metadata = target.metadata();
                    let known = (metadata.uid.clone(), metadata.generation);
                    self.released.insert(object.clone(), known);
                }
            }
            Outcome::Overtaken => {}
            Outcome::Conflict | Outcome::NotLeading => self.again(object, now, backoff(1)),
            Outcome::Refused(reason) => {
                let times = self.refused.entry(object.clone()).or_default();
                *times = times.saturating_add(1);
                if *times == 1 {
                    warn!(%object, reason, "the API server does not take the status");
                }
                let wait = backoff(*times);
                self.again(object, now, wait);
            }
            Outcome::Failed(reason) => {
                let kind = object.kind;
                let trouble = self.trouble.entry(kind).or_insert_with(|| {
                    warn!(%kind, %object, reason, "statuses cannot be written for now");
                    Trouble { failures: 0, until: now }
                });
                trouble.failures = trouble.failures.saturating_add(1);
                let jitter = 0.75 + 0.5 * fastrand::f64();
                trouble.until = now + backoff(trouble.failures).mul_f64(jitter);
                self.again(object, now, Duration::ZERO);
            }
        }
    }

    /// Queues an object once more, unless it is queued for something newer.
    fn again(&mut self, object: &ObjectRef, now: Instant, wait: Duration) {
        self.queue.push(object.clone(), true, now, now + wait);
    }

    /// How many objects wait or are under way.
    pub(super) fn pending(&self) -> usize {
        self.queue.len() + self.busy.len()
    }
}

/// From when on an object may be taken: not while it is under way, and while its kind is in trouble
/// one at a time and not before that is worth a try.
fn may(
    busy: &BTreeSet<ObjectRef>,
    trouble: &BTreeMap<Kind, Trouble>,
    object: &ObjectRef,
    now: Instant,
) -> Option<Instant> {
    if busy.contains(object) {
        return None;
    }
    match trouble.get(&object.kind) {
        None => Some(now),
        Some(_) if busy.iter().any(|busy| busy.kind == object.kind) => None,
        Some(trouble) => Some(trouble.until),
    }
}

/// 1 s, 2 s, 4 s and so on.
fn backoff(times: u32) -> Duration {
    Duration::from_secs(1 << times.saturating_sub(1).min(5)).min(LONGEST)
}

/// Whether somebody has said something in a Gateway's or ListenerSet's status: a new one has
/// only conditions that are `Unknown`.
fn has_words(status: &Value) -> bool {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["status"] != "Unknown")
}

/// Whether an object carries anything of ours.
fn is_described(status: &Value, controller: &str) -> bool {
    let entries = |name: &str| status[name].as_array().into_iter().flatten();
    has_words(status)
        || entries("parents")
            .chain(entries("ancestors"))
            .any(|entry| entry["controllerName"] == controller)
}
