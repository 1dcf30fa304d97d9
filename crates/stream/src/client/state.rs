//! How a proxy stands with its controller: what metrics, readiness and health are made of.

use std::collections::BTreeMap;
use std::time::SystemTime;

use snapshot::BindKey;

use crate::hash::SnapshotHash;

/// How a proxy stands with its controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkState {
    /// A stream is open. A dead one is noticed within 25 seconds, so while this holds, the last
    /// contact is at most so old.
    pub connected: bool,
    /// When the controller was last heard: a message, or the end of a stream.
    pub last_contact: Option<SystemTime>,
    /// The controller's name of what is served; `None` before the first snapshot.
    pub hash: Option<SnapshotHash>,
    /// When a controller sent or confirmed what is served; for a last-good file when that was
    /// written.
    pub snapshot_at: Option<SystemTime>,
    /// What is served is from a file, and no controller has confirmed it yet.
    pub last_good_in_use: bool,
    /// Why the file was not used at the start, [`crate::last_good::Ignored::reason`]. `absent` is
    /// the ordinary first start.
    pub last_good_ignored: Option<&'static str>,
    /// Times that the file could not be written.
    pub last_good_write_failures: u64,
    /// Binds that are not served as asked, with the reason.
    pub refused: BTreeMap<BindKey, String>,
    /// Messages, or binds of them, that were not taken.
    pub rejected: BTreeMap<Rejected, u64>,
    /// Streams that were opened.
    pub streams: u64,
    /// Dials that failed and streams that ended.
    pub failures: BTreeMap<Trouble, u64>,
    /// The last of these, in words.
    pub last_failure: Option<String>,
}

/// Why a message, or a bind of it, was not taken: the label `reason` of
/// `tidegate_snapshot_rejected_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rejected {
    /// It is no message of ours.
    Malformed,
    /// It is of another fleet.
    OtherFleet,
    /// A whole snapshot with another hash than it names.
    Hash,
    /// A delta to another snapshot than the one held.
    DeltaBase,
    /// A delta with another outcome than it names.
    DeltaResult,
    /// A bind that this build cannot read; counted once for each message that left one so.
    Bind,
}

impl Rejected {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::OtherFleet => "other_fleet",
            Self::Hash => "hash",
            Self::DeltaBase => "delta_base",
            Self::DeltaResult => "delta_result",
            Self::Bind => "bind",
        }
    }

    /// Every one, for metrics that show zeros.
    pub const ALL: [Self; 6] = [
        Self::Malformed,
        Self::OtherFleet,
        Self::Hash,
        Self::DeltaBase,
        Self::DeltaResult,
        Self::Bind,
    ];
}

/// Why there is no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// The controller's name has no address, and never had one.
    Resolve,
    /// No address answered.
    Connect,
    /// The file with the controller's certificate authority cannot be used.
    Authority,
    /// The other side did not prove to be the controller.
    Tls,
    /// The file with our token cannot be used.
    Token,
    /// The controller does not know our token.
    Refused,
    /// The controller is not ready to serve, or stops.
    Unavailable,
    /// The controller ended the stream in good order.
    Ended,
    /// The stream broke.
    Lost,
    /// The controller sent what we cannot use.
    Protocol,
}

impl Trouble {
    /// One word, for a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Authority => "authority",
            Self::Tls => "tls",
            Self::Token => "token",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Ended => "ended",
            Self::Lost => "lost",
            Self::Protocol => "protocol",
        }
    }
}

/// Why a dial failed or a stream ended.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub(super) struct Failure {
    pub(super) trouble: Trouble,
    pub(super) words: String,
}

impl Failure {
    pub(super) fn new(trouble: Trouble, words: impl Into<String>) -> Self {
        Self { trouble, words: words.into() }
    }

    /// With every cause, since this goes into a log line.
    pub(super) fn caused(trouble: Trouble, what: &str, error: &dyn std::error::Error) -> Self {
        let mut words = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !words.ends_with(&text) {
                words.push_str(": ");
                words.push_str(&text);
            }
            cause = error.source();
        }
        Self { trouble, words }
    }
}
