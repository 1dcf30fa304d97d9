//! TLS passed through: the ClientHello chooses, and not a byte of the session is touched.

use std::time::{Duration, Instant};

use snapshot::{BindKey, Snapshot, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::pki::Authority;
use crate::support::backend::{Backend, End, read_to_end};
use crate::support::tls::{
    TlsWorld, connect, exchange, expect, hello_for, in_two_records, naming, passthrough, serving,
    shown, tls_backend,
};
use crate::support::world::{World, invalid, route, to};
use crate::support::{Proxy, dial, key, soon};

/// A socket that passes `*.example.com` to one backend.
fn example(key: BindKey, backend: &Backend) -> Snapshot {
    let routes = vec![(Some("*.example.com"), route("TLSRoute", "a", vec![to("a", 1)]))];
    Snapshot::default()
        .tls(key, vec![(None, passthrough("sni", routes))])
        .cluster("a", &[backend.address])
}

#[tokio::test]
async fn the_server_name_chooses_and_the_session_is_the_backends() {
    let authority = Authority::new("ca");
    let exact = authority.identity("exact", &["db.example.com"]);
    let wild = authority.identity("wild", &["*.example.com", "*.deep.example.com"]);
    let a = naming("exact ", serving(&exact)).await;
    let b = naming("wild ", serving(&wild)).await;
    let key = key(Transport::Tcp);
    let routes = vec![
        (Some("db.example.com"), route("TLSRoute", "a", vec![to("a", 1)])),
        (Some("*.example.com"), route("TLSRoute", "b", vec![to("b", 1)])),
    ];
    let snapshot = Snapshot::default()
        .tls(key, vec![(None, passthrough("sni", routes))])
        .cluster("a", &[a.address])
        .cluster("b", &[b.address]);
    let proxy = Proxy::serving(&snapshot).await;
    let mut config = authority.client();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    for (name, banner, identity) in [
        ("db.example.com", "exact ", &exact),
        ("DB.Example.Com", "exact ", &exact),
        ("web.example.com", "wild ", &wild),
        ("x.deep.example.com", "wild ", &wild),
    ] {
        let mut client = connect(&key, &config, name).await.unwrap();
        assert_eq!(shown(&client), identity.chain[0], "{name}");
        client.write_all(b"hello").await.unwrap();
        expect(&mut client, banner).await;
        expect(&mut client, "hello").await;
        client.shutdown().await.unwrap();
        assert_eq!(read_to_end(&mut client).await, (vec![], End::Finished), "{name}");
    }
    let lines = proxy.await_lines(4).await;
    assert_eq!(lines[0]["server.address"], "db.example.com");
    assert_eq!(lines[0]["tidegate.tls.mode"], "passthrough");
    assert_eq!(lines[0]["tidegate.tls.offered_alpn"], serde_json::json!(["postgresql"]));
    assert_eq!(lines[0]["tidegate.route.name"], "TLSRoute/db/a");
    assert_eq!(lines[0].get("tls.established"), None, "it is not ours to tell");
}

#[tokio::test]
async fn a_hello_reaches_the_backend_unchanged_however_it_came() {
    let authority = Authority::new("ca");
    let (backend, mut accepted) = Backend::manual().await;
    let key = key(Transport::Tcp);
    let _proxy = Proxy::serving(&example(key, &backend)).await;
    let hello = hello_for(&authority.client(), "db.example.com");
    assert!(hello.len() > 1400, "with a post-quantum key share: {}", hello.len());
    let one_byte_records: Vec<u8> =
        hello[5..].iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]).collect();
    let mut with_more = hello.clone();
    with_more.extend_from_slice(b"sent before any answer");
    for (label, wire, segment) in [
        ("whole", &hello, usize::MAX),
        ("one byte at a time", &hello, 1),
        ("in two records", &in_two_records(&hello, 3), usize::MAX),
        ("in two records, 100 bytes at a time", &in_two_records(&hello, 700), 100),
        ("in records of one byte", &one_byte_records, 1000),
        ("with more behind it", &with_more, usize::MAX),
    ] {
        let mut client = dial(&key).await;
        client.set_nodelay(true).unwrap();
        for segment in wire.chunks(segment) {
            client.write_all(segment).await.unwrap();
        }
        let mut backend = soon(accepted.recv()).await.unwrap();
        let mut heard = vec![0; wire.len()];
        soon(backend.read_exact(&mut heard)).await.unwrap();
        assert!(heard == *wire, "{label}");
        backend.write_all(b"answer").await.unwrap();
        expect(&mut client, "answer").await;
    }
}

