//! The envelopes: what travels on the stream in each direction.

use std::fmt;

use prost::bytes::Bytes;

use super::key::Key;

/// From controller to proxy. The contents stay bytes until they have been counted.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct ToProxy {
    #[prost(oneof = "Update", tags = "1, 2")]
    pub(crate) update: Option<Update>,
}

impl ToProxy {
    pub(crate) const FULL: u32 = 1;
    pub(crate) const DELTA: u32 = 2;
}

/// Its two kinds.
#[derive(Clone, PartialEq, prost::Oneof)]
#[prost(skip_debug)]
pub(crate) enum Update {
    /// A [`Full`].
    #[prost(bytes = "bytes", tag = "1")]
    Full(Bytes),
    /// A [`Delta`].
    #[prost(bytes = "bytes", tag = "2")]
    Delta(Bytes),
}

/// A whole snapshot; also the content of the last-good file.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Full {
    /// Whose it is: a proxy refuses another fleet's.
    #[prost(string, tag = "1")]
    pub(crate) fleet: String,
    /// 32 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) hash: Bytes,
    #[prost(message, repeated, tag = "3")]
    pub(crate) binds: Vec<BindPart>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) clusters: Vec<ClusterPart>,
}

/// What leads from one snapshot to another.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Delta {
    /// The hash of the snapshot that it changes.
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) base: Bytes,
    /// The hash of what comes out.
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) result: Bytes,
    /// New or changed.
    #[prost(message, repeated, tag = "3")]
    pub(crate) binds: Vec<BindPart>,
    /// New or changed.
    #[prost(message, repeated, tag = "4")]
    pub(crate) clusters: Vec<ClusterPart>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) removed_binds: Vec<Key>,
    #[prost(string, repeated, tag = "6")]
    pub(crate) removed_clusters: Vec<String>,
}

/// One bind. The body stays bytes until somebody has looked at the schema.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct BindPart {
    #[prost(message, optional, tag = "1")]
    pub(crate) key: Option<Key>,
    #[prost(uint32, tag = "2")]
    pub(crate) schema: u32,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) body: Bytes,
}

/// One cluster.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct ClusterPart {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(uint32, tag = "2")]
    pub(crate) schema: u32,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) body: Bytes,
}

// What is inside holds private keys.
impl fmt::Debug for ToProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToProxy").finish_non_exhaustive()
    }
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full",
            Self::Delta(_) => "Delta",
        })
    }
}

impl fmt::Debug for BindPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BindPart").field("key", &self.key).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClusterPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterPart").field("key", &self.key).finish_non_exhaustive()
    }
}

/// From proxy to controller. The contents stay bytes until they have been counted.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ToController {
    #[prost(oneof = "Word", tags = "1, 2, 3")]
    pub(crate) word: Option<Word>,
}

/// Its three kinds.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Word {
    /// A [`Hello`]: the first message, and only the first.
    #[prost(bytes = "bytes", tag = "1")]
    Hello(Bytes),
    /// A [`super::report::Report`].
    #[prost(bytes = "bytes", tag = "2")]
    Report(Bytes),
    /// Asks for the whole snapshot; nothing in it.
    #[prost(bytes = "bytes", tag = "3")]
    Resync(Bytes),
}

/// How a proxy begins. It says nothing of who it is.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Hello {
    /// The newest schema it reads.
    #[prost(uint32, tag = "1")]
    pub(crate) schema: u32,
    /// The hash of the snapshot it has; empty if none.
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) hash: Bytes,
}
