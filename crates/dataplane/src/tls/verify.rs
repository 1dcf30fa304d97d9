//! Whether a backend is who it should be: its chain leads to the given authorities, it is valid
//! now, and it carries the right name. No socket and no policy object: one value says what counts.
//!
//! Spec: `BackendTLSPolicy.spec.validation` (GEP-1897): `hostname` is the name to verify unless
//! `subjectAltNames` has entries; then one of those must be among the certificate's names and
//! `hostname` counts no more.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use snapshot::SubjectName;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Checks the certificates of one backend.
#[derive(Debug)]
pub(super) struct BackendVerifier {
    pub(super) roots: Arc<RootCertStore>,
    /// The names of which the certificate must carry one; if empty, the server name sent.
    pub(super) subject_names: Vec<SubjectName>,
}

impl ServerCertVerifier for BackendVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let leaf = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &leaf,
            &self.roots,
            intermediates,
            now,
            super::provider().signature_verification_algorithms.all,
        )?;
        if self.subject_names.is_empty() {
            verify_server_name(&leaf, server_name)?;
        } else if !carries_one(end_entity, &self.subject_names) {
            return Err(CertificateError::NotValidForName.into());
        }
        Ok(ServerCertVerified::assertion())
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

/// Whether the certificate carries one of `wanted` as subject alternative name. The common name
/// never counts (RFC 9525 §2).
fn carries_one(certificate: &CertificateDer<'_>, wanted: &[SubjectName]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return false;
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return false;
    };
    names.value.general_names.iter().any(|name| {
        wanted.iter().any(|wanted| match (name, wanted) {
            (GeneralName::DNSName(carried), SubjectName::Dns(wanted)) => dns_match(carried, wanted),
            (GeneralName::URI(carried), SubjectName::Uri(wanted)) => carried == wanted,
            _ => false,
        })
    })
}

/// Whether a DNS name of a certificate stands for the wanted one. Either may begin with `*.`, for
/// exactly one label (RFC 9525 §6.3); two wildcards must be equal.
fn dns_match(carried: &str, wanted: &str) -> bool {
    carried.eq_ignore_ascii_case(wanted) || covers(carried, wanted) || covers(wanted, carried)
}

/// Whether `wildcard` is one and covers `name`, which is none.
fn covers(wildcard: &str, name: &str) -> bool {
    let Some(suffix) = wildcard.strip_prefix("*.") else {
        return false;
    };
    name.split_once('.').is_some_and(|(label, rest)| {
        !label.is_empty() && label != "*" && rest.eq_ignore_ascii_case(suffix)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_on_either_side_stands_for_one_label() {
        for (carried, wanted, expected) in [
            ("db.example.com", "db.example.com", true),
            ("DB.Example.com", "db.example.COM", true),
            ("*.example.com", "db.example.com", true),
            ("db.example.com", "*.example.com", true),
            ("*.example.com", "*.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", false),
            ("a.b.example.com", "*.example.com", false),
            ("*.b.example.com", "*.example.com", false),
            ("*.example.com", ".example.com", false),
            ("db.example.org", "db.example.com", false),
        ] {
            assert_eq!(dns_match(carried, wanted), expected, "{carried} for {wanted}");
        }
    }
}
