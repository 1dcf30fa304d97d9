//! One HTTP/1.1 request of a connection: its head decides where it goes, one exchange with a backend
//! follows, and then the connection ends. A convenience beside the traffic this program is for: no
//! keep-alive towards either side, so that no byte after a request can become another one.

mod answer;
mod exchange;
mod fields;
mod head;

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::ready;
use std::time::Duration;

use snapshot::ServerName;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};

use super::connect::{Reached, connect};
use super::{Leg, choose};
use crate::compiled::{
    CompiledApp, CompiledBind, CompiledRoute, CompiledRoutes, CompiledTlsListener,
};
use crate::connection::Connection;
use crate::metrics::ListenerSeries;
use crate::outcome::Refusal;
use crate::worker::Worker;
use exchange::exchange;
use fields::Asker;
use head::{Fault, Head, Scanner};

/// How long a client that was answered without its request being read may go on sending. Closed
/// earlier, a reset could overtake the answer.
const LINGER: Duration = Duration::from_secs(1);
/// How much of it is read, in bytes.
const LINGER_BYTES: usize = 256 * 1024;

/// Where a request is looked up.
pub(super) enum Site {
    /// Among the listeners of an HTTP port.
    Plain(Arc<CompiledBind>),
    /// In the listener of a TLS port whose session this is.
    Terminated(Arc<CompiledBind>, Arc<CompiledTlsListener>),
}

/// Where a request leads.
struct Found<'a> {
    listener: &'a Arc<ListenerSeries>,
    route: Option<&'a Arc<CompiledRoute>>,
}

impl Site {
    /// The listener and route of a request. Behind TLS a host that another listener would take is
    /// nobody's: the certificate and the client's were checked for the name in the ClientHello.
    fn find(&self, host: Option<&ServerName>, path: &str) -> Option<Found<'_>> {
        match self {
            Self::Plain(bind) => {
                let CompiledApp::Http(app) = &bind.app else { return None };
                let listener = app.listeners.lookup(host)?;
                let route = listener.routes.lookup(host, path);
                Some(Found { listener: &listener.series, route })
            }
            Self::Terminated(bind, listener) => {
                let CompiledApp::Tls(app) = &bind.app else { return None };
                let CompiledRoutes::Requests(routes) = &listener.routes else { return None };
                let of_host = app.listeners.lookup(host);
                let is_same = of_host.is_some_and(|other| Arc::ptr_eq(other, listener));
                let route = routes.lookup(host, path).filter(|_| is_same);
                Some(Found { listener: &listener.series, route })
            }
        }
    }
}

/// A request that reaches no backend.
struct Turned {
    reason: Refusal,
    /// What the client is told; nothing if it has said nothing.
    answer: Option<Vec<u8>>,
}

impl Turned {
    fn new(reason: Refusal, is_head: bool) -> Self {
        let (status, text) = answer::status(reason);
        Self { reason, answer: Some(answer::answer(status, text, is_head)) }
    }
}

impl From<Fault> for Turned {
    fn from(Fault { status, text }: Fault) -> Self {
        let answer = Some(answer::answer(status, text, false));
        Self { reason: Refusal::BadRequest, answer }
    }
}

/// Takes a connection from its first request byte to its end.
pub(super) async fn serve(
    worker: Rc<Worker>,
    mut connection: Connection,
    mut client: Box<dyn Leg>,
    site: Site,
) {
    let bind = connection.bind();
    let deadline = Instant::now() + bind.timeouts.handshake;
    let mut heard = Vec::new();
    let hearing = timeout_at(deadline, hear(&worker, &mut client, &mut heard)).await;
    let reached = match hearing {
        Ok(Ok(head)) => route(&worker, &mut connection, head, &site).await,
        Ok(Err(turned)) => Err(turned),
        Err(_) if heard.is_empty() => Err(Turned { reason: Refusal::Probe, answer: None }),
        Err(_) => Err(Turned::new(Refusal::HelloTimeout, false)),
    };
    match reached {
        Ok((head, route, reached)) => {
            let is_tls = matches!(site, Site::Terminated(..));
            let asker = Asker { client: connection.client().ip(), is_tls };
            let Reached { backend, lease, stream, took } = reached;
            let session = connection.open(&route, &backend, lease, took);
            let timeouts = bind.timeouts;
            exchange(client, heard, head, asker, stream.into(), session, &timeouts).await;
        }
        Err(Turned { reason, answer }) => {
            if let Some(answer) = answer {
                // A client that does not take it is no reason to stay.
                let told = timeout(LINGER, client.write_all(&answer)).await;
                if matches!(told, Ok(Ok(()))) {
                    linger(&worker, &mut client).await;
                }
            }
            drop(client);
            connection.refuse(reason);
        }
    }
}

