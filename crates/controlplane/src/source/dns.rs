//! Resolves the DNS names in EndpointSlices of type `FQDN`, at once and again every half minute.
//!
//! An answer is kept until a better one comes: an error, an empty answer or a server that does
//! not answer never empties a backend. Asking is done by the operating system's resolver; what an
//! answer means is decided by [`Resolved::learn`], which asks nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gwapi::Objects;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};
use translate::ResolvedNames;

/// How often a name is asked for again, ±10 %. The resolver of the operating system does not tell
/// the time to live of an answer; half a minute is the usual one of names that move.
const EVERY: Duration = Duration::from_secs(30);
/// How long one question may take: as long as the resolver waits for one server.
const DEADLINE: Duration = Duration::from_secs(5);
/// Questions asked at once. Each holds a thread until the resolver gives up.
const AT_ONCE: usize = 32;

/// What is known of each name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The addresses, for names that ever had an answer.
    pub names: ResolvedNames,
    /// What became of the questions.
    pub answers: BTreeMap<String, Answer>,
}

/// What became of the questions for one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// When the addresses were last confirmed; `None` if there never was an answer.
    pub confirmed: Option<SystemTime>,
    /// Why the last question had no answer.
    pub failure: Option<String>,
}

/// Whether something changed that others have to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Addresses, or whether a name can be resolved.
    Yes,
    /// At most the time of the last answer.
    No,
}

impl Resolved {
    /// Takes in the outcome of one question.
    pub fn learn(
        &mut self,
        name: &str,
        outcome: Result<Vec<IpAddr>, String>,
        now: SystemTime,
    ) -> Changed {
        let outcome = outcome.and_then(|mut addresses| {
            addresses.sort_unstable();
            addresses.dedup();
            if addresses.is_empty() { Err("no address".to_owned()) } else { Ok(addresses) }
        });
        let answer = self.answers.entry(name.to_owned()).or_default();
        let before = answer.failure.clone();
        let addresses_differ = match outcome {
            Ok(addresses) => {
                *answer = Answer { confirmed: Some(now), failure: None };
                let known = self.names.entry(name.to_owned()).or_default();
                let differ = *known != addresses;
                *known = addresses;
                differ
            }
            Err(reason) => {
                answer.failure = Some(reason);
                false
            }
        };
        if addresses_differ || answer.failure != before { Changed::Yes } else { Changed::No }
    }

    /// Forgets the names that nobody asks for.
    fn retain(&mut self, wanted: &BTreeSet<String>) {
        self.names.retain(|name, _| wanted.contains(name));
        self.answers.retain(|name, _| wanted.contains(name));
    }
}

/// The names that have to be resolved.
pub fn names(objects: &Objects) -> BTreeSet<String> {
    objects
        .endpoint_slices
        .values()
        .filter(|slice| slice.address_type == "FQDN")
        .flat_map(|slice| &slice.endpoints)
        .filter_map(|endpoint| endpoint.addresses.first().cloned())
        .collect()
}

/// Asks the resolver of the operating system.
pub async fn lookup(name: String) -> io::Result<Vec<IpAddr>> {
    let addresses = tokio::net::lookup_host((name.as_str(), 0)).await?;
    Ok(addresses.map(|address| address.ip()).collect())
}

/// Keeps `resolved` up to date for the names in `wanted`, until one of the two is dropped.
pub async fn follow<F, Asked>(
    mut wanted: watch::Receiver<BTreeSet<String>>,
    resolved: watch::Sender<Resolved>,
    lookup: F,
) where
    F: Fn(String) -> Asked + Send + Sync + 'static,
    Asked: Future<Output = io::Result<Vec<IpAddr>>> + Send,
{
    let lookup = Arc::new(lookup);
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut asking = JoinSet::new();
    let mut due: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        let names = wanted.borrow_and_update().clone();
        due.retain(|name, _| names.contains(name));
        resolved.send_if_modified(|resolved| {
            resolved.retain(&names);
            false
        });
        let now = Instant::now();
        for name in names {
            if due.get(&name).is_some_and(|due| *due > now) {
                continue;
            }
            due.insert(name.clone(), now + EVERY.mul_f64(0.9 + 0.2 * fastrand::f64()));
            let (lookup, slots) = (Arc::clone(&lookup), Arc::clone(&slots));
            asking.spawn(async move {
                let _slot = slots.acquire().await;
                let outcome = match timeout(DEADLINE, lookup(name.clone())).await {
                    Ok(outcome) => outcome.map_err(|error| error.to_string()),
                    Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
                };
                (name, outcome)
            });
        }
        let next = due.values().min().copied();
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            () = resolved.closed() => return,
            Some(answer) = asking.join_next() => {
                if let Ok((name, outcome)) = answer && wanted.borrow().contains(&name) {
                    take_in(&resolved, &name, outcome);
                }
            }
            () = sleep_until(next.unwrap_or(now)), if next.is_some() => {}
        }
    }
}

fn take_in(resolved: &watch::Sender<Resolved>, name: &str, outcome: Result<Vec<IpAddr>, String>) {
    resolved.send_if_modified(|resolved| {
        let changed = resolved.learn(name, outcome, SystemTime::now());
        if changed == Changed::Yes {
            let addresses = resolved.names.get(name);
            match &resolved.answers[name].failure {
                Some(error) => warn!(name, %error, kept = ?addresses, "name cannot be resolved"),
                None => info!(name, ?addresses, "name resolved"),
            }
        }
        changed == Changed::Yes
    });
}

#[cfg(test)]
mod tests;
