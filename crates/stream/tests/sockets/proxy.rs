//! A proxy: the client under test, with a data plane that binds everything.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use snapshot::{ApplyReport, BindState, Published, Snapshot};
use stream::client::Timing;
use stream::{Client, Fleet, LinkState, follow};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::pki::NAME;
use crate::until;

/// The same as in production, but in a hurry.
pub(crate) const QUICK: Timing = Timing {
    redial_first: Duration::from_millis(10),
    redial_most: Duration::from_millis(200),
    settled: Duration::from_millis(100),
    connect: Duration::from_secs(2),
    handshake: Duration::from_secs(2),
    answer: Duration::from_secs(5),
    ping: Duration::from_millis(200),
    pong: Duration::from_millis(400),
    save: Duration::from_millis(10),
};

/// The files of a proxy.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new(ca: &str, token: &str) -> Self {
        let files = Self(tempfile::tempdir().expect("a directory"));
        files.write_ca(ca);
        files.write_token(token);
        files
    }

    pub(crate) fn write_ca(&self, pem: &str) {
        std::fs::write(self.0.path().join("ca.crt"), pem).expect("a file");
    }

    pub(crate) fn write_token(&self, token: &str) {
        std::fs::write(self.0.path().join("token"), token).expect("a file");
    }

    pub(crate) fn directory(&self) -> &Path {
        self.0.path()
    }
}

pub(crate) struct Proxy {
    pub(crate) published: watch::Receiver<Published>,
    pub(crate) state: watch::Receiver<LinkState>,
    /// The data plane's report.
    pub(crate) applied: watch::Sender<ApplyReport>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Proxy {
    pub(crate) fn start(files: &Files, endpoint: impl ToString, fleet: &Fleet) -> Self {
        Self::timed(files, endpoint, fleet, QUICK)
    }

    pub(crate) fn timed(
        files: &Files,
        endpoint: impl ToString,
        fleet: &Fleet,
        timing: Timing,
    ) -> Self {
        let client = Client {
            endpoint: endpoint.to_string(),
            server_name: NAME.into(),
            ca: files.directory().join("ca.crt"),
            token: files.directory().join("token"),
            state: files.directory().to_owned(),
            fleet: fleet.clone(),
            timing,
        };
        let (publisher, published) = watch::channel(Published::default());
        let (applied, reports) = watch::channel(ApplyReport::default());
        let (states, state) = watch::channel(LinkState::default());
        let tasks = [
            tokio::spawn(follow(client, reports, publisher, states)),
            tokio::spawn(bind_all(published.clone(), applied.clone())),
        ];
        Self { published, state, applied, tasks }
    }

    /// Waits until this is served, by value.
    pub(crate) async fn serves(&mut self, snapshot: &Snapshot) -> Published {
        until("a snapshot", &mut self.published, |now| *now.snapshot == *snapshot).await
    }

    pub(crate) async fn is(
        &mut self,
        what: &str,
        done: impl FnMut(&LinkState) -> bool,
    ) -> LinkState {
        until(what, &mut self.state, done).await
    }

    /// What is served now.
    pub(crate) fn now(&self) -> Arc<Snapshot> {
        self.published.borrow().snapshot.clone()
    }

    /// Ends at once, as by `kill -9`.
    pub(crate) async fn kill(mut self) {
        for task in &mut self.tasks {
            task.abort();
            let _ = task.await;
        }
    }
}

async fn bind_all(mut published: watch::Receiver<Published>, applied: watch::Sender<ApplyReport>) {
    loop {
        let now = published.borrow_and_update().clone();
        let binds = now.snapshot.binds.keys().map(|key| (*key, BindState::Bound)).collect();
        applied.send_replace(ApplyReport { version: now.version, binds });
        if published.changed().await.is_err() {
            return;
        }
    }
}
