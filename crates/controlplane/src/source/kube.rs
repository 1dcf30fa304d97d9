//! Objects from a Kubernetes API server.
//!
//! One watch for each kind (and namespace, if not the whole cluster is read) runs by itself:
//! [`machine`] decides, [`wire`] does. What they learn comes together in [`world`], and
//! [`collect`] publishes it. This file starts the watches that follow from what the server serves.
//!
//! The rules are those of a controller that must not be wrong for long: every request has a
//! deadline, what cannot be read harms nothing else, nothing is published before every kind was
//! listed once, and 75 seconds after the last fault the world is the API's content.

mod collect;
mod decode;
mod discovery;
pub mod health;
mod item;
mod machine;
mod pace;
mod references;
#[cfg(test)]
mod tests;
pub mod topic;
mod version;
mod wire;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gwapi::Kind;
use kube::{Client, Config};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use self::collect::{Collector, Message};
use self::discovery::Served;
pub use self::health::{Health, WatchHealth};
use self::machine::Machine;
use self::pace::Backoff;
use self::topic::{Collection, Topic, WatchId};
use self::wire::Wire;
use crate::Loaded;
use crate::owned::OwnedKind;

/// Kinds come and go with CustomResourceDefinitions, whose changes are watched; this often they
/// are looked for without one.
const DISCOVER_EVERY: Duration = Duration::from_secs(30);
/// A definition that has just been made is served a moment later: how often and how fast to look.
const EAGER: u32 = 5;
const EAGER_EVERY: Duration = Duration::from_secs(1);
/// News that wait for the world: then the watches wait, and TCP slows the server down.
const INBOX: usize = 256;

/// What is read of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All namespaces.
    Cluster,
    /// These namespaces; what has no namespace is read as far as there is a right to.
    Namespaces(BTreeSet<String>),
}

/// A client as [`follow`] needs it: without retries of its own, which would multiply ours and
/// ignore our deadlines.
pub fn client(mut config: Config) -> Result<Client, kube::Error> {
    config.default_retry = false;
    Client::try_from(config)
}

/// Keeps `loaded` equal to what the API server has, until nobody looks at it any more. Nothing is
/// sent before every kind was listed once. `client` must be one of [`client`].
pub async fn follow(
    client: Client,
    scope: Scope,
    loaded: watch::Sender<Arc<Loaded>>,
    health: watch::Sender<Health>,
) {
    follow_seeded(client, scope, loaded, health, fastrand::u64(..)).await;
}

/// [`follow`] whose jitter is decided by a seed.
pub(crate) async fn follow_seeded(
    client: Client,
    scope: Scope,
    loaded: watch::Sender<Arc<Loaded>>,
    health: watch::Sender<Health>,
    seed: u64,
) {
    let (out, inbox) = mpsc::channel(INBOX);
    let rediscover = Arc::new(Notify::new());
    let start = Instant::now();
    health.send_modify(|health| health.start = start);
    let collector = Collector {
        client: client.clone(),
        inbox,
        loaded: loaded.clone(),
        health: health.clone(),
        rediscover: Arc::clone(&rediscover),
        seed,
    };
    let watches = Watches {
        client,
        scope,
        out,
        rediscover: Arc::clone(&rediscover),
        health,
        start,
        rng: fastrand::Rng::with_seed(seed),
        tasks: JoinSet::new(),
        running: BTreeMap::new(),
    };
    tokio::select! {
        biased;
        () = loaded.closed() => {}
        () = collector.run() => {}
        () = watches.run(&rediscover) => {}
    }
}

/// The watches that are running.
struct Watches {
    client: Client,
    scope: Scope,
    out: mpsc::Sender<Message>,
    rediscover: Arc<Notify>,
    health: watch::Sender<Health>,
    start: Instant,
    rng: fastrand::Rng,
    tasks: JoinSet<()>,
    running: BTreeMap<WatchId, (String, AbortHandle)>,
}

