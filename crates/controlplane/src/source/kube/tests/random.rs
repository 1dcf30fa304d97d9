//! Everything at once, decided by a seed: edits of several tenants, and a server that fails in all
//! the ways it knows. What must hold holds at every step; when the faults are over, the world is
//! the API's content within 75 seconds, and then nothing moves any more.
//!
//! A failure prints its seed: `TIDEGATE_SEED=7 cargo test -p controlplane random` runs it alone,
//! `TIDEGATE_SEEDS=0..10000` runs more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use gwapi::{Kind, ObjectKey, ObjectRef};
use tokio::time::sleep;

use super::api::{Api, DEFINED, Lie, Verb};
use super::faults::CONVERGED;
use super::harness::{Source, gateway, route, seconds, secret};
use crate::source::kube::references;
use crate::source::kube::topic::Topic;

const STEPS: u32 = 40;

#[derive(Clone, Debug)]
struct Fault {
    what: Option<&'static str>,
    verb: Option<Verb>,
    lie: Lie,
    /// How many of a hundred requests it strikes.
    percent: u32,
}

const KINDS: [&str; 7] =
    ["tcproutes", "udproutes", "gateways", "secrets", "endpointslices", "configmaps", "pods"];

fn fault(rng: &mut Rng) -> Fault {
    let verbs =
        [Verb::List, Verb::Continue, Verb::Newest, Verb::Watch, Verb::Fetch, Verb::Discover];
    let expired = r#"{"type":"ERROR","object":{"code":410}}"#;
    let cut = r#"{"type":"ADDED","object":{"metadata":{"na"#;
    let lies = [
        Lie::Status(410, None),
        Lie::Status(429, Some(rng.u64(0..120))),
        Lie::Status(500, None),
        Lie::Status(503, None),
        Lie::Status(403, None),
        Lie::Status(404, None),
        Lie::Hang,
        Lie::HangAfterHead,
        Lie::Late(Duration::from_millis(rng.u64(0..60_000))),
        Lie::Cut,
        Lie::Says(String::new()),
        Lie::Says(format!("{expired}\n")),
        Lie::Says("garbage\n".to_owned()),
        Lie::Says(cut.to_owned()),
    ];
    let verb = rng.bool().then(|| rng.choice(verbs).expect("some"));
    // Only an honest server says that a kind is not served, or that is what there is.
    let lie = rng.choice(lies).expect("some");
    let verb = match &lie {
        Lie::Status(404, _) => Some(Verb::Watch),
        _ => verb,
    };
    Fault {
        what: rng.bool().then(|| rng.choice(KINDS).expect("some")),
        verb,
        lie,
        percent: *rng.choice(&[10, 50, 100]).expect("some"),
    }
}

struct Scene {
    rng: Rng,
    api: Api,
    faults: Arc<Mutex<Vec<Fault>>>,
    restored: bool,
    unserved: Option<&'static str>,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let api = Api::new();
        let faults = Arc::new(Mutex::new(Vec::<Fault>::new()));
        let (active, dice) = (Arc::clone(&faults), Mutex::new(rng.fork()));
        api.lie(move |call| {
            let mut dice = dice.lock().expect("not poisoned");
            let active = active.lock().expect("not poisoned");
            let strikes = |fault: &&Fault| {
                fault.what.is_none_or(|what| what == call.what)
                    && fault.verb.as_ref().is_none_or(|verb| *verb == call.verb)
                    && dice.u32(0..100) < fault.percent
            };
            active.iter().find(strikes).map(|fault| fault.lie.clone())
        });
        if rng.u8(0..4) == 0 {
            api.without_bookmarks();
        }
        let mut scene = Self { rng, api, faults, restored: false, unserved: None };
        for _ in 0..scene.rng.u32(0..40) {
            scene.edit();
        }
        scene
    }

    fn edit(&mut self) {
        let rng = &mut self.rng;
        let namespace = *rng.choice(&["a", "b"]).expect("some");
        let name = format!("x{}", rng.u32(0..5));
        let plural = *rng.choice(&KINDS[..6]).expect("some");
        let other = format!("x{}", rng.u32(0..5));
        let is_there = self.api.has(plural, namespace, &name);
        if is_there && rng.u8(0..3) == 0 {
            return self.api.delete(plural, namespace, &name);
        }
        let content = match plural {
            "gateways" => gateway(&other),
            "secrets" => secret(rng.choice(&["YQ==", "Yg=="]).expect("some")),
            "endpointslices" => serde_json::json!({"addressType": "IPv4"}),
            "configmaps" => serde_json::json!({"data": {"ca.crt": other}}),
            _ => route(&other),
        };
        match rng.u8(0..10) {
            0 => self.api.put_quietly(plural, namespace, &name, content),
            _ => self.api.put(plural, namespace, &name, content),
        }
    }

    fn step(&mut self) {
        for _ in 0..self.rng.u32(0..5) {
            self.edit();
        }
        match self.rng.u8(0..20) {
            0..8 => {
                let fault = fault(&mut self.rng);
                self.faults.lock().expect("not poisoned").push(fault);
            }
            8..12 => self.faults.lock().expect("not poisoned").clear(),
            12 | 13 => self.api.compact(),
            14 | 15 => self.api.cut(),
            16 => self.api.save(),
            17 if self.rng.u8(0..4) == 0 && self.api.has_saved() => {
                self.restored = true;
                self.api.restore();
                self.api.cut();
            }
            18 => match self.unserved.take() {
                Some(plural) => self.serve_again(plural),
                None => {
                    self.unserved = Some("udproutes");
                    self.api.stop_serving("udproutes");
                }
            },
            _ => {}
        }
    }

    fn serve_again(&self, plural: &'static str) {
        let (_, version, _) = DEFINED.iter().find(|(_, _, of)| *of == plural).expect("defined");
        self.api.serve(version, plural);
    }
}

