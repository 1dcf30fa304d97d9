//! The bytes of snapshots and reports: protobuf messages and their conversions.
//!
//! Only this module asks for private keys by name. Messages are written by hand; their tags are
//! for ever: a field that goes leaves its tag unused, a field that comes is optional for older
//! readers, or raises the schema of the parts that use it.
//!
//! A message is malformed or it is not: every conversion is total and checks what it reads.

pub(crate) mod bind;
pub(crate) mod cluster;
pub(crate) mod key;
pub(crate) mod message;
pub(crate) mod pool;
pub mod report;
pub(crate) mod route;
pub(crate) mod tls;

use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};

/// The newest schema of a bind or cluster that this build reads. A part says which it needs.
pub const SCHEMA: u32 = 1;

/// Longest message towards a proxy, and longest last-good file: 64 MiB. 10,000 TLS listeners, each
/// with its own certificate, are 40 MiB.
pub const SNAPSHOT_MAX: usize = 64 << 20;

/// Longest message towards the controller: 1 MiB.
pub const REPORT_MAX: usize = 1 << 20;

/// Most fields of one message. An empty field is two bytes on the wire and a hundred in memory, so
/// the length alone would not bound what reading a message takes.
const FIELDS_MAX: usize = 1 << 18;

/// Why bytes are no message of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not protobuf, or a field of another type.
    #[error("no message of this kind")]
    Protobuf(#[from] prost::DecodeError),
    /// Longer, or of more fields, than any honest message.
    #[error("too large")]
    TooLarge,
    /// A field is missing or says what cannot be; the name is the field's.
    #[error("{0} is missing or not valid")]
    Field(&'static str),
}

/// Reads a message after counting its fields.
pub(crate) fn read<M: Message + Default>(bytes: &[u8], most: usize) -> Result<M, Malformed> {
    if bytes.len() > SNAPSHOT_MAX {
        return Err(Malformed::TooLarge);
    }
    let mut rest = bytes;
    let mut fields = 0;
    while !rest.is_empty() {
        fields += 1;
        if fields > most {
            return Err(Malformed::TooLarge);
        }
        let (tag, kind) = decode_key(&mut rest)?;
        skip_field(kind, tag, &mut rest, DecodeContext::default())?;
    }
    Ok(M::decode(bytes)?)
}

/// Reads a part of a snapshot.
pub(crate) fn read_part<M: Message + Default>(bytes: &[u8]) -> Result<M, Malformed> {
    read(bytes, FIELDS_MAX)
}

/// A required field of message type.
pub(crate) fn required<T>(field: Option<T>, name: &'static str) -> Result<T, Malformed> {
    field.ok_or(Malformed::Field(name))
}
