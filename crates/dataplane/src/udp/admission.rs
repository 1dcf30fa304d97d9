//! Lets a flow in: draws its backend, then an endpoint, takes what it costs and opens its socket.
//!
//! Weights are drawn once per flow. The share of an invalid backend, or of one without an
//! endpoint, is dropped and never given to the others, so such a flow is kept too: it costs a
//! place in the table and no socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use rustix::net::getsockname;
use smallvec::SmallVec;

use super::flow::{Flow, Held, Relayed};
use super::poller::Poller;
use super::shell::Shell;
use super::table::{FlowId, FlowKey, Room};
use super::upstream::{self, OpenError, Upstream};
use crate::budget::{Cost, Permit};
use crate::cluster::Lease;
use crate::compiled::{CompiledApp, CompiledBackend, CompiledRoute, CompiledTarget};
use crate::outcome::{Attempt, DropReason, FlowClose};

/// Endpoints tried for one flow when the first cannot be reached.
const ENDPOINTS: usize = 3;

/// New flows that go for one socket: those without one give none.
const EVICTIONS: usize = 8;

/// How many flows the table of one of `workers` may hold: its part of what the listener may, and
/// that is at most what the `process` may.
pub(super) fn places(limit: Option<u32>, process: u64, workers: usize) -> usize {
    let listener = limit.map_or(process, |limit| process.min(u64::from(limit)));
    let part = listener / workers.max(1) as u64;
    // A limit smaller than the number of workers is rounded up: the kernel decides which worker
    // a client comes to, and a client must not be lost for it.
    usize::try_from(part).unwrap_or(usize::MAX).max(usize::from(listener > 0))
}

impl Shell {
    /// Opens a flow for a client that has none. The error is why its datagrams are dropped; a
    /// place in the table may be taken all the same.
    pub(super) fn admit(&mut self, now: Instant, key: FlowKey) -> Result<FlowId, DropReason> {
        let bind = self.bind.clone();
        let CompiledApp::Udp(app) = &bind.app else { return Err(DropReason::NoEndpoint) };
        let route = app.route.as_ref().filter(|_| !self.draining).ok_or(DropReason::NoEndpoint)?;
        let target = route.pick(&mut self.worker.random()).cloned();
        let target = target.ok_or(DropReason::NoEndpoint)?;
        self.make_room(now)?;
        let (flow, dropped) = match target {
            CompiledTarget::Reject(_) => (Flow::Rejected, Some(DropReason::NoEndpoint)),
            CompiledTarget::Backend(backend) => match self.relay(now, route, &backend) {
                Ok(relayed) => (Flow::Relayed(relayed), None),
                Err(reason @ DropReason::NoEndpoint) => {
                    (Flow::Waiting(route.clone(), backend), Some(reason))
                }
                Err(reason) => return Err(reason),
            },
        };
        let id = match self.table.open(now, key, flow) {
            Ok(id) => id,
            // There is room and the key is not known; but if not, nothing may stay open.
            Err(flow) => {
                self.close(now, &key, flow, FlowClose::Limit);
                return Err(DropReason::FlowLimit);
            }
        };
        match dropped {
            Some(reason) => Err(reason),
            None => self.watch(now, id),
        }
    }

    /// Gives a flow that waits for an endpoint one, if there is one now.
    pub(super) fn retry(&mut self, now: Instant, id: FlowId) -> Result<FlowId, DropReason> {
        let Some((&key, Flow::Waiting(route, backend))) = self.table.get(id) else {
            return Err(DropReason::NoEndpoint);
        };
        let (route, backend) = (route.clone(), backend.clone());
        let relayed = self.relay(now, &route, &backend)?;
        match self.table.get_mut(id) {
            Some((_, flow)) => *flow = Flow::Relayed(relayed),
            // It was itself the new flow that had to go for its descriptor.
            None => {
                self.close(now, &key, Flow::Relayed(relayed), FlowClose::Limit);
                return Err(DropReason::FlowLimit);
            }
        }
        self.watch(now, id)
    }

    /// Has the answers of a flow reported.
    fn watch(&mut self, now: Instant, id: FlowId) -> Result<FlowId, DropReason> {
        match self.try_watch(id) {
            Ok(()) => Ok(id),
            Err(_) => {
                self.end(now, id, FlowClose::Limit);
                Err(DropReason::FlowLimit)
            }
        }
    }

    fn try_watch(&mut self, id: FlowId) -> io::Result<()> {
        let Some((_, Flow::Relayed(relayed))) = self.table.get(id) else { return Ok(()) };
        let poller = match &mut self.poller {
            Some(poller) => poller,
            // A listener without flows has no epoll.
            none => none.insert(Poller::new()?),
        };
        poller.add(relayed.socket(), id)
    }

