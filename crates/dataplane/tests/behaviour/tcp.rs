//! TCP: relays of every temper.

use std::time::Duration;

use snapshot::{Snapshot, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::backend::{Backend, End, ask, read_to_end};
use crate::support::world::{World, to};
use crate::support::{Proxy, dial, key, soon};

#[tokio::test]
async fn bytes_go_both_ways_and_one_line_tells_of_it() {
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let snapshot = Snapshot::default().tcp(key, vec![to("a", 1)]).cluster("a", &[backend.address]);
    let proxy = Proxy::serving(&snapshot).await;
    let mut client = dial(&key).await;
    assert_eq!(ask(&mut client, "hello").await.unwrap(), "hello");
    client.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut client).await, (vec![], End::Finished));
    let lines = proxy.await_lines(1).await;
    let line = &lines[0];
    for (name, value) in [
        ("message", "connection closed"),
        ("client.address", "127.0.0.1"),
        ("network.local.address", &key.address.to_string()),
        ("tidegate.gateway.name", "edge/l4"),
        ("tidegate.listener.name", &format!("p{}", key.port)),
        ("tidegate.route.name", &format!("TCPRoute/db/p{}", key.port)),
        ("tidegate.backend.name", "db/a:5432"),
        ("tidegate.backend.address", "127.0.0.1"),
        ("tidegate.close.by", "client"),
        ("tidegate.close.reason", "client_closed"),
    ] {
        assert_eq!(line[name], value, "{name}");
    }
    for (name, value) in [
        ("server.port", u64::from(key.port.get())),
        ("tidegate.backend.port", u64::from(backend.address.port())),
        ("tidegate.backend.attempts", 1),
        ("tidegate.connection.received_bytes", 5),
        ("tidegate.connection.sent_bytes", 5),
    ] {
        assert_eq!(line[name], value, "{name}");
    }
}

#[tokio::test]
async fn a_server_may_speak_first() {
    let backend = Backend::greeting("220 ready\r\n").await;
    let key = key(Transport::Tcp);
    let snapshot = Snapshot::default().tcp(key, vec![to("a", 1)]).cluster("a", &[backend.address]);
    let _proxy = Proxy::serving(&snapshot).await;
    let mut banner = [0; 11];
    soon(dial(&key).await.read_exact(&mut banner)).await.unwrap();
    assert_eq!(&banner, b"220 ready\r\n");
}

/// A client and a backend connected by a data plane.
async fn pair(
    change: impl FnOnce(&mut snapshot::Timeouts),
) -> (Proxy, Backend, TcpStream, TcpStream) {
    let (backend, mut accepted) = Backend::manual().await;
    let key = key(Transport::Tcp);
    let snapshot = Snapshot::default()
        .tcp(key, vec![to("a", 1)])
        .cluster("a", &[backend.address])
        .timeouts(key, change);
    let proxy = Proxy::serving(&snapshot).await;
    let client = dial(&key).await;
    let server = soon(accepted.recv()).await.unwrap();
    (proxy, backend, client, server)
}

async fn close_reason(proxy: &Proxy) -> (String, String) {
    let lines = proxy.await_lines(1).await;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let text = |name: &str| lines[0][name].as_str().unwrap().to_owned();
    (text("tidegate.close.by"), text("tidegate.close.reason"))
}

#[tokio::test]
async fn a_client_that_has_finished_still_hears_the_answer() {
    let (proxy, _backend, mut client, mut server) = pair(|_| {}).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut server).await, (b"question".to_vec(), End::Finished));
    server.write_all(b"answer").await.unwrap();
    server.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut client).await, (b"answer".to_vec(), End::Finished));
    assert_eq!(close_reason(&proxy).await, ("client".into(), "client_closed".into()));
}

#[tokio::test]
async fn a_backend_that_has_finished_still_hears_the_client() {
    let (proxy, _backend, mut client, mut server) = pair(|_| {}).await;
    server.write_all(b"bye").await.unwrap();
    server.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut client).await, (b"bye".to_vec(), End::Finished));
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut server).await, (b"last words".to_vec(), End::Finished));
    assert_eq!(close_reason(&proxy).await, ("backend".into(), "backend_closed".into()));
}

fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

#[tokio::test]
async fn a_reset_by_the_client_reaches_the_backend() {
    let (proxy, _backend, mut client, mut server) = pair(|_| {}).await;
    client.write_all(b"x").await.unwrap();
    soon(server.read_exact(&mut [0])).await.unwrap();
    reset(client);
    assert_eq!(read_to_end(&mut server).await.1, End::Reset);
    assert_eq!(close_reason(&proxy).await, ("client".into(), "client_reset".into()));
    assert_eq!(proxy.lines()[0]["error.type"], "client_reset");
}

