//! Gathers what the watches say and publishes it: soon after the last of several changes, and of
//! endpoints at once. The rules of what is known are in [`super::world`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use gwapi::ObjectRef;
use kube::Client;
use kube::core::params::ListParams;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::decode;
use super::discovery::Served;
use super::health::Health;
use super::item::Incoming;
use super::machine::{Change, Fault};
use super::pace::Backoff;
use super::topic::{Collection, Topic, WatchId};
use super::wire;
use super::world::{Effect, World};
use crate::Loaded;

/// Objects that come together are published together: after this long without another change …
const QUIET: Duration = Duration::from_millis(10);
/// … and after this long in any case.
const AT_MOST: Duration = Duration::from_millis(100);
/// A new reference to a Secret that exists waits this long for it, rather than be told wrong.
const FETCH_PATIENCE: Duration = Duration::from_secs(1);
/// Secrets that are fetched at the same time.
const FETCHES: usize = 16;

/// News for the world.
#[derive(Debug)]
pub(crate) enum Message {
    /// Of a watch.
    Change(WatchId, Change),
    /// What is served, and the watches that follow from it.
    Plan(Served, BTreeSet<WatchId>),
}

/// Gathers and publishes.
pub(crate) struct Collector {
    pub(crate) client: Client,
    pub(crate) inbox: mpsc::Receiver<Message>,
    pub(crate) loaded: watch::Sender<Arc<Loaded>>,
    pub(crate) health: watch::Sender<Health>,
    /// Told when a CustomResourceDefinition is different.
    pub(crate) rediscover: Arc<Notify>,
    pub(crate) seed: u64,
}

/// When to publish.
#[derive(Debug, Default)]
struct Debounce {
    /// The first change that is not published, and the time to publish.
    pending: Option<(Instant, Instant)>,
    objects: bool,
}

impl Debounce {
    fn changed(&mut self, now: Instant, effect: Effect) {
        self.objects |= effect == Effect::Objects;
        let first = self.pending.map_or(now, |(first, _)| first);
        let due = if self.objects { (now + QUIET).min(first + AT_MOST) } else { now };
        if effect != Effect::None {
            self.pending = Some((first, due));
        }
    }

    fn due(&self) -> Option<Instant> {
        self.pending.map(|(_, due)| due)
    }

    /// Whether it cannot wait for the news that are there already.
    fn is_overdue(&self, now: Instant) -> bool {
        self.pending.is_some_and(|(first, _)| now >= first + AT_MOST)
    }
}

impl Collector {
    /// Runs until nobody has news any more.
    pub(crate) async fn run(mut self) {
        let mut world = World::default();
        let mut debounce = Debounce::default();
        let mut fetches = FuturesUnordered::new();
        let mut queue: Vec<ObjectRef> = vec![];
        let mut waiting_since = None;
        loop {
            let overdue = debounce.is_overdue(Instant::now());
            let due = debounce.due();
            tokio::select! {
                biased;
                () = publish_at(due), if overdue => {}
                message = self.inbox.recv() => {
                    let Some(message) = message else { return };
                    let effect = self.take(&mut world, message);
                    if world.is_synced() {
                        debounce.changed(Instant::now(), effect);
                    }
                    continue;
                }
                Some((object, found)) = fetches.next() => {
                    let effect = world.fetched(&object, found);
                    debounce.changed(Instant::now(), effect);
                    continue;
                }
                () = publish_at(due) => {}
            }
            if debounce.objects {
                queue.extend(world.settle());
            }
            while fetches.len() < FETCHES
                && let Some(object) = queue.pop()
            {
                fetches.push(fetch(self.client.clone(), object, self.seed));
            }
            let now = Instant::now();
            if world.is_waiting() {
                let until = *waiting_since.get_or_insert(now) + FETCH_PATIENCE;
                if now < until {
                    debounce.pending = Some((until, until));
                    continue;
                }
            } else {
                waiting_since = None;
            }
            debounce = Debounce::default();
            self.loaded.send_replace(Arc::new(world.loaded()));
            self.health.send_if_modified(|health| !std::mem::replace(&mut health.synced, true));
        }
    }

    fn take(&self, world: &mut World, message: Message) -> Effect {
        match message {
            Message::Change(id, change) => {
                let effect = world.apply(&id, change);
                if id.topic == Topic::Definitions && effect != Effect::None {
                    self.rediscover.notify_one();
                }
                effect
            }
            Message::Plan(served, watches) => world.plan(served, watches),
        }
    }
}

async fn publish_at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Reads one object by its name, until the API server has answered. It is a list, because that
/// needs no other right than the watch has.
async fn fetch(client: Client, object: ObjectRef, seed: u64) -> (ObjectRef, Option<Incoming>) {
    let topic = Topic::Read(object.kind);
    let namespace = Some(Arc::from(object.key.namespace.as_str()));
    let collection = Collection { id: WatchId { topic, namespace }, version: "v1".to_owned() };
    let name = format!("metadata.name={}", object.key.name);
    let fields = topic.field_selector().into_iter().chain([name]).collect::<Vec<_>>().join(",");
    let params = ListParams { field_selector: Some(fields), ..ListParams::default() };
    let mut backoff = Backoff::new(seed);
    loop {
        let request = kube::core::Request::new(collection.path()).list(&params);
        let answer = match request {
            Ok(request) => wire::get(&client, request, None).await,
            Err(error) => Err(Fault::Broken(error.to_string())),
        };
        if let Ok(page) =
            answer.map_err(drop).and_then(|body| decode::page(topic, &body).map_err(drop))
        {
            let found = page.items.into_iter().find(|incoming| incoming.key == object.key);
            return (object, found);
        }
        sleep(backoff.failed(None)).await;
    }
}
