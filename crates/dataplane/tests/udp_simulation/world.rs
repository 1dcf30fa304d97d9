//! A flow table with its source ports beside a plain model of both; each step compares them.
//!
//! What happens next is decided by [`Choices`]: a seed in the tests, the input in the fuzzer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::ports::{Held, Ports};
use super::table::{Class, FlowId, FlowKey, Room, Table};

/// Where decisions come from.
pub(crate) enum Choices<'a> {
    /// As many as asked for.
    Seeded(Rng),
    /// Until the bytes are used up; then all are 0.
    Given(&'a [u8]),
}

impl Choices<'_> {
    /// A number below `bound`, which is at most 65,536.
    fn below(&mut self, bound: usize) -> usize {
        match self {
            Self::Seeded(rng) => rng.usize(..bound),
            Self::Given(bytes) => {
                let (taken, rest) =
                    bytes.split_at(bytes.len().min(if bound > 256 { 2 } else { 1 }));
                *bytes = rest;
                taken.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)) % bound
            }
        }
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::Given([]))
    }

    /// Milliseconds from 1 to 500.
    fn short_time(&mut self) -> Duration {
        Duration::from_millis(self.below(500) as u64 + 1)
    }

    fn endpoint(&mut self) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, self.below(4) as u8], 53))
    }
}

/// What the table is told to keep for a flow: its backend-side socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    number: u64,
    endpoint: SocketAddr,
    port: u16,
}

#[derive(Debug)]
struct Expected {
    id: FlowId,
    socket: Socket,
    opened: u64,
    last_active: Instant,
    answered: bool,
    class: Class,
}

/// The two, and what happened so far.
pub(crate) struct World<'a> {
    choices: Choices<'a>,
    now: Instant,
    table: Table<Socket>,
    ports: Ports,
    /// The flows there should be.
    flows: BTreeMap<FlowKey, Expected>,
    /// Sockets whose flow ended: datagrams may still arrive there.
    ended: Vec<FlowId>,
    cap: usize,
    idle: Duration,
    sockets: u64,
    opened: u64,
    closed: u64,
    /// For each endpoint the ports in use, and the free ones in the order they became free.
    used: BTreeMap<SocketAddr, BTreeSet<u16>>,
    free: BTreeMap<SocketAddr, VecDeque<u16>>,
    /// Those that somebody else seemed to hold, and when they are free again.
    aside: BTreeMap<SocketAddr, VecDeque<(Instant, u16)>>,
    port_count: u16,
}

impl<'a> World<'a> {
    /// An empty table of some size.
    pub(crate) fn new(mut choices: Choices<'a>) -> Self {
        let now = Instant::now();
        let cap = choices.below(40);
        let idle = choices.short_time();
        let port_count = choices.below(59) as u16 + 1;
        Self {
            now,
            table: Table::new(now, choices.below(1 << 16) as u64, cap, idle),
            ports: Ports::new((1..=port_count).collect(), choices.below(1 << 16) as u64),
            flows: BTreeMap::new(),
            ended: Vec::new(),
            cap,
            idle,
            sockets: 0,
            opened: 0,
            closed: 0,
            used: BTreeMap::new(),
            free: BTreeMap::new(),
            aside: BTreeMap::new(),
            port_count,
            choices,
        }
    }

    /// Lives for so many steps, or until nothing decides what comes next, and ends.
    pub(crate) fn live(mut self, steps: usize) {
        for _ in 0..steps {
            if self.choices.is_over() {
                break;
            }
            match self.choices.below(100) {
                0..45 => self.client_sends(),
                45..75 => self.backend_answers(),
                75..80 => self.late_answer(),
                80..92 => self.time_passes(),
                92..93 => self.descriptor_is_wanted(),
                93..95 => self.flow_fails(),
                95..97 => self.endpoint_leaves(),
                97..98 => self.cap_changes(),
                98..99 => self.idle_changes(),
                _ => self.now += Duration::from_secs(200),
            }
            self.check();
        }
        self.now += self.idle;
        self.expire();
        assert!(self.table.is_empty() && self.flows.is_empty());
        assert_eq!(self.opened, self.closed);
        assert!(self.used.values().all(BTreeSet::is_empty));
    }

