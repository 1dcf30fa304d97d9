//! TLS ended here: certificates, clients, both modes on one port, and TLS again to the backend.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use snapshot::{BindKey, ClientAuth, Route, Snapshot, TlsServer, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::pki::{Authority, Leaf, fingerprint, server};
use crate::support::backend::{Backend, End, read_to_end};
use crate::support::tls::{
    TlsWorld, connect, exchange, expect, hello_for, in_two_records, naming, passthrough, serving,
    shown, terminating, tls_backend, verifying,
};
use crate::support::world::{World, invalid, route, to};
use crate::support::{Proxy, dial, key, soon};

const NAME: &str = "db.example.com";

fn to_a() -> Arc<Route> {
    route("TLSRoute", "a", vec![to("a", 1)])
}

/// A socket that terminates `*.example.com` for one plain backend.
fn example(key: BindKey, settings: TlsServer, backend: &Backend) -> Snapshot {
    let routes = vec![(Some("*.example.com"), to_a())];
    Snapshot::default()
        .tls(key, vec![(Some("*.example.com"), terminating("tls", settings, routes))])
        .cluster("a", &[backend.address])
}

#[tokio::test]
async fn one_line_tells_all_of_a_terminated_session() {
    let authority = Authority::new("ca");
    let identity = authority.identity("edge/db-tls", &[NAME]);
    let auth = ClientAuth::Required(vec![authority.der.clone()]);
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let proxy = Proxy::serving(&example(key, server(&[&identity], auth), &backend)).await;
    let mine = authority.sign("client", &Leaf { subject: "sensor-17", ..Leaf::default() });
    let mut config = authority.client_of(&[&rustls::version::TLS13], Some(&mine));
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    let mut client = connect(&key, &config, NAME).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    expect(&mut client, "hello").await;
    client.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut client).await, (vec![], End::Finished));
    let line = &proxy.await_lines(1).await[0];
    for (field, expected) in [
        ("server.address", NAME),
        ("tls.protocol.name", "tls"),
        ("tls.protocol.version", "1.3"),
        ("tls.curve", "X25519MLKEM768"),
        ("tls.next_protocol", "mqtt"),
        ("tls.client.subject", "CN=sensor-17"),
        ("tls.client.hash.sha256", &fingerprint(&mine.chain[0]).to_ascii_uppercase()),
        ("tidegate.tls.mode", "terminate"),
        ("tidegate.tls.secret", "edge/db-tls"),
        ("tidegate.close.reason", "client_closed"),
    ] {
        assert_eq!(line[field], expected, "{field} in {line:#}");
    }
    assert_eq!(line["tls.established"], true);
    assert_eq!(line["tls.resumed"], false);
    assert!(line["tls.cipher"].as_str().unwrap().starts_with("TLS_AES_"));
    assert!(line["tidegate.tls.handshake_seconds"].as_f64().unwrap() > 0.0);
    // Plaintext is counted, not records.
    assert_eq!(line["tidegate.connection.received_bytes"], 5);
    assert_eq!(line["tidegate.connection.sent_bytes"], 5);
}

#[tokio::test]
async fn both_modes_share_a_port_and_the_name_tells_them_apart() {
    let authority = Authority::new("ca");
    let ours = authority.identity("edge/ours", &["*.example.com"]);
    let theirs = authority.identity("theirs", &["pass.example.com"]);
    let plain = Backend::greeting("plain ").await;
    let tls = naming("tls ", serving(&theirs)).await;
    let key = key(Transport::Tcp);
    let terminate = vec![(Some("*.example.com"), to_a())];
    let pass = vec![(Some("pass.example.com"), route("TLSRoute", "p", vec![to("p", 1)]))];
    let snapshot = Snapshot::default()
        .tls(
            key,
            vec![
                (
                    Some("*.example.com"),
                    terminating("terminate", server(&[&ours], ClientAuth::None), terminate),
                ),
                (Some("pass.example.com"), passthrough("pass", pass)),
            ],
        )
        .cluster("a", &[plain.address])
        .cluster("p", &[tls.address]);
    let proxy = Proxy::serving(&snapshot).await;
    for (name, banner, identity) in
        [("pass.example.com", "tls ", &theirs), ("db.example.com", "plain ", &ours)]
    {
        let mut client = connect(&key, &authority.client(), name).await.unwrap();
        expect(&mut client, banner).await;
        assert_eq!(shown(&client), identity.chain[0]);
        drop(client);
    }
    let mut stranger = dial(&key).await;
    stranger.write_all(&hello_for(&authority.client(), "db.example.org")).await.unwrap();
    assert_eq!(read_to_end(&mut stranger).await, (vec![], End::Finished), "not even an alert");
    let lines = proxy.await_lines(3).await;
    for (name, mode) in [("pass.example.com", "passthrough"), ("db.example.com", "terminate")] {
        let line = lines.iter().find(|line| line["server.address"] == name);
        assert_eq!(line.unwrap()["tidegate.tls.mode"], mode, "{lines:#?}");
    }
}

