//! Which replica leads: the one that holds a Lease. All replicas serve; only the leader writes.
//!
//! [`lease`] decides, this file asks the API server and tells the time. A client of its own is
//! needed ([`client`]): kube's default client repeats a refused request for so long that one
//! renewal can outlive the lease.

mod ask;
pub mod lease;
mod term;

use std::pin::pin;
use std::time::Duration;

use kube::Client;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use self::ask::{Answer, Leases};
use self::lease::{Election, Step, Timing};
pub use self::term::{Office, Term, term};

/// The Lease and who asks for it.
#[derive(Clone, Debug)]
pub struct LeaseConfig {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Who this is: unique for this run of the process, so that a restarted one never takes the
    /// record of its predecessor for its own. See [`identity`].
    pub identity: String,
    /// For how long a record that nobody renews is respected. Written into the Lease in whole
    /// seconds.
    pub duration: Duration,
    /// When a leader that could not renew stops, counted from when it asked for the last renewal
    /// that was granted. Shorter than `duration`: the rest is what clocks may differ.
    pub deadline: Duration,
    /// How often the leader renews and the others look.
    pub renew: Duration,
    /// How long one request may take.
    pub request: Duration,
}

impl LeaseConfig {
    /// The usual times: 15 s, 10 s, 2 s and 5 s.
    pub fn new(namespace: &str, name: &str, identity: String) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity,
            duration: Duration::from_secs(15),
            deadline: Duration::from_secs(10),
            renew: Duration::from_secs(2),
            request: Duration::from_secs(5),
        }
    }
}

/// An identity for this run of the process: the name of the host (in a cluster, of the pod) and
/// something random.
pub fn identity(host: &str) -> String {
    format!("{host}_{:016x}", fastrand::u64(..))
}

/// The client for [`hold`]: nothing is repeated behind our back, and nothing waits for longer than
/// a request may take.
///
/// # Errors
/// The configuration cannot be used, for example because of a certificate authority that cannot be
/// read.
pub fn client(mut config: kube::Config, lease: &LeaseConfig) -> Result<Client, kube::Error> {
    config.default_retry = false;
    config.connect_timeout = Some(lease.request);
    config.read_timeout = Some(lease.request);
    config.write_timeout = Some(lease.request);
    Client::try_from(config)
}

/// Asks for the Lease, holds it for as long as it can, and asks again, until `stop` is done. Then
/// it is given back, so that another replica leads at once.
pub async fn hold(
    client: Client,
    config: LeaseConfig,
    office: Office,
    stop: impl Future<Output = ()>,
) {
    let leases = Leases::new(client, &config);
    let timing = Timing {
        duration: config.duration,
        deadline: config.deadline,
        renew: config.renew,
        retry: (config.renew / 2).max(Duration::from_millis(100)),
    };
    let mut election = Election::new(config.identity.clone(), timing, Instant::now());
    let mut stop = pin!(stop);
    loop {
        let now = Instant::now();
        let led = office.leads();
        office.set(election.until(now));
        match (led, office.leads()) {
            (false, true) => info!(lease = config.name, identity = config.identity, "leading"),
            (true, false) => warn!(lease = config.name, "not leading any more"),
            _ => {}
        }
        let step = election.next(now);
        // Ends without an answer if this replica must not lead any longer.
        let answer = tokio::select! {
            biased;
            () = &mut stop => break,
            () = end(election.until(now)) => None,
            answer = take(&leases, &step, config.request) => answer,
        };
        apply(&mut election, &step, answer, now);
    }
    office.set(None);
    if let Some(held) = election.held() {
        match timeout(config.request, leases.release(held)).await {
            Ok(Answer::Written(_)) => info!(lease = config.name, "given back"),
            Ok(answer) => warn!(lease = config.name, ?answer, "cannot be given back"),
            Err(_) => warn!(lease = config.name, "cannot be given back in time"),
        }
    }
}

/// Does one step. `None` after a wait.
async fn take(leases: &Leases, step: &Step, limit: Duration) -> Option<Answer> {
    let answer = async {
        match step {
            Step::Wait(until) => {
                sleep_until(*until).await;
                None
            }
            Step::Read => Some(leases.read().await),
            Step::Create => Some(leases.create().await),
            Step::Take(record) => Some(leases.take(record).await),
            Step::Renew(record) => Some(leases.renew(record).await),
        }
    };
    if matches!(step, Step::Wait(_)) {
        return answer.await;
    }
    let late = Answer::Failed("no answer in time".to_owned());
    timeout(limit, answer).await.unwrap_or(Some(late))
}

/// Tells the election what came of a step that was begun at `asked`.
fn apply(election: &mut Election, step: &Step, answer: Option<Answer>, asked: Instant) {
    let now = Instant::now();
    match answer {
        None if matches!(step, Step::Wait(_)) => {}
        // Given up at the end of the term: what came of it is not known.
        None => election.failed(now),
        Some(Answer::Found(record)) => election.read(record, now),
        Some(Answer::Written(record)) => election.written(record, asked),
        Some(Answer::Refused) => election.refused(now),
        Some(Answer::Failed(reason)) => {
            debug!(reason, "the API server did not answer about the lease");
            election.failed(now);
        }
    }
}

/// Waits for the end of a term; for ever if there is none.
async fn end(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
