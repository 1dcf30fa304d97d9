//! HTTP: one request of a connection, to the backend that its host and path choose.

mod bodies;
mod hostile;
mod https;

use std::sync::Arc;
use std::time::{Duration, Instant};

use snapshot::{BindKey, PathMatch, Route, Snapshot, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::backend::{Backend, End, read_to_end};
use crate::support::web::{Answer, HttpWorld, Web, below, get, reading, send};
use crate::support::world::{World, invalid, route, to};
use crate::support::{Proxy, closed_address, dial, eventually, key};

fn to_cluster(name: &str) -> Arc<Route> {
    route("HTTPRoute", name, vec![to(name, 1)])
}

/// A socket that takes every request to one backend.
fn everything(key: BindKey, backend: &Backend) -> Snapshot {
    let listener = reading("http", vec![(None, below("/"), to_cluster("a"))]);
    Snapshot::default().http(key, vec![(None, listener)]).cluster("a", &[backend.address])
}

/// Whether everything that was accepted was refused or opened, and everything opened has ended.
async fn adds_up(proxy: &Proxy) -> bool {
    eventually(async || {
        let sum = |name| proxy.metric(name, &[]);
        let opened = sum("tidegate_connections_opened_total");
        sum("tidegate_connections_accepted_total")
            == opened + sum("tidegate_connections_refused_total")
            && opened == sum("tidegate_connections_closed_total")
    })
    .await
}

#[tokio::test]
async fn a_request_goes_where_its_host_and_path_say() {
    let (a, b, c) = (Web::saying("a").await, Web::saying("b").await, Web::saying("c").await);
    let key = key(Transport::Tcp);
    let any = vec![
        (None, below("/"), to_cluster("a")),
        (Some("*.example.com"), below("/api"), to_cluster("b")),
        (Some("x.example.com"), PathMatch::Exact("/api".into()), to_cluster("c")),
    ];
    let own = vec![(None, below("/"), to_cluster("c"))];
    let snapshot = Snapshot::default()
        .http(
            key,
            vec![(None, reading("any", any)), (Some("own.example.com"), reading("own", own))],
        )
        .cluster("a", &[a.backend.address])
        .cluster("b", &[b.backend.address])
        .cluster("c", &[c.backend.address]);
    let proxy = Proxy::serving(&snapshot).await;
    for (host, path, expected) in [
        ("example.org", "/", "a"),
        ("example.org", "/api", "a"),
        ("y.example.com", "/", "a"),
        ("y.example.com:8080", "/api/v1?q=/", "b"),
        ("y.example.com", "/apis", "a"),
        ("X.Example.Com", "/api", "c"),
        ("x.example.com", "/api/", "b"),
        ("own.example.com", "/api", "c"),
        ("[::1]", "/", "a"),
    ] {
        let answer = get(&key, host, path).await;
        assert_eq!((answer.status, answer.text()), (200, expected), "{host}{path}");
    }
    assert!(adds_up(&proxy).await);
    let of = |listener| [("listener", listener)];
    assert_eq!(proxy.metric("tidegate_connections_accepted_total", &of("any")), 8.0);
    assert_eq!(proxy.metric("tidegate_connections_accepted_total", &of("own")), 1.0);
}

#[tokio::test]
async fn both_sides_are_told_that_the_connection_ends_and_the_backend_who_asked() {
    let web = Web::answering(
        "HTTP/1.1 200 Fine\r\nConnection: keep-alive, x-hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n\
         Upgrade: h2c\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let key = key(Transport::Tcp);
    let proxy = Proxy::serving(&everything(key, &web.backend)).await;
    let answer = send(
        &key,
        "GET http://a.example.com/b?c HTTP/1.1\r\nHost: a.example.com\r\n\
         Connection: Upgrade, HTTP2-Settings, x-mine\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\
         X-Mine: 1\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nTE: trailers\r\n\
         Accept: */*\r\n\r\n",
    )
    .await;
    assert_eq!((answer.status, answer.text(), answer.end), (200, "ok", End::Finished));
    assert!(answer.head.starts_with("http/1.1 200 fine\r\n"), "{}", answer.head);
    let mut fields: Vec<_> = answer.head.split("\r\n").skip(1).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["connection: close", "content-length: 2", "x-end: 2"]);
    let asked = &web.asked(1).await[0];
    assert_eq!(asked.line(), "GET /b?c HTTP/1.1");
    let mut fields: Vec<_> = asked.head.split("\r\n").skip(1).map(str::to_owned).collect();
    fields.sort_unstable();
    let expected = [
        "accept: */*",
        "connection: close",
        "host: a.example.com",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
    ];
    assert_eq!(fields, expected);
    let line = &proxy.await_lines(1).await[0];
    for (field, expected) in [
        ("tidegate.listener.name", "http"),
        ("tidegate.route.name", "HTTPRoute/db/a"),
        ("tidegate.close.reason", "backend_closed"),
    ] {
        assert_eq!(line[field], expected, "{field} in {line:#}");
    }
    assert!(line["tidegate.connection.received_bytes"].as_u64() > Some(200), "{line:#}");
    assert!(line["tidegate.connection.sent_bytes"].as_u64() > Some(60), "{line:#}");
}

#[tokio::test]
async fn requests_that_reach_no_backend_are_answered_and_counted_by_reason() {
    let key = key(Transport::Tcp);
    let rule = |path, targets| (None, below(path), route("HTTPRoute", "r", targets));
    let listener = reading(
        "http",
        vec![
            rule("/invalid", vec![invalid(1)]),
            rule("/nothing", vec![]),
            rule("/empty", vec![to("empty", 1)]),
            rule("/closed", vec![to("closed", 1)]),
        ],
    );
    let snapshot = Snapshot::default()
        .http(key, vec![(Some("a.example.com"), listener)])
        .cluster("empty", &[])
        .cluster("closed", &[closed_address()]);
    let proxy = Proxy::serving(&snapshot).await;
    let refused =
        |reason| proxy.metric("tidegate_connections_refused_total", &[("reason", reason)]);
    for (host, path, status, reason, count) in [
        ("a.example.com", "/", 404, "no_route", 1.0),
        ("b.example.com", "/empty", 404, "no_route", 2.0),
        ("a.example.com", "/invalid", 500, "no_backend", 1.0),
        ("a.example.com", "/nothing", 500, "no_backend", 2.0),
        ("a.example.com", "/empty", 503, "no_endpoint", 1.0),
        ("a.example.com", "/closed", 502, "connect_failed", 1.0),
    ] {
        let answer = get(&key, host, path).await;
        assert_eq!((answer.status, answer.end), (status, End::Finished), "{path}");
        assert!(answer.head.contains("\r\nconnection: close"), "{}", answer.head);
        assert!(eventually(async || refused(reason) == count).await, "{path} {reason}");
    }
    let head = send(&key, "HEAD / HTTP/1.1\r\nHost: a.example.com\r\n\r\n").await;
    assert_eq!((head.status, head.text()), (404, ""));
    assert!(adds_up(&proxy).await);
}

#[tokio::test]
async fn a_client_that_says_nothing_gets_no_answer() {
    let key = key(Transport::Tcp);
    let web = Web::saying("a").await;
    let proxy = Proxy::serving(&everything(key, &web.backend)).await;
    let mut client = dial(&key).await;
    client.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut client).await, (vec![], End::Finished));
    proxy.await_metric("tidegate_connections_refused_total", &[("reason", "probe")], 1.0).await;
}

