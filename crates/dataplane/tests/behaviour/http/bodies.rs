//! Bodies of requests and responses, whichever way they say where they end.

use snapshot::Transport;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{adds_up, everything};
use crate::support::backend::{Backend, End};
use crate::support::web::{Answer, Web, get, read_chunks, read_request, send, send_on};
use crate::support::{Proxy, dial, key, soon};

/// More than every buffer on the way together.
const LARGE: usize = 3 << 20;

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + (at >> 8)) as u8).collect()
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let mut chunks: Vec<u8> = body.chunks(size).flat_map(chunk).collect();
    chunks.extend_from_slice(b"0\r\n\r\n");
    chunks
}

#[tokio::test]
async fn bodies_of_either_framing_arrive_whole_in_both_directions() {
    let body = pattern(LARGE);
    let by_length = [format!("Content-Length: {LARGE}\r\n\r\n").as_bytes(), &body].concat();
    let by_chunks = [&b"Transfer-Encoding: chunked\r\n\r\n"[..], &chunked(&body, 70_001)].concat();
    for (request, response) in
        [(&by_length, &by_length), (&by_length, &by_chunks), (&by_chunks, &by_length)]
    {
        let web = Web::answering([&b"HTTP/1.1 200 OK\r\n"[..], response].concat()).await;
        let key = key(Transport::Tcp);
        let proxy = Proxy::serving(&everything(key, &web.backend)).await;
        let request = [&b"PUT / HTTP/1.1\r\nHost: a\r\n"[..], request].concat();
        let answer = send(&key, request).await;
        assert_eq!((answer.status, answer.end), (200, End::Finished));
        let answered = match answer.head.contains("transfer-encoding: chunked") {
            true => read_chunks(&mut answer.body.as_slice()).await.unwrap(),
            false => answer.body,
        };
        assert!(answered == body, "{} bytes came back", answered.len());
        let asked = web.asked(1).await;
        assert!(asked[0].body == body, "{} bytes arrived", asked[0].body.len());
        assert_eq!(asked[0].rest, b"");
        assert!(adds_up(&proxy).await);
    }
}

#[tokio::test]
async fn a_body_that_ends_with_its_connection_is_chunked_for_the_client() {
    let web = Web::answering("HTTP/1.0 200 OK\r\n\r\nold ways").await;
    let key = key(Transport::Tcp);
    let _proxy = Proxy::serving(&everything(key, &web.backend)).await;
    let answer = get(&key, "a", "/").await;
    assert!(answer.head.starts_with("http/1.1 200"), "{}", answer.head);
    assert!(answer.head.contains("transfer-encoding: chunked"), "{}", answer.head);
    assert_eq!(read_chunks(&mut answer.body.as_slice()).await.unwrap(), b"old ways");
}

#[tokio::test]
async fn a_client_of_http_1_0_is_not_sent_chunks() {
    let chunks = String::from_utf8(chunked(b"no chunks", 4)).unwrap();
    let web =
        Web::answering(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"))
            .await;
    let key = key(Transport::Tcp);
    let _proxy = Proxy::serving(&everything(key, &web.backend)).await;
    let answer = send(&key, "GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!((answer.text(), answer.end), ("no chunks", End::Finished));
    assert!(!answer.head.contains("transfer-encoding"), "{}", answer.head);
    let asked = &web.asked(1).await[0];
    assert_eq!(asked.line(), "GET / HTTP/1.1");
    assert_eq!(asked.field("host"), Some(web.backend.address.to_string().as_str()));
}

#[tokio::test]
async fn responses_without_a_body_end_with_their_head() {
    for (method, response) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let web = Web::answering(response).await;
        let key = key(Transport::Tcp);
        let proxy = Proxy::serving(&everything(key, &web.backend)).await;
        let answer = send(&key, format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!((answer.text(), answer.end), ("", End::Finished), "{response:?}");
        let line = &proxy.await_lines(1).await[0];
        assert_eq!(line["tidegate.close.reason"], "backend_closed", "{response:?} {line:#}");
        if method == "HEAD" {
            assert!(answer.head.contains("content-length: 1000"), "{}", answer.head);
        }
    }
}

#[tokio::test]
async fn a_client_that_waits_for_the_word_to_go_on_gets_it() {
    let web = Web::saying("thanks").await;
    let key = key(Transport::Tcp);
    let _proxy = Proxy::serving(&everything(key, &web.backend)).await;
    let mut client = dial(&key).await;
    let head = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut word = vec![0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    soon(client.read_exact(&mut word)).await.unwrap();
    assert_eq!(word, b"HTTP/1.1 100 Continue\r\n\r\n");
    let answer = send_on(&mut client, "body").await;
    assert_eq!((answer.status, answer.text()), (200, "thanks"));
    let asked = &web.asked(1).await[0];
    assert_eq!((asked.body.as_slice(), asked.field("expect")), (&b"body"[..], None));
}

#[tokio::test]
async fn interim_responses_of_the_backend_are_not_the_answer() {
    let web = Web::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
    )
    .await;
    let key = key(Transport::Tcp);
    let _proxy = Proxy::serving(&everything(key, &web.backend)).await;
    let answer = get(&key, "a", "/").await;
    assert_eq!((answer.status, answer.text()), (200, "a"));
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_reaches_the_client() {
    let backend = Backend::new(async |mut stream: tokio::net::TcpStream| {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig";
        stream.write_all(answer).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let key = key(Transport::Tcp);
    let proxy = Proxy::serving(&everything(key, &backend)).await;
    let mut client = dial(&key).await;
    let head = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\nfirst bytes");
    let answer = send_on(&mut client, head).await;
    assert_eq!((answer.status, answer.text()), (413, "big"));
    assert!(adds_up(&proxy).await);
}

#[tokio::test]
async fn a_client_that_finishes_its_side_gets_its_answer() {
    let backend = Backend::new(async |mut stream: tokio::net::TcpStream| {
        read_request(&mut stream).await.unwrap();
        // Long enough for the end of the client to be here.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").await.unwrap();
    })
    .await;
    let key = key(Transport::Tcp);
    let _proxy = Proxy::serving(&everything(key, &backend)).await;
    let mut client = dial(&key).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(Answer::of(&mut client).await.text(), "late");
}