#[tokio::test]
async fn a_reset_by_the_backend_reaches_the_client() {
    let (proxy, _backend, mut client, server) = pair(|_| {}).await;
    reset(server);
    assert_eq!(read_to_end(&mut client).await.1, End::Reset);
    assert_eq!(close_reason(&proxy).await, ("backend".into(), "backend_reset".into()));
}

#[tokio::test]
async fn half_a_connection_ends_at_its_deadline() {
    let limit = Duration::from_millis(300);
    let (proxy, _backend, mut client, mut server) = pair(|set| set.half_close = limit).await;
    client.shutdown().await.unwrap();
    let begun = std::time::Instant::now();
    assert_eq!(read_to_end(&mut server).await, (vec![], End::Finished));
    assert_eq!(read_to_end(&mut client).await.1, End::Reset);
    assert!(begun.elapsed() >= limit);
    assert_eq!(close_reason(&proxy).await, ("tidegate".into(), "half_close_timeout".into()));
}

#[tokio::test]
async fn silence_ends_a_connection_where_it_is_limited_and_bytes_prolong_it() {
    let limit = Duration::from_millis(400);
    let (proxy, _backend, mut client, mut server) = pair(|set| set.idle = Some(limit)).await;
    for _ in 0..4 {
        // Shorter than the limit each, longer in sum: the wait itself is what is tested.
        tokio::time::sleep(limit / 3).await;
        client.write_all(b"x").await.unwrap();
        soon(server.read_exact(&mut [0])).await.unwrap();
    }
    assert_eq!(read_to_end(&mut client).await.1, End::Reset);
    assert_eq!(close_reason(&proxy).await, ("tidegate".into(), "idle".into()));
    assert_eq!(proxy.lines()[0].get("error.type"), None, "not a failure");
}

/// Byte `at` of a stream that has no short period.
fn pattern(at: u64) -> u8 {
    (at ^ (at >> 8).wrapping_mul(31) ^ (at >> 16).wrapping_mul(7)) as u8
}

/// Writes so much of the pattern.
pub async fn pour(mut to: impl AsyncWrite + Unpin, bytes: u64) {
    let mut at = 0;
    while at < bytes {
        let chunk: Vec<u8> = (at..bytes.min(at + 65_536)).map(pattern).collect();
        to.write_all(&chunk).await.unwrap();
        at += chunk.len() as u64;
    }
    to.shutdown().await.unwrap();
}

/// Reads the pattern to the end; gives its length.
pub async fn drain(mut from: impl AsyncRead + Unpin) -> u64 {
    let mut at = 0;
    let mut chunk = vec![0; 65_536];
    loop {
        let count = from.read(&mut chunk).await.unwrap();
        if count == 0 {
            return at;
        }
        let wrong = chunk[..count].iter().zip(at..).position(|(byte, at)| *byte != pattern(at));
        assert_eq!(wrong, None, "in the chunk at {at}");
        at += count as u64;
    }
}

#[tokio::test]
async fn sixty_four_mebibytes_each_way_at_once_arrive_intact() {
    const SIZE: u64 = 64 << 20;
    let (proxy, _backend, client, server) = pair(|_| {}).await;
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let transfer = async {
        tokio::join!(
            pour(client_write, SIZE),
            pour(server_write, SIZE),
            drain(client_read),
            drain(server_read),
        )
    };
    let (.., to_client, to_server) =
        tokio::time::timeout(Duration::from_secs(120), transfer).await.unwrap();
    assert_eq!((to_client, to_server), (SIZE, SIZE));
    let line = &proxy.await_lines(1).await[0];
    assert_eq!(line["tidegate.connection.received_bytes"], SIZE);
    assert_eq!(line["tidegate.connection.sent_bytes"], SIZE);
}

#[tokio::test]
async fn a_client_that_never_reads_stops_its_backend_and_nobody_else() {
    let (backend, mut accepted) = Backend::manual().await;
    let echo = Backend::echo().await;
    let (slow, other) = (key(Transport::Tcp), key(Transport::Tcp));
    let snapshot = Snapshot::default()
        .tcp(slow, vec![to("a", 1)])
        .tcp(other, vec![to("b", 1)])
        .cluster("a", &[backend.address])
        .cluster("b", &[echo.address]);
    let _proxy = Proxy::serving(&snapshot).await;
    let _client = dial(&slow).await;
    let mut server = soon(accepted.recv()).await.unwrap();
    let mut written = 0_u64;
    // What the kernel's own buffers take on both legs is at most some 40 MiB.
    let chunk = vec![7; 65_536];
    loop {
        let write = tokio::time::timeout(Duration::from_millis(500), server.write(&chunk));
        match write.await {
            Ok(count) => written += count.unwrap() as u64,
            Err(_) => break,
        }
        assert!(written < 128 << 20, "the backend is never stopped");
    }
    let mut client = dial(&other).await;
    assert_eq!(ask(&mut client, "still here").await.unwrap(), "still here");
}