    fn make_room(&mut self, now: Instant) -> Result<(), DropReason> {
        match self.table.make_room() {
            Room::Free => Ok(()),
            Room::Evicted(key, flow) => {
                self.close(now, &key, flow, FlowClose::Limit);
                Ok(())
            }
            Room::Full => Err(DropReason::FlowLimit),
        }
    }

    /// Takes a descriptor of the budget, if need be that of the oldest new flow.
    fn permit(&mut self, now: Instant) -> Result<Permit, DropReason> {
        let life = self.bind.life.clone();
        if let Some(permit) = life.admit(Cost::Flow) {
            return Ok(permit);
        }
        // Once only: where memory is short, ending more flows would admit none.
        self.evict(now)?;
        life.admit(Cost::Flow).ok_or(DropReason::FlowLimit)
    }

    /// Ends the oldest new flow that has a socket, for what it holds.
    fn evict(&mut self, now: Instant) -> Result<(), DropReason> {
        for _ in 0..EVICTIONS {
            let (key, flow) = self.table.evict_oldest_new().ok_or(DropReason::FlowLimit)?;
            let is_enough = matches!(flow, Flow::Relayed(_));
            self.close(now, &key, flow, FlowClose::Limit);
            if is_enough {
                return Ok(());
            }
        }
        Err(DropReason::FlowLimit)
    }

    /// Chooses an endpoint of `backend` and opens the socket towards it.
    fn relay(
        &mut self,
        now: Instant,
        route: &Arc<CompiledRoute>,
        backend: &Arc<CompiledBackend>,
    ) -> Result<Box<Relayed>, DropReason> {
        let attempts = &backend.series.workers.at(self.worker.id()).attempts;
        let mut tried: SmallVec<[SocketAddr; ENDPOINTS]> = SmallVec::new();
        let mut permit = None;
        while tried.len() < ENDPOINTS {
            let lease = self.pick(now, backend, &tried).ok_or(DropReason::NoEndpoint)?;
            let held = match permit.take() {
                Some(permit) => permit,
                None => self.permit(now)?,
            };
            let endpoint = lease.endpoint().address();
            let mut connected = self.connect(now, endpoint);
            if matches!(connected, Err(OpenError::NoPort)) {
                // New flows that never get an answer must not keep the ports.
                self.evict(now)?;
                connected = self.connect(now, endpoint);
            }
            match connected {
                Ok(upstream) => {
                    attempts.inc(Attempt::Ok.index());
                    let (route, backend) = (route.clone(), backend.clone());
                    let held = Held { lease, permit: held };
                    let relayed = Relayed::new(&self.worker, now, route, backend, held, upstream);
                    return Ok(Box::new(relayed));
                }
                Err(OpenError::NoPort) => {
                    attempts.inc(Attempt::PortExhausted.index());
                    return Err(DropReason::FlowLimit);
                }
                Err(OpenError::Io(error)) if is_exhausted(&error) => {
                    return Err(DropReason::FlowLimit);
                }
                Err(OpenError::Io(error)) => {
                    attempts.inc(Attempt::from_error(&error).index());
                    tried.push(endpoint);
                    permit = Some(held);
                }
            }
        }
        Err(DropReason::NoEndpoint)
    }

    /// Chooses an endpoint that was not tried; those that refused a moment ago come last.
    fn pick(
        &mut self,
        now: Instant,
        backend: &CompiledBackend,
        tried: &[SocketAddr],
    ) -> Option<Lease> {
        let random = &mut self.worker.random();
        let avoided: SmallVec<[SocketAddr; 2 * ENDPOINTS]> =
            self.refused.recent(now).chain(tried.iter().copied()).collect();
        let willing = backend.cluster.pick(&avoided, random);
        willing.or_else(|| backend.cluster.pick(tried, random))
    }

    fn connect(&self, now: Instant, endpoint: SocketAddr) -> Result<Upstream, OpenError> {
        let local = self.worker.udp();
        let upstream = upstream::open(&mut local.ports(), now, endpoint)?;
        let source = || SocketAddr::try_from(getsockname(&upstream.socket).ok()?).ok();
        if local.is_own(endpoint, || Some(source()?.ip())) {
            local.ports().give_back(now, endpoint, upstream.port);
            return Err(io::Error::from(io::ErrorKind::HostUnreachable).into());
        }
        Ok(upstream)
    }
}

/// Whether no other endpoint would fare better: no descriptor or no memory is left.
fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].map(Some).contains(&errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_may_have_its_part_of_what_the_process_may() {
        let cases = [
            ((None, 14_000, 1), 14_000),
            ((None, 14_000, 2), 7_000),
            ((Some(10), 14_000, 2), 5),
            ((Some(100_000), 14_000, 2), 7_000),
            ((Some(1), 14_000, 4), 1),
            ((Some(0), 14_000, 4), 0),
            ((None, 0, 4), 0),
        ];
        for ((limit, process, workers), expected) in cases {
            let places = places(limit, process, workers);
            assert_eq!(places, expected, "{limit:?} {process} {workers}");
        }
    }
}
