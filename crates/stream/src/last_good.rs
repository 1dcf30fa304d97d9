//! The last snapshot that was good, in a file: what a proxy starts from when no controller answers.
//!
//! Layout: magic, layout version, seconds since 1970 at writing, SHA-256 of all else, and the same
//! message that a controller sends. It holds private keys, so it belongs into memory
//! (`emptyDir.medium: Memory`) and only its owner may read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use prost::Message;

use crate::fleet::Fleet;
use crate::hash::SnapshotHash;
use crate::packed::{self, Packed, Unfit};
use crate::wire::{self, SNAPSHOT_MAX, message::Full};

/// The name of the file in the state directory.
pub const FILE: &str = "last-good";

const MAGIC: &[u8; 16] = b"tidegate lastgd\n";
const LAYOUT: u32 = 1;
const HEADER: usize = 16 + 4 + 8 + 32;

/// What a file kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The snapshot, still as bytes.
    pub packed: Packed,
    /// When it was written.
    pub saved: SystemTime,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum Ignored {
    /// There is none: the first start.
    #[error("there is no last-good file")]
    Absent,
    /// The operating system does not let us.
    #[error("the last-good file cannot be read")]
    Unreadable(#[source] io::Error),
    /// It is too long to be one.
    #[error("the last-good file is larger than any snapshot")]
    TooLarge,
    /// It does not begin like one.
    #[error("not a last-good file")]
    NotOne,
    /// It has a layout of a newer build.
    #[error("the last-good file has layout {0}, this proxy reads {LAYOUT}")]
    TooNew(u32),
    /// Its bytes are not those that were written.
    #[error("the last-good file is damaged")]
    Damaged,
    /// What it holds is no snapshot of this fleet.
    #[error("the last-good file is not of use")]
    Unfit(#[from] Unfit),
}

impl Ignored {
    /// One word, for a metric's label.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Unreadable(_) => "unreadable",
            Self::TooLarge => "too_large",
            Self::NotOne => "not_one",
            Self::TooNew(_) => "too_new",
            Self::Damaged => "damaged",
            Self::Unfit(Unfit::OtherFleet(..)) => "other_fleet",
            Self::Unfit(_) => "malformed",
        }
    }
}

/// The bytes of a file.
pub fn encode(fleet: &Fleet, packed: &Packed, now: SystemTime) -> Vec<u8> {
    let payload = packed::full(fleet, packed).encode_to_vec();
    let saved = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let hash = checksum(LAYOUT, saved, &payload);
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend(MAGIC);
    bytes.extend(LAYOUT.to_be_bytes());
    bytes.extend(saved.to_be_bytes());
    bytes.extend(hash.as_bytes());
    bytes.extend(payload);
    bytes
}

/// Reads the bytes of a file; total.
pub fn decode(fleet: &Fleet, bytes: &[u8]) -> Result<Kept, Ignored> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(Ignored::NotOne)?;
    let (layout, rest) = rest.split_first_chunk::<4>().ok_or(Ignored::NotOne)?;
    let (saved, rest) = rest.split_first_chunk::<8>().ok_or(Ignored::NotOne)?;
    let (hash, payload) = rest.split_first_chunk::<32>().ok_or(Ignored::NotOne)?;
    let (layout, saved) = (u32::from_be_bytes(*layout), u64::from_be_bytes(*saved));
    if layout > LAYOUT {
        return Err(Ignored::TooNew(layout));
    }
    if checksum(layout, saved, payload).as_bytes() != hash {
        return Err(Ignored::Damaged);
    }
    let message: Full = wire::read_part(payload).map_err(Unfit::from)?;
    let packed = packed::read_full(fleet, message)?;
    let saved = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(saved));
    Ok(Kept { packed, saved: saved.unwrap_or(SystemTime::UNIX_EPOCH) })
}

fn checksum(layout: u32, saved: u64, payload: &[u8]) -> SnapshotHash {
    SnapshotHash::of([&layout.to_be_bytes()[..], &saved.to_be_bytes(), payload])
}

/// Reads the file of a state directory.
pub fn read(directory: &Path, fleet: &Fleet) -> Result<Kept, Ignored> {
    let file = File::open(directory.join(FILE)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Ignored::Absent,
        _ => Ignored::Unreadable(error),
    })?;
    let most = HEADER + SNAPSHOT_MAX;
    let mut bytes = Vec::new();
    let one_more = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    file.take(one_more).read_to_end(&mut bytes).map_err(Ignored::Unreadable)?;
    if bytes.len() > most {
        return Err(Ignored::TooLarge);
    }
    decode(fleet, &bytes)
}

/// Writes the file of a state directory: beside it first, then in its place, so that a crash or a
/// full disk leaves the old one as it is.
pub fn write(directory: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = directory.join("last-good.new");
    let written = (|| {
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, directory.join(FILE))?;
        // The new name itself; not every file system can.
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
        Ok(())
    })();
    if written.is_err() {
        // Half a file would only take the room that is short.
        let _ = fs::remove_file(&temporary);
    }
    written
}
