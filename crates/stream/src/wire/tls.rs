//! Certificates, keys and TLS settings. The only place that asks for the bytes of keys.

use std::fmt;
use std::sync::Arc;

use snapshot::tls::PrivateKey;
use snapshot::{ClientAuth, SubjectName, TlsIdentity, TrustRoots};

use super::pool::{self, Pool};
use super::{Malformed, required};

/// A certificate chain with its private key.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct Identity {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    fingerprint: String,
    #[prost(string, repeated, tag = "3")]
    dns_names: Vec<String>,
    /// Seconds since 1970.
    #[prost(int64, tag = "4")]
    not_after: i64,
    /// Leaf first, DER.
    #[prost(bytes = "vec", repeated, tag = "5")]
    chain: Vec<Vec<u8>>,
    /// DER.
    #[prost(bytes = "vec", tag = "6")]
    key: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl Identity {
    pub(crate) fn of(identity: &TlsIdentity) -> Self {
        Self {
            name: identity.name.clone(),
            fingerprint: identity.fingerprint.clone(),
            dns_names: identity.dns_names.clone(),
            not_after: identity.not_after,
            chain: identity.chain.clone(),
            key: identity.key.der().to_vec(),
        }
    }

    pub(crate) fn read(self) -> Result<TlsIdentity, Malformed> {
        Ok(TlsIdentity {
            name: self.name,
            fingerprint: self.fingerprint,
            dns_names: self.dns_names,
            not_after: self.not_after,
            chain: self.chain,
            key: PrivateKey::from_der(self.key),
        })
    }
}

/// Whether clients must show a certificate.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ClientCertificates {
    /// 1 not asked for, 2 required, 3 optional.
    #[prost(uint32, tag = "1")]
    mode: u32,
    /// DER.
    #[prost(bytes = "vec", repeated, tag = "2")]
    roots: Vec<Vec<u8>>,
}

impl ClientCertificates {
    fn of(auth: &ClientAuth) -> Self {
        match auth {
            ClientAuth::None => Self { mode: 1, roots: Vec::new() },
            ClientAuth::Required(roots) => Self { mode: 2, roots: roots.clone() },
            ClientAuth::Optional(roots) => Self { mode: 3, roots: roots.clone() },
        }
    }

    fn read(self) -> Result<ClientAuth, Malformed> {
        match self.mode {
            1 if self.roots.is_empty() => Ok(ClientAuth::None),
            2 => Ok(ClientAuth::Required(self.roots)),
            3 => Ok(ClientAuth::Optional(self.roots)),
            _ => Err(Malformed::Field("clientAuth.mode")),
        }
    }
}

/// How a listener terminates TLS.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Server {
    /// Places in the bind's list of identities.
    #[prost(uint32, repeated, tag = "1")]
    identities: Vec<u32>,
    #[prost(message, optional, tag = "2")]
    client: Option<ClientCertificates>,
    #[prost(string, tag = "3")]
    session_scope: String,
}

impl Server {
    pub(crate) fn of(server: &snapshot::TlsServer, pool: &mut Pool<Identity>) -> Self {
        let place = |identity: &Arc<TlsIdentity>| pool.place(Identity::of(identity));
        Self {
            identities: server.identities.iter().map(place).collect(),
            client: Some(ClientCertificates::of(&server.client_auth)),
            session_scope: server.session_scope.clone(),
        }
    }

    pub(crate) fn read(
        self,
        identities: &[Arc<TlsIdentity>],
    ) -> Result<snapshot::TlsServer, Malformed> {
        if self.identities.is_empty() {
            return Err(Malformed::Field("tls.identities"));
        }
        let of_place = |place| pool::at(identities, place, "tls.identities");
        Ok(snapshot::TlsServer {
            identities: self.identities.into_iter().map(of_place).collect::<Result<_, _>>()?,
            client_auth: required(self.client, "tls.clientAuth")?.read()?,
            session_scope: self.session_scope,
        })
    }
}

/// TLS towards a backend.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Backend {
    #[prost(string, tag = "1")]
    server_name: String,
    #[prost(message, repeated, tag = "2")]
    subject_names: Vec<Subject>,
    /// The operating system's authorities; else `roots`.
    #[prost(bool, tag = "3")]
    system: bool,
    /// DER.
    #[prost(bytes = "vec", repeated, tag = "4")]
    roots: Vec<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    identity: Option<Identity>,
}

/// A subject alternative name.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Subject {
    #[prost(oneof = "Name", tags = "1, 2")]
    name: Option<Name>,
}

/// The two kinds of it.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Name {
    #[prost(string, tag = "1")]
    Dns(String),
    #[prost(string, tag = "2")]
    Uri(String),
}

impl Backend {
    pub(crate) fn of(tls: &snapshot::BackendTls) -> Self {
        let subject = |name: &SubjectName| match name {
            SubjectName::Dns(name) => Subject { name: Some(Name::Dns(name.clone())) },
            SubjectName::Uri(name) => Subject { name: Some(Name::Uri(name.clone())) },
        };
        let (system, roots) = match &tls.roots {
            TrustRoots::System => (true, Vec::new()),
            TrustRoots::Certificates(roots) => (false, roots.clone()),
        };
        Self {
            server_name: tls.server_name.clone(),
            subject_names: tls.subject_names.iter().map(subject).collect(),
            system,
            roots,
            identity: tls.identity.as_deref().map(Identity::of),
        }
    }

    pub(crate) fn read(self) -> Result<snapshot::BackendTls, Malformed> {
        let subject = |subject: Subject| match required(subject.name, "subjectName")? {
            Name::Dns(name) => Ok(SubjectName::Dns(name)),
            Name::Uri(name) => Ok(SubjectName::Uri(name)),
        };
        let roots = match (self.system, self.roots) {
            (true, roots) if roots.is_empty() => TrustRoots::System,
            (false, roots) => TrustRoots::Certificates(roots),
            (true, _) => return Err(Malformed::Field("backendTls.roots")),
        };
        Ok(snapshot::BackendTls {
            server_name: self.server_name,
            subject_names: self
                .subject_names
                .into_iter()
                .map(subject)
                .collect::<Result<_, Malformed>>()?,
            roots,
            identity: self.identity.map(Identity::read).transpose()?.map(Arc::new),
        })
    }
}
