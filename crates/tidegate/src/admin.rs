//! The admin endpoint: a small HTTP server that answers and changes nothing.
//!
//! It is for loopback and for people who may see the configuration; a second socket of it, for
//! probes and scrapers, answers less ([`Surface::Health`]). Which requests are answered is decided
//! in [`request`], with what in [`answer`] and by the [`Subject`]; here are sockets and deadlines.

mod answer;
mod proxy_header;
mod request;

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, error};

/// From accept until the head of the request is whole.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// From accept until the answer is sent. Connections are not kept open.
const DEADLINE: Duration = Duration::from_secs(30);
/// Connections at once; more wait in the kernel's queue. A handful of scrapers and people.
const CONNECTIONS: usize = 64;
/// The largest head of a request: a browser's cookies included. hyper's least is 8 KiB.
const HEAD_BYTES: usize = 16 << 10;

/// Whether the process takes on new work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It serves, or will as soon as it has translated once.
    Serving,
    /// A signal has come.
    Draining,
}

/// How much of the endpoint a socket offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// Everything.
    Full,
    /// `/livez`, `/readyz` and `/metrics`, whatever name it is asked by: probes of balancers send
    /// all kinds.
    Health,
}

/// The process that is asked about.
pub(crate) trait Subject: Send + Sync {
    /// Why the process should be started again, if it should.
    fn not_alive(&self) -> Option<&'static str>;
    /// Why it does not take on work yet, if so. Draining is not its business.
    fn not_ready(&self) -> Option<&'static str>;
    /// What the data plane was given, as JSON. Without a key's bytes.
    fn snapshot(&self) -> serde_json::Result<String>;
    /// Everything else that is not a number, as JSON.
    fn status(&self, is_ready: bool) -> serde_json::Result<String>;
    /// The same for a person.
    fn status_text(&self) -> String;
}

/// What answers are made of.
pub(crate) struct Admin {
    /// Who is asked about.
    pub subject: Box<dyn Subject>,
    /// Whether a signal has come.
    pub phases: watch::Receiver<Phase>,
    /// Every metric of the process.
    pub registry: Registry,
    /// Host names a request may use besides those of loopback.
    pub hosts: Vec<String>,
}

/// Opens the socket.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers for ever.
pub(crate) async fn serve(listener: TcpListener, surface: Surface, admin: Arc<Admin>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            error!(%error, "the admin endpoint cannot be served");
            return;
        }
    };
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors: they will not come back within this turn of the loop.
                debug!(%error, "admin connection not accepted");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let admin = Arc::clone(&admin);
        tokio::spawn(async move {
            let served = timeout(DEADLINE, connection(stream, surface, &admin)).await;
            debug!(?served, "admin connection ended");
            drop(slot);
        });
    }
}

async fn connection(mut stream: TcpStream, surface: Surface, admin: &Admin) -> io::Result<()> {
    if surface == Surface::Health {
        timeout(HEAD_DEADLINE, proxy_header::take(&mut stream)).await??;
    }
    let local = stream.local_addr()?;
    let service = service_fn(|request: hyper::Request<_>| {
        let answer = answer::answer(&request.into_parts().0, surface, local.ip(), admin);
        async { Ok::<_, Infallible>(answer) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}
