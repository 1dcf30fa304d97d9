//! Says when something below the followed paths may have changed. Never says what: the reader
//! looks for itself.
//!
//! Folders are watched, not files: editors and ConfigMaps replace files by renaming. The parent of
//! every path is watched too, for a folder that vanishes and comes back and for a link that is
//! swapped. Where the operating system refuses watches, the regular reading remains.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tracing::{info, warn};

/// The watches on some paths.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    roots: Vec<PathBuf>,
    /// Device and inode of every folder as it was when its watch began: another folder of that
    /// name needs a new watch.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    refused: bool,
}

impl Watch {
    /// Watches `roots` and notifies `changed`.
    pub(super) fn new(roots: &[PathBuf], changed: Arc<Notify>) -> Self {
        let roots: Vec<_> = roots
            .iter()
            .map(|root| std::path::absolute(root).unwrap_or_else(|_| root.clone()))
            .collect();
        let ours = roots.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| matters(&event, &ours)) {
                changed.notify_one();
            }
        });
        let mut watch = Self { watcher: None, roots, watched: BTreeMap::new(), refused: false };
        match watcher {
            Ok(watcher) => watch.watcher = Some(watcher),
            Err(error) => watch.refuse(&error),
        }
        watch.renew();
        watch
    }

    /// Watches what is new since the last call. To be called with every reading.
    pub(super) fn renew(&mut self) {
        let roots = self.roots.clone();
        for root in &roots {
            self.folder(root, RecursiveMode::Recursive);
        }
        for parent in roots.iter().filter_map(|root| root.parent()) {
            // Watching a folder a second time would change its first watch.
            if !roots.iter().any(|root| root == parent) {
                self.folder(parent, RecursiveMode::NonRecursive);
            }
        }
    }

    fn folder(&mut self, path: &Path, mode: RecursiveMode) {
        let Some(watcher) = &mut self.watcher else { return };
        let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_dir);
        let now = metadata.map(|metadata| (metadata.dev(), metadata.ino()));
        if now.as_ref() == self.watched.get(path) {
            return;
        }
        if self.watched.remove(path).is_some() {
            // Its folder is gone, and the watch with it in most cases.
            let _ = watcher.unwatch(path);
        }
        let Some(now) = now else { return };
        match watcher.watch(path, mode) {
            Ok(()) => {
                self.watched.insert(path.to_owned(), now);
                if self.refused {
                    self.refused = false;
                    info!(path = %path.display(), "folder is watched again");
                }
            }
            Err(error) => self.refuse(&error),
        }
    }

    fn refuse(&mut self, error: &notify::Error) {
        if !std::mem::replace(&mut self.refused, true) {
            warn!(
                %error,
                "cannot watch for changes: files are only read at the regular interval",
            );
        }
    }
}

/// Whether an event can mean another content. Reading causes events too; answering those with
/// another reading would never end.
fn matters(event: &Event, roots: &[PathBuf]) -> bool {
    let reads_only = match event.kind {
        EventKind::Access(access) => access != AccessKind::Close(AccessMode::Write),
        _ => false,
    };
    let ours = |path: &PathBuf| {
        roots.iter().any(|root| {
            path.starts_with(root) || (!root.is_dir() && path.parent() == root.parent())
        })
    };
    event.need_rescan() || (!reads_only && event.paths.iter().any(ours))
}
