//! What a proxy tells the controller.

use std::collections::BTreeMap;

use prost::Message;
use prost::bytes::Bytes;
use snapshot::{ApplyReport, BindKey, BindState};

use super::key::Key;
use super::{Malformed, REPORT_MAX, read, required};
use crate::hash::SnapshotHash;

/// Longest text of a report that is kept, in characters: an errno with words is below 100.
const TEXT_MAX: usize = 256;

/// Most binds of a report: 64 listeners of a Gateway and those of its sets, in both address
/// families, with much room.
const BINDS_MAX: usize = 16_384;

/// What a proxy did with a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The snapshot that it applied.
    pub hash: SnapshotHash,
    /// What it could bind.
    pub report: ApplyReport,
    /// The binds that it could not read, with the reason. It serves the last form of each that it
    /// could read, or not at all.
    pub refused: BTreeMap<BindKey, String>,
    /// It serves what a file kept, not yet confirmed by a controller.
    pub last_good: bool,
}

/// The same as a message.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Report {
    #[prost(bytes = "bytes", tag = "1")]
    hash: Bytes,
    /// The proxy's own count.
    #[prost(uint64, tag = "2")]
    version: u64,
    #[prost(message, repeated, tag = "3")]
    binds: Vec<State>,
    #[prost(message, repeated, tag = "4")]
    refused: Vec<Refused>,
    #[prost(bool, tag = "5")]
    last_good: bool,
}

/// What became of one bind.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct State {
    #[prost(message, optional, tag = "1")]
    key: Option<Key>,
    /// 1 bound, 2 port in use, 3 address not available, 4 failed otherwise.
    #[prost(uint32, tag = "2")]
    state: u32,
    /// The operating system's words.
    #[prost(string, tag = "3")]
    text: String,
}

/// A bind that could not be read.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Refused {
    #[prost(message, optional, tag = "1")]
    key: Option<Key>,
    #[prost(string, tag = "2")]
    reason: String,
}

/// The message; texts are cut to what will be read of them.
pub fn write(told: &Told) -> Bytes {
    let state = |(key, state): (&BindKey, &BindState)| {
        let (state, text) = match state {
            BindState::Bound => (1, ""),
            BindState::PortInUse(text) => (2, text.as_str()),
            BindState::AddressNotAvailable(text) => (3, text.as_str()),
            BindState::Failed(text) => (4, text.as_str()),
        };
        State { key: Some(Key::of(key)), state, text: plain(text) }
    };
    let refused = |(key, reason): (&BindKey, &String)| Refused {
        key: Some(Key::of(key)),
        reason: plain(reason),
    };
    let message = Report {
        hash: Bytes::copy_from_slice(told.hash.as_bytes()),
        version: told.report.version,
        binds: told.report.binds.iter().map(state).collect(),
        refused: told.refused.iter().map(refused).collect(),
        last_good: told.last_good,
    };
    message.encode_to_vec().into()
}

/// Reads a report of somebody who may be hostile: what is kept of it is bounded and printable.
pub fn read_report(bytes: &[u8]) -> Result<Told, Malformed> {
    if bytes.len() > REPORT_MAX {
        return Err(Malformed::TooLarge);
    }
    let message: Report = read(bytes, 2 * BINDS_MAX)?;
    if message.binds.len() > BINDS_MAX || message.refused.len() > BINDS_MAX {
        return Err(Malformed::TooLarge);
    }
    let state = |state: State| {
        let key = required(state.key, "report.bind")?.read()?;
        let text = plain(&state.text);
        let state = match state.state {
            1 => BindState::Bound,
            2 => BindState::PortInUse(text),
            3 => BindState::AddressNotAvailable(text),
            // A state that only a newer proxy knows is not "bound".
            _ => BindState::Failed(text),
        };
        Ok((key, state))
    };
    let refused = |refused: Refused| {
        Ok((required(refused.key, "report.refused")?.read()?, plain(&refused.reason)))
    };
    Ok(Told {
        hash: SnapshotHash::from_bytes(&message.hash).ok_or(Malformed::Field("report.hash"))?,
        report: ApplyReport {
            version: message.version,
            binds: message.binds.into_iter().map(state).collect::<Result<_, Malformed>>()?,
        },
        refused: message.refused.into_iter().map(refused).collect::<Result<_, Malformed>>()?,
        last_good: message.last_good,
    })
}

/// Text without control characters, cut: it ends up in conditions and logs.
fn plain(text: &str) -> String {
    text.chars().take(TEXT_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