    fn check(&self) {
        assert_eq!(self.table.len(), self.flows.len());
        assert_eq!(self.opened - self.closed, self.flows.len() as u64);
        let new = self.flows.values().filter(|flow| flow.class == Class::New).count();
        assert_eq!(self.table.new_len(), new);
        assert!(new <= self.table.new_cap());
        let soonest = self.flows.values().map(|flow| flow.last_active + self.idle).min();
        assert_eq!(self.table.next_deadline(), soonest);
        for (key, flow) in &self.flows {
            assert_eq!(self.table.get(flow.id), Some((key, &flow.socket)));
            assert_eq!(self.table.class(flow.id), Some(flow.class));
        }
    }

    fn any_key(&mut self) -> FlowKey {
        FlowKey {
            client: SocketAddr::from((
                [192, 0, 2, self.choices.below(3) as u8],
                self.choices.below(20) as u16 + 1,
            )),
            local: IpAddr::from([198, 51, 100, self.choices.below(2) as u8]),
        }
    }

    fn any_flow(&mut self) -> Option<FlowKey> {
        let count = self.flows.len();
        self.flows.keys().nth(if count > 0 { self.choices.below(count) } else { 0 }).copied()
    }

    fn client_sends(&mut self) {
        let key = match self.any_flow() {
            Some(key) if self.choices.below(2) == 0 => key,
            _ => self.any_key(),
        };
        let known = self.table.client_sent(self.now, &key);
        assert_eq!(known, self.flows.get(&key).map(|flow| flow.id));
        match self.flows.get_mut(&key) {
            Some(flow) => {
                flow.last_active = self.now;
                if flow.answered {
                    flow.class = Class::Assured;
                }
            }
            None => self.open(key),
        }
    }

    fn oldest_new(&self) -> Option<(FlowKey, Socket)> {
        let new = self.flows.iter().filter(|(_, flow)| flow.class == Class::New);
        new.min_by_key(|(_, flow)| flow.opened).map(|(key, flow)| (*key, flow.socket))
    }

    fn descriptor_is_wanted(&mut self) {
        let evicted = self.table.evict_oldest_new();
        assert_eq!(evicted, self.oldest_new());
        if let Some((key, socket)) = evicted {
            self.close(key, socket);
        }
    }

    fn open(&mut self, key: FlowKey) {
        let assured = self.flows.values().filter(|flow| flow.class == Class::Assured).count();
        let new = self.flows.len() - assured;
        let fits = self.flows.len() < self.cap && new < self.table.new_cap();
        match self.table.make_room() {
            Room::Free => assert!(fits),
            Room::Evicted(evicted, socket) => {
                assert!(!fits);
                assert_eq!(Some((evicted, socket)), self.oldest_new());
                self.close(evicted, socket);
            }
            Room::Full => {
                assert!(!fits && (new == 0 || self.flows.len() > self.cap));
                let socket = Socket { number: 0, endpoint: key.client, port: 0 };
                assert!(self.table.open(self.now, key, socket).is_err());
                return;
            }
        }
        let endpoint = self.choices.endpoint();
        let Some(port) = self.take_port(endpoint) else { return };
        self.sockets += 1;
        let socket = Socket { number: self.sockets, endpoint, port };
        let id = self.table.open(self.now, key, socket).expect("there is room");
        self.opened += 1;
        let class = Class::New;
        let (opened, last_active) = (self.opened, self.now);
        let flow = Expected { id, socket, opened, last_active, answered: false, class };
        assert!(self.flows.insert(key, flow).is_none());
    }

