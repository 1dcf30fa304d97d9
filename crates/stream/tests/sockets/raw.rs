//! A client that does what it likes: HTTP/2 and the frames of gRPC by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::bytes::{Buf, Bytes, BytesMut};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::DEADLINE;
use crate::pki::{Authority, NAME};

pub(crate) const FOLLOW: &str = "/tidegate.stream.v1.Snapshots/Follow";
/// A hello of somebody who has nothing.
pub(crate) const HELLO: &[u8] = &[0x0a, 0x02, 0x08, 0x01];
/// Asks for the whole snapshot.
pub(crate) const RESYNC: &[u8] = &[0x1a, 0x00];

type Body = StreamBody<Messages>;

/// The messages of a request, framed.
pub(crate) struct Messages(mpsc::Receiver<Bytes>);

impl futures_util::Stream for Messages {
    type Item = Result<Frame<Bytes>, std::convert::Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

pub(crate) fn channel() -> (mpsc::Sender<Bytes>, Messages) {
    let (words, messages) = mpsc::channel(16);
    (words, Messages(messages))
}

/// Puts the length before a message.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.len()).expect("a short message").to_be_bytes());
    bytes.extend(message);
    bytes.into()
}

/// An open connection.
pub(crate) struct Raw {
    requests: SendRequest<Body>,
    pub(crate) connection: JoinHandle<()>,
}

/// A stream that was let in.
pub(crate) struct Call {
    pub(crate) words: mpsc::Sender<Bytes>,
    body: Incoming,
    read: BytesMut,
}

/// A request with headers of any kind.
pub(crate) fn request(path: &str, token: Option<&str>) -> http::request::Builder {
    let request = http::Request::post(format!("https://{NAME}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    }
}

async fn tls(address: SocketAddr, authority: &Authority) -> TlsStream<TcpStream> {
    let tls = shake(address, authority, &TLS13, &[b"h2"]).await;
    tls.expect("a handshake")
}

/// A handshake of one version, offering protocols.
pub(crate) async fn shake(
    address: SocketAddr,
    authority: &Authority,
    version: &'static SupportedProtocolVersion,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let pem = authority.pem();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("a root");
    let mut config = ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_protocol_versions(&[version])
    .expect("versions")
    .with_root_certificates(roots)
    .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let tcp = TcpStream::connect(address).await.expect("it listens");
    let name = ServerName::try_from(NAME).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr, authority: &Authority) -> Self {
        Self::windowed(address, authority, 65_535).await
    }

    /// With a window of so many bytes, which is never opened unless somebody reads.
    pub(crate) async fn windowed(address: SocketAddr, authority: &Authority, window: u32) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(window);
        let tls = TokioIo::new(tls(address, authority).await);
        let (requests, connection) = builder.handshake(tls).await.expect("HTTP/2");
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Self { requests, connection }
    }

    /// Sends a request; the answer's status if it was not let in.
    pub(crate) async fn send(&mut self, request: http::request::Builder) -> Result<Call, String> {
        let (words, messages) = channel();
        let request = request.body(StreamBody::new(messages)).expect("a request");
        let answer = tokio::time::timeout(DEADLINE, self.requests.send_request(request));
        let answer = answer.await.expect("an answer in time").map_err(|error| error.to_string())?;
        if answer.status() != http::StatusCode::OK {
            return Err(format!("HTTP {}", answer.status().as_u16()));
        }
        match answer.headers().get("grpc-status") {
            Some(status) => Err(status.to_str().expect("a number").to_owned()),
            None => Ok(Call { words, body: answer.into_body(), read: BytesMut::new() }),
        }
    }

    /// Calls the one method.
    pub(crate) async fn follow(&mut self, token: &str) -> Result<Call, String> {
        let call = self.send(request(FOLLOW, Some(token))).await?;
        call.say(HELLO).await;
        Ok(call)
    }

    /// Whether the other side has closed the connection.
    pub(crate) fn is_closed(&self) -> bool {
        self.connection.is_finished()
    }
}

impl Call {
    /// Says a message; whether it could be said.
    pub(crate) async fn say(&self, message: &[u8]) -> bool {
        self.words.send(framed(message)).await.is_ok()
    }

    /// The next message, or the status at the end of the stream.
    pub(crate) async fn hear(&mut self) -> Result<Bytes, String> {
        tokio::time::timeout(DEADLINE, self.next()).await.expect("a message in time")
    }

    async fn next(&mut self) -> Result<Bytes, String> {
        loop {
            if let Some(head) = self.read.get(1..5) {
                let length = u32::from_be_bytes(head.try_into().expect("four bytes")) as usize;
                if self.read.len() >= 5 + length {
                    self.read.advance(5);
                    return Ok(self.read.split_to(length).freeze());
                }
            }
            match self.body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.read.extend_from_slice(&data),
                    Err(frame) => {
                        let trailers = frame.into_trailers().expect("trailers");
                        let status = trailers.get("grpc-status").expect("a status");
                        return Err(status.to_str().expect("a number").to_owned());
                    }
                },
                Some(Err(error)) => return Err(error.to_string()),
                None => return Err("end".into()),
            }
        }
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn is_silent(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.next()).await.is_err()
    }
}
