//! The proxy's end of the stream: dials, follows, publishes, reports.
//!
//! Reading order: `state` (what others see) → `follower` (what a message does, without I/O) →
//! `backoff` → `dial` (TCP, TLS, token, in this order) → `session` (one stream) → `keeper` (the
//! last-good file).

mod backoff;
mod dial;
mod follower;
mod keeper;
mod session;
mod state;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use snapshot::{ApplyReport, Published};
use tokio::sync::watch;

pub use backoff::Backoff;
pub use follower::{Follower, Received};
pub use state::{LinkState, Rejected, Trouble};

use crate::fleet::Fleet;
use crate::last_good::{self, Ignored};
use dial::Dialer;
use keeper::Keeper;
use session::Session;

/// Whom to follow, and where the files are.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where to dial, `host:port`.
    pub endpoint: String,
    /// The name that the controller's certificate must carry, whatever was dialled.
    pub server_name: String,
    /// The certificate authorities that may have signed it, PEM. Read at every dial.
    pub ca: PathBuf,
    /// The token that tells who we are. Read at every dial, after TLS is up.
    pub token: PathBuf,
    /// Where the last-good file is kept. In memory: it holds private keys.
    pub state: PathBuf,
    /// Who we are; a snapshot of another fleet is not taken.
    pub fleet: Fleet,
    /// How long things may take.
    pub timing: Timing,
}

/// How long things may take. The defaults hold in production.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The longest first wait between dials; doubles.
    pub redial_first: Duration,
    /// The longest wait between dials.
    pub redial_most: Duration,
    /// A stream that lived so long makes the next dial quick.
    pub settled: Duration,
    /// To find an address, and then to connect to each.
    pub connect: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// Until the controller has answered the call: it may have to ask the API server.
    pub answer: Duration,
    /// How often the connection is asked whether it lives.
    pub ping: Duration,
    /// How long it may take to answer. With [`Timing::ping`] less than the 30 s within which a dead
    /// stream is noticed.
    pub pong: Duration,
    /// Least time between two writings of the last-good file.
    pub save: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            redial_first: Duration::from_millis(100),
            redial_most: Duration::from_secs(30),
            settled: Duration::from_secs(10),
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            answer: Duration::from_secs(25),
            ping: Duration::from_secs(10),
            pong: Duration::from_secs(15),
            save: Duration::from_secs(1),
        }
    }
}

/// Follows the controller for ever: publishes every snapshot it names, and answers each with what
/// the data plane reports of it in `applied`. Begins with the last-good file, if there is a good
/// one. Versions of [`Published`] go on from the one that is in the channel.
///
/// Ends only by being dropped. Needs a tokio runtime with time and network.
pub async fn follow(
    client: Client,
    applied: watch::Receiver<ApplyReport>,
    published: watch::Sender<Published>,
    state: watch::Sender<LinkState>,
) {
    let timing = client.timing;
    let mut follower = Follower::new(client.fleet.clone());
    start_from_file(&client, &mut follower, &published, &state);
    let keeper = Keeper::start(client.state.clone(), client.fleet.clone(), timing, state.clone());
    let mut dialer = Dialer::new(client);
    let mut session = Session { follower, applied, published, state, keeper };
    let random = fastrand::Rng::new();
    let mut backoff = Backoff::new(random, timing.redial_first, timing.redial_most);
    let mut last = None;
    loop {
        let mut opened = None;
        let failure = match dialer.dial().await {
            Ok(link) => session.run(link, timing, &mut opened).await,
            Err(failure) => failure,
        };
        if opened.is_some_and(|at: Instant| at.elapsed() >= timing.settled) {
            backoff.reset();
        }
        let wait = backoff.wait();
        // Once for each kind of trouble in a row, not once for each dial.
        if last.replace(failure.trouble) == Some(failure.trouble) && opened.is_none() {
            tracing::debug!(%failure, ?wait, "still not connected to the controller");
        } else {
            tracing::warn!(%failure, ?wait, "not connected to the controller");
        }
        session.state.send_modify(|state| {
            if opened.is_some() {
                state.last_contact = Some(SystemTime::now());
            }
            state.connected = false;
            *state.failures.entry(failure.trouble).or_default() += 1;
            state.last_failure = Some(failure.words);
        });
        tokio::time::sleep(wait).await;
    }
}

/// Serves what the file kept, at once.
fn start_from_file(
    client: &Client,
    follower: &mut Follower,
    published: &watch::Sender<Published>,
    state: &watch::Sender<LinkState>,
) {
    let kept = match last_good::read(&client.state, &client.fleet) {
        Ok(kept) => kept,
        Err(why) => {
            match &why {
                Ignored::Absent => tracing::info!("no last-good snapshot: waiting for one"),
                Ignored::Unreadable(error) => tracing::error!(%why, %error, "starting with none"),
                _ => tracing::error!(%why, "starting with none"),
            }
            state.send_modify(|state| state.last_good_ignored = Some(why.reason()));
            return;
        }
    };
    follower.start_from(kept.packed);
    let hash = follower.hash();
    tracing::info!(hash = ?hash, "serving the last good snapshot");
    session::publish(published, follower);
    state.send_modify(|state| {
        state.last_good_in_use = true;
        state.hash = hash;
        state.snapshot_at = Some(kept.saved);
        state.refused = follower.served().refused.clone();
    });
}
