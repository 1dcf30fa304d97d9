//! What an idle session costs on the heap. A test binary of its own with one test in it, because
//! allocations are counted for the whole process.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

#[path = "support/pki.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod pki;

use std::alloc::System;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cap::Cap;
use dataplane::tls::{BackendConnector, Hello, Offer, Parser, Rewind, Sessions, Terminator};
use pki::{Authority, server};
use rustls::client::Resumption;
use snapshot::{BackendTls, ClientAuth, TrustRoots};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const NAME: &str = "a.example.com";
/// Sessions held at once.
const HELD: usize = 20;
/// The budget of a terminated connection is 24 KiB beside its sockets; one that is encrypted again
/// towards its backend has two sessions.
const BOUND: usize = 12 * 1024;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Bytes that one value made by `make` keeps. What is made at first use is not counted.
async fn cost<T>(label: &str, mut make: impl AsyncFnMut() -> T) -> usize {
    let mut held = Vec::with_capacity(HELD + 4);
    for _ in 0..4 {
        held.push(make().await);
    }
    let before = HEAP.allocated();
    for _ in 0..HELD {
        held.push(make().await);
    }
    let each = HEAP.allocated().saturating_sub(before) / HELD;
    println!("{label}: {each} bytes");
    each
}

/// Reads until there is nothing, as a relay does before it waits: then rustls gives back what the
/// last burst needed.
async fn wait_for_more(stream: &mut (impl AsyncRead + Unpin)) {
    poll_fn(|cx| {
        let mut room = [0; 16];
        let read = Pin::new(&mut *stream).poll_read(cx, &mut ReadBuf::new(&mut room));
        assert!(read.is_pending(), "{read:?}");
        Poll::Ready(())
    })
    .await;
}

/// A session of ours with a client whose own session is gone and whose socket is not, after
/// `traffic` bytes each way.
async fn terminated(
    listener: &TcpListener,
    terminator: &Terminator,
    client: &Arc<rustls::ClientConfig>,
    traffic: usize,
) -> impl Sized + use<> {
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let speak = async {
        let connector = TlsConnector::from(Arc::clone(client));
        let mut stream = connector.connect(NAME.try_into().unwrap(), near).await.unwrap();
        let mut heard = vec![0; 1 + traffic];
        stream.write_all(&heard).await.unwrap();
        stream.read_exact(&mut heard).await.unwrap();
        stream.into_inner().0
    };
    let end = async {
        let mut parser = Parser::default();
        let mut read = Vec::new();
        let (name, offer) = loop {
            far.read_buf(&mut read).await.unwrap();
            if let Hello::Complete(hello) = parser.parse(&read) {
                break (hello.server_name().cloned(), Offer::of(&hello));
            }
        };
        let stream = Rewind::new(read, far);
        let accepted = Box::pin(terminator.accept(stream, name.as_ref(), &offer, deadline)).await;
        let (stream, established) = accepted.unwrap();
        let mut stream = Box::new(stream);
        let mut heard = vec![0; 1 + traffic];
        stream.read_exact(&mut heard).await.unwrap();
        stream.write_all(&heard).await.unwrap();
        stream.flush().await.unwrap();
        wait_for_more(&mut stream).await;
        (stream, established)
    };
    tokio::join!(speak, end)
}

/// A session of ours with a backend whose own session is gone and whose socket is not.
async fn begun(
    listener: &TcpListener,
    connector: &BackendConnector,
    backend: &TlsAcceptor,
) -> impl Sized + use<> {
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let begin = async {
        let mut stream = Box::new(connector.connect(near, None, deadline).await.unwrap());
        stream.write_all(&[0; 1]).await.unwrap();
        stream.read_exact(&mut [0; 1]).await.unwrap();
        wait_for_more(&mut stream).await;
        stream
    };
    let serve = async {
        let mut stream = backend.accept(far).await.unwrap();
        stream.read_exact(&mut [0; 1]).await.unwrap();
        stream.write_all(&[0; 1]).await.unwrap();
        stream.into_inner().0
    };
    tokio::join!(begin, serve)
}

#[tokio::test]
async fn an_idle_session_stays_within_its_budget() {
    let authority = Authority::new("ca");
    let identity = authority.identity("edge/a", &[NAME]);
    let settings = server(&[&identity], ClientAuth::None);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut costs = Vec::new();
    for (label, version) in
        [("TLS 1.3", &rustls::version::TLS13), ("TLS 1.2", &rustls::version::TLS12)]
    {
        let mut client = authority.client_of(&[version], None);
        // Its tickets would count as ours.
        client.resumption = Resumption::disabled();
        let client = Arc::new(client);
        for (what, traffic) in [("", 0), (" after 256 KiB each way", 256 << 10)] {
            let label = format!("terminated session, {label}{what}");
            let make = async || terminated(&listener, &terminator, &client, traffic).await;
            costs.push(cost(&label, make).await);
        }
    }
    let settings = BackendTls {
        server_name: NAME.to_owned(),
        subject_names: vec![],
        roots: TrustRoots::Certificates(vec![authority.der.clone()]),
        identity: None,
    };
    let connector = BackendConnector::new(&settings).unwrap();
    let mut backend = rustls::ServerConfig::builder_with_provider(dataplane::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(pki::chain(&identity), pki::key(&identity))
        .unwrap();
    backend.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    let backend = TlsAcceptor::from(Arc::new(backend));
    let make = async || begun(&listener, &connector, &backend).await;
    costs.push(cost("session with a backend", make).await);
    assert!(costs.iter().all(|cost| (1..=BOUND).contains(cost)), "{costs:?}");
}
