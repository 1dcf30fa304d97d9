//! What a terminated handshake agreed on, for the access line. Small and plain: it lives as long
//! as the connection.

use std::fmt::Write as _;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{CommonState, HandshakeKind, ProtocolVersion};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certificates::Choice;
use super::client_auth::ClientCheck;
use super::offer::printable;

/// The facts of one terminated session. Field names of the access line in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Established {
    /// `1.2` or `1.3` [`tls.protocol.version`].
    pub version: &'static str,
    /// IANA name of the cipher suite [`tls.cipher`].
    pub cipher: &'static str,
    /// The key exchange group; a session resumed in TLS 1.2 has none [`tls.curve`].
    pub curve: Option<&'static str>,
    /// The protocol agreed on by ALPN, as text [`tls.next_protocol`].
    pub next_protocol: Option<Box<str>>,
    /// Whether an earlier session was resumed [`tls.resumed`].
    pub resumed: bool,
    /// The Secret whose certificate stands for us, `namespace/name` [`tidegate.tls.secret`].
    pub secret: Option<Arc<str>>,
    /// The certificate the client showed, if any; in a resumed session the one of the first.
    pub client: Option<Box<ClientCertificate>>,
}

/// A certificate that a client showed and proved to own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject as text, control characters escaped, at most [`SUBJECT_MAX`] bytes
    /// [`tls.client.subject`].
    pub subject: Box<str>,
    /// SHA-256 of the certificate, upper-case hex as the attribute's definition wants it
    /// [`tls.client.hash.sha256`].
    pub sha256: Box<str>,
    /// Whether the listener's authorities vouch for it. Never `false` where a valid one is required.
    pub valid: bool,
}

/// Bytes of a subject that reach the log: certificates of strangers may carry kilobytes.
pub const SUBJECT_MAX: usize = 256;

impl Established {
    /// Reads the facts off a session whose handshake is done.
    pub(super) fn read(session: &CommonState, choice: &Choice, check: &ClientCheck) -> Self {
        let client = session.peer_certificates().and_then(|chain| {
            let leaf = chain.first()?;
            Some(Box::new(ClientCertificate {
                subject: subject(leaf).into(),
                sha256: sha256(leaf).into(),
                valid: check.is_valid(chain),
            }))
        });
        Self {
            version: match session.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "1.3",
                _ => "1.2",
            },
            cipher: session
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str())
                .map_or("unknown", iana_name),
            curve: session.negotiated_key_exchange_group().and_then(|group| group.name().as_str()),
            next_protocol: session.alpn_protocol().map(|protocol| printable(protocol).into()),
            resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
            secret: choice.secret(),
            client,
        }
    }
}

/// rustls marks the suites of TLS 1.3 by `TLS13_`; the registry has `TLS_` for all.
fn iana_name(suite: &'static str) -> &'static str {
    match suite {
        "TLS13_AES_128_GCM_SHA256" => "TLS_AES_128_GCM_SHA256",
        "TLS13_AES_256_GCM_SHA384" => "TLS_AES_256_GCM_SHA384",
        "TLS13_CHACHA20_POLY1305_SHA256" => "TLS_CHACHA20_POLY1305_SHA256",
        other => other,
    }
}

/// The subject for a log line; empty if there is none or the certificate cannot be read.
fn subject(certificate: &CertificateDer<'_>) -> String {
    let text = X509Certificate::from_der(certificate)
        .map(|(_, certificate)| certificate.subject().to_string())
        .unwrap_or_default();
    let mut shown = String::new();
    for character in text.chars() {
        let length = shown.len();
        match character.is_control() {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
        if shown.len() > SUBJECT_MAX {
            shown.truncate(length);
            break;
        }
    }
    shown
}

fn sha256(certificate: &CertificateDer<'_>) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(certificate) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02X}");
    }
    hex
}