#[tokio::test]
async fn hellos_of_any_cut_are_terminated_alike() {
    let authority = Authority::new("ca");
    let settings = server(&[&authority.identity("edge/a", &[NAME])], ClientAuth::None);
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let _proxy = Proxy::serving(&example(key, settings, &backend)).await;
    let hello = hello_for(&authority.client(), NAME);
    for (label, wire, segment) in [
        ("whole", hello.clone(), usize::MAX),
        ("one byte at a time", hello.clone(), 1),
        ("in two records", in_two_records(&hello, 900), usize::MAX),
        ("in two records, 7 bytes at a time", in_two_records(&hello, 5), 7),
    ] {
        let mut client = dial(&key).await;
        client.set_nodelay(true).unwrap();
        for segment in wire.chunks(segment) {
            client.write_all(segment).await.unwrap();
        }
        let mut answer = [0; 6];
        soon(client.read_exact(&mut answer)).await.unwrap();
        assert_eq!((answer[0], answer[5]), (22, 2), "a ServerHello: {label}");
    }
}

#[tokio::test]
async fn each_listener_shows_the_certificate_for_the_name() {
    let authority = Authority::new("ca");
    let one = authority.identity("edge/one", &["one.example.com"]);
    let two = authority.identity("edge/two", &["two.example.com"]);
    let other = authority.identity("edge/other", &["*.example.org"]);
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let com = terminating(
        "com",
        server(&[&one, &two], ClientAuth::None),
        vec![(Some("*.example.com"), to_a())],
    );
    let org = terminating(
        "org",
        server(&[&other], ClientAuth::None),
        vec![(Some("*.example.org"), to_a())],
    );
    let snapshot = Snapshot::default()
        .tls(key, vec![(Some("*.example.com"), com), (Some("*.example.org"), org)])
        .cluster("a", &[backend.address]);
    let _proxy = Proxy::serving(&snapshot).await;
    for (name, identity) in
        [("one.example.com", &one), ("two.example.com", &two), ("x.example.org", &other)]
    {
        let client = connect(&key, &authority.client(), name).await.unwrap();
        assert_eq!(shown(&client), identity.chain[0], "{name}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_for_new_handshakes_and_open_sessions_go_on() {
    let authority = Authority::new("ca");
    let old = authority.identity("edge/a", &[NAME]);
    let new = authority.identity("edge/a", &[NAME]);
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let settings = |identity| server(&[identity], ClientAuth::None);
    let mut proxy = Proxy::serving(&example(key, settings(&old), &backend)).await;
    let mut open = connect(&key, &authority.client(), NAME).await.unwrap();
    assert_eq!(shown(&open), old.chain[0]);
    proxy.apply(&example(key, settings(&new), &backend)).await;
    let fresh = async || {
        let client = connect(&key, &authority.client(), NAME).await.unwrap();
        shown(&client) == new.chain[0]
    };
    assert!(crate::support::eventually(fresh).await);
    open.write_all(b"still here").await.unwrap();
    expect(&mut open, "still here").await;
}

#[tokio::test]
async fn clients_without_a_valid_certificate_never_reach_the_backend() {
    let authority = Authority::new("ca");
    let identity = authority.identity("edge/a", &[NAME]);
    let auth = ClientAuth::Required(vec![authority.der.clone()]);
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let proxy = Proxy::serving(&example(key, server(&[&identity], auth), &backend)).await;
    let other = Authority::new("other").identity("stranger", &[]);
    for (identity, result) in [(None, "certificate_required"), (Some(&*other), "bad_certificate")] {
        let config = authority.client_of(&[&rustls::version::TLS13], identity);
        let mut client = connect(&key, &config, NAME).await.unwrap();
        let error = soon(client.read(&mut [0; 1])).await.unwrap_err();
        assert!(error.to_string().contains("alert"), "{error}");
        proxy.await_metric("tidegate_tls_handshakes_total", &[("result", result)], 1.0).await;
    }
    proxy.await_metric("tidegate_connections_refused_total", &[("reason", "handshake")], 2.0).await;
    assert_eq!(backend.accepted(), 0);
}

#[tokio::test]
async fn a_ticket_from_another_port_does_not_replace_a_certificate() {
    let authority = Authority::new("ca");
    let identity = authority.identity("edge/a", &[NAME]);
    let backend = Backend::echo().await;
    let (lax, strict) = (key(Transport::Tcp), key(Transport::Tcp));
    let settings = |key: BindKey, auth| TlsServer {
        session_scope: format!("edge/l4:{}", key.port),
        ..server(&[&identity], auth)
    };
    let required = ClientAuth::Required(vec![authority.der.clone()]);
    let routes = || vec![(Some("*.example.com"), to_a())];
    let snapshot = example(lax, settings(lax, ClientAuth::None), &backend)
        .tls(strict, vec![(None, terminating("strict", settings(strict, required), routes()))]);
    let _proxy = Proxy::serving(&snapshot).await;
    let config = authority.client();
    for resumed in [false, true] {
        let mut client = connect(&lax, &config, NAME).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        expect(&mut client, "hello").await;
        let kind = client.get_ref().1.handshake_kind();
        assert_eq!(kind == Some(rustls::HandshakeKind::Resumed), resumed);
    }
    let refused = match connect(&strict, &config, NAME).await {
        Ok(mut client) => soon(client.read(&mut [0; 1])).await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
}

#[tokio::test]
async fn the_fallback_takes_names_without_route_and_clients_without_name() {
    let authority = Authority::new("ca");
    let identity = authority.identity("edge/a", &[NAME, "other.example.org"]);
    let (named, fallback) = (Backend::greeting("named ").await, Backend::greeting("rest ").await);
    let key = key(Transport::Tcp);
    let routes = vec![(Some(NAME), to_a()), (None, route("TCPRoute", "rest", vec![to("rest", 1)]))];
    let settings = server(&[&identity], ClientAuth::None);
    let snapshot = Snapshot::default()
        .tls(key, vec![(None, terminating("tls", settings, routes))])
        .cluster("a", &[named.address])
        .cluster("rest", &[fallback.address]);
    let _proxy = Proxy::serving(&snapshot).await;
    for (name, banner) in [(NAME, "named "), ("other.example.org", "rest ")] {
        let mut client = connect(&key, &authority.client(), name).await.unwrap();
        expect(&mut client, banner).await;
    }
    // Without a name; the client cannot match a certificate to an address, but it was answered.
    let error = connect(&key, &authority.client(), "192.0.2.1").await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_before_the_client_says_anything() {
    let authority = Authority::new("ca");
    let settings = server(&[&authority.identity("edge/a", &[NAME])], ClientAuth::None);
    let backend = Backend::greeting("220 ready\r\n").await;
    let key = key(Transport::Tcp);
    let _proxy = Proxy::serving(&example(key, settings, &backend)).await;
    let mut client = connect(&key, &authority.client(), NAME).await.unwrap();
    expect(&mut client, "220 ready\r\n").await;
}

#[tokio::test]
async fn a_closing_alert_is_a_finish_and_the_answer_still_comes() {
    let authority = Authority::new("ca");
    let settings = server(&[&authority.identity("edge/a", &[NAME])], ClientAuth::None);
    let (backend, mut accepted) = Backend::manual().await;
    let key = key(Transport::Tcp);
    let _proxy = Proxy::serving(&example(key, settings, &backend)).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = authority.client_of(&[version], None);
        let mut client = connect(&key, &config, NAME).await.unwrap();
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut far = soon(accepted.recv()).await.unwrap();
        assert_eq!(read_to_end(&mut far).await, (b"question".to_vec(), End::Finished));
        far.write_all(b"answer").await.unwrap();
        far.shutdown().await.unwrap();
        // rustls reports an end without the alert as an error: so it came.
        assert_eq!(read_to_end(&mut client).await, (b"answer".to_vec(), End::Finished));

        let mut client = connect(&key, &config, NAME).await.unwrap();
        let mut far = soon(accepted.recv()).await.unwrap();
        far.write_all(b"banner").await.unwrap();
        far.shutdown().await.unwrap();
        assert_eq!(read_to_end(&mut client).await, (b"banner".to_vec(), End::Finished));
        client.write_all(b"late").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(read_to_end(&mut far).await, (b"late".to_vec(), End::Finished));
    }
}

#[tokio::test]
async fn a_handshake_that_stalls_ends_at_its_deadline() {
    let authority = Authority::new("ca");
    let settings = server(&[&authority.identity("edge/a", &[NAME])], ClientAuth::None);
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let limit = Duration::from_millis(400);
    let snapshot =
        example(key, settings, &backend).timeouts(key, |timeouts| timeouts.handshake = limit);
    let proxy = Proxy::serving(&snapshot).await;
    let begin = Instant::now();
    let mut client = dial(&key).await;
    client.write_all(&hello_for(&authority.client(), NAME)).await.unwrap();
    let mut heard = Vec::new();
    soon(client.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard[0], 22, "it was answered");
    assert!(begin.elapsed() >= limit);
    proxy.await_metric("tidegate_tls_handshakes_total", &[("result", "timeout")], 1.0).await;
    assert_eq!(backend.accepted(), 0);
}

#[tokio::test]
async fn clients_that_stall_in_the_handshake_keep_no_one_else_out() {
    // More than all workers' slots together.
    const STALLED: usize = 200;
    let authority = Authority::new("ca");
    let settings = server(&[&authority.identity("edge/a", &[NAME])], ClientAuth::None);
    let backend = Backend::greeting("ready").await;
    let key = key(Transport::Tcp);
    let _proxy = Proxy::serving(&example(key, settings, &backend)).await;
    let hello = hello_for(&authority.client(), NAME);
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        let mut client = dial(&key).await;
        client.write_all(&hello).await.unwrap();
        stalled.push(client);
    }
    for client in &mut stalled {
        let mut answer = [0; 1];
        soon(client.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer, [22], "each was answered");
    }
    let mut honest = connect(&key, &authority.client(), NAME).await.unwrap();
    expect(&mut honest, "ready").await;
}

#[tokio::test]
async fn backends_that_cannot_be_had_reset_before_any_handshake_byte() {
    let authority = Authority::new("ca");
    let settings = server(&[&authority.identity("edge/a", &[NAME])], ClientAuth::None);
    let key = key(Transport::Tcp);
    let routes = vec![
        (Some("invalid.example.com"), route("TLSRoute", "i", vec![invalid(1)])),
        (Some("empty.example.com"), route("TLSRoute", "e", vec![to("empty", 1)])),
    ];
    let snapshot = Snapshot::default()
        .tls(key, vec![(None, terminating("tls", settings, routes))])
        .cluster("empty", &[]);
    let _proxy = Proxy::serving(&snapshot).await;
    for name in ["invalid.example.com", "empty.example.com"] {
        let mut client = dial(&key).await;
        client.write_all(&hello_for(&authority.client(), name)).await.unwrap();
        assert_eq!(read_to_end(&mut client).await, (vec![], End::Reset), "{name}");
    }
}

#[tokio::test]
async fn re_encryption_sends_the_policys_name_and_the_agreed_protocol() {
    let authority = Authority::new("ca");
    let inner = Authority::new("inner");
    let settings = server(&[&authority.identity("edge/a", &[NAME])], ClientAuth::None);
    let mut config = serving(&inner.identity("db", &["db.svc"]));
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    let backend = tls_backend(config, async |mut stream| {
        let session = stream.get_ref().1;
        let alpn = session.alpn_protocol().map(String::from_utf8_lossy).unwrap_or_default();
        let told = format!("{} {alpn}", session.server_name().unwrap_or_default());
        let _ = stream.write_all(told.as_bytes()).await;
        let _ = stream.shutdown().await;
    })
    .await;
    let key = key(Transport::Tcp);
    let mut snapshot = example(key, settings, &backend);
    snapshot = snapshot.tls_cluster("a", &[backend.address], verifying("db.svc", &inner));
    let _proxy = Proxy::serving(&snapshot).await;
    let mut config = authority.client();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    let mut client = connect(&key, &config, NAME).await.unwrap();
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"postgresql"[..]));
    let told = read_to_end(&mut client).await;
    assert_eq!(told, (b"db.svc postgresql".to_vec(), End::Finished));
}

