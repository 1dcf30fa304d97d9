//! The record of one connection: who it is, what it holds of the budgets, and its end.
//!
//! A [`Connection`] is being decided; it either is refused or becomes a [`Session`], which is
//! being relayed and closes. Counters and the one access line come from these two objects, so that
//! they cannot disagree: accepted = refused + opened + being decided, and every opened closes
//! once. Dropping either without a result counts too: the process or the task ended.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use snapshot::{BackendName, RouteName, Transport};

use crate::access_log::{Backend, Event, Record, TlsFacts};
use crate::budget::Permit;
use crate::cluster::Lease;
use crate::compiled::{BindLife, CompiledBackend, CompiledBind, CompiledRoute, Counted};
use crate::metrics::{DURATION_BOUNDS, ListenerSeries};
use crate::outcome::{By, Close, CloseReason, Refusal};
use crate::worker::Worker;

/// What the log tells of a connection besides its route.
#[derive(Debug)]
struct Facts {
    id: u64,
    accepted: Instant,
    client: SocketAddr,
    local: SocketAddr,
    tls: Option<Box<TlsFacts>>,
}

/// A connection that has no backend yet.
#[derive(Debug)]
pub(crate) struct Connection {
    worker: Rc<Worker>,
    /// Gone once the connection was refused or opened.
    deciding: Option<Deciding>,
}

#[derive(Debug)]
struct Deciding {
    facts: Facts,
    bind: Arc<CompiledBind>,
    /// Taken once the connection is admitted.
    held: Option<Held>,
    /// Known from the start where the socket has one listener.
    listener: Option<Arc<ListenerSeries>>,
    route: Option<Arc<RouteName>>,
    backend: Option<Arc<BackendName>>,
    attempts: u8,
    tried: Option<SocketAddr>,
}

/// What is given back when the connection ends.
#[derive(Debug)]
struct Held {
    counted: Counted,
    _permit: Permit,
}

impl Connection {
    /// Counts a connection that was just accepted.
    pub(crate) fn new(
        worker: Rc<Worker>,
        bind: Arc<CompiledBind>,
        client: SocketAddr,
        local: SocketAddr,
    ) -> Self {
        let listener = bind.only_listener().cloned();
        if let Some(listener) = &listener {
            listener.workers.at(worker.id()).accepted.inc();
        }
        let facts = Facts {
            id: worker.shared().ids.next(SystemTime::now()),
            accepted: Instant::now(),
            client,
            local,
            tls: None,
        };
        let deciding = Deciding {
            facts,
            bind,
            held: None,
            listener,
            route: None,
            backend: None,
            attempts: 0,
            tried: None,
        };
        Self { worker, deciding: Some(deciding) }
    }

    /// Takes what it holds of the process's budget, and its place at its socket.
    pub(crate) fn admit(&mut self, permit: Permit) -> Result<(), Refusal> {
        let deciding = self.parts_mut();
        let life = &deciding.bind.life;
        let limit = deciding.bind.limits.connections;
        let counted = life.count(limit).ok_or(Refusal::ListenerLimit)?;
        deciding.held = Some(Held { counted, _permit: permit });
        Ok(())
    }

    /// The bind it came by, as it was then.
    pub(crate) fn bind(&self) -> Arc<CompiledBind> {
        self.parts().bind.clone()
    }

    /// Who it is from.
    pub(crate) fn client(&self) -> SocketAddr {
        self.parts().facts.client
    }

    /// When it was accepted: every deadline before the relay counts from here.
    pub(crate) fn accepted(&self) -> Instant {
        self.parts().facts.accepted
    }

    /// Tells whose connection it is, once that is known.
    pub(crate) fn attribute(&mut self, listener: &Arc<ListenerSeries>) {
        let worker = self.worker.id();
        let deciding = self.parts_mut();
        if deciding.listener.is_none() {
            listener.workers.at(worker).accepted.inc();
            deciding.listener = Some(listener.clone());
        }
    }

    /// Whose connection it is, if that is known.
    pub(crate) fn listener(&self) -> Option<&Arc<ListenerSeries>> {
        self.parts().listener.as_ref()
    }

    /// What the TLS layer has to tell.
    pub(crate) fn tls(&mut self) -> &mut TlsFacts {
        self.parts_mut().facts.tls.get_or_insert_default()
    }

    /// The route it takes.
    pub(crate) fn routed(&mut self, route: &CompiledRoute) {
        self.parts_mut().route = Some(route.name.clone());
    }

    /// The backend it was given to.
    pub(crate) fn assigned(&mut self, backend: &Arc<BackendName>) {
        self.parts_mut().backend = Some(backend.clone());
    }

    /// One more endpoint is being tried.
    pub(crate) fn tries(&mut self, endpoint: SocketAddr) {
        let deciding = self.parts_mut();
        deciding.attempts = deciding.attempts.saturating_add(1);
        deciding.tried = Some(endpoint);
    }

    /// Ends it without a backend.
    pub(crate) fn refuse(mut self, reason: Refusal) {
        self.end(reason);
    }

