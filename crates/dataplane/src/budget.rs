//! How much may be open at once: file descriptors shared among listeners with a guaranteed part
//! for each, so that a flood at one leaves the others served.
//!
//! Decides admission only; what a refusal looks like on the wire is for its caller. The limits
//! come from [`limits`], what is left of memory from [`memory`].

pub(crate) mod limits;
pub(crate) mod memory;

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memory::Shedding;
use slab::Slab;

/// What one open thing takes, in file descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// A TCP connection: one socket to the client, one to the backend.
    Connection,
    /// A UDP flow: one socket to the backend.
    Flow,
}

impl Cost {
    fn flows(self) -> u64 {
        match self {
            Self::Connection => 0,
            Self::Flow => 1,
        }
    }

    fn descriptors(self) -> u64 {
        match self {
            Self::Connection => 2,
            Self::Flow => 1,
        }
    }
}

/// The connections every listener may hold whatever the others do, while the budget allows it.
const GUARANTEED_CONNECTIONS: u64 = 64;

/// Flows that may be open in all: enough for what one address can serve, and a bound on what they
/// cost the kernel.
const FLOWS: u64 = 50_000;

/// All descriptors that connections and flows may take, and who takes them.
#[derive(Debug)]
pub(crate) struct Budget {
    state: Mutex<State>,
    /// A [`Shedding`], as a number.
    shedding: AtomicU8,
}

#[derive(Debug)]
struct State {
    /// What connections and flows may take: `limit` less what listening sockets take.
    total: u64,
    limit: u64,
    used: u64,
    /// The part of each open share that others cannot take.
    guarantee: u64,
    /// Descriptors taken beyond guarantees.
    beyond: u64,
    shares: Slab<ShareState>,
    open: u64,
    /// Flows open now.
    flows: u64,
}

#[derive(Debug)]
struct ShareState {
    sockets: u64,
    used: u64,
    open: bool,
}

impl State {
    fn guarantee_of(&self, share: &ShareState) -> u64 {
        if share.open { self.guarantee } else { 0 }
    }

    /// Counts anew after the shares changed.
    fn recount(&mut self) {
        let open = self.shares.iter().filter(|(_, share)| share.open);
        let sockets = open.map(|(_, share)| share.sockets).sum();
        self.total = self.limit.saturating_sub(sockets);
        let even_part = (self.total / 2).checked_div(self.open).unwrap_or(0);
        self.guarantee = even_part.min(GUARANTEED_CONNECTIONS * Cost::Connection.descriptors());
        self.beyond = self
            .shares
            .iter()
            .map(|(_, share)| share.used.saturating_sub(self.guarantee_of(share)))
            .sum();
    }

    /// The descriptors beyond its guarantee that `share` has with `used` of them.
    fn beyond(&self, key: usize, used: u64) -> u64 {
        let share = self.shares.get(key);
        used.saturating_sub(share.map_or(0, |share| self.guarantee_of(share)))
    }

    /// What of the total no share is guaranteed.
    fn common(&self) -> u64 {
        self.total.saturating_sub(self.guarantee * self.open)
    }

    /// Three tenths of the descriptors are left for connections.
    fn flows_max(&self) -> u64 {
        FLOWS.min(self.total / 10 * 7)
    }

    fn admits(&self, key: usize, cost: Cost) -> bool {
        let is_flow_too_many = cost == Cost::Flow && self.flows >= self.flows_max();
        let cost = cost.descriptors();
        let used = self.shares.get(key).map_or(0, |share| share.used);
        let more = self.beyond(key, used + cost) - self.beyond(key, used);
        // The total holds even right after a listener was added to a full process: its guarantee
        // then fills as others give back.
        let is_common_part_left = self.beyond + more <= self.common() && !is_flow_too_many;
        self.used + cost <= self.total && (more == 0 || is_common_part_left)
    }

    fn change(&mut self, key: usize, change: impl Fn(u64) -> u64) {
        let used = self.shares.get(key).map_or(0, |share| share.used);
        let (before, after) = (self.beyond(key, used), self.beyond(key, change(used)));
        self.beyond = (self.beyond + after).saturating_sub(before);
        self.used = change(self.used);
        if let Some(share) = self.shares.get_mut(key) {
            share.used = change(used);
        }
    }

    fn forget_if_done(&mut self, key: usize) {
        if self.shares.get(key).is_some_and(|share| !share.open && share.used == 0) {
            self.shares.remove(key);
        }
    }
}

impl Budget {
    /// A budget of so many descriptors.
    pub(crate) fn new(descriptors: u64) -> Arc<Self> {
        let state = State {
            total: descriptors,
            limit: descriptors,
            used: 0,
            guarantee: 0,
            beyond: 0,
            shares: Slab::new(),
            open: 0,
            flows: 0,
        };
        Arc::new(Self { state: Mutex::new(state), shedding: AtomicU8::new(0) })
    }

    /// Gives one more bind its part; its own sockets are taken off the whole.
    pub(crate) fn share(self: &Arc<Self>, sockets: usize) -> Share {
        let mut state = self.lock();
        let sockets = sockets as u64;
        let key = state.shares.insert(ShareState { sockets, used: 0, open: true });
        state.open += 1;
        state.recount();
        Share { budget: self.clone(), key }
    }

    /// What is turned away for want of memory.
    pub(crate) fn shedding(&self) -> Shedding {
        Shedding::from_number(self.shedding.load(Relaxed))
    }

    /// Changes what is turned away; gives back what it was.
    pub(crate) fn shed(&self, shedding: Shedding) -> Shedding {
        Shedding::from_number(self.shedding.swap(shedding as u8, Relaxed))
    }

    /// Descriptors that connections and flows hold now.
    pub(crate) fn used(&self) -> u64 {
        self.lock().used
    }

    /// Flows that may be open in all, and a little more where listeners have their guarantee.
    pub(crate) fn flows_max(&self) -> u64 {
        self.lock().flows_max()
    }

    /// Descriptors that connections and flows may hold.
    pub(crate) fn total(&self) -> u64 {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while counting leaves counts that are at most one off.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of one socket. What it admitted may outlive it, then without guarantee.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    key: usize,
}

impl Share {
    /// Whether [`Share::admit`] would succeed now.
    pub(crate) fn has_room(&self, cost: Cost) -> bool {
        self.budget.lock().admits(self.key, cost)
    }

    /// Takes the descriptors of one connection or flow; `None` if the budget is used up, for a
    /// flow also if memory is.
    pub(crate) fn admit(&self, cost: Cost) -> Option<Permit> {
        if cost == Cost::Flow && self.budget.shedding() >= Shedding::Flows {
            return None;
        }
        let mut state = self.budget.lock();
        if !state.admits(self.key, cost) {
            return None;
        }
        state.flows += cost.flows();
        state.change(self.key, |used| used + cost.descriptors());
        Some(Permit { budget: self.budget.clone(), key: self.key, cost })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        if let Some(share) = state.shares.get_mut(self.key) {
            share.open = false;
        }
        state.open -= 1;
        state.recount();
        state.forget_if_done(self.key);
    }
}

/// The descriptors of one connection or flow; given back on drop.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: Arc<Budget>,
    key: usize,
    cost: Cost,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        state.flows = state.flows.saturating_sub(self.cost.flows());
        let cost = self.cost.descriptors();
        state.change(self.key, |used| used.saturating_sub(cost));
        state.forget_if_done(self.key);
    }
}

#[cfg(test)]
mod tests;