#[tokio::test]
async fn a_backend_that_is_not_believed_gets_nothing() {
    let authority = Authority::new("ca");
    let inner = Authority::new("inner");
    let right = inner.identity("db", &["db.svc"]);
    let elsewhere = inner.identity("db", &["other.svc"]);
    let expired = inner.sign("db", &Leaf { dns: &["db.svc"], expired: true, ..Leaf::default() });
    let stranger = Authority::new("stranger").identity("db", &["db.svc"]);
    let mut plain = Backend::greeting("220 plain\r\n").await;
    for (label, identity, result) in [
        ("right", Some(&right), "ok"),
        ("another name", Some(&elsewhere), "tls_wrong_name"),
        ("expired", Some(&expired), "tls_expired"),
        ("a stranger", Some(&stranger), "tls_untrusted"),
        ("no TLS", None, "tls_not_tls"),
    ] {
        let settings = server(&[&authority.identity("edge/a", &[NAME])], ClientAuth::None);
        let backend = match identity {
            Some(identity) => naming("hello", serving(identity)).await,
            None => std::mem::replace(&mut plain, Backend::echo().await),
        };
        let key = key(Transport::Tcp);
        let snapshot = example(key, settings, &backend).tls_cluster(
            "a",
            &[backend.address],
            verifying("db.svc", &inner),
        );
        let proxy = Proxy::serving(&snapshot).await;
        let mut client = connect(&key, &authority.client(), NAME).await.unwrap();
        if result == "ok" {
            expect(&mut client, "hello").await;
        } else {
            let mut heard = Vec::new();
            let error = soon(client.read_to_end(&mut heard)).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{label}");
            assert_eq!(heard, b"", "{label}");
            let attempts = "tidegate_backend_connect_attempts_total";
            proxy.await_metric(attempts, &[("result", "tls")], 1.0).await;
        }
        let labels = [("side", "backend"), ("result", result)];
        proxy.await_metric("tidegate_tls_handshakes_total", &labels, 1.0).await;
    }
}

