//! Writes the last-good file beside the stream: newest wins, not too often, and a failure is counted
//! and tried again with the next snapshot.

use std::path::PathBuf;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::Timing;
use super::state::LinkState;
use crate::fleet::Fleet;
use crate::last_good;
use crate::packed::Packed;

/// The one that writes.
#[derive(Debug)]
pub(super) struct Keeper {
    newest: watch::Sender<Option<Packed>>,
    _task: AbortOnDropHandle<()>,
}

impl Keeper {
    /// Keeps the snapshots of `fleet` in `directory`.
    pub(super) fn start(
        directory: PathBuf,
        fleet: Fleet,
        timing: Timing,
        state: watch::Sender<LinkState>,
    ) -> Self {
        let (newest, mut changes) = watch::channel(None);
        let task = tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                let Some(packed) = changes.borrow_and_update().clone() else { continue };
                save(directory.clone(), fleet.clone(), packed, &state).await;
                tokio::time::sleep(timing.save).await;
            }
        });
        Self { newest, _task: AbortOnDropHandle::new(task) }
    }

    /// Keeps what is served now.
    pub(super) fn keep(&self, packed: Packed) {
        self.newest.send_replace(Some(packed));
    }
}

async fn save(directory: PathBuf, fleet: Fleet, packed: Packed, state: &watch::Sender<LinkState>) {
    let writing = tokio::task::spawn_blocking(move || {
        last_good::write(&directory, &last_good::encode(&fleet, &packed, SystemTime::now()))
    });
    let error = match writing.await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(_) => std::io::Error::other("the writer panicked"),
    };
    tracing::error!(%error, "the last-good snapshot cannot be written; the one before stays");
    state.send_modify(|state| state.last_good_write_failures += 1);
}
