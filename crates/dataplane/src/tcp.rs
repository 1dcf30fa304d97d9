//! TCP: accepts connections, decides each one's fate, and hands it to the relay.
//!
//! Every path from accept to relay is here, in the order things happen; each step either goes on
//! or says how the client is turned away.

mod accept;
mod connect;
mod hello;
mod http;
mod leg;
mod relay;
mod terminate;

use std::rc::Rc;
use std::sync::Arc;

use snapshot::Timeouts;
use tokio::net::TcpStream;

pub(crate) use accept::accept;
pub(crate) use leg::Leg;

use crate::access_log::Mode;
use crate::compiled::{
    CompiledApp, CompiledBackend, CompiledMode, CompiledRoute, CompiledRoutes, CompiledTarget,
    CompiledTls,
};
use crate::connection::{Connection, Session};
use crate::outcome::Refusal;
use crate::socket::reset_on_close;
use crate::tls::Offer;
use crate::worker::Worker;
use connect::{BackendStream, Reached, connect};
use hello::{Heard, hear};
use http::Site;
use relay::Relay;
use terminate::terminate;

/// A client that is turned away, and how.
struct Turned {
    client: Option<TcpStream>,
    reason: Refusal,
    manner: Manner,
}

/// What a turned-away client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// A reset: what was asked for exists and cannot be had.
    Reset,
    /// A bare close, without a TLS alert: we say nothing about what exists here.
    Close,
}

impl Turned {
    fn reset(client: TcpStream, reason: Refusal) -> Self {
        Self { client: Some(client), reason, manner: Manner::Reset }
    }

    fn close(client: TcpStream, reason: Refusal) -> Self {
        Self { client: Some(client), reason, manner: Manner::Close }
    }
}

/// Takes a connection from accept to its relay or its end.
async fn serve(worker: Rc<Worker>, mut connection: Connection, client: TcpStream) {
    let bind = connection.bind();
    let result = match &bind.app {
        CompiledApp::Tcp(app) => plain(&worker, &mut connection, client, app.route.as_ref()).await,
        CompiledApp::Tls(app) => tls(&worker, &mut connection, client, app).await,
        CompiledApp::Http(_) => Ok(Next::Request(Box::new(client), Site::Plain(bind.clone()))),
        // A TCP socket is never opened for it; were it, this is what an invalid route gets.
        CompiledApp::Udp(_) => Err(Turned::reset(client, Refusal::NoBackend)),
    };
    match result {
        Ok(Next::Relay(ready)) => ready.start(connection, &bind.timeouts),
        Ok(Next::Request(client, site)) => {
            worker.spawn(http::serve(worker.clone(), connection, client, site));
        }
        Err(Turned { client, reason, manner }) => {
            if let (Some(client), Manner::Reset) = (&client, manner) {
                reset_on_close(client);
            }
            drop(client);
            connection.refuse(reason);
        }
    }
}

/// How a connection goes on, in a task of its own: what came before needs more memory than what an
/// idle connection may keep.
enum Next {
    /// Its bytes are relayed.
    Relay(Ready),
    /// Its request is yet to decide.
    Request(Box<dyn Leg>, Site),
}

/// A client and the endpoint that takes it.
struct Ready {
    client: ClientStream,
    /// What was read from the client already and goes to the backend first.
    head: Vec<u8>,
    route: Arc<CompiledRoute>,
    reached: Reached,
}

/// A client as it is relayed.
enum ClientStream {
    /// As it came.
    Plain(TcpStream),
    /// With its TLS session ended here.
    Terminated(Box<terminate::Stream>),
}

/// TCP: to a backend at once, which may be the first to speak.
async fn plain(
    worker: &Rc<Worker>,
    connection: &mut Connection,
    client: TcpStream,
    route: Option<&Arc<CompiledRoute>>,
) -> Result<Next, Turned> {
    let reached = async {
        let route = route.ok_or(Refusal::NoBackend)?;
        let backend = choose(worker, connection, route)?;
        let reached = connect(worker, connection, backend, None).await?;
        Ok((route.clone(), reached))
    };
    match reached.await {
        Ok((route, reached)) => {
            let client = ClientStream::Plain(client);
            Ok(Next::Relay(Ready { client, head: Vec::new(), route, reached }))
        }
        Err(reason) => Err(Turned::reset(client, reason)),
    }
}

