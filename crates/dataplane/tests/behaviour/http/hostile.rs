//! Bytes that two programs could read as two different requests (reliability: request smuggling):
//! each is answered with an error, or is exactly one well-formed request at the backend.

use snapshot::Transport;
use tokio::io::AsyncWriteExt;

use super::{adds_up, everything};
use crate::support::backend::read_to_end;
use crate::support::web::{Web, send};
use crate::support::{Proxy, dial, key};

/// What stands behind a request to become another one.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// `^` stands for a request line and a host, `!` for the request that must not arrive.
const AMBIGUOUS: [&str; 60] = [
    // Two statements of where the body ends.
    "^Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n!",
    "^Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n!",
    "^Content-Length: 0\r\nContent-Length: 44\r\n\r\n!",
    "^Content-Length: 44\r\nContent-Length: 0\r\n\r\n!",
    "^Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody!",
    "^Content-Length: 0, 44\r\n\r\n!",
    "^Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n!",
    "^Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n!",
    "^Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n!",
    "^Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n!",
    // One that some do not see.
    "^Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\n5c\r\n!",
    "^Transfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n5c\r\n!",
    "^Transfer-Encoding\t: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n!",
    "^ Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n!",
    "^Transfer-Encoding: \x0bchunked\r\nContent-Length: 4\r\n\r\n5c\r\n!",
    "^Transfer-Encoding:\x0bchunked\r\nContent-Length: 4\r\n\r\n5c\r\n!",
    "^Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n!",
    "^Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n!",
    "^Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n!",
    "^X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n!",
    "^X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n!",
    "^X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n!",
    "^X: y\0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n!",
    "^Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n!",
    "^Content_Length: 44\r\n\r\n!",
    "^Content-Length : 44\r\n\r\n!",
    "^Content-Length: +44\r\n\r\n!",
    "^Content-Length: 0x2c\r\n\r\n!",
    "^Content-Length: 4 4\r\n\r\n!",
    "^Content-Length:\r\n\r\n!",
    "^Content-Length: 99999999999999999999\r\n\r\n!",
    "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n!",
    // Chunks.
    "^Transfer-Encoding: chunked\r\n\r\n0\r\n!",
    "^Transfer-Encoding: chunked\r\n\r\n0\n\n!",
    "^Transfer-Encoding: chunked\r\n\r\n0;a\n\r\n\r\n!",
    "^Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n!",
    "^Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 44\r\n\r\n!",
    "^Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n!",
    "^Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n!",
    "^Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n!",
    "^Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n!",
    "^Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n!",
    "^Transfer-Encoding: chunked\r\n\r\n00000000000000000000000\r\n\r\n!",
    // Hosts and targets.
    "^Host: b\r\n\r\n!",
    "^Host: a\r\n\r\n!",
    "GET / HTTP/1.1\r\n\r\n!",
    "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n!",
    "GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n!",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n!",
    "GET / HTTP/1.1\r\nHost : a\r\n\r\n!",
    "GET / HTTP/1.1\r\n Host: a\r\n\r\n!",
    "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n!",
    "GET / HTTP/1.1\nHost: a\n\n!",
    "GET / HTTP/1.1\r\nHost: a\n\n!",
    "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n!",
    "GET  /  HTTP/1.1\r\nHost: a\r\n\r\n!",
    "GET / HTTP/9.9\r\nHost: a\r\n\r\n!",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n!",
    "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n!",
    "^Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n!",
];

#[tokio::test]
async fn ambiguous_requests_are_refused_or_arrive_as_one() {
    let web = Web::saying("ok").await;
    let key = key(Transport::Tcp);
    let proxy = Proxy::serving(&everything(key, &web.backend)).await;
    let mut arrived = 0;
    for request in AMBIGUOUS {
        let bytes = request.replace('^', "POST / HTTP/1.1\r\nHost: a\r\n").replace('!', SMUGGLED);
        let mut client = dial(&key).await;
        client.write_all(bytes.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let (answer, _) = read_to_end(&mut client).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.matches("connection: close").count() <= 1, "{request:?}: {answer}");
        if answer.starts_with("HTTP/1.1 200 ") {
            arrived += 1;
        } else {
            let refused = ["400 ", "501 ", "505 "].map(|status| format!("HTTP/1.1 {status}"));
            let is_refused = refused.iter().any(|start| answer.starts_with(start));
            assert!(is_refused, "{request:?}: {answer:?}");
        }
    }
    assert!(adds_up(&proxy).await);
    for asked in web.asked(arrived).await {
        assert_eq!(asked.line(), "POST / HTTP/1.1");
        assert_eq!(asked.rest, b"", "{}", asked.head);
        assert_eq!(asked.field("upgrade"), None);
        assert!(asked.body.is_empty() || asked.body == b"body", "{:?}", asked.body);
    }
    // Those that are clear in themselves: an encoding in other letters or after a tab, names that
    // only look alike, trailers, an upgrade that nobody has to take, and zeros.
    assert_eq!(arrived, 8);
}

#[tokio::test]
async fn a_second_request_on_a_connection_never_reaches_a_backend() {
    let web = Web::saying("first").await;
    let key = key(Transport::Tcp);
    let proxy = Proxy::serving(&everything(key, &web.backend)).await;
    for first in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na",
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ] {
        let answer = send(&key, format!("{first}{SMUGGLED}{SMUGGLED}")).await;
        assert_eq!((answer.status, answer.text()), (200, "first"), "{first:?}");
    }
    for asked in web.asked(5).await {
        assert!(!asked.head.contains("smuggled"), "{}", asked.head);
        assert_eq!(asked.rest, b"", "{}", asked.head);
    }
    assert!(adds_up(&proxy).await);
    assert_eq!(proxy.metric("tidegate_connections_opened_total", &[]), 5.0);
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused_before_its_end() {
    let web = Web::saying("ok").await;
    let key = key(Transport::Tcp);
    let proxy = Proxy::serving(&everything(key, &web.backend)).await;
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(100_000));
    let answer = send(&key, head).await;
    assert_eq!(answer.status, 431);
    let reason = [("reason", "bad_request")];
    proxy.await_metric("tidegate_connections_refused_total", &reason, 1.0).await;
    assert_eq!(web.backend.accepted(), 0);
}
