//! Kubernetes Events: what `kubectl describe` shows beside an object's status, for people who look
//! there first. Only the leader writes them; they are told once, and losing one loses nothing that
//! a status does not say.
//!
//! [`notable`] decides what is worth an Event, [`transitions`] which of it is new; this file writes.
//! Each Event is an object of its own: kube's recorder would count up the first one and keep its
//! words, which are no longer true.

pub mod notable;
pub mod transitions;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gwapi::ObjectRef;
use jiff::Timestamp;
use kube::api::{PostParams, Request};
use kube::{Client, Error as ApiError};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, warn};

use self::transitions::{News, Transitions};
use crate::leader::Term;
use crate::reconcile::unix_now;
use crate::status::Desired;

/// No request waits for longer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Two Events are this far apart in the long run.
const APART: Duration = Duration::from_millis(500);
/// So many may be written at once before that counts.
const BURST: u32 = 25;
/// Events that wait; what comes beyond is not told.
const MOST: usize = 500;
/// `note` of events.k8s.io/v1 takes no more, in bytes.
const LONGEST_NOTE: usize = 1024;

/// Who says it.
#[derive(Clone, Debug)]
pub struct Reporter {
    /// Our `controllerName`.
    pub controller: String,
    /// The name of this replica's pod.
    pub instance: String,
}

/// Writes Events while this replica leads, until the election or whoever decides ends.
pub async fn run(
    client: Client,
    reporter: Reporter,
    mut desired: watch::Receiver<Arc<Desired>>,
    term: Term,
) {
    let mut changes = term.clone();
    while changes.begins().await.is_ok() {
        let ended = tokio::select! {
            biased;
            changed = changes.changed() => changed.is_err(),
            () = lead(&client, &reporter, &mut desired, &term) => true,
        };
        if ended {
            return;
        }
    }
}

async fn lead(
    client: &Client,
    reporter: &Reporter,
    desired: &mut watch::Receiver<Arc<Desired>>,
    term: &Term,
) {
    let mut transitions = Transitions::default();
    let mut queue: VecDeque<News> = VecDeque::new();
    let mut budget = Budget::new(Instant::now());
    desired.mark_changed();
    loop {
        let news = transitions.due(Instant::now());
        let room = MOST.saturating_sub(queue.len());
        if news.len() > room {
            warn!(dropped = news.len() - room, "more Events than can be written");
        }
        queue.extend(news.into_iter().take(room));
        let write_at = (!queue.is_empty()).then(|| budget.next(Instant::now()));
        tokio::select! {
            biased;
            changed = desired.changed() => {
                if changed.is_err() {
                    return;
                }
                let next = Arc::clone(&desired.borrow_and_update());
                // Nothing was decided yet.
                if next.loaded.cluster.is_some() {
                    transitions.observe(&next, unix_now(), Instant::now());
                }
            }
            () = until(write_at) => {
                if let Some(news) = queue.pop_front() {
                    budget.spend(Instant::now());
                    let decided = Arc::clone(&desired.borrow());
                    write(client, reporter, &decided, &news, term).await;
                }
            }
            () = until(transitions.next()) => {}
        }
    }
}

/// Writes one Event; a failure is the end of it.
async fn write(client: &Client, reporter: &Reporter, desired: &Desired, news: &News, term: &Term) {
    let Some(event) = event(reporter, desired, news) else { return };
    let namespace = event["metadata"]["namespace"].as_str().unwrap_or_default();
    let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
    let body = event.to_string().into_bytes();
    let Ok(request) = Request::new(path).create(&PostParams::default(), body) else { return };
    if !term.leads() {
        return;
    }
    let object = &news.object;
    match timeout(DEADLINE, client.request::<Value>(request)).await {
        Ok(Ok(_)) => debug!(%object, reason = news.reason, "Event written"),
        Ok(Err(ApiError::Api(status))) => {
            debug!(%object, reason = news.reason, error = status.message, "Event refused");
        }
        Ok(Err(error)) => debug!(%object, reason = news.reason, %error, "Event not written"),
        Err(_) => debug!(%object, reason = news.reason, "Event not written in time"),
    }
}

/// The Event; `None` if its object is gone.
fn event(reporter: &Reporter, desired: &Desired, news: &News) -> Option<Value> {
    let ObjectRef { kind, key } = &news.object;
    let uid = desired.find(*kind, key)?.metadata().uid.clone();
    let version = desired.served(&news.object).unwrap_or(kind.versions()[0]);
    // Events about objects without a namespace stand in this one.
    let namespace = if key.namespace.is_empty() { "default" } else { &key.namespace };
    let mut regarding = json!({
        "apiVersion": format!("{}/{version}", kind.group()),
        "kind": kind.as_str(),
        "name": key.name,
        "uid": uid,
    });
    if !key.namespace.is_empty() {
        regarding["namespace"] = json!(key.namespace);
    }
    // A name has at most 253 characters, and the object's alone may have as many.
    let object: String = key.name.chars().take(200).collect();
    let object = object.trim_end_matches(['.', '-']);
    let now = Timestamp::now();
    Some(json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": format!("{object}.{:x}{:08x}", now.as_microsecond(), fastrand::u32(..)),
            "namespace": namespace,
        },
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        "reportingController": reporter.controller,
        "reportingInstance": reporter.instance,
        "action": if news.is_warning { "Check" } else { "Serve" },
        "reason": news.reason,
        "note": cut(&news.note),
        "type": if news.is_warning { "Warning" } else { "Normal" },
        "regarding": regarding,
    }))
}

fn cut(note: &str) -> String {
    if note.len() <= LONGEST_NOTE {
        return note.to_owned();
    }
    let end = note.floor_char_boundary(LONGEST_NOTE - '…'.len_utf8());
    let (start, _) = note.split_at(end);
    format!("{start}…")
}

/// How fast Events are written: a burst, then one at a time.
struct Budget {
    left: u32,
    since: Instant,
}

impl Budget {
    fn new(now: Instant) -> Self {
        Self { left: BURST, since: now }
    }

    fn refill(&mut self, now: Instant) {
        while self.left < BURST && self.since + APART <= now {
            self.left += 1;
            self.since += APART;
        }
        if self.left == BURST {
            self.since = now;
        }
    }

    /// When the next one may be written.
    fn next(&mut self, now: Instant) -> Instant {
        self.refill(now);
        if self.left > 0 { now } else { self.since + APART }
    }

    fn spend(&mut self, now: Instant) {
        self.refill(now);
        self.left = self.left.saturating_sub(1);
    }
}

/// Waits until then; for ever without a time.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
