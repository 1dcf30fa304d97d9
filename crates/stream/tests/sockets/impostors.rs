//! Somebody pretends to be the controller: not one byte of the token reaches him, and the proxy goes
//! on with what it had.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::version::{TLS12, TLS13};
use stream::client::Trouble;
use stream::server::Refusal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::controller::Controller;
use crate::eventually;
use crate::pki::{Authority, NAME, Pair};
use crate::proxy::{Files, Proxy};
use crate::raw::shake;
use crate::relay::{Relay, Wire};
use crate::world::{fleet, member, snapshot};

const TOKEN: &str = "the-token-that-nobody-else-may-see";

/// Takes TLS connections and keeps every byte that it could read.
struct Impostor {
    address: SocketAddr,
    read: Arc<Mutex<Vec<u8>>>,
    connections: Arc<Mutex<usize>>,
}

impl Impostor {
    async fn start(config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (read, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let (kept, count) = (read.clone(), connections.clone());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, kept, count) = (acceptor.clone(), kept.clone(), count.clone());
                tokio::spawn(async move {
                    if let Ok(mut tls) = acceptor.accept(tcp).await {
                        // The settings of an HTTP/2 server, to be believed.
                        let _ = tls.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
                        let mut bytes = [0; 4096];
                        while let Ok(length @ 1..) = tls.read(&mut bytes).await {
                            kept.lock().expect("bytes").extend_from_slice(&bytes[..length]);
                        }
                    }
                    *count.lock().expect("a number") += 1;
                });
            }
        });
        Self { address, read, connections }
    }
}

fn config(
    (chain, key): Pair,
    version: &'static rustls::SupportedProtocolVersion,
    alpn: &[u8],
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate");
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}

#[tokio::test]
async fn an_impostor_sees_no_byte_and_the_last_good_stays() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    controller.tokens.set(TOKEN, Ok(member(&gw, "a")));
    let good = snapshot(&[1, 2], "good");
    controller.serve(&[(&gw, &good)]);
    let relay = Relay::start(controller.address).await;
    let files = Files::new(&authority.pem(), TOKEN);
    let mut proxy = Proxy::start(&files, relay.address, &gw);
    let before = proxy.serves(&good).await;

    let mut nameless = config(authority.pair(NAME), &TLS13, b"h2");
    nameless.alpn_protocols.clear();
    let impostors = [
        ("another authority", config(stranger.pair(NAME), &TLS13, b"h2")),
        ("over", config(authority.expired(NAME), &TLS13, b"h2")),
        ("another name", config(authority.pair("tidegate.tidegate.svc"), &TLS13, b"h2")),
        ("TLS 1.2", config(authority.pair(NAME), &TLS12, b"h2")),
        ("no HTTP/2", config(authority.pair(NAME), &TLS13, b"http/1.1")),
        ("no protocol at all", nameless),
    ];
    for (what, config) in impostors {
        let impostor = Impostor::start(config).await;
        relay.lead_to(impostor.address);
        relay.set(Wire::Cut);
        proxy.is("the cut", |state| !state.connected).await;
        relay.set(Wire::Good);
        let failed = |proxy: &Proxy| proxy.state.borrow().failures.get(&Trouble::Tls).copied();
        let so_far = failed(&proxy).unwrap_or_default();
        proxy.is(what, |state| state.failures.get(&Trouble::Tls) > Some(&(so_far + 2))).await;
        eventually(what, || *impostor.connections.lock().expect("a number") > 1).await;
        let read = impostor.read.lock().expect("bytes").clone();
        assert_eq!(read, [], "{what}: it could read {} bytes", read.len());
        assert!(!proxy.state.borrow().connected, "{what}");
        assert!(Arc::ptr_eq(&proxy.now(), &before.snapshot), "{what}: it serves on");

        // A start in the middle of it: from the file.
        let mut young = Proxy::start(&files, relay.address, &gw);
        young.serves(&good).await;
        assert!(young.state.borrow().last_good_in_use, "{what}");
        drop(young);

        relay.lead_to(controller.address);
        proxy.is("the controller is back", |state| state.connected).await;
    }
    let words = format!("{:?}", proxy.state.borrow());
    assert!(!words.contains(TOKEN), "{words}");
}

#[tokio::test]
async fn another_certificate_of_the_same_authority_is_taken_by_the_next_connection() {
    let (old, new) = (Authority::new(), Authority::new());
    let controller = Controller::start(old.server()).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    let first = snapshot(&[1], "first");
    controller.serve(&[(&gw, &first)]);
    let relay = Relay::start(controller.address).await;
    let files = Files::new(&old.pem(), "t");
    let mut proxy = Proxy::start(&files, relay.address, &gw);
    proxy.serves(&first).await;

    // The leaf alone, then the authority, with both in the bundle before.
    controller.tls.send_replace(old.server());
    relay.set(Wire::Cut);
    proxy.is("the cut", |state| !state.connected).await;
    relay.set(Wire::Good);
    proxy.is("a new leaf", |state| state.connected && state.streams == 2).await;

    files.write_ca(&(old.pem() + &new.pem()));
    controller.tls.send_replace(new.server());
    let second = snapshot(&[1], "second");
    controller.serve(&[(&gw, &second)]);
    proxy.serves(&second).await;
    assert_eq!(proxy.state.borrow().streams, 2, "the open stream stays with the old one");
    relay.set(Wire::Cut);
    proxy.is("the cut", |state| !state.connected).await;
    relay.set(Wire::Good);
    proxy.is("a new authority", |state| state.connected && state.streams == 3).await;
}

#[tokio::test]
async fn a_proxy_that_missed_a_rotation_reads_the_new_bundle_at_its_next_dial() {
    let (old, new) = (Authority::new(), Authority::new());
    let controller = Controller::start(new.server()).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    let only = snapshot(&[1], "only");
    controller.serve(&[(&gw, &only)]);
    let files = Files::new(&old.pem(), "t");
    let mut proxy = Proxy::start(&files, controller.address, &gw);
    proxy.is("failures", |state| state.failures.get(&Trouble::Tls) > Some(&2)).await;
    for (file, trouble) in [("", Trouble::Authority), ("no certificate", Trouble::Authority)] {
        files.write_ca(file);
        let so_far = proxy.state.borrow().failures.get(&trouble).copied().unwrap_or_default();
        proxy.is("a bad file", |state| state.failures.get(&trouble) > Some(&so_far)).await;
    }
    files.write_ca(&new.pem());
    proxy.serves(&only).await;
    assert_eq!(controller.tokens.asked(), 1);
}

#[tokio::test]
async fn a_controller_speaks_the_newest_tls_and_http2_alone_whatever_its_settings_allow() {
    let authority = Authority::new();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (chain, key) = authority.pair(NAME);
    let lax = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS12, &TLS13])
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate");
    let controller = Controller::start(Arc::new(lax)).await;
    let cases: [(_, &[&[u8]]); 3] = [(&TLS12, &[b"h2"]), (&TLS13, &[]), (&TLS13, &[b"http/1.1"])];
    for (number, (version, protocols)) in (1..).zip(cases) {
        if let Ok(mut tls) = shake(controller.address, &authority, version, protocols).await {
            let read = tls.read(&mut [0; 64]).await;
            assert!(matches!(read, Ok(0) | Err(_)), "{version:?} {protocols:?}: {read:?}");
        }
        eventually("it is counted", || controller.counters.refused(Refusal::Tls) == number).await;
    }
    let tls = shake(controller.address, &authority, &TLS13, &[b"h2"]).await;
    assert!(tls.expect("a handshake").read(&mut [0; 64]).await.is_ok_and(|length| length > 0));
}
