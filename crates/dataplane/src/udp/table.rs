//! The flow table of one UDP socket: which flow a datagram belongs to, whether a new flow is let
//! in, and which one has to go.
//!
//! Flows are of two [`Class`]es. Whoever sends datagrams from made-up addresses can only make
//! *new* flows; they fill at most half of the table and push out each other, the oldest first.
//! A client that sent again after an answer is *assured*, and no new flow ever costs it its place.
//! (The idea is that of connection tracking in the Linux kernel. Somebody who sends twice from one
//! made-up address, with the answer in between, is taken for a client: nothing short of a cookie
//! in the protocol could tell.)
//!
//! Sans-IO: time is an argument, the table holds what its owner keeps per flow (`F`) without
//! looking at it, and hands it back when the flow is over. Every operation takes constant time
//! but [`Table::remove_where`].

#![expect(clippy::indexing_slicing, reason = "what the index and the orders hold has a flow")]

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;
use slab::Slab;

use super::order::Order;

/// What makes datagrams belong to one flow: who sent them, and which of our addresses to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowKey {
    /// The client.
    pub client: SocketAddr,
    /// The address it spoke to, which is the one it expects answers from.
    pub local: IpAddr,
}

/// A flow. A number is used again for another flow, the whole never: what is kept of an ended
/// flow finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId {
    place: u32,
    generation: u32,
}

/// How much a flow has proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A datagram came from its address; nobody knows whether somebody is there.
    New,
    /// The client sent again after an answer, so it seems to get answers.
    Assured,
}

/// Whether a flow can be opened.
#[derive(Debug, PartialEq, Eq)]
pub enum Room<F> {
    /// There is a place.
    Free,
    /// There is one now: this new flow was the oldest and had to go.
    Evicted(FlowKey, F),
    /// All places belong to assured flows.
    Full,
}

/// The flow table of one socket.
#[derive(Debug)]
pub struct Table<F> {
    flows: Slab<Flow<F>>,
    /// Places by key.
    index: HashTable<u32>,
    hasher: SeedableRandomState,
    /// All places, the one idle for longest first.
    by_activity: Order,
    /// The places of new flows, the oldest first.
    by_age: Order,
    generation: u32,
    cap: usize,
    idle: Duration,
    /// The latest time seen; keeps [`Self::by_activity`] in order if a caller's clock falls back.
    now: Instant,
}

#[derive(Debug)]
struct Flow<F> {
    key: FlowKey,
    generation: u32,
    last_active: Instant,
    class: Class,
    answered: bool,
    owned: F,
}

