//! Connects to an endpoint of a backend: one after another, each within its time, until one takes
//! the connection. Decides which endpoints; the backend is chosen already.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::cluster::Lease;
use crate::compiled::CompiledBackend;
use crate::connection::Connection;
use crate::metrics::CONNECT_BOUNDS;
use crate::outcome::{Attempt, Refusal};
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
    pub(super) stream: TcpStream,
    /// How long it took.
    pub(super) took: Duration,
}

/// Connects to an endpoint of `backend`.
///
/// Spec: a failing endpoint may be replaced by another of the same backendRef only.
pub(super) async fn connect(
    worker: &Rc<Worker>,
    connection: &mut Connection,
    backend: Arc<CompiledBackend>,
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
        let result = attempt(address, limit).await;
        let took = started.elapsed();
        let cells = backend.series.workers.at(worker.id());
        match result {
            Ok(stream) => {
                cells.attempts.inc(Attempt::Ok.index());
                cells.connect_duration.observe(&CONNECT_BOUNDS, took);
                return Ok(Reached { backend, lease, stream, took });
            }
            Err(error) if is_out_of_descriptors(&error) => return Err(Refusal::FdBudget),
            Err(error) => {
                let result = Attempt::from_error(&error);
                cells.attempts.inc(result.index());
                if result == Attempt::PortExhausted {
                    tracing::warn!(backend = %backend.name, endpoint = %address, "no local port left");
                }
                reason = match result {
                    Attempt::Timeout => Refusal::ConnectTimeout,
                    _ => Refusal::ConnectFailed,
                };
            }
        }
    }
    Err(reason)
}

async fn attempt(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let socket = TcpSocket::from_std_stream(outgoing(address)?.into());
    match timeout(limit, socket.connect(address)).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(error);
    errno == Some(rustix::io::Errno::MFILE) || errno == Some(rustix::io::Errno::NFILE)
}
