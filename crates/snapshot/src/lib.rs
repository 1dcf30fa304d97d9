//! What the data plane must do, as plain data.
//!
//! A [`Snapshot`] is everything a proxy needs to serve: the sockets to open ([`Bind`]), how each
//! picks a [`Route`], and the [`Cluster`]s those routes lead to. It is immutable, compares by
//! value, and knows nothing of where it came from: the names in [`origin`] are labels for logs
//! and metrics, never looked up again.
//!
//! Reading order: [`bind`] → [`sni`] → [`http`] → [`route`] → [`cluster`] → [`tls`] → [`limits`] →
//! [`origin`] → [`report`].
//!
//! Invariants: every [`ClusterKey`] named by a route is a key of [`Snapshot::clusters`]; two equal
//! snapshots ask for exactly the same behaviour; neither `Debug` nor `Serialize` gives away a private
//! key: the serde form is for people to read, and a wire form has to ask for the bytes by name.

pub mod bind;
pub mod cluster;
pub mod http;
pub mod limits;
pub mod origin;
pub mod report;
pub mod route;
pub mod sni;
pub mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};

pub use bind::{
    App, Bind, BindKey, HttpApp, HttpListener, Port, TcpApp, TlsApp, TlsListener, TlsMode,
    TlsRoutes, Transport, UdpApp,
};
pub use cluster::{
    BackendTls, Cluster, ClusterKey, Endpoint, EndpointState, SubjectName, TrustRoots,
};
pub use http::{HttpTable, PathMatch, PathTable};
pub use limits::{Limits, Timeouts};
pub use origin::{BackendName, ListenerName, RouteName};
pub use report::{ApplyReport, BindState};
pub use route::{Rejection, Route, Target, Weighted};
pub use sni::{ServerName, SniTable};
pub use tls::{ClientAuth, TlsIdentity, TlsServer};

/// Everything one proxy serves.
///
/// Binds and clusters are behind `Arc`, so that an unrelated change shares them with the snapshot
/// before and comparing the two stops at the pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The sockets to listen on.
    #[serde(serialize_with = "keys_as_text")]
    pub binds: BTreeMap<BindKey, Arc<Bind>>,
    /// The backends that routes name. Kept apart from the binds, so that a change of endpoints
    /// changes no bind.
    pub clusters: BTreeMap<ClusterKey, Arc<Cluster>>,
}

/// A snapshot as it is handed to the data plane.
///
/// The version is outside [`Snapshot`]: inside, no two snapshots would ever compare equal.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Published {
    /// Counts up by one for every snapshot published by this process; 0 is the empty one it
    /// starts with.
    pub version: u64,
    /// What to serve.
    #[serde(flatten)]
    pub snapshot: Arc<Snapshot>,
}

/// Maps with structured keys, written as an object whose keys are the keys' text: JSON has string
/// keys only.
fn keys_as_text<S, K, V>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
    K: std::fmt::Display,
    V: Serialize,
{
    serializer.collect_map(map.iter().map(|(key, value)| (key.to_string(), value)))
}

/// Certificates are shown by their number: the bytes tell a reader nothing.
fn as_count<S: Serializer>(certificates: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{} certificates", certificates.len()))
}
