//! One watch, decided: what to ask the API server next, given its answers and the time.
//!
//! It knows no socket, no clock and no kind. [`super::wire`] does what it asks and tells it what
//! came; a simulation can do the same.
//!
//! The way of a watch: list (in pages), watch for a minute, check, watch on, and every half hour
//! list again. The check is a list of one object that asks for the newest version: it is the only
//! way to notice that the server's memory went back (a restored etcd), for a watch from a version
//! of the future is open and silent for ever. Watches end by themselves within a minute, so the
//! check before each of them is also the check every minute.

use std::fmt;
use std::time::Duration;

use gwapi::ObjectKey;

use super::decode::{Event, Page, Status};
use super::health::{Relist, WatchHealth};
use super::item::Incoming;
use super::pace::{Backoff, Gate};
use super::version::Version;

/// Objects in a page: what `kubectl` and client-go ask for.
const PAGE: u32 = 500;
/// A watch that was open for this long has worked, whatever ended it.
pub(crate) const HELD: Duration = Duration::from_secs(5);
/// Watches end after this many seconds at the latest, so that a silent one is looked at.
const WATCH_SECONDS: u32 = 60;
/// Watches that began together need not end together: up to this many seconds earlier.
const WATCH_SPREAD: u32 = 10;
/// A list of everything now and then heals what nobody thought of.
const RELIST_EVERY: Duration = Duration::from_secs(30 * 60);
/// Answers in a row that have to be older than what was seen before that is believed: one replica
/// that lags must not take the world back in time.
const OLDER_ANSWERS: u32 = 3;
/// Between those answers.
const OLDER_APART: Duration = Duration::from_secs(2);
/// While a list has to wait this long or longer, it is tried now and then whether watches work.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// Refusals in a row before a right counts as missing: an API server that has just started refuses
/// before it has read its own rules.
const REFUSALS: u32 = 3;
/// Between those refusals.
const REFUSALS_APART: Duration = Duration::from_secs(5);
/// Rights are given by people: asking more often than this is of no use.
const REFUSED_AGAIN: Duration = Duration::from_secs(60);
/// Pages of one list: a million objects. A server that has more is going round in a circle.
const MOST_PAGES: u32 = 2000;
/// Errors in a row before they are shown as a problem.
const SHOWN_AFTER: u32 = 3;

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A page of a list of at most so many objects; without a limit, of all.
    List { page: Option<String>, limit: Option<u32> },
    /// The version of the collection as it is now, by a consistent read.
    Newest,
    /// A watch from a version, which the server is to end after so many seconds.
    Watch { from: Version, seconds: u32 },
    /// Nothing, for so long.
    Wait(Duration),
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// The answer to [`Ask::List`].
    Page(Page),
    /// The answer to [`Ask::Newest`].
    Newest(Version),
    /// The server has accepted a watch.
    Opened,
    /// The watch has been open for [`HELD`].
    Held,
    /// An event of the watch.
    Event(Event),
    /// The server has ended the watch as it should.
    Ended,
    /// Instead of an answer, or during the watch.
    Failed(Fault),
    /// The wait is over.
    Woken,
}

/// What can go wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server refused, and after how long it wants to be asked again.
    Refused(Status, Option<Duration>),
    /// No answer, or no end of a watch, within its deadline.
    TimedOut,
    /// The connection failed.
    Broken(String),
    /// Something that is not an answer.
    Garbled(String),
    /// A page larger than is read.
    TooLarge,
}

/// What changes in the world.
#[derive(Debug)]
pub(crate) enum Change {
    /// A part of a list; the first part begins a new one.
    Page { first: bool, items: Vec<Incoming> },
    /// The list is complete: what was not in it is gone.
    Listed,
    /// One object is there, or is different.
    Changed(Incoming),
    /// One object is gone, as of this version.
    Deleted(ObjectKey, Option<Version>),
    /// There is no right to read any of it; what is known stays.
    Denied,
    /// What is wrong with the watch, or that nothing is any more.
    Trouble(Option<String>),
}

