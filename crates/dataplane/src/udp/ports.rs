//! Source ports towards endpoints: which one the next flow gets.
//!
//! A late answer of an endpoint goes to whoever holds the port it was asked from. Ports that the
//! kernel chooses come back soon, and then another client gets that answer; so every worker has
//! a share of the ports of its own and hands out, for each endpoint, the one that has not been
//! used towards it for longest. One port serves flows to several endpoints at once, as the kernel
//! tells connected sockets apart by both addresses.
//!
//! Pure: no sockets; randomness and time are arguments.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use fastrand::Rng;
use foldhash::HashMap;

/// After this time an unused endpoint is forgotten: no answer is that late.
const MEMORY: Duration = Duration::from_secs(120);

/// How long a port that somebody else holds is not tried again. Most are held for long.
const ASIDE: Duration = Duration::from_secs(5);

/// The source ports of one worker.
#[derive(Debug)]
pub struct Ports {
    /// Its share, shuffled: an order that others cannot guess.
    share: Box<[u16]>,
    rings: HashMap<SocketAddr, Ring>,
    /// How many flows use a port, for those in use.
    in_use: HashMap<u16, u32>,
    /// Forgotten endpoints are looked for when there are this many.
    sweep_at: usize,
    rng: Rng,
}

/// The ports of the share as seen by one endpoint.
#[derive(Debug)]
struct Ring {
    /// Where in the share this ring starts.
    start: usize,
    /// How many ports from there on have been used at least once.
    touched: usize,
    /// Used and free again, the one free for longest first.
    free: VecDeque<u16>,
    /// Held by somebody else, and when that is looked at again.
    aside: VecDeque<(Instant, u16)>,
    last_used: Instant,
}

/// A source port for one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The port.
    pub port: u16,
    /// Whether this worker already uses the port.
    pub held: Held,
}

/// Whether a worker already uses a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Not yet; it has to be made sure that no other process does.
    No,
    /// For a flow to another endpoint.
    Yes,
}

/// Rings below this number are never looked through.
const FEW_RINGS: usize = 64;

impl Ports {
    /// Hands out the ports of `share`, each of which must be there once and belong to no other
    /// worker.
    pub fn new(mut share: Vec<u16>, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        rng.shuffle(&mut share);
        Self {
            share: share.into_boxed_slice(),
            rings: HashMap::default(),
            in_use: HashMap::default(),
            sweep_at: FEW_RINGS,
            rng,
        }
    }

    /// How many ports there are to hand out.
    pub fn len(&self) -> usize {
        self.share.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.share.is_empty()
    }

    /// Takes the port that was not used towards `endpoint` for longest. `None` if all are in use.
    pub fn take(&mut self, now: Instant, endpoint: SocketAddr) -> Option<Lease> {
        if self.share.is_empty() {
            return None;
        }
        self.sweep(now);
        let Self { share, rings, rng, .. } = self;
        let ring = rings.entry(endpoint).or_insert_with(|| Ring {
            start: rng.usize(..share.len()),
            touched: 0,
            free: VecDeque::new(),
            aside: VecDeque::new(),
            last_used: now,
        });
        ring.last_used = now;
        let port = if ring.touched < share.len() {
            let place = (ring.start + ring.touched) % share.len();
            ring.touched += 1;
            *share.get(place)?
        } else {
            ring.free.pop_front().or_else(|| ring.tried_again(now))?
        };
        let users = self.in_use.entry(port).or_default();
        *users += 1;
        Some(Lease { port, held: if *users == 1 { Held::No } else { Held::Yes } })
    }

    /// Takes back a port that [`Self::take`] gave out for `endpoint`.
    pub fn give_back(&mut self, now: Instant, endpoint: SocketAddr, port: u16) {
        if let Some(ring) = self.rings.get_mut(&endpoint) {
            ring.free.push_back(port);
            // One for one: ports that may still be held must not come in a row.
            let again = ring.tried_again(now);
            ring.free.extend(again);
            ring.last_used = now;
        }
        self.leave(port);
    }

    /// Takes back a port that could not be used, because another process holds it.
    pub fn set_aside(&mut self, now: Instant, endpoint: SocketAddr, port: u16) {
        if let Some(ring) = self.rings.get_mut(&endpoint) {
            ring.aside.push_back((now + ASIDE, port));
        }
        self.leave(port);
    }

    fn leave(&mut self, port: u16) {
        if let Some(users) = self.in_use.get_mut(&port) {
            *users -= 1;
            if *users == 0 {
                self.in_use.remove(&port);
            }
        }
    }

    /// Forgets endpoints that have no flow and have had none for a while. Looks only when their
    /// number has doubled since the last time.
    fn sweep(&mut self, now: Instant) {
        if self.rings.len() >= self.sweep_at {
            self.rings.retain(|_, ring| {
                let unused = ring.free.len() + ring.aside.len() == ring.touched;
                !unused || now.saturating_duration_since(ring.last_used) < MEMORY
            });
            self.sweep_at = FEW_RINGS.max(self.rings.len() * 2);
        }
    }
}

impl Ring {
    /// The port that was set aside first, if its time is over.
    fn tried_again(&mut self, now: Instant) -> Option<u16> {
        let (until, port) = *self.aside.front()?;
        if until > now {
            return None;
        }
        self.aside.pop_front();
        Some(port)
    }
}

/// The part of `range` that belongs to one of `workers` workers, without `reserved` ports.
pub fn share(
    range: RangeInclusive<u16>,
    reserved: &[RangeInclusive<u16>],
    worker: usize,
    workers: usize,
) -> Vec<u16> {
    range
        .filter(|port| !reserved.iter().any(|reserved| reserved.contains(port)))
        .skip(worker)
        .step_by(workers.max(1))
        .collect()
}

/// Reads `net.ipv4.ip_local_port_range`, which holds for IPv6 too: two numbers.
pub fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(last)), None) if 0 < first && first <= last => Some(first..=last),
        _ => None,
    }
}

/// Reads `net.ipv4.ip_local_reserved_ports`: numbers and ranges, separated by commas. What is
/// neither is passed over.
pub fn parse_reserved(text: &str) -> Vec<RangeInclusive<u16>> {
    let ranges = text.trim().split(',').map(|part| match part.split_once('-') {
        Some((first, last)) => Some(first.parse().ok()?..=last.parse().ok()?),
        None => part.parse().ok().map(|port| port..=port),
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests;
