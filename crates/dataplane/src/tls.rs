//! TLS: what a connection's first bytes ask for, and both ends of a session.
//!
//! Reading order: [`client_hello`] gives the one verdict on the first bytes, [`offer`] what was
//! offered by ALPN; [`rewind`] gives the bytes back to whoever ends the session. Towards clients:
//! [`server`] with its [`certificates`], [`client_auth`] and [`sessions`], and [`established`] for
//! what came out. Towards backends: [`client`] with its [`verify`]. Nothing here chooses a route.
//!
//! The cryptography is named explicitly everywhere ([`provider`]): a process-wide default would
//! let any dependency change it.

pub mod certificates;
pub mod client;
pub mod client_auth;
pub mod client_hello;
pub mod established;
pub mod offer;
pub mod rewind;
pub mod server;
pub mod sessions;
pub mod verify;
mod wire;

use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;

pub use certificates::UnusableCertificate;
pub use client::{BackendConnector, BackendTlsBuildError, BackendTlsError};
pub use client_hello::{Bad, ClientHello, Hello, Parser};
pub use established::{ClientCertificate, Established};
pub use offer::Offer;
pub use rewind::Rewind;
pub use server::{BuildError, HandshakeError, Terminator};
pub use sessions::Sessions;

/// Plaintext and ciphertext a session may hold back for a peer that reads slowly, in bytes each.
/// Two full records: one on its way out while the next is being sealed. rustls' own default is
/// twice that.
pub(crate) const SESSION_BUFFER: usize = 32 * 1024;

/// AWS-LC through rustls, with its own order of suites and groups: X25519MLKEM768 first.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())))
}

/// Trust anchors from DER. What is no certificate is left out: fewer anchors trust less.
fn root_store(certificates: &[Vec<u8>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(
        certificates.iter().map(|der| CertificateDer::from(der.as_slice())),
    );
    roots
}