impl Watches {
    async fn run(mut self, rediscover: &Notify) {
        let mut known: Option<Served> = None;
        let mut backoff = Backoff::new(self.rng.u64(..));
        let mut eager = 0;
        let mut suspected = false;
        loop {
            let mut wait = DISCOVER_EVERY;
            match discovery::ask(&self.client).await {
                Ok(served) => {
                    backoff.succeeded();
                    self.doubt(None);
                    let lost = known
                        .as_ref()
                        .is_some_and(|known| known.keys().any(|kind| !served.contains_key(kind)));
                    // A server that is starting serves documents before it serves kinds.
                    if lost && !suspected {
                        suspected = true;
                        eager = eager.max(1);
                    } else {
                        suspected = false;
                        if known.as_ref() != Some(&served) {
                            if self.change(&served).await.is_err() {
                                return;
                            }
                            known = Some(served);
                        }
                    }
                }
                Err(fault) => {
                    suspected = false;
                    wait = backoff.failed(None);
                    if backoff.failures() == 1 {
                        warn!("which kinds the API server has is not known: {fault}");
                    }
                    self.doubt(Some(fault.to_string()));
                }
            }
            if eager > 0 {
                eager -= 1;
                wait = wait.min(EAGER_EVERY);
            }
            let until = Instant::now() + wait;
            loop {
                tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(until) => break,
                    () = rediscover.notified() => {
                        eager = EAGER;
                        break;
                    }
                    Some(ended) = self.tasks.join_next() => self.revive(ended).await,
                }
            }
        }
    }

    fn doubt(&self, problem: Option<String>) {
        self.health.send_if_modified(|health| {
            let differs = health.discovery != problem;
            health.discovery = problem;
            differs
        });
    }

    /// Starts and ends watches as it follows from what is served.
    async fn change(&mut self, served: &Served) -> Result<(), mpsc::error::SendError<Message>> {
        let wanted = self.scope.collections(served);
        let gone: Vec<_> = self
            .running
            .iter()
            .filter(|(id, (version, _))| wanted.get(*id) != Some(version))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            if let Some((_, task)) = self.running.remove(&id) {
                task.abort();
            }
            if !wanted.contains_key(&id) {
                self.health.send_modify(|health| drop(health.watches.remove(&id)));
                info!("the API server does not serve {id} any more");
            }
        }
        // The world hears of a watch before the watch speaks.
        let ids = wanted.keys().cloned().collect();
        self.out.send(Message::Plan(served.clone(), ids)).await?;
        for (id, version) in wanted {
            if !self.running.contains_key(&id) {
                self.start(id, version);
            }
        }
        Ok(())
    }

    fn start(&mut self, id: WatchId, version: String) {
        self.health.send_modify(|health| {
            health.watches.insert(id.clone(), WatchHealth::default());
        });
        let wire = Wire {
            client: self.client.clone(),
            collection: Collection { id: id.clone(), version: version.clone() },
            machine: Machine::new(self.rng.u64(..)),
            out: self.out.clone(),
            rediscover: Arc::clone(&self.rediscover),
            health: self.health.clone(),
            start: self.start,
        };
        let task = self.tasks.spawn(wire.run());
        self.running.insert(id, (version, task));
    }

    /// A watch ends only by our will, or by a defect, which must not leave a kind unwatched.
    async fn revive(&mut self, ended: Result<(), tokio::task::JoinError>) {
        let Err(defect) = ended else { return };
        let found = self.running.iter().find(|(_, (_, task))| task.id() == defect.id());
        let Some((id, (version, _))) = found.map(|(id, entry)| (id.clone(), entry.clone())) else {
            return;
        };
        error!("the watch of {id} ended by a defect of the program and begins again: {defect}");
        sleep(EAGER_EVERY).await;
        self.start(id, version);
    }
}

impl Scope {
    /// Everything that is watched, with its version.
    fn collections(&self, served: &Served) -> BTreeMap<WatchId, String> {
        let v1 = || "v1".to_owned();
        let read = Kind::ALL.into_iter().filter_map(|kind| {
            served.get(&kind).map(|version| (Topic::Read(kind), version.clone()))
        });
        let owned = [
            OwnedKind::ServiceAccount,
            OwnedKind::ConfigMap,
            OwnedKind::Service,
            OwnedKind::Deployment,
            OwnedKind::PodDisruptionBudget,
        ];
        let owned = owned.into_iter().map(|kind| (Topic::Owned(kind), v1()));
        let others = [(Topic::Pods, v1()), (Topic::Definitions, v1())];
        let mut collections = BTreeMap::new();
        for (topic, version) in read.chain(owned).chain(others) {
            match self {
                Self::Namespaces(namespaces) if topic.is_namespaced() => {
                    for namespace in namespaces {
                        let namespace = Some(Arc::from(namespace.as_str()));
                        collections.insert(WatchId { topic, namespace }, version.clone());
                    }
                }
                _ => drop(collections.insert(WatchId { topic, namespace: None }, version)),
            }
        }
        collections
    }
}