/// The versions of the routes, and that none went back.
fn never_back(source: &Source, seen: &mut BTreeMap<ObjectKey, u64>) {
    let loaded = source.now();
    for (key, route) in &loaded.objects.tcp_routes {
        let version = route.metadata.resource_version.as_ref().expect("a version");
        let version = version.parse().expect("a number");
        let last = seen.insert(key.clone(), version).unwrap_or(version);
        assert!(version >= last, "{key} went back from {last} to {version}");
    }
}

/// Only what is referred to is held, and nothing is published before everything is known.
fn invariants(source: &Source) {
    let loaded = source.now();
    let wanted = references::of(&loaded.objects);
    for key in loaded.objects.secrets.keys() {
        let object = ObjectRef::new(Kind::Secret, key.clone());
        assert!(wanted.contains(&object), "{object} is held for nothing");
    }
    assert_eq!(loaded.cluster.is_some(), source.is_synced());
}

async fn run(seed: u64) {
    let mut scene = Scene::new(seed);
    let source = Source::start_in(&scene.api, crate::source::kube::Scope::Cluster, seed);
    let mut seen = BTreeMap::new();
    for _ in 0..STEPS {
        scene.step();
        let pause = match scene.rng.u8(0..4) {
            0 => Duration::from_millis(scene.rng.u64(0..200)),
            1 | 2 => Duration::from_millis(scene.rng.u64(0..10_000)),
            _ => Duration::from_millis(scene.rng.u64(0..120_000)),
        };
        sleep(pause).await;
        invariants(&source);
        if !scene.restored {
            never_back(&source, &mut seen);
        }
    }
    scene.api.be_honest();
    if let Some(plural) = scene.unserved.take() {
        scene.serve_again(plural);
    }
    // What nobody was told of is told with the next change, and a store that overtook what it was
    // before it was restored is noticed by the next whole list.
    scene.api.put("pods", "a", "last", serde_json::json!({}));
    let within = if scene.restored { seconds(34 * 60) } else { CONVERGED };
    source.converged(within).await;
    assert!(source.is_synced());
    // And then it is quiet.
    sleep(CONVERGED).await;
    let mut loaded = source.loaded.clone();
    loaded.mark_unchanged();
    sleep(seconds(600)).await;
    assert!(!loaded.has_changed().expect("running"), "something moves without a reason");
    let health = source.health.borrow();
    for (id, watch) in &health.watches {
        assert_eq!(watch.trouble, None, "{id}");
        assert!(id.topic != Topic::Read(Kind::TcpRoute) || watch.listed);
    }
}

#[test]
fn seeds() {
    let range = |text: String| -> std::ops::Range<u64> {
        let (from, to) = text.split_once("..").expect("FROM..TO");
        from.parse().expect("a number")..to.parse().expect("a number")
    };
    let one = std::env::var("TIDEGATE_SEED")
        .ok()
        .map(|seed| format!("{seed}..{}", seed.parse::<u64>().expect("a number") + 1));
    let seeds = one.or_else(|| std::env::var("TIDEGATE_SEEDS").ok()).map_or(0..25, range);
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let outcome = std::panic::catch_unwind(|| runtime.block_on(run(seed)));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}
