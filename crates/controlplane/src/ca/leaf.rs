//! The certificate that this replica shows to proxies. It stays in memory.

use std::sync::Arc;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::version::TLS13;

use super::CaError;
use super::authority::{Anchor, Authority, BACKDATED, time};

/// How long it lives.
pub(super) const LIFE: i64 = 24 * 3600;

/// A certificate and how to serve with it.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) config: Arc<ServerConfig>,
    signed_by: Anchor,
    made: i64,
    /// Seconds since 1970.
    pub(super) not_after: i64,
}

impl Leaf {
    /// Whether it is time for another one: after two thirds of its life, if the authority is
    /// another one, or if the clock went back to before it was made.
    pub(super) fn is_due(&self, signing: &Authority, now: i64) -> bool {
        self.signed_by != *signing.anchor()
            || now >= self.made + (self.not_after - self.made) / 3 * 2
            || now < self.made - BACKDATED
    }
}

/// Signs a certificate for these names.
pub(super) fn sign(authority: &Authority, names: &[String], now: i64) -> Result<Leaf, CaError> {
    let anchor = authority.anchor();
    let der = CertificateDer::from(anchor.der.as_slice());
    let issuer = Issuer::from_ca_cert_der(&der, authority.key())?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "tidegate controller");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let not_after = anchor.not_after.min(now + LIFE);
    params.not_before = time(now - BACKDATED).into();
    params.not_after = time(not_after).into();
    let certificate = params.signed_by(&key, &issuer)?;

    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would show no certificate: rotation must reach every proxy.
    config.send_tls13_tickets = 0;
    Ok(Leaf { config: Arc::new(config), signed_by: anchor.clone(), made: now, not_after })
}
