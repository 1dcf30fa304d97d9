//! What the server counts. Read by whoever makes metrics of it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a connection or stream was not served, or was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// There are as many connections as may be.
    Connections,
    /// Another connection without a good token came, and this was the oldest of too many.
    Strangers,
    /// The TLS handshake failed or took too long.
    Tls,
    /// No stream came, or none that lived.
    Idle,
    /// The token opens nothing.
    Unauthenticated,
    /// Nobody could say whose the token is.
    Unavailable,
    /// Not everything has been seen yet.
    NotSynced,
    /// A method that does not exist.
    Method,
    /// A message that is none.
    Malformed,
    /// The reader took too long.
    Slow,
    /// A newer stream of the same proxy came.
    Replaced,
    /// A snapshot is longer than any reader takes; the one before stays.
    TooLarge,
}

impl Refusal {
    /// Every one, in the order of the counters.
    pub const ALL: [Self; 12] = [
        Self::Connections,
        Self::Strangers,
        Self::Tls,
        Self::Idle,
        Self::Unauthenticated,
        Self::Unavailable,
        Self::NotSynced,
        Self::Method,
        Self::Malformed,
        Self::Slow,
        Self::Replaced,
        Self::TooLarge,
    ];

    /// One word, for a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Strangers => "strangers",
            Self::Tls => "tls",
            Self::Idle => "idle",
            Self::Unauthenticated => "unauthenticated",
            Self::Unavailable => "unavailable",
            Self::NotSynced => "not_synced",
            Self::Method => "method",
            Self::Malformed => "malformed",
            Self::Slow => "slow",
            Self::Replaced => "replaced",
            Self::TooLarge => "too_large",
        }
    }
}

/// What the server counts.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) fulls: AtomicU64,
    pub(super) deltas: AtomicU64,
    pub(super) unchanged: AtomicU64,
    refusals: [AtomicU64; Refusal::ALL.len()],
}

impl Counters {
    /// Connections that were accepted.
    pub fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    /// Whole snapshots that were sent.
    pub fn fulls(&self) -> u64 {
        self.fulls.load(Relaxed)
    }

    /// Deltas that were sent.
    pub fn deltas(&self) -> u64 {
        self.deltas.load(Relaxed)
    }

    /// Streams that began with "what you have is right".
    pub fn unchanged(&self) -> u64 {
        self.unchanged.load(Relaxed)
    }

    /// What was refused or ended for this reason.
    pub fn refused(&self, why: Refusal) -> u64 {
        self.refusals.get(why as usize).map_or(0, |count| count.load(Relaxed))
    }

    pub(super) fn refuse(&self, why: Refusal) {
        if let Some(count) = self.refusals.get(why as usize) {
            count.fetch_add(1, Relaxed);
        }
    }
}