/// The outcome of an input.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) changes: Vec<Change>,
    /// What to do; `None` goes on reading the watch.
    pub(crate) ask: Option<Ask>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Listing { first: bool },
    Checking,
    Watching { held: bool, probe: bool },
    Waiting(Then),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// List, if the gate lets it.
    List,
    Check,
}

/// The state of one watch. Time is since any fixed moment.
#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
    /// Up to where the world is known.
    position: Option<Version>,
    /// The version of the list that is being read.
    listing: Option<Version>,
    /// The page that was asked for last.
    token: Option<String>,
    /// How many pages the list that is being read has had.
    pages: u32,
    /// Objects in a page.
    page_size: u32,
    /// Whether the next list is to come in one piece.
    whole: bool,
    /// Why a list is owed.
    owed: Option<Relist>,
    /// A list may be older than the position: that has been confirmed.
    may_go_back: bool,
    older_answers: u32,
    refusals: u32,
    full_list_due: Duration,
    gate: Gate,
    backoff: Backoff,
    health: WatchHealth,
}

impl Machine {
    /// A watch that has not begun and is to be woken; `seed` decides its jitter.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: State::Waiting(Then::List),
            position: None,
            listing: None,
            token: None,
            pages: 0,
            page_size: PAGE,
            whole: false,
            owed: Some(Relist::First),
            may_go_back: false,
            older_answers: 0,
            refusals: 0,
            full_list_due: Duration::ZERO,
            gate: Gate::default(),
            backoff: Backoff::new(seed),
            health: WatchHealth::default(),
        }
    }

    /// How it is doing.
    pub(crate) fn health(&self) -> &WatchHealth {
        &self.health
    }

    /// The next step. What does not fit what was asked is ignored.
    pub(crate) fn handle(&mut self, now: Duration, input: Input) -> Step {
        let mut step = Step::default();
        match (self.state, input) {
            (State::Waiting(Then::List), Input::Woken) => step.ask = Some(self.list(now)),
            (State::Waiting(Then::Check), Input::Woken) => step.ask = Some(self.check()),
            (State::Listing { first }, Input::Page(page)) => {
                self.health.progress(now);
                self.page(now, first, page, &mut step);
            }
            (State::Checking, Input::Newest(version)) => {
                self.health.progress(now);
                step.ask = Some(self.checked(now, &version));
            }
            (State::Watching { .. }, Input::Opened) => self.health.progress(now),
            (State::Watching { probe: false, .. }, Input::Held) => {
                self.state = State::Watching { held: true, probe: false };
                self.works(&mut step);
            }
            (State::Watching { .. }, Input::Event(Event::Error(status))) => {
                self.failed(now, &Fault::Refused(status, None), &mut step);
            }
            (State::Watching { probe: true, .. }, Input::Held | Input::Event(_) | Input::Ended) => {
                step.ask = Some(self.probed(now));
            }
            (State::Watching { probe: false, .. }, Input::Event(event)) => {
                self.health.progress(now);
                self.event(event, &mut step);
            }
            (State::Watching { probe: false, held: true }, Input::Ended) => {
                self.health.progress(now);
                step.ask = Some(self.check());
            }
            (State::Watching { probe: false, held: false }, Input::Ended) => {
                let fault = Fault::Broken("the watch ended at once".to_owned());
                self.failed(now, &fault, &mut step);
            }
            (State::Waiting(_), Input::Failed(_)) => {}
            (_, Input::Failed(fault)) => self.failed(now, &fault, &mut step),
            _ => {}
        }
        step
    }

    fn check(&mut self) -> Ask {
        self.state = State::Checking;
        Ask::Newest
    }

    fn watch(&mut self, from: Version, probe: bool) -> Ask {
        self.state = State::Watching { held: false, probe };
        let seconds = WATCH_SECONDS - self.backoff.up_to(WATCH_SPREAD);
        Ask::Watch { from, seconds }
    }

    fn wait(&mut self, wait: Duration, then: Then) -> Ask {
        self.state = State::Waiting(then);
        Ask::Wait(wait)
    }

    fn relist(&mut self, now: Duration, reason: Relist) -> Ask {
        self.owe(now, reason);
        self.list(now)
    }

    fn owe(&mut self, now: Duration, reason: Relist) {
        if self.owed.is_none() {
            self.gate.needed(now);
        }
        self.owed = Some(reason);
    }

    /// A list is owed: now, or when the gate lets it. A long wait is cut into pieces, with a look
    /// after each whether it is still called for.
    fn list(&mut self, now: Duration) -> Ask {
        let wait = self.gate.wait(now);
        if wait > PROBE_EVERY {
            return self.wait(PROBE_EVERY, Then::Check);
        }
        if !wait.is_zero() {
            return self.wait(wait, Then::List);
        }
        self.state = State::Listing { first: true };
        self.ask_page(None)
    }

    fn ask_page(&mut self, token: Option<String>) -> Ask {
        self.token.clone_from(&token);
        Ask::List { page: token, limit: (!self.whole).then_some(self.page_size) }
    }

    fn page(&mut self, now: Duration, first: bool, page: Page, step: &mut Step) {
        if first {
            let went_back =
                self.position.as_ref().is_some_and(|seen| page.version.is_older_than(seen));
            if went_back && !self.may_go_back {
                self.older_answers = 1;
                step.ask = Some(self.wait(OLDER_APART, Then::Check));
                return;
            }
            self.gate.passed(now);
            self.health.relisted(self.owed.unwrap_or(Relist::Scheduled));
            self.pages = 0;
            self.listing = Some(page.version.clone());
            self.state = State::Listing { first: false };
        }
        self.pages += 1;
        if page.nameless > 0 {
            self.health.error();
        }
        step.changes.push(Change::Page { first, items: page.items });
        if page.next.is_some() && self.pages >= MOST_PAGES {
            return self.failed(now, &Fault::Garbled("pages without end".to_owned()), step);
        }
        if let Some(token) = page.next {
            step.ask = Some(self.ask_page(Some(token)));
            return;
        }
        step.changes.push(Change::Listed);
        self.health.listed = true;
        if self.owed != Some(Relist::Forbidden) {
            self.works(step);
        }
        self.owed = None;
        self.whole = false;
        self.may_go_back = false;
        self.full_list_due = now + self.backoff.around(RELIST_EVERY);
        let version = self.listing.take().unwrap_or(page.version);
        self.position = Some(version.clone());
        step.ask = Some(self.watch(version, false));
    }

    /// The server's newest version is known: may the watch go on where it was?
    fn checked(&mut self, now: Duration, newest: &Version) -> Ask {
        if self.position.as_ref().is_some_and(|seen| newest.is_older_than(seen)) {
            self.older_answers += 1;
            if self.older_answers < OLDER_ANSWERS {
                return self.wait(OLDER_APART, Then::Check);
            }
            self.older_answers = 0;
            self.may_go_back = true;
            return self.relist(now, Relist::WentBack);
        }
        self.older_answers = 0;
        match &self.position {
            Some(position) if self.owed.is_none() && now < self.full_list_due => {
                let from = position.clone();
                self.watch(from, false)
            }
            _ if self.owed.is_none() => self.relist(now, Relist::Scheduled),
            _ if self.gate.wait(now) > HELD => self.watch(newest.clone(), true),
            _ => self.list(now),
        }
    }

    /// Watches work again: no reason to let the list wait any longer.
    fn probed(&mut self, now: Duration) -> Ask {
        self.gate.reset();
        self.list(now)
    }

    fn event(&mut self, event: Event, step: &mut Step) {
        let (version, change) = match event {
            Event::Changed(incoming) => (incoming.version.clone(), Change::Changed(incoming)),
            Event::Deleted(key, version) => (version.clone(), Change::Deleted(key, version)),
            Event::Bookmark(version) => return self.advance(version),
            Event::Error(_) => return,
        };
        let Some(version) = version else { return step.changes.push(change) };
        // A watch brings what is newer than its beginning, in order. What is not newer was told
        // already, and telling it again could take an object back in time.
        let is_old = |seen: &Version| *seen == version || version.is_older_than(seen);
        if self.position.as_ref().is_some_and(is_old) {
            return;
        }
        self.advance(version);
        step.changes.push(change);
    }

    fn advance(&mut self, version: Version) {
        if self.position.as_ref().is_none_or(|seen| !version.is_older_than(seen)) {
            self.position = Some(version);
        }
    }

    /// A whole list, or a watch that was open for long enough.
    fn works(&mut self, step: &mut Step) {
        self.backoff.succeeded();
        self.refusals = 0;
        self.show(None, step);
    }

    fn show(&mut self, trouble: Option<String>, step: &mut Step) {
        if self.health.trouble != trouble {
            self.health.trouble.clone_from(&trouble);
            step.changes.push(Change::Trouble(trouble));
        }
    }

    fn failed(&mut self, now: Duration, fault: &Fault, step: &mut Step) {
        self.health.error();
        let gone = fault.is(410);
        step.ask = Some(match self.state {
            State::Watching { probe: true, .. } => self.list(now),
            State::Watching { .. } if gone => self.relist(now, Relist::Expired),
            State::Watching { .. } if matches!(fault, Fault::Garbled(_)) => {
                self.relist(now, Relist::Garbled)
            }
            // Pages take longer than the server remembers their version: all in one, then.
            State::Listing { first: false } if gone => {
                self.whole = true;
                self.relist_again(now)
            }
            State::Listing { .. }
                if *fault == Fault::TooLarge && (self.whole || self.page_size > 1) =>
            {
                self.page_size = (self.page_size / 2).max(1);
                self.whole = false;
                let token = self.token.clone();
                self.ask_page(token)
            }
            _ if fault.is(403) => self.refused(fault, step),
            State::Listing { .. } => self.back_off(fault, Then::List, step),
            _ => self.back_off(fault, Then::Check, step),
        });
    }

    /// The list that was begun has to begin again.
    fn relist_again(&mut self, now: Duration) -> Ask {
        self.owed = Some(Relist::PagesExpired);
        self.list(now)
    }

    fn back_off(&mut self, fault: &Fault, then: Then, step: &mut Step) -> Ask {
        let wait = self.backoff.failed(fault.asked_wait());
        if self.backoff.failures() >= SHOWN_AFTER {
            self.show(Some(fault.to_string()), step);
        }
        self.wait(wait, then)
    }

    /// There is no right to do this. Everything that is known stays as it is.
    fn refused(&mut self, fault: &Fault, step: &mut Step) -> Ask {
        self.refusals = self.refusals.saturating_add(1);
        let state = self.state;
        let then = match state {
            State::Listing { .. } => Then::List,
            _ => Then::Check,
        };
        if self.refusals < REFUSALS {
            return self.wait(REFUSALS_APART, then);
        }
        self.show(Some(fault.to_string()), step);
        if !self.health.listed && self.refusals == REFUSALS {
            step.changes.push(Change::Denied);
        }
        if matches!(state, State::Watching { .. }) {
            // It may list but not watch: a list each minute is better than knowing nothing.
            self.gate.reset();
            self.owed = Some(Relist::Forbidden);
        }
        let again = self.backoff.jittered(REFUSED_AGAIN);
        self.wait(again, then)
    }
}

impl Fault {
    pub(crate) fn is(&self, code: u16) -> bool {
        matches!(self, Self::Refused(status, _) if status.code == code)
    }

    fn asked_wait(&self) -> Option<Duration> {
        match self {
            Self::Refused(_, asked) => *asked,
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    /// Without anything that differs from one time to the next, so that it is shown once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Status { code, message, .. }, _) if message.is_empty() => {
                write!(f, "the API server answers with status {code}")
            }
            Self::Refused(Status { code, message, .. }, _) => {
                write!(f, "the API server answers with status {code}: {message}")
            }
            Self::TimedOut => f.write_str("the API server does not answer in time"),
            Self::Broken(problem) => write!(f, "the connection to the API server fails: {problem}"),
            Self::Garbled(problem) => write!(f, "the API server sends {problem}"),
            Self::TooLarge => f.write_str("the API server sends an object that is too large"),
        }
    }
}

#[cfg(test)]
mod tests;
