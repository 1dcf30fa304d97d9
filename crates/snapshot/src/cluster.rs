//! The endpoints of a backend and how to speak to them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::{BackendName, TlsIdentity};

/// What makes a cluster the same cluster across snapshots: its connection counts and the
/// connections that must end when an endpoint leaves live as long as the key does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ClusterKey(Arc<str>);

impl ClusterKey {
    /// Wraps a key. Keys are opaque; equal text is the same cluster.
    pub fn new(key: impl Into<Arc<str>>) -> Self {
        Self(key.into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One backend port and its endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// Its name, for logs and metrics.
    pub name: Arc<BackendName>,
    /// The endpoints, sorted by address, each address once.
    pub endpoints: Vec<Endpoint>,
    /// TLS towards the endpoints; `None` is plain.
    pub tls: Option<Arc<BackendTls>>,
}

/// One address of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Endpoint {
    /// Where to connect.
    pub address: SocketAddr,
    /// Whether it may be chosen.
    pub state: EndpointState,
}

/// Whether an endpoint may be chosen, and what happens to the connections it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointState {
    /// Takes new connections and flows.
    Ready,
    /// Not ready but not leaving: takes nothing new, keeps what it has.
    Unready,
    /// Terminating: takes nothing new; connections end when the drain time is over.
    Draining,
}

/// TLS towards a backend.
///
/// Spec: `BackendTLSPolicy`, GEP-1897.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackendTls {
    /// The server name sent; also the name the certificate must carry, unless `subject_names` is
    /// not empty.
    pub server_name: String,
    /// If not empty, the certificate must carry one of these instead of `server_name`.
    pub subject_names: Vec<SubjectName>,
    /// Who may have signed the certificate.
    pub roots: TrustRoots,
    /// The certificate we show when asked; `Gateway.spec.tls.backend.clientCertificateRef`.
    pub identity: Option<Arc<TlsIdentity>>,
}

/// A subject alternative name (RFC 5280 §4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectName {
    /// A DNS name; a leading `*.` stands for one label.
    Dns(String),
    /// A URI, compared byte for byte.
    Uri(String),
}

/// Certificate authorities.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustRoots {
    /// The operating system's (`wellKnownCACertificates: System`).
    System,
    /// These certificates, DER.
    Certificates(#[serde(serialize_with = "crate::as_count")] Vec<Vec<u8>>),
}

impl fmt::Debug for TrustRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("System"),
            Self::Certificates(certificates) => write!(f, "{} certificates", certificates.len()),
        }
    }
}