#[tokio::test]
async fn what_has_no_place_here_gets_a_bare_close() {
    let authority = Authority::new("ca");
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    // A more specific listener without a route for the name: nothing falls through to the other.
    let wild = vec![(Some("*.example.com"), route("TLSRoute", "a", vec![to("a", 1)]))];
    let narrow = vec![(Some("only.narrow.example.com"), route("TLSRoute", "n", vec![to("a", 1)]))];
    let snapshot = Snapshot::default()
        .tls(
            key,
            vec![
                (Some("*.example.com"), passthrough("wild", wild)),
                (Some("*.narrow.example.com"), passthrough("narrow", narrow)),
            ],
        )
        .cluster("a", &[backend.address]);
    let proxy = Proxy::serving(&snapshot).await;
    let config = authority.client();
    let mut cut = hello_for(&config, "db.example.com");
    cut.truncate(60);
    let mut address = hello_for(&config, "db.example.com");
    let at = address.windows(14).position(|name| name == b"db.example.com").unwrap();
    address[at..at + 14].copy_from_slice(b"192.000.02.100");
    let mut bad_name = address.clone();
    bad_name[at..at + 14].copy_from_slice(b"db example\ncom");
    let mut ip_literal = address.clone();
    ip_literal[at..at + 14].copy_from_slice(b"192.100.200.30");
    for (label, wire, reason) in [
        ("an unknown name", hello_for(&config, "db.example.org"), "sni_unmatched"),
        ("the bare suffix", hello_for(&config, "example.com"), "sni_unmatched"),
        ("no route in its listener", hello_for(&config, "x.narrow.example.com"), "sni_unmatched"),
        ("no name", hello_for(&config, "192.0.2.1"), "no_sni"),
        ("numbers that are no address", address, "sni_unmatched"),
        ("an address for a name", ip_literal, "not_tls"),
        ("a name of other bytes", bad_name, "not_tls"),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec(), "not_tls"),
        ("an SSLRequest", b"\x00\x00\x00\x08\x04\xd2\x16\x2f".to_vec(), "not_tls"),
        ("a hello cut short", cut, "not_tls"),
        ("nothing", vec![], "probe"),
    ] {
        let before = proxy.metric("tidegate_connections_refused_total", &[("reason", reason)]);
        let mut client = dial(&key).await;
        client.write_all(&wire).await.unwrap();
        if label == "a hello cut short" || wire.is_empty() {
            client.shutdown().await.unwrap();
        }
        let ended = read_to_end(&mut client).await;
        assert_eq!(ended, (vec![], End::Finished), "{label}: no byte, and no reset");
        proxy
            .await_metric("tidegate_connections_refused_total", &[("reason", reason)], before + 1.0)
            .await;
    }
    assert_eq!(backend.accepted(), 0);
}

#[tokio::test]
async fn an_offending_name_is_logged_as_hex_only() {
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let proxy = Proxy::serving(&example(key, &backend)).await;
    let mut hello = hello_for(&Authority::new("ca").client(), "db.example.com");
    let at = hello.windows(14).position(|name| name == b"db.example.com").unwrap();
    hello[at..at + 14].copy_from_slice(b"\"},\n{\"evil\":\"1");
    let mut client = dial(&key).await;
    client.write_all(&hello).await.unwrap();
    assert_eq!(read_to_end(&mut client).await, (vec![], End::Finished));
    let lines = proxy.await_lines(1).await;
    assert_eq!(lines[0]["tidegate.tls.bad_server_name"], "227d2c0a7b226576696c223a2231");
    assert_eq!(lines[0].get("server.address"), None);
}

