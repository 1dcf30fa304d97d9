//! Moves the datagrams of one UDP socket of one worker, both ways.
//!
//! One task reads the socket and all its flows in turns, a bounded number of datagrams at a time,
//! and nothing here ever waits for a peer: what cannot be sent at once is dropped and counted. So
//! no flow holds up another. Who is let in is decided in [`super::admission`].

use std::future::pending;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use snapshot::BindKey;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::admission::places;
use super::flow::{Flow, Relayed, Tally};
use super::local::Binds;
use super::poller::Poller;
use super::refused::Refused;
use super::table::{FlowId, FlowKey, Table};
use crate::compiled::CompiledBind;
use crate::metrics::ListenerSeries;
use crate::outcome::{Direction, DropReason, FlowClose};
use crate::sys::{BATCH, Envelope, Inbox, Received, send_connected, send_from};
use crate::worker::Worker;

/// Receives of one socket in a row: with [`BATCH`] datagrams each, 64 datagrams of one flow are
/// moved before others have their turn.
const RECEIVES: usize = 8;
/// Receives from all flows together before the clients have their turn; every flow that waits gets
/// at least one.
const RECEIVES_OF_ALL: usize = 64;
/// Idle flows ended in a row: closing a socket costs about as much as moving a datagram.
const EXPIRIES: usize = 256;
/// Flows may end this much later than their idle time, so that many can end at one wake-up.
const SLACK: Duration = Duration::from_millis(100);
/// How often a socket without a bind looks whether its time is over.
const DRAIN_TICK: Duration = Duration::from_millis(200);

/// One UDP socket of one worker.
pub(super) struct Shell {
    pub(super) worker: Rc<Worker>,
    socket: UdpSocket,
    key: BindKey,
    pub(super) bind: Arc<CompiledBind>,
    listener: Arc<ListenerSeries>,
    pub(super) table: Table<Flow>,
    pub(super) poller: Option<Poller>,
    pub(super) refused: Refused,
    /// What the kernel said last of datagrams that found the receive buffer full.
    overflow: u32,
    /// Whether the bind is gone: flows live on, none is opened.
    pub(super) draining: bool,
}

impl Shell {
    /// Serves a socket that was prepared with [`super::prepare`].
    pub(super) fn new(
        worker: Rc<Worker>,
        socket: UdpSocket,
        bind: Arc<CompiledBind>,
        listener: Arc<ListenerSeries>,
    ) -> Self {
        let places = Self::places(&worker, &bind);
        let table = Table::new(Instant::now(), fastrand::u64(..), places, bind.timeouts.udp_idle);
        Self {
            worker,
            socket,
            key: bind.key,
            bind,
            listener,
            table,
            poller: None,
            refused: Refused::default(),
            overflow: 0,
            draining: false,
        }
    }

    fn places(worker: &Worker, bind: &CompiledBind) -> usize {
        let process = worker.shared().budget.flows_max();
        places(bind.limits.flows, process, worker.udp().workers())
    }

    /// Serves until the bind is gone and its flows have ended or had their time.
    pub(super) async fn run(mut self, mut binds: Binds) {
        let mut returned = self.worker.udp().enter(self.key);
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        let mut is_armed = false;
        loop {
            let now = Instant::now();
            if !is_armed && let Some(at) = self.wake_at(now) {
                timer.as_mut().reset(at.into());
                is_armed = true;
            }
            tokio::select! {
                biased;
                Some(binds_again) = returned.recv() => {
                    binds = binds_again;
                    self.draining = false;
                    self.update(binds.borrow_and_update().clone());
                    is_armed = false;
                }
                changed = binds.changed(), if !self.draining => {
                    match changed {
                        Ok(()) => self.update(binds.borrow_and_update().clone()),
                        Err(_) => self.drain(),
                    }
                    is_armed = false;
                }
                () = answers(self.poller.as_ref()) => {}
                _ = self.socket.readable() => {}
                () = &mut timer, if is_armed => is_armed = false,
            }
            let now = Instant::now();
            // Each has its turn, whatever it was that woke this task.
            let is_more =
                [self.receive_from_clients(now), self.receive_from_backends(now), self.expire(now)];
            if self.draining && self.is_over() {
                return;
            }
            if is_more.contains(&true) {
                tokio::task::yield_now().await;
            }
        }
    }

    fn wake_at(&self, now: Instant) -> Option<Instant> {
        if self.draining {
            return Some(now + DRAIN_TICK);
        }
        Some(self.table.next_deadline()?.max(now + SLACK))
    }

    /// Serves what the bind says now. Flows keep their endpoint, whatever its route has become;
    /// those that have none are decided anew.
    fn update(&mut self, bind: Arc<CompiledBind>) {
        let now = Instant::now();
        if let Some(listener) = bind.only_listener() {
            self.listener = listener.clone();
        }
        self.bind = bind;
        self.forget_unrelayed();
        self.table.set_idle(self.bind.timeouts.udp_idle);
        self.table.set_cap(Self::places(&self.worker, &self.bind));
        while let Some((key, flow)) = self.table.evict_excess() {
            self.close(now, &key, flow, FlowClose::Limit);
        }
    }