/// 64 MiB both ways at once between `client` and a backend, through termination.
async fn bulk(snapshot: Snapshot, key: BindKey, client: &ClientConfig) {
    let proxy = Proxy::serving(&snapshot).await;
    let client = connect(&key, client, NAME).await.unwrap();
    tokio::time::timeout(Duration::from_secs(120), exchange(client, BULK)).await.unwrap();
    let line = &proxy.await_lines(1).await[0];
    assert_eq!(line["tidegate.connection.received_bytes"], BULK);
    assert_eq!(line["tidegate.connection.sent_bytes"], BULK);
}

const BULK: u64 = 64 << 20;

#[tokio::test]
async fn sixty_four_mebibytes_both_ways_arrive_whole_through_termination() {
    let authority = Authority::new("ca");
    let settings = server(&[&authority.identity("edge/a", &[NAME])], ClientAuth::None);
    let backend = Backend::new(async |stream| exchange(stream, BULK).await).await;
    let key = key(Transport::Tcp);
    bulk(example(key, settings, &backend), key, &authority.client()).await;
}

#[tokio::test]
async fn sixty_four_mebibytes_both_ways_arrive_whole_through_re_encryption() {
    let authority = Authority::new("ca");
    let settings = server(&[&authority.identity("edge/a", &[NAME])], ClientAuth::None);
    let config = serving(&authority.identity("db", &["db.svc"]));
    let backend = tls_backend(config, async |stream| exchange(stream, BULK).await).await;
    let key = key(Transport::Tcp);
    let snapshot = example(key, settings, &backend).tls_cluster(
        "a",
        &[backend.address],
        verifying("db.svc", &authority),
    );
    bulk(snapshot, key, &authority.client()).await;
}
