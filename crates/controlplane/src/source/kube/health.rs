//! How the watches are doing: what metrics, readiness and people ask about.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::topic::WatchId;

/// Why everything of a kind was listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relist {
    /// Nothing was known yet.
    First,
    /// The server no longer remembers the version that was known (410).
    Expired,
    /// It forgot the version between two pages of a list.
    PagesExpired,
    /// The server's newest version is older than what was seen: its store was restored.
    WentBack,
    /// A watch sent something that is not an event.
    Garbled,
    /// There is a right to list but none to watch.
    Forbidden,
    /// Half an hour has passed.
    Scheduled,
}

impl Relist {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::First,
        Self::Expired,
        Self::PagesExpired,
        Self::WentBack,
        Self::Garbled,
        Self::Forbidden,
        Self::Scheduled,
    ];

    /// The label of the metric.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Expired => "expired",
            Self::PagesExpired => "pages_expired",
            Self::WentBack => "went_back",
            Self::Garbled => "garbled",
            Self::Forbidden => "forbidden",
            Self::Scheduled => "scheduled",
        }
    }
}

/// How one watch is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchHealth {
    /// Whether everything was listed once.
    pub listed: bool,
    /// When the API server said something useful for the last time, since the start of the
    /// process's watches.
    pub progress: Duration,
    /// Errors, refusals and answers that make no sense.
    pub errors: u64,
    /// Lists of everything, by reason, in the order of [`Relist::ALL`].
    pub relists: [u64; Relist::ALL.len()],
    /// What is wrong now, if it has been wrong several times in a row.
    pub trouble: Option<String>,
}

impl WatchHealth {
    pub(crate) fn progress(&mut self, now: Duration) {
        self.progress = now;
    }

    pub(crate) fn error(&mut self) {
        self.errors += 1;
    }

    pub(crate) fn relisted(&mut self, reason: Relist) {
        self.relists[reason as usize] += 1;
    }
}

/// How all watches are doing.
#[derive(Clone, Debug)]
pub struct Health {
    /// What [`WatchHealth::progress`] counts from.
    pub start: Instant,
    /// Whether every kind was listed once; it stays true.
    pub synced: bool,
    /// The watches that are running.
    pub watches: BTreeMap<WatchId, WatchHealth>,
    /// Why it is not known which kinds the API server has, if it is not.
    pub discovery: Option<String>,
}

impl Default for Health {
    fn default() -> Self {
        Self { start: Instant::now(), synced: false, watches: BTreeMap::new(), discovery: None }
    }
}
