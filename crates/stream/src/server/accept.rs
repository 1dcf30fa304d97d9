//! Connections: how many, how long they may take to become one, and what HTTP/2 may ask of us.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ProtocolVersion, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::counters::Refusal;
use super::gate::Gate;
use super::strangers::{Stranger, Strangers};
use super::tls::{ALPN, with_http2};
use crate::fleet::Authenticate;

/// After an accept that failed: what is short, descriptors mostly, does not come back sooner.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How much may be on its way to us before we have read it, for one stream: reports are small.
const WINDOW: u32 = 64 << 10;
/// Tokens on one connection that open nothing, until it is closed.
const FAILURES_MAX: usize = 3;

/// Where connections come in.
pub(super) struct Door<A> {
    listener: TcpListener,
    tls: watch::Receiver<Arc<ServerConfig>>,
    shared: Arc<Shared>,
    gate: Arc<Gate<A>>,
    places: Arc<Semaphore>,
    strangers: Arc<Strangers>,
}

/// What a connection and its streams know of each other.
pub(super) struct Presence {
    /// Streams that are let in or being looked at.
    streams: AtomicUsize,
    failures: AtomicUsize,
    /// Its place among the strangers, until the first good token.
    stranger: Mutex<Option<Stranger>>,
    /// Closes the connection at once.
    pub(super) kill: CancellationToken,
    /// Who it is, for logs.
    pub(super) peer: SocketAddr,
}

/// Counts a stream as long as it lives.
pub(super) struct Counted(Arc<Presence>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
    }
}

impl Presence {
    pub(super) fn count(self: &Arc<Self>) -> Counted {
        self.streams.fetch_add(1, Relaxed);
        Counted(self.clone())
    }

    /// How many there are.
    pub(super) fn streams(&self) -> usize {
        self.streams.load(Relaxed)
    }

    /// A token was good.
    pub(super) fn known(&self) {
        drop(self.stranger.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// A token opened nothing. Guessing is slow, and each guess may cost the API server a call.
    pub(super) fn failed(&self) {
        if self.failures.fetch_add(1, Relaxed) + 1 >= FAILURES_MAX {
            self.kill.cancel();
        }
    }
}

impl<A: Authenticate> Door<A> {
    pub(super) fn new(
        listener: TcpListener,
        tls: watch::Receiver<Arc<ServerConfig>>,
        shared: Arc<Shared>,
        gate: Arc<Gate<A>>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(shared.bounds.connections));
        let strangers = Arc::new(Strangers::new(shared.bounds.strangers));
        Self { listener, tls, shared, gate, places, strangers }
    }

    /// Accepts until told to stop, then waits for what is open. Dropping it closes everything.
    pub(super) async fn run(self) {
        let mut tasks = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = self.shared.stop.cancelled() => break,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => {
                    if let Some(place) = self.place(peer) {
                        let connection = self.connection(tcp, peer);
                        tasks.spawn(async move {
                            connection.await;
                            drop(place);
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Each ends in its time; those that came last are not waited for longer.
        let all = async { while tasks.join_next().await.is_some() {} };
        let _ = timeout(self.shared.bounds.stop, all).await;
    }

    /// Room for one more; else it is closed at once.
    fn place(&self, peer: SocketAddr) -> Option<OwnedSemaphorePermit> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.shared.counters.refuse(Refusal::Connections);
            tracing::debug!(%peer, "a connection was refused: there are too many");
            return None;
        };
        self.shared.counters.connections.fetch_add(1, Relaxed);
        Some(place)
    }

    fn connection(&self, tcp: TcpStream, peer: SocketAddr) -> impl Future<Output = ()> + use<A> {
        let kill = CancellationToken::new();
        let (stranger, is_crowded) = self.strangers.arrive(kill.clone());
        if is_crowded {
            self.shared.counters.refuse(Refusal::Strangers);
        }
        let presence = Arc::new(Presence {
            streams: AtomicUsize::new(0),
            failures: AtomicUsize::new(0),
            stranger: Mutex::new(Some(stranger)),
            kill: kill.clone(),
            peer,
        });
        let tls = with_http2(&self.tls.borrow());
        let (shared, gate) = (self.shared.clone(), self.gate.clone());
        async move {
            // Only latency is at stake.
            let _ = tcp.set_nodelay(true);
            let shaken = tokio::select! {
                () = kill.cancelled() => return,
                shaken = timeout(shared.bounds.handshake, handshake(tls, tcp)) => shaken,
            };
            match shaken {
                Ok(Ok(tls)) => serve(tls, &shared, gate, presence).await,
                Ok(Err(error)) => {
                    shared.counters.refuse(Refusal::Tls);
                    tracing::debug!(%peer, %error, "a TLS handshake failed");
                }
                Err(_) => shared.counters.refuse(Refusal::Tls),
            }
        }
    }
}

async fn handshake(config: Arc<ServerConfig>, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let tls = TlsAcceptor::from(config).accept(tcp).await?;
    let session = tls.get_ref().1;
    if session.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return Err(io::Error::other("not TLS 1.3"));
    }
    if session.alpn_protocol() != Some(ALPN) {
        return Err(io::Error::other("not HTTP/2"));
    }
    Ok(tls)
}

async fn serve<A: Authenticate>(
    tls: TlsStream<TcpStream>,
    shared: &Arc<Shared>,
    gate: Arc<Gate<A>>,
    presence: Arc<Presence>,
) {
    let bounds = &shared.bounds;
    let service = service_fn(|request| {
        let (gate, presence) = (gate.clone(), presence.clone());
        async move { Ok::<_, Infallible>(gate.enter(request, presence).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        // A proxy needs one; a moment ago it may have had another.
        .max_concurrent_streams(4)
        .max_header_list_size(16 << 10)
        .max_frame_size(16 << 10)
        .max_pending_accept_reset_streams(8)
        .max_local_error_reset_streams(16)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW)
        .max_send_buf_size(256 << 10)
        .keep_alive_interval(bounds.ping)
        .keep_alive_timeout(bounds.pong);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(tls), service));
    let mut look = tokio::time::interval((bounds.idle / 4).max(Duration::from_millis(10)));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut used = Instant::now();
    loop {
        tokio::select! {
            _ = &mut connection => return,
            () = presence.kill.cancelled() => return,
            () = shared.stop.cancelled() => break,
            _ = look.tick() => {
                if presence.streams() > 0 {
                    used = Instant::now();
                } else if used.elapsed() >= bounds.idle {
                    shared.counters.refuse(Refusal::Idle);
                    return;
                }
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(bounds.stop, connection).await;
}
