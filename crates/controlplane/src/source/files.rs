//! Follows manifests in folders and files.
//!
//! A thin shell: [`scan`] reads, [`last_good`] decides what to serve, [`watch`] says when to look
//! again. This file holds the clock between them and logs each problem once.

mod generation;
pub mod last_good;
pub mod scan;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gwapi::manifest::Source;
use tokio::sync::{Notify, watch as channel};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{error, info, warn};

use self::last_good::LastGood;
use self::scan::Found;
use self::watch::Watch;
use crate::{Loaded, Problem};

/// A change is read when nothing more has changed for this long: an editor's several steps, or a
/// version control system writing a hundred files, are one change.
const QUIET: Duration = Duration::from_millis(100);
/// A change is read after this long however much goes on, so that a file that is written to all
/// the time cannot hold up the others.
const AT_LATEST: Duration = Duration::from_secs(1);

/// What to follow.
#[derive(Clone, Debug)]
pub struct Follow {
    /// Folders, read with everything below them, and files.
    pub paths: Vec<PathBuf>,
    /// Manifests that are in no file and never change.
    pub given: Vec<Source>,
    /// How often everything is read even if no change was noticed: watches can be refused by the
    /// operating system, lose events, and do not work on every network file system.
    pub rescan: Duration,
}

impl Follow {
    fn scan(&self) -> Found {
        let mut found = scan::scan(&self.paths);
        let given = |source: &Source| (source.path.clone(), Ok(Arc::from(source.text.as_str())));
        found.files.extend(self.given.iter().map(given));
        found
    }
}

/// Reads everything once. What cannot be read is in [`Loaded::problems`].
pub fn load(follow: &Follow) -> Arc<Loaded> {
    LastGood::default().update(follow.scan())
}

/// Follows `follow.paths` from the state `sender` holds until nobody listens to `sender` any more.
pub async fn follow(follow: Follow, sender: channel::Sender<Arc<Loaded>>) {
    let follow = Arc::new(follow);
    let changed = Arc::new(Notify::new());
    let mut watch = Watch::new(&follow.paths, Arc::clone(&changed));
    let mut memory = LastGood::resume(Arc::clone(&sender.borrow()));
    loop {
        let before = Arc::clone(memory.loaded());
        let reader = Arc::clone(&follow);
        let reading = tokio::task::spawn_blocking(move || {
            watch.renew();
            memory.update(reader.scan());
            (watch, memory)
        });
        match reading.await {
            Ok(outcome) => (watch, memory) = outcome,
            Err(panic) => {
                error!(%panic, "reading the configuration failed; serving what was read before");
                watch = Watch::new(&follow.paths, Arc::clone(&changed));
                memory = LastGood::resume(before.clone());
                sleep(follow.rescan).await;
                continue;
            }
        }
        let now = Arc::clone(memory.loaded());
        log_problems(&before.problems, &now.problems);
        sender.send_if_modified(|sent| {
            let differs = sent.objects != now.objects
                || sent.problems != now.problems
                || sent.kept != now.kept
                || sent.locations != now.locations;
            if differs {
                *sent = now;
            }
            differs
        });
        tokio::select! {
            () = sender.closed() => return,
            () = sleep(follow.rescan) => {}
            () = changed.notified() => settle(&changed).await,
        }
    }
}

/// Waits until nothing has changed for [`QUIET`].
async fn settle(changed: &Notify) {
    let latest = Instant::now() + AT_LATEST;
    loop {
        let quiet = latest.min(Instant::now() + QUIET);
        if timeout_at(quiet, changed.notified()).await.is_err() {
            return;
        }
    }
}

/// Logs what is new and what is gone.
pub fn log_problems(before: &[Problem], now: &[Problem]) {
    for problem in now.iter().filter(|problem| !before.contains(problem)) {
        match problem {
            Problem::Missing(path) => warn!(
                path = %path.display(),
                "configuration is not there; what was read from it stays in force",
            ),
            problem => warn!(%problem, "configuration cannot be read; its last good state stays"),
        }
    }
    for problem in before.iter().filter(|problem| !now.contains(problem)) {
        info!(%problem, "configuration can be read again");
    }
}
