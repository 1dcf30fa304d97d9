//! A certificate authority for tests: identities as the snapshot carries them, and the client
//! settings that go with them.

use std::sync::Arc;

use dataplane::tls::provider;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};
use snapshot::tls::PrivateKey;
use snapshot::{ClientAuth, TlsIdentity, TlsServer};

/// An authority that signs whatever it is asked to.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(crate) der: Vec<u8>,
}

/// What a certificate is to be like.
#[derive(Clone, Default)]
pub(crate) struct Leaf<'a> {
    /// Common name of the subject.
    pub(crate) subject: &'a str,
    /// Subject alternative names: DNS.
    pub(crate) dns: &'a [&'a str],
    /// Subject alternative names: URI.
    pub(crate) uris: &'a [&'a str],
    /// Whether it ended long ago.
    pub(crate) expired: bool,
    /// Whether the key is RSA; else ECDSA on P-256.
    pub(crate) rsa: bool,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: Issuer::new(params, key), der }
    }

    /// A certificate for these DNS names.
    pub(crate) fn identity(&self, name: &str, dns: &[&str]) -> Arc<TlsIdentity> {
        self.sign(name, &Leaf { subject: name, dns, ..Leaf::default() })
    }

    /// A certificate like `leaf`, in a Secret called `name`.
    pub(crate) fn sign(&self, name: &str, leaf: &Leaf<'_>) -> Arc<TlsIdentity> {
        let key = match leaf.rsa {
            true => KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap(),
            false => KeyPair::generate().unwrap(),
        };
        let dns: Vec<_> = leaf.dns.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(dns.clone()).unwrap();
        let uris = leaf.uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names.extend(uris);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, leaf.subject);
        if leaf.expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Arc::new(TlsIdentity {
            name: name.to_owned(),
            fingerprint: fingerprint(certificate.der()),
            dns_names: dns,
            not_after: params.not_after.unix_timestamp(),
            chain: vec![certificate.der().to_vec()],
            key: PrivateKey::from_der(key.serialize_der()),
        })
    }

    /// What a client that trusts this authority needs.
    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.der.clone())).unwrap();
        roots
    }

    /// A client of TLS 1.2 and 1.3 that trusts this authority.
    pub(crate) fn client(&self) -> ClientConfig {
        self.client_of(rustls::ALL_VERSIONS, None)
    }

    /// A client of some versions, with a certificate of its own or without.
    pub(crate) fn client_of(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        identity: Option<&TlsIdentity>,
    ) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots());
        match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                builder.with_client_auth_cert(chain(identity), key(identity)).unwrap()
            }
        }
    }
}

/// Lower-case hex of the SHA-256.
pub(crate) fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn chain(identity: &TlsIdentity) -> Vec<CertificateDer<'static>> {
    identity.chain.iter().map(|der| CertificateDer::from(der.clone())).collect()
}

pub(crate) fn key(identity: &TlsIdentity) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(identity.key.der().to_vec()).unwrap()
}

/// A listener's settings with these certificates, in one scope for all.
pub(crate) fn server(identities: &[&Arc<TlsIdentity>], client_auth: ClientAuth) -> TlsServer {
    TlsServer {
        identities: identities.iter().map(|identity| Arc::clone(identity)).collect(),
        client_auth,
        session_scope: "edge/l4:443".to_owned(),
    }
}
