//! Which certificate a client is shown: by the server name of the verdict, exact before wildcard
//! before whatever there is, and among equals the first whose key the client can check.
//!
//! Names come from the certificates alone; the listener's hostname has no say. It is usual for a
//! certificate to be served where its names do not match, and the client's to judge.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use snapshot::{ServerName, TlsIdentity};

/// A certificate with its key loaded.
pub(super) struct Certificate {
    /// `namespace/name` of the Secret.
    pub(super) name: Arc<str>,
    certified: Arc<CertifiedKey>,
}

/// Candidates in the order they are tried.
type Candidates = Arc<[Arc<Certificate>]>;

/// The certificates of one listener, by name.
pub(super) struct Certificates {
    exact: HashMap<String, Candidates>,
    /// By the part after `*.`: a certificate's wildcard stands for exactly one label (RFC 9525
    /// §6.3), unlike a listener's.
    wildcard: HashMap<String, Candidates>,
    all: Candidates,
}

/// A certificate that cannot be served. Says which and why, never a byte of it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("certificate {name} cannot be served")]
pub struct UnusableCertificate {
    /// `namespace/name` of the Secret.
    pub name: String,
    /// What is wrong with it.
    #[source]
    pub reason: rustls::Error,
}

/// Loads a chain and its key, and checks that they belong together.
pub(super) fn load(identity: &TlsIdentity) -> Result<Arc<CertifiedKey>, UnusableCertificate> {
    let unusable = |reason| UnusableCertificate { name: identity.name.clone(), reason };
    let chain = identity.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivateKeyDer::try_from(identity.key.der().to_vec())
        .map_err(|reason| unusable(rustls::Error::General(reason.to_owned())))?;
    CertifiedKey::from_der(chain, key, &super::provider()).map(Arc::new).map_err(unusable)
}

impl Certificates {
    /// Loads what can be loaded; the second part is what cannot.
    pub(super) fn load(identities: &[Arc<TlsIdentity>]) -> (Self, Vec<UnusableCertificate>) {
        let mut exact = HashMap::<_, Vec<_>>::new();
        let mut wildcard = HashMap::<_, Vec<_>>::new();
        let mut all = Vec::new();
        let mut unusable = Vec::new();
        for identity in identities {
            let certified = match load(identity) {
                Ok(certified) => certified,
                Err(reason) => {
                    unusable.push(reason);
                    continue;
                }
            };
            let certificate =
                Arc::new(Certificate { name: identity.name.as_str().into(), certified });
            for name in &identity.dns_names {
                let (table, name) = match name.strip_prefix("*.") {
                    Some(suffix) => (&mut wildcard, suffix),
                    None => (&mut exact, name.as_str()),
                };
                table.entry(name.to_ascii_lowercase()).or_default().push(Arc::clone(&certificate));
            }
            all.push(certificate);
        }
        let shared = |table: HashMap<_, Vec<_>>| {
            table.into_iter().map(|(name, found)| (name, found.into())).collect()
        };
        (Self { exact: shared(exact), wildcard: shared(wildcard), all: all.into() }, unusable)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What to show to a client that asks for `name`.
    pub(super) fn choose(&self, name: Option<&ServerName>) -> Choice {
        let by_name = name.map(ServerName::as_str).and_then(|name| {
            self.exact.get(name).or_else(|| self.wildcard.get(name.split_once('.')?.1))
        });
        Choice { candidates: Arc::clone(by_name.unwrap_or(&self.all)), chosen: OnceLock::new() }
    }
}

/// The choice for one connection, made when its signature schemes are known.
pub(super) struct Choice {
    candidates: Candidates,
    chosen: OnceLock<usize>,
}

impl Choice {
    /// The Secret whose certificate was chosen; `None` before the hello was processed.
    pub(super) fn secret(&self) -> Option<Arc<str>> {
        let certificate = self.candidates.get(*self.chosen.get()?)?;
        Some(Arc::clone(&certificate.name))
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // A client that can check none of them gets the first, and an alert that says so.
        let usable = self.candidates.iter().position(|certificate| {
            certificate.certified.key.choose_scheme(hello.signature_schemes()).is_some()
        });
        let index = usable.unwrap_or_default();
        // Set already after a HelloRetryRequest: same hello, same choice.
        let _ = self.chosen.set(index);
        Some(Arc::clone(&self.candidates.get(index)?.certified))
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.candidates.iter().map(|certificate| &certificate.name)).finish()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|certificate| &certificate.name)).finish()
    }
}
