//! Certificates and keys, and how a listener terminates TLS.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A certificate chain with its private key. `Debug` prints names and fingerprint, never the key.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct TlsIdentity {
    /// `namespace/name` of the Secret it is from, for logs and metrics.
    pub name: String,
    /// SHA-256 of the leaf certificate, lower-case hex.
    pub fingerprint: String,
    /// DNS names of the leaf certificate, lower case, wildcards as `*.example.com`.
    pub dns_names: Vec<String>,
    /// End of the leaf's validity, seconds since 1970.
    pub not_after: i64,
    /// The chain, leaf first, DER.
    #[serde(skip)]
    pub chain: Vec<Vec<u8>>,
    /// The private key.
    #[serde(skip)]
    pub key: PrivateKey,
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity")
            .field("name", &self.name)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// A private key, DER: PKCS#8, PKCS#1 or SEC1.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Vec<u8>);

impl PrivateKey {
    /// Wraps DER bytes.
    pub fn from_der(der: Vec<u8>) -> Self {
        Self(der)
    }

    /// The DER bytes. Hand them to the TLS library and nowhere else.
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// How a listener terminates TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TlsServer {
    /// The certificates to choose from by server name: exact, then wildcard, then the first.
    /// Never empty.
    pub identities: Vec<Arc<TlsIdentity>>,
    /// Whether clients must show a certificate.
    pub client_auth: ClientAuth,
    /// Sessions are resumed within one scope only. It names gateway and port; the data plane adds
    /// a hash of `client_auth`, so that a ticket never outlives the settings it was issued under.
    pub session_scope: String,
}

/// Whether clients must show a certificate.
///
/// Spec: `Gateway.spec.tls.frontend`, GEP-91.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientAuth {
    /// No certificate is asked for.
    None,
    /// `AllowValidOnly`: a certificate that one of these authorities (DER) signed, or no session.
    Required(#[serde(serialize_with = "crate::as_count")] Vec<Vec<u8>>),
    /// `AllowInsecureFallback`: a certificate is asked for; none or a bad one is let in too.
    Optional(#[serde(serialize_with = "crate::as_count")] Vec<Vec<u8>>),
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Required(roots) => write!(f, "Required({} certificates)", roots.len()),
            Self::Optional(roots) => write!(f, "Optional({} certificates)", roots.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_prints_the_key() {
        let identity = TlsIdentity {
            name: "edge/db".into(),
            fingerprint: "ab12".into(),
            dns_names: vec![],
            not_after: 0,
            chain: vec![],
            key: PrivateKey::from_der(vec![0x42; 8]),
        };
        let printed = format!("{identity:?} {:?}", identity.key);
        assert!(printed.contains("ab12") && !printed.contains("66"), "{printed}");
    }
}