    fn drain(&mut self) {
        self.draining = true;
        self.forget_unrelayed();
    }

    fn forget_unrelayed(&mut self) {
        self.table.remove_where(|_, flow| !matches!(flow, Flow::Relayed(_)));
    }

    /// Whether the flows that outlived their bind have ended or had their time.
    fn is_over(&self) -> bool {
        let shared = self.worker.shared();
        let is_late = self.bind.life.ends_at().is_some_and(|end| end <= shared.clock.now());
        self.table.is_empty() || is_late || shared.forced.load(Relaxed)
    }

    /// Moves datagrams from clients; whether there may be more.
    fn receive_from_clients(&mut self, now: Instant) -> bool {
        let worker = self.worker.clone();
        let mut inbox = worker.udp().inbox();
        for _ in 0..RECEIVES {
            let mut count = 0;
            let received = self.socket.try_io(Interest::READABLE, || {
                count = inbox.receive(&self.socket)?;
                // Fewer than asked for is all there was: the runtime will tell when more comes.
                if count < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            self.sort(now, &inbox, count);
            match received {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // An error of one receive is no error of the socket.
                Err(_) => {}
            }
        }
        true
    }

    /// Brings what was received to its flows; neighbours of one flow go together.
    fn sort(&mut self, now: Instant, inbox: &Inbox, count: usize) {
        let mut batch: SmallVec<[Received<'_>; BATCH]> = inbox.datagrams(count).collect();
        if let Some(overflow) = batch.iter().rev().find_map(|datagram| datagram.overflow) {
            let lost = overflow.wrapping_sub(std::mem::replace(&mut self.overflow, overflow));
            self.count_dropped(Direction::FromClient, DropReason::ReceiveBuffer, u64::from(lost));
        }
        batch.retain(|datagram| !datagram.truncated);
        let truncated = count - batch.len();
        self.count_dropped(Direction::FromClient, DropReason::Truncated, truncated as u64);
        for run in batch.chunk_by(|a, b| (a.from, a.local) == (b.from, b.local)) {
            let Some(Received { from: Some(client), local, .. }) = run.first() else { continue };
            let key = FlowKey { client: *client, local: local.unwrap_or(self.key.address) };
            let payloads: SmallVec<[&[u8]; BATCH]> =
                run.iter().map(|datagram| datagram.payload).collect();
            self.deliver(now, key, &payloads);
        }
    }

    /// Sends what a client sent to the endpoint of its flow.
    fn deliver(&mut self, now: Instant, key: FlowKey, payloads: &[&[u8]]) {
        let mut rest = payloads;
        // The second time if the endpoint of the flow had refused an earlier datagram.
        for _ in 0..2 {
            let id = match self.flow_of(now, key) {
                Ok(id) => id,
                Err(reason) => {
                    return self.count_dropped(Direction::FromClient, reason, rest.len() as u64);
                }
            };
            let Some((_, Flow::Relayed(relayed))) = self.table.get_mut(id) else { return };
            match forward(&self.worker, &self.listener, relayed, rest) {
                Ok(()) => return,
                Err(Refusal { unsent }) => {
                    rest = rest.get(rest.len() - unsent..).unwrap_or_default();
                    self.refuse(now, id);
                }
            }
        }
        self.count_dropped(Direction::FromClient, DropReason::NoEndpoint, rest.len() as u64);
    }

    /// The flow of a client, opened if there is none. The error is why there is none.
    fn flow_of(&mut self, now: Instant, key: FlowKey) -> Result<FlowId, DropReason> {
        let Some(id) = self.table.client_sent(now, &key) else { return self.admit(now, key) };
        match self.table.get(id) {
            Some((_, Flow::Relayed(relayed))) if relayed.is_leaving() => {
                self.end(now, id, FlowClose::BackendRemoved);
                self.admit(now, key)
            }
            Some((_, Flow::Relayed(_))) => Ok(id),
            Some((_, Flow::Waiting(..))) => self.retry(now, id),
            Some((_, Flow::Rejected)) | None => Err(DropReason::NoEndpoint),
        }
    }

    /// Moves answers; whether there may be more.
    fn receive_from_backends(&mut self, now: Instant) -> bool {
        let Some(mut poller) = self.poller.take() else { return false };
        let waiting = poller.collect();
        let receives = (RECEIVES_OF_ALL / waiting.max(1)).clamp(1, RECEIVES);
        for id in poller.collected() {
            self.answer(now, id, receives);
        }
        // Only an empty answer makes the runtime report the next one.
        let is_more = waiting > 0 && poller.collect() > 0;
        self.poller = Some(poller);
        is_more
    }

    /// Sends the answers that wait at the socket of a flow to its client.
    fn answer(&mut self, now: Instant, id: FlowId, receives: usize) {
        let worker = self.worker.clone();
        let mut inbox = worker.udp().inbox();
        for _ in 0..receives {
            let Some((_, Flow::Relayed(relayed))) = self.table.get(id) else { return };
            match inbox.receive(relayed.socket()) {
                Ok(count) => {
                    let Some((key, Flow::Relayed(relayed))) = self.table.backend_sent(now, id)
                    else {
                        return;
                    };
                    let (key, listener) = (*key, &self.listener);
                    reply(&self.worker, listener, &self.socket, key, relayed, &inbox, count);
                    if count < BATCH {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    return self.refuse(now, id);
                }
                // Other ICMP errors are a router's word on one datagram, used up by this receive.
                Err(_) => {}
            }
        }
    }

    /// Ends idle flows; whether there may be more.
    fn expire(&mut self, now: Instant) -> bool {
        for _ in 0..EXPIRIES {
            let Some((key, flow)) = self.table.expire(now) else { return false };
            self.close(now, &key, flow, FlowClose::Idle);
        }
        true
    }

    /// Nothing listens at the endpoint of this flow: it ends, and the next one goes elsewhere.
    fn refuse(&mut self, now: Instant, id: FlowId) {
        if let Some((_, Flow::Relayed(relayed))) = self.table.get(id) {
            self.refused.remember(now, relayed.endpoint());
        }
        self.end(now, id, FlowClose::IcmpUnreachable);
    }

    /// Ends a flow.
    pub(super) fn end(&mut self, now: Instant, id: FlowId, reason: FlowClose) {
        if let Some((key, flow)) = self.table.remove(id) {
            self.close(now, &key, flow, reason);
        }
    }

    /// Counts and tells the end of a flow that is no longer in the table.
    pub(super) fn close(&self, now: Instant, key: &FlowKey, flow: Flow, reason: FlowClose) {
        if let Flow::Relayed(relayed) = flow {
            let at = (key, self.key.port.get());
            relayed.close(&self.worker, now, &self.listener, at, reason);
        }
    }

    fn count_dropped(&self, direction: Direction, reason: DropReason, count: u64) {
        if count > 0 {
            let cells = self.listener.workers.at(self.worker.id());
            cells.datagrams_dropped(direction, reason, count);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let now = Instant::now();
        for (key, flow) in self.table.remove_where(|_, _| true) {
            self.close(now, &key, flow, FlowClose::Drained);
        }
        self.worker.udp().leave(self.key);
    }
}

/// Waits for answers; for ever while there are no flows.
async fn answers(poller: Option<&Poller>) {
    match poller {
        Some(poller) => poller.ready().await,
        None => pending().await,
    }
}

/// The endpoint refused; so many datagrams were not sent.
struct Refusal {
    unsent: usize,
}

/// Sends datagrams of a client to the endpoint of its flow. Each is counted as received, and those
/// that the network does not take as dropped.
fn forward(
    worker: &Worker,
    listener: &ListenerSeries,
    relayed: &mut Relayed,
    mut rest: &[&[u8]],
) -> Result<(), Refusal> {
    while !rest.is_empty() {
        let (handled, dropped) = match send_connected(relayed.socket(), rest) {
            Ok(count) => (count, None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Err(Refusal { unsent: rest.len() });
            }
            Err(error) => unsent(&error, rest.len()),
        };
        let (done, left) = rest.split_at(handled.clamp(1, rest.len()));
        relayed.received(worker, Tally::of(done));
        if let Some(reason) = dropped {
            relayed.dropped(done.len() as u64);
            let cells = listener.workers.at(worker.id());
            cells.datagrams_dropped(Direction::FromClient, reason, done.len() as u64);
        }
        rest = left;
    }
    Ok(())
}

/// Sends the first `count` datagrams received from the endpoint of a flow to its client, from the
/// address the client spoke to.
fn reply(
    worker: &Worker,
    listener: &ListenerSeries,
    socket: &UdpSocket,
    key: FlowKey,
    relayed: &mut Relayed,
    inbox: &Inbox,
    count: usize,
) {
    let envelope = Envelope::new(key.client, key.local);
    let payloads: SmallVec<[&[u8]; BATCH]> =
        inbox.datagrams(count).map(|datagram| datagram.payload).collect();
    let mut rest = payloads.as_slice();
    while !rest.is_empty() {
        let (handled, dropped) = match send_from(socket, rest, &envelope) {
            Ok(count) => (count, None),
            Err(error) => unsent(&error, rest.len()),
        };
        let (done, left) = rest.split_at(handled.clamp(1, rest.len()));
        match dropped {
            None => relayed.sent(worker, Tally::of(done)),
            Some(reason) => {
                relayed.dropped(done.len() as u64);
                let cells = listener.workers.at(worker.id());
                cells.datagrams_dropped(Direction::ToClient, reason, done.len() as u64);
            }
        }
        rest = left;
    }
}

/// How many of `count` datagrams are lost when the first cannot be sent, and why.
fn unsent(error: &io::Error, count: usize) -> (usize, Option<DropReason>) {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        // There is no room for the others either, and nobody here waits.
        Some(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => (count, Some(DropReason::SendBuffer)),
        Some(Errno::MSGSIZE) => (1, Some(DropReason::TooLarge)),
        _ => (1, Some(DropReason::Unreachable)),
    }
}
