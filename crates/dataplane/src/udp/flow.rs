//! What is kept of a flow, and what is counted and told of it.
//!
//! A relayed flow counts as open from [`Relayed::new`] to [`Relayed::close`]; both counters and the
//! one access line come from this object, so that they cannot disagree.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use snapshot::Transport;

use super::table::FlowKey;
use super::upstream::Upstream;
use crate::access_log::{Backend, Datagrams, Event, Record};
use crate::budget::Permit;
use crate::cluster::Lease;
use crate::compiled::{CompiledBackend, CompiledRoute};
use crate::metrics::ListenerSeries;
use crate::outcome::{By, FlowClose, Refusal};
use crate::worker::Worker;

/// What the table keeps of a flow.
#[derive(Debug)]
pub(super) enum Flow {
    /// It has an endpoint. Boxed, so that the table's memory is that of its flows.
    Relayed(Box<Relayed>),
    /// It fell to a backend that has no endpoint; asked again at every datagram.
    Waiting(Arc<CompiledRoute>, Arc<CompiledBackend>),
    /// It fell to the share of an invalid backend and is dropped for its life.
    Rejected,
}

/// A flow with an endpoint.
#[derive(Debug)]
pub(super) struct Relayed {
    upstream: Upstream,
    /// Its part of the endpoint's load.
    lease: Lease,
    _permit: Permit,
    route: Arc<CompiledRoute>,
    backend: Arc<CompiledBackend>,
    id: u64,
    opened: Instant,
    received: Tally,
    sent: Tally,
    dropped: u64,
}

/// Datagrams and the bytes in them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
}

impl Tally {
    /// Counts these datagrams.
    pub(super) fn of(payloads: &[&[u8]]) -> Self {
        let bytes = payloads.iter().map(|payload| payload.len() as u64).sum();
        Self { datagrams: payloads.len() as u64, bytes }
    }

    fn add(&mut self, more: Self) {
        self.datagrams += more.datagrams;
        self.bytes += more.bytes;
    }
}

/// What a flow holds while it is open.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) lease: Lease,
    pub(super) permit: Permit,
}

impl Relayed {
    /// Counts a flow that now has an endpoint.
    pub(super) fn new(
        worker: &Worker,
        now: Instant,
        route: Arc<CompiledRoute>,
        backend: Arc<CompiledBackend>,
        held: Held,
        upstream: Upstream,
    ) -> Self {
        let cells = route.series.workers.at(worker.id());
        cells.opened.inc();
        cells.active.inc();
        backend.series.workers.at(worker.id()).active.inc();
        worker.shared().metrics.active().at(worker.id()).inc();
        Self {
            upstream,
            lease: held.lease,
            _permit: held.permit,
            route,
            backend,
            id: worker.shared().ids.next(SystemTime::now()),
            opened: now,
            received: Tally::default(),
            sent: Tally::default(),
            dropped: 0,
        }
    }

    /// Connected to the endpoint.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.upstream.socket.as_fd()
    }

    /// Where its datagrams go.
    pub(super) fn endpoint(&self) -> SocketAddr {
        self.lease.endpoint().address()
    }

    /// Whether its endpoint has left or is about to.
    pub(super) fn is_leaving(&self) -> bool {
        self.lease.endpoint().left_at().is_some()
    }

    /// Counts datagrams that came from the client.
    pub(super) fn received(&mut self, worker: &Worker, tally: Tally) {
        self.received.add(tally);
        let cells = self.route.series.workers.at(worker.id());
        cells.received_datagrams.add(tally.datagrams);
        cells.received_bytes.add(tally.bytes);
    }

    /// Counts datagrams that were sent to the client.
    pub(super) fn sent(&mut self, worker: &Worker, tally: Tally) {
        self.sent.add(tally);
        let cells = self.route.series.workers.at(worker.id());
        cells.sent_datagrams.add(tally.datagrams);
        cells.sent_bytes.add(tally.bytes);
    }

    /// Counts datagrams that were not sent on. The listener counts them by reason.
    pub(super) fn dropped(&mut self, count: u64) {
        self.dropped += count;
    }

    /// Counts and tells the end of the flow, and gives back its source port.
    pub(super) fn close(
        self,
        worker: &Worker,
        now: Instant,
        listener: &ListenerSeries,
        (key, server_port): (&FlowKey, u16),
        reason: FlowClose,
    ) {
        let cells = self.route.series.workers.at(worker.id());
        cells.active.dec();
        cells.flows_closed.inc(reason.index());
        self.backend.series.workers.at(worker.id()).active.dec();
        let shared = worker.shared();
        shared.metrics.active().at(worker.id()).dec();
        let endpoint = self.endpoint();
        // Closed first: the port must not be handed out while a socket holds it.
        drop(self.upstream.socket);
        worker.udp().ports().give_back(now, endpoint, self.upstream.port);
        if !shared.access_log.is_on() {
            return;
        }
        // A flood must not become one of lines.
        let suppressed = match reason {
            FlowClose::Limit => {
                listener.refusal_lines.allow(Refusal::ListenerLimit, shared.clock.now())
            }
            _ => Some(0),
        };
        let Some(suppressed) = suppressed else { return };
        shared.access_log.send(Record {
            at: SystemTime::now(),
            event: Event::FlowClosed,
            transport: Transport::Udp,
            client: key.client,
            local: SocketAddr::new(key.local, server_port),
            listener: Some(listener.name.clone()),
            route: Some(self.route.name.clone()),
            backend: Some(Backend {
                name: self.backend.name.clone(),
                address: Some(endpoint),
                attempts: None,
                connect: None,
            }),
            tls: None,
            id: self.id,
            duration: now.saturating_duration_since(self.opened),
            received_bytes: self.received.bytes,
            sent_bytes: self.sent.bytes,
            datagrams: Some(Datagrams {
                received: self.received.datagrams,
                sent: self.sent.datagrams,
                dropped: self.dropped,
            }),
            by: match reason {
                FlowClose::IcmpUnreachable => By::Backend,
                _ => By::Tidegate,
            },
            reason: reason.as_str(),
            failure: matches!(reason, FlowClose::IcmpUnreachable | FlowClose::Limit),
            suppressed,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_with_an_endpoint_is_small() {
        assert!(size_of::<Relayed>() <= 176, "{}", size_of::<Relayed>());
        assert!(size_of::<Flow>() <= 24, "{}", size_of::<Flow>());
    }

    #[test]
    fn empty_datagrams_count() {
        let tally = Tally::of(&[b"", b"abc", b""]);
        assert_eq!((tally.datagrams, tally.bytes), (3, 3));
    }
}