    /// Makes it a relayed connection of `backend`.
    pub(crate) fn open(
        mut self,
        route: &Arc<CompiledRoute>,
        backend: &Arc<CompiledBackend>,
        lease: Lease,
        connect: Duration,
    ) -> Session {
        let worker = self.worker.clone();
        let deciding = self.deciding.take().expect("a connection is opened once, before its end");
        let listener = deciding.listener.clone().expect("a route is found through its listener");
        let cells = route.series.workers.at(worker.id());
        cells.opened.inc();
        cells.active.inc();
        backend.series.workers.at(worker.id()).active.inc();
        worker.shared().metrics.active().at(worker.id()).inc();
        Session {
            worker,
            facts: deciding.facts,
            held: deciding.held.expect("only what was admitted gets a backend"),
            listener,
            route: route.clone(),
            backend: backend.clone(),
            lease,
            connect,
            attempts: deciding.attempts,
            is_closed: false,
            received: 0,
            sent: 0,
        }
    }

    fn parts(&self) -> &Deciding {
        self.deciding.as_ref().expect("only refuse, open and drop take the parts, and they end it")
    }

    fn parts_mut(&mut self) -> &mut Deciding {
        self.deciding.as_mut().expect("only refuse, open and drop take the parts, and they end it")
    }

    fn end(&mut self, reason: Refusal) {
        let Some(deciding) = self.deciding.take() else { return };
        let worker = &self.worker;
        let counting = deciding.listener.as_ref().or(deciding.bind.first_listener());
        let Some(counting) = counting else { return };
        let cells = counting.workers.at(worker.id());
        if deciding.listener.is_none() {
            cells.accepted.inc();
        }
        cells.refused.inc(reason.index());
        let shared = worker.shared();
        let Some(suppressed) = counting.refusal_lines.allow(reason, shared.clock.now()) else {
            return;
        };
        let Facts { id, accepted, client, local, tls } = deciding.facts;
        let Deciding { attempts, tried, .. } = deciding;
        shared.access_log.send(Record {
            at: SystemTime::now(),
            event: Event::ConnectionRefused,
            transport: Transport::Tcp,
            client,
            local,
            listener: deciding.listener.map(|listener| listener.name.clone()),
            route: deciding.route,
            backend: deciding.backend.map(|name| Backend {
                name,
                address: tried,
                attempts: Some(attempts),
                connect: None,
            }),
            tls,
            id,
            duration: accepted.elapsed(),
            received_bytes: 0,
            sent_bytes: 0,
            datagrams: None,
            by: By::Tidegate,
            reason: reason.as_str(),
            failure: true,
            suppressed,
        });
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end(Refusal::Draining);
    }
}

/// A relayed connection.
#[derive(Debug)]
pub(crate) struct Session {
    worker: Rc<Worker>,
    facts: Facts,
    held: Held,
    listener: Arc<ListenerSeries>,
    route: Arc<CompiledRoute>,
    backend: Arc<CompiledBackend>,
    lease: Lease,
    connect: Duration,
    attempts: u8,
    is_closed: bool,
    received: u64,
    sent: u64,
}

impl Session {
    /// The worker it lives on.
    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// The socket it came by.
    pub(crate) fn life(&self) -> &Arc<BindLife> {
        self.held.counted.life()
    }

    /// Its part of the endpoint's load.
    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Counts payload bytes from and to the client.
    pub(crate) fn moved(&mut self, received: u64, sent: u64) {
        let cells = self.route.series.workers.at(self.worker.id());
        if received > 0 {
            self.received += received;
            cells.received_bytes.add(received);
        }
        if sent > 0 {
            self.sent += sent;
            cells.sent_bytes.add(sent);
        }
    }

    /// Ends it. Only the first end counts.
    pub(crate) fn close(&mut self, close: Close) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        let worker = self.worker.id();
        let duration = self.facts.accepted.elapsed();
        let cells = self.route.series.workers.at(worker);
        cells.active.dec();
        if let Some(reasons) = cells.closed.get(close.by.index()) {
            reasons.inc(close.reason.index());
        }
        self.backend.series.workers.at(worker).active.dec();
        self.listener.workers.at(worker).duration.observe(&DURATION_BOUNDS, duration);
        let shared = self.worker.shared();
        shared.metrics.active().at(worker).dec();
        if !shared.access_log.is_on() {
            return;
        }
        shared.access_log.send(Record {
            at: SystemTime::now(),
            event: Event::ConnectionClosed,
            transport: Transport::Tcp,
            client: self.facts.client,
            local: self.facts.local,
            listener: Some(self.listener.name.clone()),
            route: Some(self.route.name.clone()),
            backend: Some(Backend {
                name: self.backend.name.clone(),
                address: Some(self.lease.endpoint().address()),
                attempts: Some(self.attempts),
                connect: Some(self.connect),
            }),
            tls: self.facts.tls.take(),
            id: self.facts.id,
            duration,
            received_bytes: self.received,
            sent_bytes: self.sent,
            datagrams: None,
            by: close.by,
            reason: close.reason.as_str(),
            failure: close.is_failure(),
            suppressed: 0,
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close(Close::ours(CloseReason::Forced));
    }
}
