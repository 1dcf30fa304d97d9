//! A controller: the server under test, with a table in place of the API server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use snapshot::Snapshot;
use stream::server::{Bounds, Counters};
use stream::{Authenticate, Feeds, Fleet, Member, MemberReport, Refused, Reports, Server, serve};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::world::feeds;

/// A token about which there is never an answer.
pub(crate) const HANGS: &str = "hangs";

/// Who holds which token. A token that is not in it opens nothing.
#[derive(Default)]
pub(crate) struct Tokens {
    known: Mutex<BTreeMap<String, Result<Member, Refused>>>,
    asked: AtomicUsize,
}

impl Tokens {
    pub(crate) fn set(&self, token: &str, answer: Result<Member, Refused>) {
        self.known.lock().expect("the table").insert(token.into(), answer);
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

impl Authenticate for Tokens {
    async fn authenticate(&self, token: &str) -> Result<Member, Refused> {
        self.asked.fetch_add(1, SeqCst);
        if token == HANGS {
            return std::future::pending().await;
        }
        let unknown = || Err(Refused::Unauthenticated("not in the table".into()));
        self.known.lock().expect("the table").get(token).cloned().unwrap_or_else(unknown)
    }
}

pub(crate) struct Controller {
    pub(crate) address: SocketAddr,
    pub(crate) tls: watch::Sender<Arc<ServerConfig>>,
    pub(crate) feeds: watch::Sender<Feeds>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) reports: watch::Receiver<Reports>,
    pub(crate) counters: Arc<Counters>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Controller {
    /// One with other bounds, on a port of its own.
    pub(crate) async fn bounded(tls: Arc<ServerConfig>, bounds: Bounds) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), tls, Arc::default(), bounds).await
    }

    pub(crate) async fn start(tls: Arc<ServerConfig>) -> Self {
        Self::bounded(tls, Bounds::default()).await
    }

    /// One at an address, knowing tokens.
    pub(crate) async fn at(
        address: SocketAddr,
        tls: Arc<ServerConfig>,
        tokens: Arc<Tokens>,
        bounds: Bounds,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (tls, tls_changes) = watch::channel(tls);
        let (feeds, feed_changes) = watch::channel(None);
        let (report_sender, reports) = watch::channel(Reports::default());
        let counters = Arc::new(Counters::default());
        let stop = CancellationToken::new();
        let server = Server {
            listener,
            tls: tls_changes,
            feeds: feed_changes,
            auth: tokens.clone(),
            reports: report_sender,
            bounds,
            counters: counters.clone(),
        };
        let task = tokio::spawn(serve(server, stop.clone()));
        Self { address, tls, feeds, tokens, reports, counters, stop, task }
    }

    pub(crate) fn serve(&self, entries: &[(&Fleet, &Arc<Snapshot>)]) {
        self.feeds.send_replace(Some(feeds(entries)));
    }

    /// What is known of a proxy.
    pub(crate) fn report(&self, fleet: &Fleet, id: &str) -> Option<Arc<MemberReport>> {
        self.reports.borrow().get(&(fleet.clone(), id.to_owned())).cloned()
    }

    /// Ends in good order.
    pub(crate) async fn stop(self) -> Arc<Tokens> {
        self.stop.cancel();
        self.task.await.expect("it does not panic");
        self.tokens
    }

    /// Ends as by `kill -9`: nothing is said to anybody.
    pub(crate) async fn kill(self) -> Arc<Tokens> {
        self.task.abort();
        let _ = self.task.await;
        self.tokens
    }
}