/// Waits for a whole head. Every byte that was read is in `heard`, with it perhaps the beginning
/// of the body.
async fn hear(
    worker: &Worker,
    client: &mut Box<dyn Leg>,
    heard: &mut Vec<u8>,
) -> Result<Head, Turned> {
    let mut scanner = Scanner::default();
    loop {
        match read(worker, client, heard).await {
            Ok(0) | Err(_) if heard.is_empty() => {
                return Err(Turned { reason: Refusal::Probe, answer: None });
            }
            Ok(0) | Err(_) => return Err(Turned::new(Refusal::BadRequest, false)),
            Ok(_) => {}
        }
        if let Some(end) = scanner.scan(heard)? {
            return Ok(head::parse(heard.get(..end).unwrap_or_default())?);
        }
    }
}

/// Appends what the client has sent, up to the longest head in all: the scanner has given its
/// verdict by then, so there is always room.
async fn read(
    worker: &Worker,
    client: &mut Box<dyn Leg>,
    heard: &mut Vec<u8>,
) -> std::io::Result<usize> {
    poll_fn(|cx| {
        let mut scratch = worker.scratch();
        let room = scratch.get_mut(..head::LIMIT.saturating_sub(heard.len())).unwrap_or_default();
        let mut buffer = ReadBuf::new(room);
        ready!(Pin::new(&mut *client).poll_read(cx, &mut buffer))?;
        heard.extend_from_slice(buffer.filled());
        Ok(buffer.filled().len()).into()
    })
    .await
}

/// Looks a request up, and connects to an endpoint of the backend that it is given to.
async fn route(
    worker: &Rc<Worker>,
    connection: &mut Connection,
    head: Head,
    site: &Site,
) -> Result<(Head, Arc<CompiledRoute>, Reached), Turned> {
    let turned = |reason| Turned::new(reason, head.is_head);
    let found = site.find(head.host.as_ref(), head.target.path());
    let found = found.ok_or_else(|| turned(Refusal::NoRoute))?;
    connection.attribute(found.listener);
    let route = found.route.ok_or_else(|| turned(Refusal::NoRoute))?.clone();
    let backend = choose(worker, connection, &route).map_err(turned)?;
    let protocol = Some(&b"http/1.1"[..]);
    let reached = connect(worker, connection, backend, protocol).await.map_err(turned)?;
    Ok((head, route, reached))
}

/// Finishes our side and reads on for a while what the client still sends.
async fn linger(worker: &Worker, client: &mut Box<dyn Leg>) {
    let mut read = 0;
    let lingering = async {
        if client.shutdown().await.is_err() {
            return;
        }
        while read < LINGER_BYTES {
            let count = poll_fn(|cx| {
                let mut scratch = worker.scratch();
                let mut buffer = ReadBuf::new(&mut scratch);
                ready!(Pin::new(&mut *client).poll_read(cx, &mut buffer))?;
                std::task::Poll::Ready(std::io::Result::Ok(buffer.filled().len()))
            });
            match count.await {
                Ok(0) | Err(_) => return,
                Ok(count) => read += count,
            }
        }
    };
    // However it ends, the client is closed next.
    let _ = timeout(LINGER, lingering).await;
}
