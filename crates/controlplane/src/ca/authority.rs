//! Authorities and how they stand in the Secret.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData as _,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::parse_x509_certificate;

/// All certificates that are trusted, PEM.
pub(super) const BUNDLE: &str = "ca.crt";
/// The key that signs, PKCS#8 PEM; its certificate is in the bundle.
pub(super) const KEY: &str = "ca.key";
/// The key that will sign when its certificate is known everywhere.
pub(super) const NEXT_KEY: &str = "next.key";
/// Every key of the Secret that is ours.
pub(super) const KEYS: [&str; 3] = [BUNDLE, KEY, NEXT_KEY];

/// How long an authority lives.
pub(super) const LIFE: i64 = 365 * 24 * 3600;
/// Certificates are valid from a little before they are made, for clocks that are behind.
pub(super) const BACKDATED: i64 = 3600;
/// More certificates than any rotation leaves behind; a bundle with more was not made by us.
const MOST: usize = 16;

/// A certificate that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) der: Vec<u8>,
    /// The public key, `SubjectPublicKeyInfo`.
    public: Vec<u8>,
    /// Seconds since 1970.
    pub(super) not_before: i64,
    /// Seconds since 1970.
    pub(super) not_after: i64,
}

impl Anchor {
    /// A certificate that is an authority; `None` for all others.
    fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        let validity = certificate.validity();
        certificate.is_ca().then(|| Self {
            der: der.to_vec(),
            public: certificate.public_key().raw.to_vec(),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }

    pub(super) fn is_valid(&self, now: i64) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// When it was made.
    pub(super) fn made(&self) -> i64 {
        self.not_before + BACKDATED
    }
}

/// A certificate with its key.
#[derive(Clone)]
pub(super) struct Authority {
    anchor: Anchor,
    key: Arc<KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("anchor", &self.anchor).finish_non_exhaustive()
    }
}

impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        // The certificate names the key.
        self.anchor == other.anchor
    }
}

impl Authority {
    /// A new one.
    pub(super) fn make(now: i64) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "tidegate controller");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.not_before = time(now - BACKDATED).into();
        params.not_after = time(now + LIFE).into();
        let certificate = params.self_signed(&key)?;
        let anchor =
            Anchor::read(certificate.der()).ok_or(rcgen::Error::CouldNotParseCertificate)?;
        Ok(Self { anchor, key: Arc::new(key) })
    }

    /// The key of this PEM and its certificate among `anchors`, which it is taken out of.
    fn read(key: &[u8], anchors: &mut Vec<Anchor>) -> Result<Self, Unusable> {
        let text = std::str::from_utf8(key).map_err(|_| Unusable::Key)?;
        let key = KeyPair::from_pem(text).map_err(|_| Unusable::Key)?;
        let public = key.subject_public_key_info();
        let position = anchors.iter().position(|anchor| anchor.public == public);
        let anchor = anchors.remove(position.ok_or(Unusable::NoCertificate)?);
        Ok(Self { anchor, key: Arc::new(key) })
    }

    pub(super) fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    pub(super) fn key(&self) -> &KeyPair {
        &self.key
    }
}

/// Why a Secret is no authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("data[\"ca.crt\"] has no certificate of an authority")]
    Bundle,
    #[error("data[\"ca.key\"] is not a private key in PEM")]
    Key,
    #[error("data[\"ca.crt\"] has no certificate for the key in data[\"ca.key\"]")]
    NoCertificate,
}

/// Everything that is trusted, and the keys that sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Authorities {
    /// Signs.
    pub(super) signing: Authority,
    /// Will sign as soon as it is known everywhere.
    pub(super) next: Option<Authority>,
    /// Signed what may still be in use. Without keys: nobody needs them.
    pub(super) retired: Vec<Anchor>,
}

impl Authorities {
    pub(super) fn read(data: &BTreeMap<String, ByteString>) -> Result<Self, Unusable> {
        let empty = ByteString::default();
        let of = |key: &str| &data.get(key).unwrap_or(&empty).0;
        let mut anchors: Vec<_> = CertificateDer::pem_slice_iter(of(BUNDLE))
            .filter_map(Result::ok)
            .filter_map(|der| Anchor::read(&der))
            .take(MOST)
            .collect();
        if anchors.is_empty() {
            return Err(Unusable::Bundle);
        }
        let signing = Authority::read(of(KEY), &mut anchors)?;
        // Without a usable one, another is made in time.
        let next = Authority::read(of(NEXT_KEY), &mut anchors).ok();
        Ok(Self { signing, next, retired: anchors })
    }

    pub(super) fn write(&self) -> BTreeMap<String, ByteString> {
        let key = |authority: &Authority| ByteString(authority.key.serialize_pem().into_bytes());
        let mut data = BTreeMap::from([
            (BUNDLE.to_owned(), ByteString(self.bundle().into_bytes())),
            (KEY.to_owned(), key(&self.signing)),
        ]);
        data.extend(self.next.iter().map(|next| (NEXT_KEY.to_owned(), key(next))));
        data
    }

    /// All certificates, oldest first: an order that no promotion changes.
    pub(super) fn bundle(&self) -> String {
        let mut anchors: Vec<_> = self.retired.iter().collect();
        anchors.push(&self.signing.anchor);
        anchors.extend(self.next.iter().map(|next| &next.anchor));
        anchors.sort_by(|a, b| (a.not_before, &a.der).cmp(&(b.not_before, &b.der)));
        anchors.into_iter().map(|anchor| pem(&anchor.der)).collect()
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|&byte| char::from(byte)));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// Seconds since 1970 as a time.
pub(super) fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}