    fn take_port(&mut self, endpoint: SocketAddr) -> Option<u16> {
        let elsewhere: BTreeSet<_> = self.used.values().flatten().copied().collect();
        let used = self.used.entry(endpoint).or_default();
        let free = self.free.entry(endpoint).or_default();
        let aside = self.aside.entry(endpoint).or_default();
        let is_all_used = used.len() + aside.len() == usize::from(self.port_count);
        if is_all_used {
            free.extend(tried_again(aside, self.now));
        }
        let Some(lease) = self.ports.take(self.now, endpoint) else {
            assert_eq!(used.len() + aside.len(), usize::from(self.port_count));
            return None;
        };
        assert_eq!(lease.held == Held::Yes, elsewhere.contains(&lease.port));
        if used.len() + free.len() + aside.len() < usize::from(self.port_count) {
            let is_first =
                !free.contains(&lease.port) && !aside.iter().any(|(_, port)| *port == lease.port);
            assert!(is_first, "a port came back before others were used once");
        } else {
            assert_eq!(free.pop_front(), Some(lease.port), "not the port free for longest");
        }
        if self.choices.below(16) == 15 {
            self.ports.set_aside(self.now, endpoint, lease.port);
            aside.push_back((self.now + Duration::from_secs(5), lease.port));
            return None;
        }
        assert!(used.insert(lease.port), "one port twice towards one endpoint");
        Some(lease.port)
    }

    fn close(&mut self, key: FlowKey, socket: Socket) {
        let flow = self.flows.remove(&key).expect("only an open flow can end");
        assert_eq!(flow.socket, socket);
        self.ports.give_back(self.now, socket.endpoint, socket.port);
        assert!(
            self.used.get_mut(&socket.endpoint).expect("the model has it").remove(&socket.port)
        );
        let free = self.free.get_mut(&socket.endpoint).expect("the model has it");
        free.push_back(socket.port);
        let aside = self.aside.get_mut(&socket.endpoint).expect("the model has it");
        free.extend(tried_again(aside, self.now));
        self.closed += 1;
        self.ended.push(flow.id);
    }

    fn backend_answers(&mut self) {
        let Some(key) = self.any_flow() else { return };
        let flow = self.flows.get_mut(&key).expect("the model has it");
        let (to, socket) = self.table.backend_sent(self.now, flow.id).expect("the flow is open");
        assert_eq!((to, &*socket), (&key, &flow.socket));
        flow.last_active = self.now;
        flow.answered = true;
    }

    /// A datagram at the socket of a flow that is over reaches nobody.
    fn late_answer(&mut self) {
        let count = self.ended.len().min(1 << 16);
        if count > 0 {
            let id = self.ended[self.choices.below(count)];
            assert!(self.table.backend_sent(self.now, id).is_none());
            assert!(self.table.remove(id).is_none());
        }
    }

    fn time_passes(&mut self) {
        self.now += Duration::from_millis(self.choices.below(100) as u64);
        self.expire();
    }

    fn expire(&mut self) {
        while let Some((key, socket)) = self.table.expire(self.now) {
            assert!(self.flows[&key].last_active + self.idle <= self.now);
            self.close(key, socket);
        }
        assert!(self.table.next_deadline().is_none_or(|deadline| deadline > self.now));
    }

    fn flow_fails(&mut self) {
        let Some(key) = self.any_flow() else { return };
        let (removed, socket) = self.table.remove(self.flows[&key].id).expect("it is open");
        assert_eq!(removed, key);
        self.close(key, socket);
    }

    fn endpoint_leaves(&mut self) {
        let endpoint = self.choices.endpoint();
        let gone = self.table.remove_where(|_, socket| socket.endpoint == endpoint);
        for (key, socket) in gone {
            self.close(key, socket);
        }
        assert!(self.flows.values().all(|flow| flow.socket.endpoint != endpoint));
    }

    fn cap_changes(&mut self) {
        self.cap = self.choices.below(40);
        self.table.set_cap(self.cap);
        while let Some((key, socket)) = self.table.evict_excess() {
            assert_eq!(self.flows[&key].class, Class::New);
            self.close(key, socket);
        }
    }

    fn idle_changes(&mut self) {
        self.idle = self.choices.short_time();
        self.table.set_idle(self.idle);
        self.expire();
    }
}

/// The port set aside first, if its time is over.
fn tried_again(aside: &mut VecDeque<(Instant, u16)>, now: Instant) -> Option<u16> {
    let is_due = aside.front().is_some_and(|(until, _)| *until <= now);
    if is_due { aside.pop_front().map(|(_, port)| port) } else { None }
}
