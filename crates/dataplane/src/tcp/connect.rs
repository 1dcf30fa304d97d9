//! Connects to an endpoint of a backend: one after another, each within its time, until one takes
//! the connection. Decides which endpoints; the backend is chosen already.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout_at;
use tokio_rustls::client::TlsStream;

use crate::cluster::{Lease, Tls};
use crate::compiled::CompiledBackend;
use crate::connection::Connection;
use crate::metrics::CONNECT_BOUNDS;
use crate::outcome::{Attempt, Refusal, TlsSide};
use crate::socket::outgoing;
use crate::worker::Worker;

/// The first endpoint and up to two others.
const ATTEMPTS: usize = 3;

/// An endpoint that took the connection.
pub(super) struct Reached {
    /// Its backend.
    pub(super) backend: Arc<CompiledBackend>,
    /// Its load.
    pub(super) lease: Lease,
    /// The connection to it.
    pub(super) stream: BackendStream,
    /// How long it took.
    pub(super) took: Duration,
}

/// A connection to an endpoint.
pub(super) enum BackendStream {
    /// As it is.
    Plain(TcpStream),
    /// With TLS on it.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Why an endpoint did not take the connection.
enum Failure {
    Socket(io::Error),
    Tls(&'static str),
}

/// Connects to an endpoint of `backend`; where it is spoken to by TLS, `protocol` is offered.
///
/// Spec: a failing endpoint may be replaced by another of the same backendRef only.
pub(super) async fn connect(
    worker: &Rc<Worker>,
    connection: &mut Connection,
    backend: Arc<CompiledBackend>,
    protocol: Option<&[u8]>,
) -> Result<Reached, Refusal> {
    let limit = connection.bind().timeouts.connect;
    let mut tried: SmallVec<[SocketAddr; ATTEMPTS]> = SmallVec::new();
    let mut reason = Refusal::NoEndpoint;
    while tried.len() < ATTEMPTS {
        let Some(lease) = backend.cluster.pick(&tried, &mut worker.random()) else { break };
        let address = lease.endpoint().address();
        tried.push(address);
        connection.tries(address);
        let started = Instant::now();
        let tls = backend.cluster.state().tls.clone();
        let result = attempt(address, &tls, protocol, started + limit).await;
        let took = started.elapsed();
        let cells = backend.series.workers.at(worker.id());
        if let Some(listener) = connection.listener().filter(|_| !matches!(tls, Tls::Plain)) {
            match &result {
                Ok(_) => listener.handshake(TlsSide::Backend, "ok"),
                Err(Failure::Tls(label)) => listener.handshake(TlsSide::Backend, label),
                Err(Failure::Socket(_)) => {}
            }
        }
        let failed = match result {
            Ok(stream) => {
                cells.attempts.inc(Attempt::Ok.index());
                lease.endpoint().connected(Attempt::Ok);
                cells.connect_duration.observe(&CONNECT_BOUNDS, took);
                return Ok(Reached { backend, lease, stream, took });
            }
            Err(Failure::Socket(error)) if is_out_of_descriptors(&error) => {
                return Err(Refusal::FdBudget);
            }
            Err(Failure::Socket(error)) => Attempt::from_error(&error),
            Err(Failure::Tls(_)) => Attempt::Tls,
        };
        cells.attempts.inc(failed.index());
        lease.endpoint().connected(failed);
        if failed == Attempt::PortExhausted {
            tracing::warn!(backend = %backend.name, endpoint = %address, "no local port left");
        }
        reason = match failed {
            Attempt::Timeout => Refusal::ConnectTimeout,
            _ => Refusal::ConnectFailed,
        };
    }
    Err(reason)
}

async fn attempt(
    address: SocketAddr,
    tls: &Tls,
    protocol: Option<&[u8]>,
    deadline: Instant,
) -> Result<BackendStream, Failure> {
    // Fails closed: settings that cannot be set up are no reason to speak plainly.
    if matches!(tls, Tls::Unusable(_)) {
        return Err(Failure::Tls("tls_settings"));
    }
    let socket = TcpSocket::from_std_stream(outgoing(address).map_err(Failure::Socket)?.into());
    let stream = match timeout_at(deadline.into(), socket.connect(address)).await {
        Ok(result) => result.map_err(Failure::Socket)?,
        Err(_) => return Err(Failure::Socket(io::ErrorKind::TimedOut.into())),
    };
    let Tls::Session(_, connector) = tls else { return Ok(BackendStream::Plain(stream)) };
    // A handshake needs ten times the memory of a connect, and few connections do one.
    let handshake = Box::pin(connector.connect(stream, protocol, deadline.into()));
    match handshake.await {
        Ok(stream) => Ok(BackendStream::Tls(Box::new(stream))),
        Err(error) => Err(Failure::Tls(error.label())),
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(error);
    errno == Some(rustix::io::Errno::MFILE) || errno == Some(rustix::io::Errno::NFILE)
}