#[tokio::test]
async fn a_hello_that_drips_ends_at_the_deadline_all_the_same() {
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let deadline = Duration::from_millis(400);
    let snapshot = example(key, &backend).timeouts(key, |timeouts| timeouts.hello = deadline);
    let proxy = Proxy::serving(&snapshot).await;
    let hello = hello_for(&Authority::new("ca").client(), "db.example.com");
    let begin = Instant::now();
    let (mut read, mut write) = dial(&key).await.into_split();
    let drip = tokio::spawn(async move {
        // Fast enough that a deadline renewed by bytes would never come, slow enough not to end.
        for byte in hello {
            if write.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut heard = Vec::new();
    // A byte on its way while we close makes the kernel reset: then the read fails.
    let _ = soon(read.read_to_end(&mut heard)).await;
    assert_eq!(heard, b"");
    let took = begin.elapsed();
    assert!(took >= deadline && took < deadline + Duration::from_secs(5), "{took:?}");
    proxy
        .await_metric("tidegate_connections_refused_total", &[("reason", "hello_timeout")], 1.0)
        .await;
    drip.abort();
}

#[tokio::test]
async fn a_backend_that_cannot_be_had_resets_before_any_handshake_byte() {
    let key = key(Transport::Tcp);
    let routes = vec![
        (Some("invalid.example.com"), route("TLSRoute", "i", vec![invalid(1)])),
        (Some("empty.example.com"), route("TLSRoute", "e", vec![to("empty", 1)])),
        (Some("zero.example.com"), route("TLSRoute", "z", vec![to("empty", 0)])),
    ];
    let snapshot = Snapshot::default()
        .tls(key, vec![(None, passthrough("sni", routes))])
        .cluster("empty", &[]);
    let _proxy = Proxy::serving(&snapshot).await;
    let config = Authority::new("ca").client();
    for name in ["invalid.example.com", "empty.example.com", "zero.example.com"] {
        let mut client = dial(&key).await;
        client.write_all(&hello_for(&config, name)).await.unwrap();
        assert_eq!(read_to_end(&mut client).await, (vec![], End::Reset), "{name}");
    }
}

#[tokio::test]
async fn each_side_may_finish_first() {
    let authority = Authority::new("ca");
    let identity = authority.identity("db", &["db.example.com"]);
    let backend = tls_backend(serving(&identity), async |mut stream| {
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        stream.write_all(format!("heard {}", heard.len()).as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    })
    .await;
    let key = key(Transport::Tcp);
    let _proxy = Proxy::serving(&example(key, &backend)).await;
    let mut client = connect(&key, &authority.client(), "db.example.com").await.unwrap();
    client.write_all(b"12345").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut client).await, (b"heard 5".to_vec(), End::Finished));
}

#[tokio::test]
async fn sixty_four_mebibytes_both_ways_at_once_arrive_whole() {
    const TOTAL: u64 = 64 << 20;
    let authority = Authority::new("ca");
    let identity = authority.identity("db", &["db.example.com"]);
    let backend = tls_backend(serving(&identity), async |stream| exchange(stream, TOTAL).await);
    let backend = backend.await;
    let key = key(Transport::Tcp);
    let proxy = Proxy::serving(&example(key, &backend)).await;
    let client = connect(&key, &authority.client(), "db.example.com").await.unwrap();
    tokio::time::timeout(Duration::from_secs(120), exchange(client, TOTAL)).await.unwrap();
    let lines = proxy.await_lines(1).await;
    for counter in ["received_bytes", "sent_bytes"] {
        let counted = lines[0][format!("tidegate.connection.{counter}")].as_u64().unwrap();
        assert!(counted > TOTAL && counted < TOTAL + TOTAL / 50, "{counter}: {counted}");
    }
}

#[tokio::test]
async fn a_reset_is_passed_on() {
    let (backend, mut accepted) = Backend::manual().await;
    let key = key(Transport::Tcp);
    let _proxy = Proxy::serving(&example(key, &backend)).await;
    let hello = hello_for(&Authority::new("ca").client(), "db.example.com");
    let mut client = dial(&key).await;
    client.write_all(&hello).await.unwrap();
    let mut far: TcpStream = soon(accepted.recv()).await.unwrap();
    soon(far.read_exact(&mut vec![0; hello.len()])).await.unwrap();
    far.set_zero_linger().unwrap();
    drop(far);
    assert_eq!(read_to_end(&mut client).await, (vec![], End::Reset));
}
