//! Begins TLS sessions with backends: from [`snapshot::BackendTls`] to a verified stream. It never
//! falls back to plaintext, and never to a laxer check; what cannot be set up cannot be connected.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use snapshot::{BackendTls, TrustRoots};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificates::{self, UnusableCertificate};
use super::verify::BackendVerifier;

/// Sessions remembered for resumption. They are kept by server name, of which a connector has one.
const REMEMBERED_SESSIONS: usize = 8;

/// Everything needed to begin sessions under one [`BackendTls`].
#[derive(Clone)]
pub struct BackendConnector {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
}

/// Why sessions cannot be begun under these settings.
#[derive(Debug, thiserror::Error)]
pub enum BackendTlsBuildError {
    /// The name to send is no host name.
    #[error("server name {0:?} is not a host name")]
    ServerName(String),
    /// Not one authority can be trusted: none is given, none can be read, or the system has none.
    #[error("no certificate authority to trust")]
    NoRoots,
    /// The certificate to show cannot be used.
    #[error("client certificate cannot be used")]
    Identity(#[from] UnusableCertificate),
    /// The TLS library refuses the settings.
    #[error("TLS settings refused")]
    Settings(#[from] rustls::Error),
}

/// Why a session with a backend was not established.
#[derive(Debug, thiserror::Error)]
pub enum BackendTlsError {
    /// The deadline passed.
    #[error("TLS handshake with the backend not done in time")]
    Timeout,
    /// The backend ended the connection in the middle.
    #[error("backend closed the connection during the TLS handshake")]
    Closed,
    /// The backend does not speak TLS.
    #[error("backend does not speak TLS")]
    NotTls,
    /// The certificate is not valid today.
    #[error("backend certificate is expired or not yet valid")]
    Expired,
    /// The certificate carries none of the names it should.
    #[error("backend certificate is for another name")]
    WrongName,
    /// No trusted authority vouches for the certificate.
    #[error("backend certificate is not trusted")]
    Untrusted(#[source] rustls::Error),
    /// The backend refused with an alert.
    #[error("backend sent alert {0:?}")]
    Alert(AlertDescription),
    /// Any other break of the protocol.
    #[error("TLS handshake with the backend failed")]
    Protocol(#[source] rustls::Error),
    /// The socket failed.
    #[error("connection to the backend failed during the TLS handshake")]
    Io(#[source] io::Error),
}

impl BackendTlsError {
    /// A short stable name for logs. Among connect results all of them are `tls`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Timeout => "tls_timeout",
            Self::Closed => "tls_closed",
            Self::NotTls => "tls_not_tls",
            Self::Expired => "tls_expired",
            Self::WrongName => "tls_wrong_name",
            Self::Untrusted(_) => "tls_untrusted",
            Self::Alert(_) => "tls_alert",
            Self::Protocol(_) => "tls_protocol",
            Self::Io(_) => "tls_io",
        }
    }
}

impl BackendConnector {
    /// Loads authorities and, if there is one, the certificate to show. Reads the system's
    /// authorities from disk the first time they are asked for: call it off the data path.
    ///
    /// # Errors
    /// See [`BackendTlsBuildError`]. The caller must then refuse connections to this backend.
    pub fn new(settings: &BackendTls) -> Result<Self, BackendTlsBuildError> {
        let server_name = ServerName::try_from(settings.server_name.clone())
            .map_err(|_| BackendTlsBuildError::ServerName(settings.server_name.clone()))?;
        let roots = match &settings.roots {
            TrustRoots::System => system_roots(),
            TrustRoots::Certificates(certificates) => Arc::new(super::root_store(certificates)),
        };
        if roots.is_empty() {
            return Err(BackendTlsBuildError::NoRoots);
        }
        let verifier = BackendVerifier { roots, subject_names: settings.subject_names.clone() };
        let builder = ClientConfig::builder_with_provider(super::provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .dangerous() // The verifier is our own; it checks no less than the stock one.
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &settings.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let certified = SingleCertAndKey::from(certificates::load(identity)?);
                builder.with_client_cert_resolver(Arc::new(certified))
            }
        };
        config.resumption = Resumption::in_memory_sessions(REMEMBERED_SESSIONS);
        Ok(Self { config: Arc::new(config), server_name })
    }

    /// Does the handshake. `protocol` is offered by ALPN: the one agreed on with the client, so
    /// that a backend that insists on it (PostgreSQL's direct TLS) gets it.
    ///
    /// # Errors
    /// See [`BackendTlsError`].
    pub async fn connect<S>(
        &self,
        stream: S,
        protocol: Option<&[u8]>,
        deadline: Instant,
    ) -> Result<TlsStream<S>, BackendTlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
        let handshake = connector.with_alpn(protocols).connect_with(
            self.server_name.clone(),
            stream,
            |session| session.set_buffer_limit(Some(super::SESSION_BUFFER)),
        );
        timeout_at(deadline, handshake)
            .await
            .map_err(|_elapsed| BackendTlsError::Timeout)?
            .map_err(classify)
    }
}

impl std::fmt::Debug for BackendConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackendConnector")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// The operating system's authorities, read once for the process. Files that cannot be read are
/// left out.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    }))
}

fn classify(error: io::Error) -> BackendTlsError {
    use rustls::Error;
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return match tls {
            Error::AlertReceived(alert) => BackendTlsError::Alert(*alert),
            Error::InvalidMessage(_) => BackendTlsError::NotTls,
            Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            ) => BackendTlsError::Expired,
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => BackendTlsError::WrongName,
            Error::InvalidCertificate(_) => BackendTlsError::Untrusted(tls.clone()),
            _ => BackendTlsError::Protocol(tls.clone()),
        };
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => BackendTlsError::Closed,
        _ => BackendTlsError::Io(error),
    }
}
