//! The controller's end of the stream: lets proxies in by their token, serves each the snapshot of
//! its fleet, and collects what they report.
//!
//! Reading order: `tls` → `accept` (connections and their bounds) → `strangers` → `gate` (the one place that lets
//! in) → `recheck` (and looks again) → `stream` (what is sent) → `listen` (what is heard) →
//! `allowance` (how much of it) → `outbox`, `chunked`, `rooms` (what is on its way) → `hub` (what to send) → `roll`
//! (who is there).

mod accept;
mod allowance;
mod chunked;
mod counters;
mod gate;
mod hub;
mod listen;
mod outbox;
mod recheck;
mod roll;
mod rooms;
mod strangers;
mod stream;
pub mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use snapshot::{ApplyReport, BindKey, Snapshot};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use counters::{Counters, Refusal};

use crate::fleet::{Authenticate, Fleet};
use crate::hash::SnapshotHash;
use accept::Door;
use gate::Gate;
use hub::Hub;
use roll::Roll;
use rooms::Rooms;

/// What every fleet must run. A fleet that is absent gets no snapshot: its streams stay open and
/// keep what they have. `None` is "not everything has been seen yet": no stream is served.
pub type Feeds = Option<Arc<BTreeMap<Fleet, Arc<Snapshot>>>>;

/// What is known of every proxy that is connected, or was until ten minutes ago, by fleet and
/// [`crate::Member::id`].
pub type Reports = Arc<BTreeMap<(Fleet, String), Arc<MemberReport>>>;

/// What is known of one proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberReport {
    /// The pod's name.
    pub name: String,
    /// A stream of it is open. While it is, the proxy has been heard within the last 30 seconds.
    pub connected: bool,
    /// Since when it is connected, or not.
    pub since: Instant,
    /// When it was last heard: a message, or the end of its stream.
    pub last_heard: Instant,
    /// The snapshot that it applied; `None` before its first report.
    pub hash: Option<SnapshotHash>,
    /// The snapshot of that name, if this process served it lately: what `report` speaks of, bind
    /// by bind.
    pub applied: Option<Arc<Snapshot>>,
    /// What it could bind.
    pub report: ApplyReport,
    /// The binds that it does not serve as asked, with its reason.
    pub refused: BTreeMap<BindKey, String>,
    /// It serves from its last-good file, without word from a controller.
    pub last_good: bool,
}

/// How much and how long. The defaults hold in production.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once. More are closed at once.
    pub connections: usize,
    /// Of these, connections that have not shown a good token yet. One more closes the oldest.
    pub strangers: usize,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// A connection without a stream lives so long.
    pub idle: Duration,
    /// For one answer of [`Authenticate`].
    pub authentication: Duration,
    /// Questions to [`Authenticate`] at once.
    pub questions: usize,
    /// From the begin of a stream to its first message.
    pub hello: Duration,
    /// How long a proxy may take for one message. Slower ones are dropped.
    pub reader: Duration,
    /// Whole snapshots on their way at once.
    pub fulls: usize,
    /// Of these, to one fleet: another fleet's proxies need not wait for it.
    pub fulls_of_a_fleet: usize,
    /// Who takes longer for a whole snapshot is dropped when another waits to be sent one.
    pub yielding: Duration,
    /// Least time between two whole snapshots on one stream.
    pub full_again: Duration,
    /// A token is looked at again after this at the latest.
    pub recheck: Duration,
    /// How long a stream lives on when nobody can say whether its token is still good.
    pub grace: Duration,
    /// How often the connection is asked whether it lives.
    pub ping: Duration,
    /// How long it may take to answer.
    pub pong: Duration,
    /// How long a proxy that has gone stays among the reports.
    pub remember: Duration,
    /// How long streams may take to end when the server stops.
    pub stop: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 4096,
            strangers: 256,
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(10),
            authentication: Duration::from_secs(10),
            questions: 32,
            hello: Duration::from_secs(10),
            reader: Duration::from_secs(30),
            fulls: 10,
            fulls_of_a_fleet: 3,
            yielding: Duration::from_secs(3),
            full_again: Duration::from_secs(1),
            recheck: Duration::from_secs(3600),
            grace: Duration::from_secs(300),
            ping: Duration::from_secs(10),
            pong: Duration::from_secs(20),
            remember: Duration::from_secs(600),
            stop: Duration::from_secs(5),
        }
    }
}

/// What a server is made of.
#[derive(Debug)]
pub struct Server<A> {
    /// Where proxies dial.
    pub listener: TcpListener,
    /// Certificate and key. Every connection takes the newest; open ones stay. TLS 1.3 alone is
    /// accepted, whatever else the settings allow.
    pub tls: watch::Receiver<Arc<ServerConfig>>,
    /// What to serve.
    pub feeds: watch::Receiver<Feeds>,
    /// Who may have it.
    pub auth: A,
    /// Where reports go.
    pub reports: watch::Sender<Reports>,
    /// How much and how long.
    pub bounds: Bounds,
    /// What is counted.
    pub counters: Arc<Counters>,
}

/// What all connections share.
struct Shared {
    bounds: Bounds,
    counters: Arc<Counters>,
    hub: Hub,
    roll: Roll,
    fulls: Arc<Rooms>,
    /// Streams end in good order when it is cancelled.
    stop: CancellationToken,
}

/// Serves until `stop` is cancelled; then lets streams end in good order, which a proxy takes as a
/// reason to dial the next controller at once.
pub async fn serve<A: Authenticate>(server: Server<A>, stop: CancellationToken) {
    let Server { listener, tls, feeds, auth, reports, bounds, counters } = server;
    let shared = Arc::new(Shared {
        bounds,
        hub: Hub::new(&bounds, counters.clone()),
        roll: Roll::new(reports),
        fulls: Rooms::new(bounds.fulls, bounds.yielding, counters.clone()),
        stop: stop.clone(),
        counters,
    });
    let gate = Arc::new(Gate::new(shared.clone(), auth, feeds.clone()));
    let door = Door::new(listener, tls, shared.clone(), gate);
    tokio::select! {
        () = door.run() => {}
        () = shared.hub.run(feeds) => {}
        () = shared.roll.forget(bounds.remember) => {}
    }
}
