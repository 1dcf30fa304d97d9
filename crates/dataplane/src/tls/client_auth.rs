//! Client certificates: who must show one, and what is checked about it.
//!
//! `Required` without a usable authority refuses every handshake. It never turns into "ask nobody":
//! that would open a port because its bundle broke.
//!
//! Spec: `Gateway.spec.tls.frontend` (GEP-91), RFC 5280 §6 for the chain.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoClientAuth, ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use snapshot::ClientAuth;

/// The checks of one listener.
#[derive(Clone, Debug)]
pub(super) struct ClientCheck {
    /// What the handshake enforces.
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// What a certificate is judged by after the handshake, where the handshake lets bad ones in.
    optional: Option<Arc<dyn ClientCertVerifier>>,
}

impl ClientCheck {
    pub(super) fn new(settings: &ClientAuth) -> Self {
        match settings {
            ClientAuth::None => Self { verifier: Arc::new(NoClientAuth), optional: None },
            ClientAuth::Required(roots) => Self { verifier: by_chain(roots), optional: None },
            ClientAuth::Optional(roots) => {
                Self { verifier: Arc::new(AcceptAny), optional: Some(by_chain(roots)) }
            }
        }
    }

    /// Whether a certificate that was let in is one that `Required` would let in. Asked after the
    /// handshake, so that it holds for a resumed session too, whose handshake checks nothing.
    pub(super) fn is_valid(&self, chain: &[CertificateDer<'_>]) -> bool {
        let (Some(check), Some((leaf, rest))) = (&self.optional, chain.split_first()) else {
            return true;
        };
        check.verify_client_cert(leaf, rest, UnixTime::now()).is_ok()
    }
}

/// Chain verification against these authorities, by rustls; or against nobody.
fn by_chain(roots: &[Vec<u8>]) -> Arc<dyn ClientCertVerifier> {
    let roots: Arc<RootCertStore> = Arc::new(super::root_store(roots));
    WebPkiClientVerifier::builder_with_provider(roots, super::provider())
        .build()
        .unwrap_or_else(|_no_roots| Arc::new(RefuseAll))
}

/// Asks for a certificate and accepts none: there is no authority that could have signed it.
#[derive(Debug)]
struct RefuseAll;

impl ClientCertVerifier for RefuseAll {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Err(CertificateError::UnknownIssuer.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = super::provider().signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = super::provider().signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        super::provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Asks for a certificate, and lets in whoever shows none or any. What is shown must still be
/// signed for: a certificate is public, and the log names its subject.
#[derive(Debug)]
struct AcceptAny;

impl AcceptAny {
    /// Whether a signature can be checked at all. A certificate that is none cannot, and
    /// [`ClientCheck::is_valid`] will call it invalid for the same reason.
    fn is_readable(cert: &CertificateDer<'_>) -> bool {
        ParsedCertificate::try_from(cert).is_ok()
    }
}

impl ClientCertVerifier for AcceptAny {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: a client with a certificate of anyone else is welcome to show it.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !Self::is_readable(cert) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        RefuseAll.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !Self::is_readable(cert) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        RefuseAll.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        RefuseAll.supported_verify_schemes()
    }
}
