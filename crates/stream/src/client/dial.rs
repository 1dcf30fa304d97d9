//! From a name to a stream: addresses, TCP, TLS, HTTP/2, and only then the token.

use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use tonic::metadata::{Ascii, MetadataValue};

use super::Client;
use super::state::{Failure, Trouble};
use crate::server::tls::ALPN;

/// Longest file that is read for certificates: hundreds of them.
const CA_MAX: u64 = 1 << 20;
/// Longest token: the controller takes headers of at most 16 KiB.
const TOKEN_MAX: u64 = 12 << 10;
/// How much may be on its way to us before we have taken it.
const WINDOW: u32 = 1 << 20;

/// An open connection. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) requests: Requests,
    pub(super) token: MetadataValue<Ascii>,
    pub(super) origin: http::Uri,
    pub(super) connection: AbortOnDropHandle<()>,
}

/// Sends requests on it, in the form that tonic takes.
#[derive(Debug)]
pub(super) struct Requests(SendRequest<tonic::body::Body>);

impl tower::Service<http::Request<tonic::body::Body>> for Requests {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = futures_util::future::BoxFuture<'static, hyper::Result<Self::Response>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// Dials; remembers the addresses that a name had, for when it has none.
#[derive(Debug)]
pub(super) struct Dialer {
    client: Client,
    known: Vec<SocketAddr>,
}

impl Dialer {
    pub(super) fn new(client: Client) -> Self {
        Self { client, known: Vec::new() }
    }

    /// Opens a connection to the controller and proves nothing but that it is the controller.
    pub(super) async fn dial(&mut self) -> Result<Link, Failure> {
        let timing = self.client.timing;
        let config = tls_config(&self.client.ca)?;
        let name = ServerName::try_from(self.client.server_name.clone())
            .map_err(|error| Failure::caused(Trouble::Authority, "server name", &error))?;
        let origin = http::Uri::builder()
            .scheme("https")
            .authority(self.client.server_name.as_str())
            .path_and_query("/")
            .build()
            .map_err(|error| Failure::caused(Trouble::Authority, "server name", &error))?;
        self.resolve().await?;
        let tcp = self.connect().await?;
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        let tls = match timeout(timing.handshake, handshake).await {
            Ok(Ok(tls)) => tls,
            Ok(Err(error)) => return Err(Failure::caused(Trouble::Tls, "TLS", &error)),
            Err(_) => return Err(Failure::new(Trouble::Tls, "TLS: no answer in time")),
        };
        if tls.get_ref().1.alpn_protocol() != Some(ALPN) {
            return Err(Failure::new(Trouble::Tls, "TLS: the other side does not speak HTTP/2"));
        }
        // Not earlier: the kubelet may have renewed it meanwhile, and nobody but the controller
        // may come near it.
        let token = read_token(&self.client.token)?;
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(timing.ping)
            .keep_alive_timeout(timing.pong)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_header_list_size(16 << 10);
        let handshake = builder.handshake(TokioIo::new(tls));
        let (requests, connection) = match timeout(timing.handshake, handshake).await {
            Ok(Ok(both)) => both,
            Ok(Err(error)) => return Err(Failure::caused(Trouble::Lost, "HTTP/2", &error)),
            Err(_) => return Err(Failure::new(Trouble::Lost, "HTTP/2: no answer in time")),
        };
        let connection = tokio::spawn(async move {
            // Its end is also the end of the stream, which says why.
            let _ = connection.await;
        });
        let connection = AbortOnDropHandle::new(connection);
        Ok(Link { requests: Requests(requests), token, origin, connection })
    }

    /// Asks for addresses; without an answer, those of the last time are tried.
    async fn resolve(&mut self) -> Result<(), Failure> {
        let endpoint = &self.client.endpoint;
        let lookup = tokio::net::lookup_host(endpoint.as_str());
        let failure = match timeout(self.client.timing.connect, lookup).await {
            Ok(Ok(found)) => {
                let mut found: Vec<_> = found.take(16).collect();
                if !found.is_empty() {
                    fastrand::shuffle(&mut found);
                    self.known = found;
                    return Ok(());
                }
                Failure::new(Trouble::Resolve, format!("{endpoint} has no address"))
            }
            Ok(Err(error)) => Failure::caused(Trouble::Resolve, endpoint, &error),
            Err(_) => Failure::new(Trouble::Resolve, format!("{endpoint}: no answer in time")),
        };
        if self.known.is_empty() { Err(failure) } else { Ok(()) }
    }

    async fn connect(&self) -> Result<TcpStream, Failure> {
        let mut failure = Failure::new(Trouble::Connect, "no address");
        for address in &self.known {
            failure = match timeout(self.client.timing.connect, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    // Only latency is at stake.
                    let _ = tcp.set_nodelay(true);
                    return Ok(tcp);
                }
                Ok(Err(error)) => Failure::caused(Trouble::Connect, &address.to_string(), &error),
                Err(_) => Failure::new(Trouble::Connect, format!("{address}: no answer in time")),
            };
        }
        Err(failure)
    }
}

/// TLS 1.3, HTTP/2, the authorities of the file and no others, no session kept.
fn tls_config(ca: &Path) -> Result<ClientConfig, Failure> {
    let refuse = |error: &dyn std::error::Error| {
        Failure::caused(Trouble::Authority, &ca.display().to_string(), error)
    };
    let pem = read_file(ca, CA_MAX).map_err(|error| refuse(&error))?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        let words = format!("{}: holds no certificate authority", ca.display());
        return Err(Failure::new(Trouble::Authority, words));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| refuse(&error))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// The token as it goes into the request: marked so that no log and no compression table has it.
fn read_token(path: &Path) -> Result<MetadataValue<Ascii>, Failure> {
    let shown = path.display();
    let bytes = read_file(path, TOKEN_MAX)
        .map_err(|error| Failure::caused(Trouble::Token, &shown.to_string(), &error))?;
    // The errors of parsers would print what they could not parse.
    let token = std::str::from_utf8(&bytes).ok().map(str::trim).filter(|token| !token.is_empty());
    let value = token.and_then(|token| MetadataValue::try_from(format!("Bearer {token}")).ok());
    let Some(mut value) = value else {
        return Err(Failure::new(Trouble::Token, format!("{shown}: holds no token")));
    };
    value.set_sensitive(true);
    Ok(value)
}

fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other("larger than any honest one"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(content: &[u8]) -> Result<MetadataValue<Ascii>, Failure> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        std::fs::write(&path, content).expect("a file");
        read_token(&path)
    }

    #[test]
    fn a_token_is_trimmed_and_kept_from_logs_and_compression() {
        let value = token(b" abc.def\n").expect("a token");
        assert_eq!(value.to_str().expect("text"), "Bearer abc.def");
        assert!(value.is_sensitive() && !format!("{value:?}").contains("abc"));
    }

    #[test]
    fn a_file_that_holds_no_token_is_said_so_without_what_it_holds() {
        let long = vec![b'x'; 13 << 10];
        for content in [&b""[..], b" \n", b"sec\nret", b"sec\xffret", &long] {
            let failure = token(content).expect_err("no token");
            assert_eq!(failure.trouble, Trouble::Token);
            assert!(!failure.words.contains("sec"), "{}", failure.words);
        }
    }
}
