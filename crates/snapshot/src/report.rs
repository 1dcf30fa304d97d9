//! What the data plane really did with a snapshot.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::BindKey;

/// The state of every bind after a snapshot was applied: the only source of "programmed".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ApplyReport {
    /// The [`crate::Published::version`] that was applied.
    pub version: u64,
    /// One entry for every bind of that snapshot.
    #[serde(serialize_with = "crate::keys_as_text")]
    pub binds: BTreeMap<BindKey, BindState>,
}

/// What became of one bind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum BindState {
    /// The socket is open and serves what the snapshot says.
    Bound,
    /// Another socket of this host has the port (EADDRINUSE). Retried.
    PortInUse(String),
    /// The address is not one of this host (EADDRNOTAVAIL). Retried.
    AddressNotAvailable(String),
    /// Any other failure, with the operating system's words. Retried.
    Failed(String),
}

impl BindState {
    /// Whether the socket is open.
    pub fn is_bound(&self) -> bool {
        matches!(self, Self::Bound)
    }
}
