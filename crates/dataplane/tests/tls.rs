//! TLS sessions over real sockets, without the rest of the data plane: what is agreed on, what is
//! resumed, who is let in, and which backend is believed.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

#[path = "support/pki.rs"]
mod pki;

#[path = "tls/backend.rs"]
mod backend;
#[path = "tls/client_auth.rs"]
mod client_auth;
#[path = "tls/resumption.rs"]
mod resumption;
#[path = "tls/secrets.rs"]
mod secrets;
#[path = "tls/server.rs"]
mod server;

use std::sync::Arc;
use std::time::Duration;

use dataplane::tls::{Established, HandshakeError, Hello, Offer, Parser, Rewind, Terminator};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

/// Longer than any handshake takes on a busy machine, short enough to end a hung test.
const PATIENCE: Duration = Duration::from_secs(20);

fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// Two ends of a connection over loopback.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

/// What a client saw.
#[derive(Debug)]
struct Seen {
    /// The Secret's leaf that it was shown, DER.
    leaf: Vec<u8>,
    alpn: Option<Vec<u8>>,
    resumed: bool,
    /// Whether a second ClientHello was asked for.
    retried: bool,
}

/// What came of a handshake at both ends.
struct Outcome {
    client: std::io::Result<Seen>,
    server: Result<Established, HandshakeError>,
}

impl Outcome {
    fn established(&self) -> &Established {
        match (&self.client, &self.server) {
            (Ok(_), Ok(established)) => established,
            (client, server) => panic!("no session: client {client:?}, server {server:?}"),
        }
    }

    fn seen(&self) -> &Seen {
        self.established();
        self.client.as_ref().unwrap()
    }

    /// The label of the server's refusal; the client must have noticed.
    fn refusal(&self) -> &'static str {
        match (&self.client, &self.server) {
            (Err(_), Err(error)) => error.label(),
            (client, server) => panic!("not refused: client {client:?}, server {server:?}"),
        }
    }
}

/// A client's handshake with a terminator, the hello read ahead as the connection flow does, and
/// one message each way.
async fn handshake(terminator: &Terminator, client: &Arc<ClientConfig>, name: &str) -> Outcome {
    let (near, far) = connection().await;
    let (client, server) = tokio::join!(speak(near, client, name), end(far, terminator));
    Outcome { client, server }
}

async fn speak(stream: TcpStream, config: &Arc<ClientConfig>, name: &str) -> std::io::Result<Seen> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
    stream.write_all(b"ping").await?;
    let mut answer = [0; 4];
    // In TLS 1.3 a client learns only by reading that its certificate was refused.
    stream.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"pong");
    let session = stream.get_ref().1;
    let seen = Seen {
        leaf: session.peer_certificates().unwrap()[0].to_vec(),
        alpn: session.alpn_protocol().map(<[u8]>::to_vec),
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        retried: session.handshake_kind() == Some(HandshakeKind::FullWithHelloRetryRequest),
    };
    stream.shutdown().await?;
    Ok(seen)
}

async fn end(
    mut stream: TcpStream,
    terminator: &Terminator,
) -> Result<Established, HandshakeError> {
    let mut parser = Parser::default();
    let mut read = Vec::new();
    let (name, offer) = loop {
        stream.read_buf(&mut read).await.unwrap();
        match parser.parse(&read) {
            Hello::Incomplete => {}
            Hello::Bad(bad) => panic!("{bad}"),
            Hello::Complete(hello) => break (hello.server_name().cloned(), Offer::of(&hello)),
        }
    };
    let stream = Rewind::new(read, stream);
    let (mut stream, established) =
        terminator.accept(stream, name.as_ref(), &offer, deadline()).await?;
    let mut question = [0; 4];
    stream.read_exact(&mut question).await.unwrap();
    assert_eq!(&question, b"ping");
    stream.write_all(b"pong").await.unwrap();
    assert_eq!(stream.read(&mut question).await.unwrap(), 0, "close_notify");
    Ok(established)
}