#[tokio::test]
async fn bytes_that_come_slowly_do_not_put_off_the_deadline_of_the_head() {
    let key = key(Transport::Tcp);
    let web = Web::saying("a").await;
    let limit = Duration::from_millis(600);
    let snapshot =
        everything(key, &web.backend).timeouts(key, |timeouts| timeouts.handshake = limit);
    let proxy = Proxy::serving(&snapshot).await;
    let started = Instant::now();
    let (mut read, mut write) = dial(&key).await.into_split();
    let drip = tokio::spawn(async move {
        write.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").await.unwrap();
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let answer = Answer::of(&mut read).await;
    drip.abort();
    assert_eq!(answer.status, 408);
    assert!(started.elapsed() >= limit, "{:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let reason = [("reason", "hello_timeout")];
    proxy.await_metric("tidegate_connections_refused_total", &reason, 1.0).await;
    assert_eq!(web.backend.accepted(), 0);
}

#[tokio::test]
async fn a_backend_that_does_not_speak_http_is_a_bad_gateway() {
    for response in ["", "garbage\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n"] {
        let key = key(Transport::Tcp);
        let web = Web::answering(response).await;
        let proxy = Proxy::serving(&everything(key, &web.backend)).await;
        let answer = get(&key, "a", "/").await;
        assert_eq!((answer.status, answer.end), (502, End::Finished), "{response:?}");
        let line = &proxy.await_lines(1).await[0];
        assert_eq!(line["tidegate.close.reason"], "backend_reset", "{line:#}");
        assert!(adds_up(&proxy).await);
    }
}

#[tokio::test]
async fn a_response_that_is_cut_is_not_taken_for_a_whole_one() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let key = key(Transport::Tcp);
        let web = Web::answering(response).await;
        let proxy = Proxy::serving(&everything(key, &web.backend)).await;
        // To HTTP/1.0 the end of the connection is the end of the body.
        for version in ["1.1", "1.0"] {
            let mut client = dial(&key).await;
            let request = format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n");
            client.write_all(request.as_bytes()).await.unwrap();
            assert_eq!(read_to_end(&mut client).await.1, End::Reset, "{version} {response:?}");
        }
        let line = &proxy.await_lines(2).await[0];
        assert_eq!(line["tidegate.close.reason"], "backend_reset", "{line:#}");
        assert!(adds_up(&proxy).await);
    }
}

#[tokio::test]
async fn an_exchange_ends_when_it_is_silent_or_its_listener_is_gone_for_too_long() {
    for is_idle in [true, false] {
        let key = key(Transport::Tcp);
        let (backend, mut accepted) = Backend::manual().await;
        let snapshot = everything(key, &backend).timeouts(key, |timeouts| {
            timeouts.idle = is_idle.then_some(Duration::from_millis(200));
            timeouts.drain = Duration::from_millis(200);
        });
        let mut proxy = Proxy::serving(&snapshot).await;
        let mut client = dial(&key).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut stream = accepted.recv().await.unwrap();
        stream.read_u8().await.unwrap();
        if !is_idle {
            proxy.apply(&snapshot.without(&key)).await;
        }
        assert_eq!(read_to_end(&mut client).await, (vec![], End::Reset));
        let reason = if is_idle { "idle" } else { "drained" };
        assert_eq!(proxy.await_lines(1).await[0]["tidegate.close.reason"], reason);
        assert!(adds_up(&proxy).await);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_exchange() {
    let key = key(Transport::Tcp);
    let (backend, mut accepted) = Backend::manual().await;
    let proxy = Proxy::serving(&everything(key, &backend)).await;
    let mut client = dial(&key).await;
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        .await
        .unwrap();
    let mut stream = accepted.recv().await.unwrap();
    stream.read_u8().await.unwrap();
    drop(client);
    let line = &proxy.await_lines(1).await[0];
    assert_eq!(line["tidegate.close.reason"], "client_reset", "{line:#}");
    let (sent, _) = read_to_end(&mut stream).await;
    assert!(sent.ends_with(b"half"), "{}", String::from_utf8_lossy(&sent));
    assert!(adds_up(&proxy).await);
}
