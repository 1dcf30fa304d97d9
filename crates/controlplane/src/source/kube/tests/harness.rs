//! The source, running, and the question whether its world is the API's content.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gwapi::{Kind, ObjectRef};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::api::Api;
use crate::Loaded;
use crate::source::kube::health::Health;
use crate::source::kube::item::{self, Item};
use crate::source::kube::references;
use crate::source::kube::topic::Topic;
use crate::source::kube::{Scope, follow_seeded};

pub(crate) struct Source {
    pub(crate) api: Api,
    pub(crate) loaded: watch::Receiver<Arc<Loaded>>,
    pub(crate) health: watch::Receiver<Health>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Source {
    pub(crate) fn start(api: &Api) -> Self {
        Self::start_in(api, Scope::Cluster, 1)
    }

    pub(crate) fn start_in(api: &Api, scope: Scope, seed: u64) -> Self {
        let (loaded, objects) = watch::channel(Arc::new(Loaded::default()));
        let (health, state) = watch::channel(Health::default());
        let task = tokio::spawn(follow_seeded(api.client(), scope, loaded, health, seed));
        Self { api: api.clone(), loaded: objects, health: state, task }
    }

    pub(crate) fn now(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.borrow())
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.now().cluster.as_ref().is_some_and(|cluster| cluster.synced)
    }

    /// Waits until this holds of what is published; how long that took.
    pub(crate) async fn until(
        &mut self,
        within: Duration,
        what: impl Fn(&Loaded) -> bool,
    ) -> Duration {
        let begin = Instant::now();
        let found = timeout(within, self.loaded.wait_for(|loaded| what(loaded))).await;
        assert!(found.is_ok(), "not within {within:?}: {:#?}", self.health.borrow());
        drop(found);
        begin.elapsed()
    }

    pub(crate) async fn synced(&mut self) {
        self.until(Duration::from_secs(5), |loaded| {
            loaded.cluster.as_ref().is_some_and(|cluster| cluster.synced)
        })
        .await;
    }

    /// Waits until the world is the API's content; how long that took.
    pub(crate) async fn converged(&self, within: Duration) -> Duration {
        let begin = Instant::now();
        loop {
            let wrong = self.differences();
            if wrong.is_empty() {
                return begin.elapsed();
            }
            let late = begin.elapsed() >= within;
            assert!(
                !late,
                "after {within:?} not as in the API: {wrong:?}\n{:#?}",
                self.health.borrow()
            );
            sleep(within / 1000).await;
        }
    }

    /// What is in the world and not so in the API, or the other way round.
    pub(crate) fn differences(&self) -> Vec<String> {
        let loaded = self.now();
        let wanted = references::of(&loaded.objects);
        let mut wrong = vec![];
        for kind in Kind::ALL {
            let read = |json| item::read(Topic::Read(kind), json).expect("has a name");
            let mut there: BTreeMap<_, Item> = BTreeMap::new();
            for json in self.api.objects(item::plural(kind)) {
                let incoming = read(json);
                let reference = ObjectRef::new(kind, incoming.key.clone());
                let by_reference = matches!(kind, Kind::Secret | Kind::ConfigMap);
                if !by_reference || wanted.contains(&reference) {
                    there.extend(incoming.item.ok().map(|item| (incoming.key, item)));
                }
            }
            for key in item::keys(&loaded.objects, kind) {
                let here = item::find(&loaded.objects, kind, key);
                if here != there.remove(key) {
                    wrong.push(format!("{kind} {key} differs"));
                }
            }
            wrong.extend(there.keys().map(|key| format!("{kind} {key} is missing")));
        }
        wrong
    }
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn route(backend: &str) -> serde_json::Value {
    serde_json::json!({"spec": {"rules": [{"backendRefs": [{"name": backend, "port": 1}]}]}})
}

pub(crate) fn gateway(secret: &str) -> serde_json::Value {
    serde_json::json!({"spec": {"gatewayClassName": "tidegate", "listeners": [{"name": "tls", "port": 443,
        "protocol": "TLS", "tls": {"certificateRefs": [{"name": secret}]}}]}})
}

pub(crate) fn secret(value: &str) -> serde_json::Value {
    serde_json::json!({"type": "kubernetes.io/tls", "data": {"tls.crt": value, "tls.key": value}})
}