impl<F> Table<F> {
    /// An empty table for at most `cap` flows, each forgotten after `idle` without a datagram
    /// either way. `seed` must be unknown to clients: with a known one they could choose
    /// addresses that all fall together.
    pub fn new(now: Instant, seed: u64, cap: usize, idle: Duration) -> Self {
        Self {
            flows: Slab::new(),
            index: HashTable::new(),
            hasher: SeedableRandomState::with_seed(seed, SharedSeed::global_random()),
            by_activity: Order::default(),
            by_age: Order::default(),
            generation: 0,
            cap,
            idle,
            now,
        }
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// How many of them are new.
    pub fn new_len(&self) -> usize {
        self.by_age.len()
    }

    /// How many flows may be new: half of the table, and at least one.
    pub fn new_cap(&self) -> usize {
        if self.cap == 1 { 1 } else { self.cap / 2 }
    }

    /// Takes note of a datagram from a client, and says which flow it belongs to.
    pub fn client_sent(&mut self, now: Instant, key: &FlowKey) -> Option<FlowId> {
        let hash = self.hasher.hash_one(key);
        let flows = &self.flows;
        let place = *self.index.find(hash, |&place| flows[place as usize].key == *key)?;
        self.touch(now, place);
        let flow = &mut self.flows[place as usize];
        if flow.answered && flow.class == Class::New {
            flow.class = Class::Assured;
            self.by_age.take(place);
        }
        Some(FlowId { place, generation: flow.generation })
    }

    /// Takes note of a datagram from the endpoint of a flow. `None` if the flow is over.
    pub fn backend_sent(&mut self, now: Instant, id: FlowId) -> Option<(&FlowKey, &mut F)> {
        self.get(id)?;
        self.touch(now, id.place);
        let flow = &mut self.flows[id.place as usize];
        flow.answered = true;
        Some((&flow.key, &mut flow.owned))
    }

    /// Makes sure that a flow can be opened, if need be by ending the oldest new one.
    pub fn make_room(&mut self) -> Room<F> {
        if self.len() < self.cap && self.new_len() < self.new_cap() {
            return Room::Free;
        }
        // More than one too many there are only after the cap was lowered, until
        // `evict_excess` has ended those that may be ended.
        if self.len() > self.cap || self.new_len() > self.new_cap() {
            return Room::Full;
        }
        match self.by_age.first() {
            Some(oldest) => {
                let (key, owned) = self.end(oldest);
                Room::Evicted(key, owned)
            }
            None => Room::Full,
        }
    }

    /// Opens a flow, which is new.
    ///
    /// # Errors
    /// Gives back `owned` if there is no room, for which [`Self::make_room`] has to be asked
    /// first, or if the key has a flow.
    pub fn open(&mut self, now: Instant, key: FlowKey, owned: F) -> Result<FlowId, F> {
        let hash = self.hasher.hash_one(key);
        let flows = &self.flows;
        let known = self.index.find(hash, |&place| flows[place as usize].key == key).is_some();
        let full = self.len() >= self.cap || self.new_len() >= self.new_cap();
        // Places are numbers of 32 bits, of which the last stands for none.
        if known || full || self.len() >= u32::MAX as usize {
            return Err(owned);
        }
        let now = self.now.max(now);
        self.now = now;
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let class = Class::New;
        let flow = Flow { key, generation, last_active: now, class, answered: false, owned };
        let place = self.flows.insert(flow) as u32;
        let (flows, hasher) = (&self.flows, &self.hasher);
        self.index.insert_unique(hash, place, |&place| hasher.hash_one(flows[place as usize].key));
        self.by_activity.push(place);
        self.by_age.push(place);
        Ok(FlowId { place, generation })
    }

    /// What is kept of a flow; `None` if it is over.
    pub fn get(&self, id: FlowId) -> Option<(&FlowKey, &F)> {
        let flow = self.flows.get(id.place as usize)?;
        (flow.generation == id.generation).then_some((&flow.key, &flow.owned))
    }

    /// What is kept of a flow, to change it; `None` if it is over.
    pub fn get_mut(&mut self, id: FlowId) -> Option<(&FlowKey, &mut F)> {
        let flow = self.flows.get_mut(id.place as usize)?;
        (flow.generation == id.generation).then_some((&flow.key, &mut flow.owned))
    }

    /// The class of a flow; `None` if it is over.
    pub fn class(&self, id: FlowId) -> Option<Class> {
        let flow = self.flows.get(id.place as usize)?;
        (flow.generation == id.generation).then_some(flow.class)
    }

    /// Ends a flow.
    pub fn remove(&mut self, id: FlowId) -> Option<(FlowKey, F)> {
        self.get(id)?;
        Some(self.end(id.place))
    }

    /// Ends every flow that `condition` holds for. Looks at all of them.
    pub fn remove_where(
        &mut self,
        mut condition: impl FnMut(&FlowKey, &F) -> bool,
    ) -> Vec<(FlowKey, F)> {
        let places: Vec<_> = self
            .flows
            .iter()
            .filter(|(_, flow)| condition(&flow.key, &flow.owned))
            .map(|(place, _)| place as u32)
            .collect();
        places.into_iter().map(|place| self.end(place)).collect()
    }

    /// Ends one flow that was idle for too long. To be called until there is none left.
    pub fn expire(&mut self, now: Instant) -> Option<(FlowKey, F)> {
        let oldest = self.by_activity.first()?;
        let flow = &self.flows[oldest as usize];
        (now.saturating_duration_since(flow.last_active) >= self.idle).then(|| self.end(oldest))
    }

    /// When [`Self::expire`] will next find a flow, unless something happens before.
    pub fn next_deadline(&self) -> Option<Instant> {
        let oldest = self.by_activity.first()?;
        self.flows[oldest as usize].last_active.checked_add(self.idle)
    }

    /// Changes how long a flow may be idle, for the flows there are too.
    pub fn set_idle(&mut self, idle: Duration) {
        self.idle = idle;
    }

    /// Changes how many flows there may be. [`Self::evict_excess`] then ends the new ones that
    /// are too many; assured ones stay until their own end.
    pub fn set_cap(&mut self, cap: usize) {
        self.cap = cap;
    }

    /// Ends the oldest new flow if there are more than the cap allows. To be called until there
    /// is none left.
    pub fn evict_excess(&mut self) -> Option<(FlowKey, F)> {
        let excess = self.len() > self.cap || self.new_len() > self.new_cap();
        let oldest = self.by_age.first().filter(|_| excess)?;
        Some(self.end(oldest))
    }

    /// Ends the oldest new flow, for what it holds beside its place.
    pub fn evict_oldest_new(&mut self) -> Option<(FlowKey, F)> {
        let oldest = self.by_age.first()?;
        Some(self.end(oldest))
    }

    fn touch(&mut self, now: Instant, place: u32) {
        self.now = self.now.max(now);
        self.flows[place as usize].last_active = self.now;
        self.by_activity.move_to_end(place);
    }

    fn end(&mut self, place: u32) -> (FlowKey, F) {
        let flow = self.flows.remove(place as usize);
        let hash = self.hasher.hash_one(flow.key);
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == place) {
            entry.remove();
        }
        self.by_activity.take(place);
        if flow.class == Class::New {
            self.by_age.take(place);
        }
        self.release_memory();
        (flow.key, flow.owned)
    }

    /// A flood must not cost memory for ever: an empty table is a small one.
    fn release_memory(&mut self) {
        if self.flows.is_empty() && self.flows.capacity() > KEPT_PLACES {
            self.flows = Slab::new();
            self.index = HashTable::new();
            self.by_activity.release_memory();
            self.by_age.release_memory();
        }
    }
}

/// Places whose memory an empty table keeps: about 100 KiB, so that a listener with little to do
/// does not allocate for every flow.
const KEPT_PLACES: usize = 1024;

impl FlowId {
    /// The id as a number, for the kernel to keep.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.place)
    }

    /// The id that [`Self::to_bits`] was asked of.
    pub fn from_bits(bits: u64) -> Self {
        Self { place: bits as u32, generation: (bits >> 32) as u32 }
    }
}

impl Hash for FlowKey {
    /// Three words instead of the dozen short writes of the derived form.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let scope = match self.client {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(client) => client.scope_id(),
        };
        state.write_u128(bits(self.client.ip()));
        state.write_u128(bits(self.local));
        state.write_u64(u64::from(scope) << 16 | u64::from(self.client.port()));
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => Ipv6Addr::to_bits(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests;
