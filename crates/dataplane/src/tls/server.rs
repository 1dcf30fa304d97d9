//! Ends TLS sessions of clients: from [`snapshot::TlsServer`] to a handshake and what it agreed on.
//! Knows nothing of routes; the connection flow hands it a stream that begins with the ClientHello
//! and the verdict on it.

use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, ServerConfig};
use snapshot::{ServerName, TlsServer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificates::{Certificates, Choice, UnusableCertificate};
use super::client_auth::ClientCheck;
use super::established::Established;
use super::offer::Offer;
use super::sessions::{SessionScope, Sessions};

/// Tickets sent after a full handshake of TLS 1.3. Each may be used once (RFC 8446 appendix C.4);
/// two let a client that lost one, or opens two connections, still resume.
const TICKETS: usize = 2;

/// Everything needed to end sessions under one [`TlsServer`]. Immutable: another snapshot makes
/// another one, and handshakes that began go on with the one they began with.
#[derive(Debug)]
pub struct Terminator {
    config: Arc<ServerConfig>,
    certificates: Certificates,
    check: ClientCheck,
    unusable: Vec<UnusableCertificate>,
    /// Keeps the scope alive: [`Sessions`] forgets what no terminator holds.
    _sessions: Arc<SessionScope>,
}

/// Why no session can be ended under these settings.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Not one certificate can be served. The reasons, one for each.
    #[error("no certificate can be served")]
    NoCertificate(Vec<UnusableCertificate>),
    /// The TLS library refuses the settings.
    #[error("TLS settings refused")]
    Settings(#[from] rustls::Error),
}

/// Why a handshake did not come to an end. Where TLS has an alert for it, the client was sent it.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The deadline passed.
    #[error("handshake not done in time")]
    Timeout,
    /// The client ended the connection in the middle.
    #[error("connection closed during the handshake")]
    Closed,
    /// The client refused with an alert.
    #[error("client sent alert {0:?}")]
    Alert(AlertDescription),
    /// We refused.
    #[error("handshake refused")]
    Refused(#[source] rustls::Error),
    /// The socket failed.
    #[error("connection failed during the handshake")]
    Io(#[source] io::Error),
}

impl HandshakeError {
    /// A short stable name, for metrics and logs.
    pub fn label(&self) -> &'static str {
        use rustls::Error;
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Io(_) => "io",
            Self::Alert(alert) => alert_label(*alert),
            Self::Refused(Error::NoCertificatesPresented) => "certificate_required",
            Self::Refused(Error::InvalidCertificate(_)) => "bad_certificate",
            Self::Refused(Error::PeerIncompatible(_)) => "incompatible",
            Self::Refused(_) => "protocol_error",
        }
    }
}

/// The names that clients' alerts have in RFC 8446 §6.2, of those seen in practice.
fn alert_label(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CloseNotify => "close_notify",
        AlertDescription::UserCanceled => "user_canceled",
        AlertDescription::HandshakeFailure => "handshake_failure",
        AlertDescription::BadCertificate => "alert_bad_certificate",
        AlertDescription::UnsupportedCertificate => "unsupported_certificate",
        AlertDescription::CertificateRevoked => "certificate_revoked",
        AlertDescription::CertificateExpired => "certificate_expired",
        AlertDescription::CertificateUnknown => "certificate_unknown",
        AlertDescription::UnknownCA => "unknown_ca",
        AlertDescription::ProtocolVersion => "protocol_version",
        AlertDescription::NoApplicationProtocol => "no_application_protocol",
        _ => "alert",
    }
}

impl Terminator {
    /// Loads certificates and authorities. A certificate that cannot be served is left out and
    /// listed in [`Terminator::unusable`].
    ///
    /// # Errors
    /// If no certificate is left, or the system gives no randomness.
    pub fn new(settings: &TlsServer, sessions: &Sessions) -> Result<Self, BuildError> {
        let (certificates, unusable) = Certificates::load(&settings.identities);
        if certificates.is_empty() {
            return Err(BuildError::NoCertificate(unusable));
        }
        let check = ClientCheck::new(&settings.client_auth);
        let scope = sessions.scope(&settings.session_scope, &settings.client_auth)?;
        let mut config = ServerConfig::builder_with_provider(super::provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_client_cert_verifier(Arc::clone(&check.verifier))
            .with_cert_resolver(Arc::new(certificates.choose(None)));
        config.ticketer = Arc::clone(&scope.ticketer);
        config.session_storage = Arc::clone(&scope.cache);
        config.send_tls13_tickets = TICKETS;
        // Early data may be replayed, and what it would reach is not ours to judge idempotent.
        config.max_early_data_size = 0;
        Ok(Self { config: Arc::new(config), certificates, check, unusable, _sessions: scope })
    }

    /// The certificates that were left out, and why.
    pub fn unusable(&self) -> &[UnusableCertificate] {
        &self.unusable
    }

    /// Does the handshake on a stream that begins with the ClientHello whose verdict gave `name`
    /// and `offer`. The certificate follows from `name`, so that it cannot disagree with the route.
    ///
    /// # Errors
    /// See [`HandshakeError`]; the stream is closed then.
    pub async fn accept<S>(
        &self,
        stream: S,
        name: Option<&ServerName>,
        offer: &Offer,
        deadline: Instant,
    ) -> Result<(TlsStream<S>, Established), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let choice = Arc::new(self.certificates.choose(name));
        let acceptor = TlsAcceptor::from(self.config_for(&choice, offer));
        let handshake = acceptor.accept_with(stream, |session| {
            session.set_buffer_limit(Some(super::SESSION_BUFFER));
        });
        let stream = timeout_at(deadline, handshake)
            .await
            .map_err(|_elapsed| HandshakeError::Timeout)?
            .map_err(classify)?;
        let established = Established::read(stream.get_ref().1, &choice, &self.check);
        Ok((stream, established))
    }

    /// The settings of one connection: its certificates and its answer to ALPN. A clone is a dozen
    /// reference counts, nothing beside a handshake.
    fn config_for(&self, choice: &Arc<Choice>, offer: &Offer) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&self.config);
        config.cert_resolver = Arc::<Choice>::clone(choice);
        config.alpn_protocols = offer.agreed().map(<[u8]>::to_vec).into_iter().collect();
        Arc::new(config)
    }
}

fn classify(error: io::Error) -> HandshakeError {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return match tls {
            rustls::Error::AlertReceived(alert) => HandshakeError::Alert(*alert),
            other => HandshakeError::Refused(other.clone()),
        };
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => HandshakeError::Closed,
        _ => HandshakeError::Io(error),
    }
}