/// TLS: the ClientHello says where to, and nothing is said to the client before.
async fn tls(
    worker: &Rc<Worker>,
    connection: &mut Connection,
    mut client: TcpStream,
    app: &CompiledTls,
) -> Result<Next, Turned> {
    let Heard { head, offer } = match hear(worker, connection, &mut client).await {
        Ok(heard) => heard,
        Err(reason) => return Err(Turned::close(client, reason)),
    };
    let name = connection.tls().server_name.clone();
    let unmatched = if name.is_some() { Refusal::SniUnmatched } else { Refusal::NoSni };
    let Some((listener, route)) = app.lookup(name.as_ref()) else {
        return Err(Turned::close(client, unmatched));
    };
    connection.attribute(&listener.series);
    connection.tls().mode = Some(match listener.mode {
        CompiledMode::Passthrough => Mode::Passthrough,
        CompiledMode::Terminate(_) | CompiledMode::Unusable => Mode::Terminate,
    });
    if let CompiledRoutes::Requests(_) = listener.routes {
        let CompiledMode::Terminate(terminator) = &listener.mode else {
            return Err(Turned::close(client, Refusal::Handshake));
        };
        let site = Site::Terminated(connection.bind(), listener.clone());
        let (series, only) = (&listener.series, Offer::http());
        let handshake =
            Box::pin(terminate(worker, connection, terminator, series, client, head, &only));
        return Ok(Next::Request(handshake.await?, site));
    }
    let Some(route) = route else {
        return Err(Turned::close(client, unmatched));
    };
    let backend = match choose(worker, connection, route) {
        Ok(backend) => backend,
        Err(reason) => return Err(Turned::reset(client, reason)),
    };
    match &listener.mode {
        CompiledMode::Passthrough => match connect(worker, connection, backend, None).await {
            Ok(reached) => Ok(Next::Relay(Ready {
                client: ClientStream::Plain(client),
                head,
                route: route.clone(),
                reached,
            })),
            Err(reason) => Err(Turned::reset(client, reason)),
        },
        CompiledMode::Terminate(terminator) => {
            // Before any byte of a handshake: a backend that nobody serves is no reason for one.
            if !backend.cluster.has_ready() {
                return Err(Turned::reset(client, Refusal::NoEndpoint));
            }
            let series = &listener.series;
            // Needs ten times the memory of everything else here, so only while it runs.
            let handshake =
                Box::pin(terminate(worker, connection, terminator, series, client, head, &offer));
            let client = handshake.await?;
            match connect(worker, connection, backend, offer.agreed()).await {
                Ok(reached) => Ok(Next::Relay(Ready {
                    client: ClientStream::Terminated(client),
                    head: Vec::new(),
                    route: route.clone(),
                    reached,
                })),
                Err(reason) => {
                    client.reset();
                    Err(Turned { client: None, reason, manner: Manner::Reset })
                }
            }
        }
        CompiledMode::Unusable => Err(Turned::close(client, Refusal::Handshake)),
    }
}

/// Draws a backend by weight. The share of an invalid one is refused, never given to others.
fn choose(
    worker: &Rc<Worker>,
    connection: &mut Connection,
    route: &Arc<CompiledRoute>,
) -> Result<Arc<CompiledBackend>, Refusal> {
    connection.routed(route);
    match route.pick(&mut worker.random()) {
        None => Err(Refusal::NoBackend),
        Some(CompiledTarget::Reject(backend)) => {
            connection.assigned(backend);
            Err(Refusal::NoBackend)
        }
        Some(CompiledTarget::Backend(backend)) => {
            connection.assigned(&backend.name);
            Ok(backend.clone())
        }
    }
}

impl Ready {
    /// Hands the connection to a relay.
    fn start(self, connection: Connection, timeouts: &Timeouts) {
        let Self { client, head, route, reached } = self;
        let Reached { backend, lease, stream, took } = reached;
        let session = connection.open(&route, &backend, lease, took);
        match (client, stream) {
            (ClientStream::Plain(client), BackendStream::Plain(backend)) => {
                relay(client, backend, session, timeouts, &head);
            }
            (ClientStream::Plain(client), BackendStream::Tls(backend)) => {
                relay(client, *backend, session, timeouts, &head);
            }
            (ClientStream::Terminated(client), BackendStream::Plain(backend)) => {
                relay(*client, backend, session, timeouts, &head);
            }
            (ClientStream::Terminated(client), BackendStream::Tls(backend)) => {
                relay(*client, *backend, session, timeouts, &head);
            }
        }
    }
}

fn relay(
    client: impl Leg + 'static,
    backend: impl Leg + 'static,
    session: Session,
    timeouts: &Timeouts,
    head: &[u8],
) {
    let worker = session.worker().clone();
    worker.spawn(Relay::new(client, backend, session, timeouts, head));
}
