//! A test authority and certificates signed by it.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate authority.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// Its certificate, PEM.
    pub pem: String,
}

/// A certificate with its key.
#[derive(Debug)]
pub struct Identity {
    /// The certificate, PEM.
    pub certificate: String,
    /// The key, PKCS#8 PEM.
    pub key: String,
    certificate_der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

impl Authority {
    /// Makes an authority.
    ///
    /// # Panics
    /// Never on a machine with randomness.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("no names to be wrong");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("signed");
        Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Issues a certificate for DNS names and IP addresses.
    ///
    /// # Panics
    /// When a name is neither.
    pub fn issue(&self, names: &[&str]) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("no names to be wrong");
        for name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName((*name).try_into().expect("a DNS name")),
            });
        }
        params.distinguished_name.push(DnType::CommonName, *names.first().expect("a name"));
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            certificate_der: certificate.der().clone(),
            key_der: key.serialize_der(),
        }
    }

    /// A TLS client that trusts this authority alone.
    ///
    /// # Panics
    /// Never: the certificate is our own.
    pub fn client(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a certificate");
        let builder = rustls::ClientConfig::builder().with_root_certificates(roots);
        Arc::new(builder.with_no_client_auth())
    }
}

impl Identity {
    /// A TLS server with this certificate.
    ///
    /// # Panics
    /// Never: key and certificate belong together.
    pub fn server(&self) -> Arc<rustls::ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key_der.clone()));
        let builder = rustls::ServerConfig::builder().with_no_client_auth();
        let chain = vec![self.certificate_der.clone()];
        Arc::new(builder.with_single_cert(chain, key).expect("they belong together"))
    }
}
