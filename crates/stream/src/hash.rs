//! The name of a snapshot's content.

use std::fmt;

use sha2::{Digest, Sha256};

/// SHA-256 over a snapshot as it travels: equal hashes are the same bytes.
///
/// It is taken over what the controller wrote, never over what a reader understood of it: an older
/// proxy that drops a field it does not know still speaks of the same content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotHash([u8; 32]);

impl SnapshotHash {
    /// Wraps the bytes of a hash; `None` unless there are 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Hashes `pieces`, each with its length before it, so that no two lists of pieces are the same
    /// bytes.
    pub(crate) fn of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for piece in pieces {
            hasher.update(u64::try_from(piece.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(piece);
        }
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for SnapshotHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SnapshotHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
