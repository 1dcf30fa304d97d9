//! Secrets to identities and ConfigMaps to certificate authorities. Decides what is a usable
//! certificate; knows no listener, no policy and no clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use gwapi::listeners::SecretRef;
use gwapi::objects::ByKey;
use gwapi::reasons::Reason;
use gwapi::{ConfigMap, Kind, ObjectKey, Objects, Secret};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use snapshot::TlsIdentity;
use snapshot::tls::PrivateKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::grants::Grants;
use crate::status::Cause;

/// The key of a Secret's certificate chain (`kubernetes.io/tls`).
pub(crate) const CERTIFICATE_KEY: &str = "tls.crt";
/// The key of a Secret's private key (`kubernetes.io/tls`).
const PRIVATE_KEY: &str = "tls.key";
/// The key of a ConfigMap's certificate authorities.
const AUTHORITIES_KEY: &str = "ca.crt";

/// Certificate authorities, DER.
pub(crate) type Authorities = Arc<Vec<Vec<u8>>>;

/// A certificate in use, and what the snapshot does not need to know of it.
pub(crate) struct Certificate {
    /// What is served.
    pub(crate) identity: Arc<TlsIdentity>,
    /// Begin of the leaf's validity, seconds since 1970.
    pub(crate) not_before: i64,
}

/// Everything read so far: checking a key costs more than all the rest of a translation, so no
/// Secret is read that nothing refers to, and none twice.
pub(crate) struct Certificates<'a> {
    secrets: &'a ByKey<Secret>,
    config_maps: &'a ByKey<ConfigMap>,
    identities: BTreeMap<ObjectKey, Result<Certificate, String>>,
    authorities: BTreeMap<ObjectKey, Result<Authorities, String>>,
}

impl<'a> Certificates<'a> {
    /// Nothing read yet.
    pub(crate) fn new(objects: &'a Objects) -> Self {
        Self {
            secrets: &objects.secrets,
            config_maps: &objects.config_maps,
            identities: BTreeMap::new(),
            authorities: BTreeMap::new(),
        }
    }

    /// The identity that an object of kind `from` in `namespace` refers to. A reference that leads
    /// nowhere gets the reason `invalid`.
    pub(crate) fn identity(
        &mut self,
        grants: &Grants<'_>,
        (from, namespace): (Kind, &str),
        secret: &SecretRef,
        field: &str,
        invalid: Reason,
    ) -> Result<Arc<TlsIdentity>, Cause> {
        if (secret.group(), secret.kind()) != (Kind::Secret.group(), Kind::Secret.as_str()) {
            let message = format!(
                "kind {} of group {:?} holds no certificate: expected a Secret of the core group",
                secret.kind(),
                secret.group()
            );
            return Err(Cause::new(invalid, field, message));
        }
        let namespace_of_secret = secret.namespace.as_deref().unwrap_or(namespace);
        let key = ObjectKey::new(namespace_of_secret, secret.name.as_str());
        grants.check(from, namespace, Kind::Secret, &key, || field.to_owned())?;
        self.read_identity(key).map_err(|problem| Cause::new(invalid, field, problem))
    }

    fn read_identity(&mut self, key: ObjectKey) -> Result<Arc<TlsIdentity>, String> {
        let secrets = self.secrets;
        match self.identities.entry(key.clone()).or_insert_with(|| match secrets.get(&key) {
            Some(secret) => read_certificate(&key, secret),
            None => Err(format!("Secret {key} does not exist")),
        }) {
            Ok(certificate) => Ok(Arc::clone(&certificate.identity)),
            Err(problem) => Err(problem.clone()),
        }
    }

    /// The certificate authorities of a ConfigMap. The caller has checked that it may be read.
    pub(crate) fn authorities(&mut self, key: ObjectKey) -> Result<Authorities, String> {
        let config_maps = self.config_maps;
        self.authorities
            .entry(key.clone())
            .or_insert_with(|| match config_maps.get(&key) {
                Some(config_map) => read_authorities(&key, config_map),
                None => Err(format!("ConfigMap {key} does not exist")),
            })
            .clone()
    }

