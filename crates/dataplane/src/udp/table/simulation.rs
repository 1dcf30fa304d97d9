//! Random lives of a flow table with its source ports, each step compared with a plain model.
//!
//! 256 seeds of 3,000 steps run with the tests. A failure prints its seed;
//! `TIDEGATE_UDP_SEED=<seed>` runs that one alone, `TIDEGATE_UDP_SEEDS` and
//! `TIDEGATE_UDP_STEPS` run more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use fastrand::Rng;

use super::*;
use crate::udp::ports::{Held, Ports};

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

struct World {
    rng: Rng,
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
    port_count: u16,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn a_thousand_lives_match_the_model() {
    let steps = number("TIDEGATE_UDP_STEPS").unwrap_or(3_000);
    let seeds = match number("TIDEGATE_UDP_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TIDEGATE_UDP_SEEDS").unwrap_or(256),
    };
    for seed in seeds {
        let life = AssertUnwindSafe(|| World::new(seed).live(steps));
        if let Err(panic) = catch_unwind(life) {
            eprintln!("failed with TIDEGATE_UDP_SEED={seed} TIDEGATE_UDP_STEPS={steps}");
            resume_unwind(panic);
        }
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let now = Instant::now();
        let cap = rng.usize(0..40);
        let idle = Duration::from_millis(rng.u64(1..500));
        let port_count = rng.u16(1..60);
        Self {
            now,
            table: Table::new(now, rng.u64(..), cap, idle),
            ports: Ports::new((1..=port_count).collect(), rng.u64(..)),
            flows: BTreeMap::new(),
            ended: Vec::new(),
            cap,
            idle,
            sockets: 0,
            opened: 0,
            closed: 0,
            used: BTreeMap::new(),
            free: BTreeMap::new(),
            port_count,
            rng,
        }
    }

    fn live(mut self, steps: u64) {
        for _ in 0..steps {
            match self.rng.u8(..100) {
                0..45 => self.client_sends(),
                45..75 => self.backend_answers(),
                75..80 => self.late_answer(),
                80..93 => self.time_passes(),
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
            client: SocketAddr::from(([192, 0, 2, self.rng.u8(..3)], self.rng.u16(1..20))),
            local: IpAddr::from([198, 51, 100, self.rng.u8(..2)]),
        }
    }

    fn any_flow(&mut self) -> Option<FlowKey> {
        let count = self.flows.len();
        (count > 0).then(|| *self.flows.keys().nth(self.rng.usize(..count)).unwrap())
    }

    fn client_sends(&mut self) {
        let key = match self.any_flow() {
            Some(key) if self.rng.bool() => key,
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

    fn open(&mut self, key: FlowKey) {
        let assured = self.flows.values().filter(|flow| flow.class == Class::Assured).count();
        let new = self.flows.len() - assured;
        let fits = self.flows.len() < self.cap && new < self.table.new_cap();
        match self.table.make_room() {
            Room::Free => assert!(fits),
            Room::Evicted(evicted, socket) => {
                assert!(!fits);
                let (oldest, flow) = self
                    .flows
                    .iter()
                    .filter(|(_, flow)| flow.class == Class::New)
                    .min_by_key(|(_, flow)| flow.opened)
                    .expect("only a new flow can be evicted");
                assert_eq!((*oldest, flow.socket), (evicted, socket));
                self.close(evicted, socket);
            }
            Room::Full => {
                assert!(!fits && (new == 0 || self.flows.len() > self.cap));
                let socket = Socket { number: 0, endpoint: key.client, port: 0 };
                assert!(self.table.open(self.now, key, socket).is_err());
                return;
            }
        }
        let endpoint = SocketAddr::from(([10, 0, 0, self.rng.u8(..4)], 53));
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
        let Some(lease) = self.ports.take(self.now, endpoint) else {
            assert_eq!(used.len(), usize::from(self.port_count));
            return None;
        };
        assert_eq!(lease.held == Held::Yes, elsewhere.contains(&lease.port));
        if used.len() + free.len() < usize::from(self.port_count) {
            assert!(!free.contains(&lease.port), "a port came back before others were used once");
        } else {
            assert_eq!(free.pop_front(), Some(lease.port), "not the port free for longest");
        }
        assert!(used.insert(lease.port), "one port twice towards one endpoint");
        Some(lease.port)
    }

    fn close(&mut self, key: FlowKey, socket: Socket) {
        let flow = self.flows.remove(&key).expect("only an open flow can end");
        assert_eq!(flow.socket, socket);
        self.ports.give_back(self.now, socket.endpoint, socket.port);
        assert!(self.used.get_mut(&socket.endpoint).unwrap().remove(&socket.port));
        self.free.get_mut(&socket.endpoint).unwrap().push_back(socket.port);
        self.closed += 1;
        self.ended.push(flow.id);
    }

    fn backend_answers(&mut self) {
        let Some(key) = self.any_flow() else { return };
        let flow = self.flows.get_mut(&key).unwrap();
        let (to, socket) = self.table.backend_sent(self.now, flow.id).expect("the flow is open");
        assert_eq!((to, &*socket), (&key, &flow.socket));
        flow.last_active = self.now;
        flow.answered = true;
    }

    /// A datagram at the socket of a flow that is over reaches nobody.
    fn late_answer(&mut self) {
        if let Some(&id) = self.rng.choice(&self.ended) {
            assert!(self.table.backend_sent(self.now, id).is_none());
            assert!(self.table.remove(id).is_none());
        }
    }

    fn time_passes(&mut self) {
        self.now += Duration::from_millis(self.rng.u64(..100));
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
        let endpoint = SocketAddr::from(([10, 0, 0, self.rng.u8(..4)], 53));
        let gone = self.table.remove_where(|_, socket| socket.endpoint == endpoint);
        for (key, socket) in gone {
            self.close(key, socket);
        }
        assert!(self.flows.values().all(|flow| flow.socket.endpoint != endpoint));
    }

    fn cap_changes(&mut self) {
        self.cap = self.rng.usize(0..40);
        self.table.set_cap(self.cap);
        while let Some((key, socket)) = self.table.evict_excess() {
            assert_eq!(self.flows[&key].class, Class::New);
            self.close(key, socket);
        }
    }

    fn idle_changes(&mut self) {
        self.idle = Duration::from_millis(self.rng.u64(1..500));
        self.table.set_idle(self.idle);
        self.expire();
    }
}
