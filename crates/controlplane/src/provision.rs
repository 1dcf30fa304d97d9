//! Proxies and Services for Gateways: makes what has to be there, repairs what others changed,
//! removes what is not wanted any more. Only the leader does.
//!
//! [`desired`] says what has to be there, `plan` which requests that takes, [`addresses`] what came
//! of it; all of that is pure. `apply` makes one request; this file makes them in turn, and tries
//! again what failed. `finalizer` keeps classes that are in use.

mod addresses;
mod apply;
mod deployment;
mod desired;
mod differs;
mod finalizer;
mod memory;
mod names;
mod plan;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use gwapi::ObjectKey;
use kube::Client;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

pub use self::addresses::addresses;
use self::apply::Outcome;
pub use self::deployment::AUDIENCE;
pub use self::desired::{APPLIED_ANNOTATION, CONTROLLER_ANNOTATION, LiveServices, Wanted, desired};
use self::differs::differs;
use self::finalizer::Classes;
pub use self::finalizer::FINALIZER;
use self::memory::Memory;
use self::plan::{Plan, Step, World, plan};
pub use self::service::Live;
use crate::cluster::ClusterView;
use crate::leader::Term;
use crate::owned::OwnedKind;

/// Gateways that are provisioned at once.
const AT_ONCE: usize = 8;
/// Two plans are at least this far apart: endpoints that flap do not make the leader plan all day.
const APART: Duration = Duration::from_millis(100);
/// `spec.addresses` has at most so many entries, so there are at most so many Services.
const MOST_ADDRESSES: usize = 16;

/// An object that is provisioned.
type Subject = (OwnedKind, ObjectKey);
/// What could not be provisioned for Gateways, in words that a status may tell.
pub type Problems = BTreeMap<ObjectKey, Vec<String>>;

/// What the controller gives all its proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySettings {
    /// The `controllerName` of this installation.
    pub controller_name: String,
    /// Image of the proxies whose parameters name none.
    pub image: String,
    /// Where the controller is found, `host:port`.
    pub controller: String,
    /// The name in its certificate.
    pub server_name: String,
    /// Whether all namespaces are read. Only then is it known that no Gateway uses a class.
    pub reads_all_namespaces: bool,
}

/// Provisions until one of the inputs ends. `authority` is the PEM that proxies prove the
/// controller by; nothing is done while it is empty.
pub async fn run(
    client: Client,
    settings: ProxySettings,
    mut views: watch::Receiver<Arc<ClusterView>>,
    mut authority: watch::Receiver<String>,
    mut term: Term,
    problems: watch::Sender<Arc<Problems>>,
) {
    let (mut memory, mut classes) = (Memory::default(), Classes::default());
    loop {
        let view = Arc::clone(&views.borrow_and_update());
        let bundle = authority.borrow_and_update().clone();
        if term.leads() && view.rounds > 0 && !bundle.is_empty() {
            let found = round(&client, &settings, &view, &bundle, &term, &mut memory).await;
            problems.send_if_modified(|told| {
                let differs = **told != found;
                *told = Arc::new(found);
                differs
            });
            if settings.reads_all_namespaces && term.leads() {
                classes.round(&client, &view.loaded.objects, &settings.controller_name).await;
            }
        } else {
            // Another leader may do otherwise: what was known is worth nothing then.
            (memory, classes) = (Memory::default(), Classes::default());
        }
        sleep(APART).await;
        let again = memory.next().into_iter().chain(classes.next()).min();
        let ended = tokio::select! {
            changed = views.changed() => changed.is_err(),
            changed = authority.changed() => changed.is_err(),
            changed = term.changed() => changed.is_err(),
            () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => false,
        };
        if ended {
            return;
        }
    }
}

/// Plans once and does it; says what could not be done.
async fn round(
    client: &Client,
    settings: &ProxySettings,
    view: &ClusterView,
    authority: &str,
    term: &Term,
    memory: &mut Memory,
) -> Problems {
    let Some(cluster) = &view.loaded.cluster else { return Problems::new() };
    let owned = &cluster.owned;
    let live = memory.live(owned, Instant::now());
    let world = World {
        loaded: &view.loaded,
        translation: &view.translation,
        settings,
        authority,
        live: &live,
    };
    let plans = plan(&world, |subject, wanted, live| memory.is_settled(subject, wanted, live));
    memory.keep_failures(|subject| {
        plans.values().flat_map(|plan| &plan.steps).any(|step| step.subject() == subject)
    });
    let work: Vec<_> = plans
        .values()
        .map(|Plan { steps, .. }| {
            let now = Instant::now();
            let due = |step: &&Step| memory.may_try(step.subject(), &wish(step), now);
            in_turn(client, term, steps.iter().filter(due).collect())
        })
        .collect();
    let done: Vec<_> = futures_util::stream::iter(work).buffer_unordered(AT_ONCE).collect().await;
    let now = Instant::now();
    for (step, outcome) in done.into_iter().flatten() {
        let subject = step.subject();
        let seen = owned.objects.get(subject).map(AsRef::as_ref);
        match outcome {
            Outcome::Applied(object) => {
                if let Step::Apply { object: wanted, .. } = step
                    && differs(wanted, &object).is_some()
                {
                    memory.settle(subject, wanted, &object);
                }
                memory.wrote(subject, seen, Some(*object), now);
            }
            Outcome::Deleted => memory.wrote(subject, seen, None, now),
            Outcome::Later => memory.failed(subject, wish(step), String::new(), now),
            Outcome::Failed(message) => memory.failed(subject, wish(step), message, now),
        }
    }
    told(&plans, memory)
}

/// The steps for one Gateway. After one that failed the others are tried all the same: what can be
/// had is better than nothing.
async fn in_turn<'a>(
    client: &Client,
    term: &Term,
    steps: Vec<&'a Step>,
) -> Vec<(&'a Step, Outcome)> {
    let mut done = vec![];
    for step in steps {
        if !term.leads() {
            break;
        }
        let outcome = apply::perform(client, step).await;
        log(step, &outcome);
        done.push((step, outcome));
    }
    done
}

fn log(step: &Step, outcome: &Outcome) {
    let (kind, key) = step.subject();
    match (step, outcome) {
        (Step::Apply { differs: Some(path), .. }, Outcome::Applied(_)) => {
            info!(%kind, object = %key, field = path, "brought up to date");
        }
        (_, Outcome::Applied(_)) => info!(%kind, object = %key, "made"),
        (_, Outcome::Deleted) => info!(%kind, object = %key, "removed"),
        (_, Outcome::Later) => {}
        (_, Outcome::Failed(problem)) => {
            warn!(%kind, object = %key, problem, "cannot be provisioned; trying again");
        }
    }
}

/// What a step asks for: after a failure the same wish has to wait, another one need not.
fn wish(step: &Step) -> String {
    match step {
        Step::Apply { object, .. } => desired::hash(object),
        Step::Delete { uid, .. } => uid.clone(),
    }
}

fn told(plans: &BTreeMap<ObjectKey, Plan>, memory: &Memory) -> Problems {
    let failures: BTreeMap<&Subject, &str> = memory.failures().collect();
    let of_plan = |plan: &Plan| -> Vec<String> {
        let failed = plan.steps.iter().filter_map(|step| failures.get(step.subject()));
        let failed =
            failed.filter(|message| !message.is_empty()).map(|message| (*message).to_owned());
        plan.problems.iter().cloned().chain(failed).collect()
    };
    let problems = plans.iter().map(|(gateway, plan)| (gateway.clone(), of_plan(plan)));
    problems.filter(|(_, problems)| !problems.is_empty()).collect()
}