    /// The certificates that something refers to, by Secret.
    pub(crate) fn in_use(&self) -> impl Iterator<Item = (&ObjectKey, &Certificate)> {
        self.identities.iter().filter_map(|(key, read)| Some((key, read.as_ref().ok()?)))
    }
}

fn read_certificate(key: &ObjectKey, secret: &Secret) -> Result<Certificate, String> {
    let value = |name: &str| {
        secret.data.get(name).map(|value| value.0.as_slice()).ok_or_else(|| {
            format!("Secret {key} has no key {name}: expected {CERTIFICATE_KEY} and {PRIVATE_KEY}")
        })
    };
    let chain = read_pem(value(CERTIFICATE_KEY)?)
        .map_err(|()| format!("{CERTIFICATE_KEY} of Secret {key} is not valid PEM"))?;
    let Some(leaf) = chain.first() else {
        return Err(format!(
            "{CERTIFICATE_KEY} of Secret {key} holds no certificate: expected PEM that begins \
             with -----BEGIN CERTIFICATE-----"
        ));
    };
    let (_, parsed) = X509Certificate::from_der(leaf)
        .map_err(|_| format!("{CERTIFICATE_KEY} of Secret {key} is not an X.509 certificate"))?;
    let private_key = PrivateKeyDer::from_pem_slice(value(PRIVATE_KEY)?).map_err(|_| {
        format!("{PRIVATE_KEY} of Secret {key} holds no private key: expected PKCS#8, PKCS#1 or SEC1 PEM")
    })?;
    let signing_key = any_supported_type(&private_key).map_err(|_| {
        format!("{PRIVATE_KEY} of Secret {key} is not a key that TLS can use: expected RSA (2048 bits or more), ECDSA or Ed25519")
    })?;
    if signing_key.public_key().is_some_and(|public| *public != *parsed.public_key().raw) {
        return Err(format!(
            "{PRIVATE_KEY} of Secret {key} does not belong to its certificate: the public keys \
             differ"
        ));
    }
    let not_before = parsed.validity().not_before.timestamp();
    let identity = TlsIdentity {
        name: key.to_string(),
        fingerprint: hex(&Sha256::digest(leaf)),
        dns_names: dns_names(&parsed),
        not_after: parsed.validity().not_after.timestamp(),
        key: PrivateKey::from_der(private_key.secret_der().to_vec()),
        chain,
    };
    Ok(Certificate { identity: Arc::new(identity), not_before })
}

fn read_authorities(key: &ObjectKey, config_map: &ConfigMap) -> Result<Authorities, String> {
    let Some(text) = config_map.data.get(AUTHORITIES_KEY) else {
        return Err(format!("ConfigMap {key} has no key {AUTHORITIES_KEY}"));
    };
    let certificates = read_pem(text.as_bytes())
        .map_err(|()| format!("{AUTHORITIES_KEY} of ConfigMap {key} is not valid PEM"))?;
    if certificates.is_empty() {
        return Err(format!("{AUTHORITIES_KEY} of ConfigMap {key} holds no certificate"));
    }
    if certificates.iter().any(|certificate| X509Certificate::from_der(certificate).is_err()) {
        return Err(format!(
            "{AUTHORITIES_KEY} of ConfigMap {key} holds something that is not an X.509 certificate"
        ));
    }
    Ok(Arc::new(certificates))
}

fn read_pem(text: &[u8]) -> Result<Vec<Vec<u8>>, ()> {
    CertificateDer::pem_slice_iter(text)
        .map(|certificate| certificate.map(|der| der.to_vec()).map_err(|_| ()))
        .collect()
}

/// The DNS names among the subject alternative names. The common name is not one: clients stopped
/// reading it (RFC 9525 §6.4).
fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    alternatives
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
