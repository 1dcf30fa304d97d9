//! Which of what is notable is news: it began, it went on for long enough, and it was not told
//! before. Pure; times are arguments.
//!
//! A replica that begins to lead does not know what its predecessor told. What stands in the status
//! of an object already was told when it was written, and what no status tells is news only of
//! objects that are young themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use gwapi::{ObjectRef, Time};
use serde_json::Value;
use tokio::time::Instant;

use super::notable::{About, Notable, notable};
use crate::status::Desired;

/// The same thing about the same object is told again after this long at the earliest.
const AGAIN: Duration = Duration::from_secs(300);
/// An object is young for so many seconds.
const YOUNG: i64 = 600;

/// One Event to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The object.
    pub object: ObjectRef,
    /// Why, CamelCase.
    pub reason: String,
    /// In words.
    pub note: String,
    /// Whether something is wrong.
    pub is_warning: bool,
}

/// What is going on, and what was told of it.
#[derive(Debug, Default)]
pub struct Transitions {
    going_on: BTreeMap<About, State>,
    /// When something was told last, by object and reason.
    told: BTreeMap<(ObjectRef, String), Instant>,
    has_begun: bool,
}

#[derive(Debug)]
struct State {
    notable: Notable,
    since: Instant,
    is_told: bool,
}

impl Transitions {
    /// Takes on the present state. `wall` is in seconds since 1970.
    pub fn observe(&mut self, desired: &Desired, wall: i64, now: Instant) {
        let mut before = std::mem::take(&mut self.going_on);
        for notable in notable(desired) {
            let about = notable.about.clone();
            let state = match before.remove(&about) {
                Some(state) => State { notable, ..state },
                None => {
                    let is_told = !self.has_begun && was_told(desired, &notable, wall);
                    State { notable, since: now, is_told }
                }
            };
            self.going_on.insert(about, state);
        }
        // Of an object whose status stays what it is for now, nothing is over.
        for (about, state) in before {
            let target = desired.find(about.object.kind, &about.object.key);
            if target.is_some_and(|target| target.is_held) {
                self.going_on.insert(about, state);
            }
        }
        self.has_begun = true;
    }

    /// What has to be told now. Several parts of an object with the same reason are one piece of
    /// news.
    pub fn due(&mut self, now: Instant) -> Vec<News> {
        self.told.retain(|_, at| now < *at + AGAIN);
        let mut news: Vec<News> = Vec::new();
        let mut more = 0_usize;
        for (about, state) in &mut self.going_on {
            if state.is_told || now < state.since + state.notable.patience {
                continue;
            }
            state.is_told = true;
            let last = news.last_mut();
            if let Some(last) =
                last.filter(|last| last.object == about.object && last.reason == about.reason)
            {
                more += 1;
                let (first, _) = last.note.split_once(MORE).unwrap_or((&last.note, ""));
                last.note = format!("{first}{MORE}{more} more)");
                continue;
            }
            let key = (about.object.clone(), about.reason.clone());
            if self.told.contains_key(&key) {
                continue;
            }
            more = 0;
            self.told.insert(key, now);
            news.push(News {
                object: about.object.clone(),
                reason: about.reason.clone(),
                note: state.notable.note.clone(),
                is_warning: state.notable.is_warning,
            });
        }
        news
    }

    /// When something has gone on for long enough.
    pub fn next(&self) -> Option<Instant> {
        let waiting = self.going_on.values().filter(|state| !state.is_told);
        waiting.map(|state| state.since + state.notable.patience).min()
    }
}

/// Before the number of parts that are not told one by one.
const MORE: &str = " (and ";

/// Whether somebody has told this before this replica led, as far as can be seen.
fn was_told(desired: &Desired, notable: &Notable, wall: i64) -> bool {
    let About { object, reason, .. } = &notable.about;
    let Some(target) = desired.find(object.kind, &object.key) else { return true };
    let status = &target.cached()["status"];
    if mentions(status, reason) {
        return true;
    }
    let addresses = status["addresses"].as_array();
    if reason == "AddressAssigned" && addresses.is_some_and(|addresses| !addresses.is_empty()) {
        return true;
    }
    let is_of_status = gwapi::reasons::Reason::ALL.iter().any(|known| known.as_str() == reason);
    let created = target.metadata().creation_timestamp.as_ref();
    let is_young = created.is_none_or(|Time(created)| wall - created.as_second() < YOUNG);
    !is_of_status && !is_young
}

/// Whether a condition somewhere in a status failed for this reason.
fn mentions(status: &Value, reason: &str) -> bool {
    match status {
        Value::Object(map) => {
            (map.get("reason").is_some_and(|found| found == reason)
                && map.get("status").is_some_and(|found| found == "False"))
                || map.values().any(|value| mentions(value, reason))
        }
        Value::Array(list) => list.iter().any(|value| mentions(value, reason)),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
