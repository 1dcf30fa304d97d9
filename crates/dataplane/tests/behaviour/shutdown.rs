//! The end of the process: what is open lives on for the grace given, and no longer.

use std::time::{Duration, Instant};

use dataplane::Shutdown;
use snapshot::{Snapshot, Transport};
use tokio::net::TcpStream;

use crate::support::backend::{Backend, End, ask, read_to_end};
use crate::support::world::{World, to};
use crate::support::{Proxy, dial, eventually, key, soon};

/// A data plane with one held connection.
async fn held() -> (Proxy, Backend, snapshot::BindKey, TcpStream) {
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let snapshot = Snapshot::default().tcp(key, vec![to("a", 1)]).cluster("a", &[backend.address]);
    let proxy = Proxy::serving(&snapshot).await;
    let mut client = dial(&key).await;
    assert_eq!(ask(&mut client, "a").await.unwrap(), "a");
    (proxy, backend, key, client)
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_ends_by_itself_is_not_cut() {
    let (proxy, _backend, key, mut client) = held().await;
    let ending = async {
        let refused = eventually(async || TcpStream::connect(key.socket_addr()).await.is_err());
        assert!(refused.await, "it stops accepting at once");
        assert_eq!(ask(&mut client, "still").await.unwrap(), "still");
        drop(client);
    };
    let (outcome, ()) = tokio::join!(proxy.shutdown(LONG), ending);
    assert_eq!(outcome, Shutdown::Drained);
    assert!(proxy.lines().iter().all(|line| line["tidegate.close.reason"] == "client_closed"));
    assert_eq!(proxy.shutdown(LONG).await, Shutdown::Drained, "again, when all is over");
}

#[tokio::test]
async fn what_outlives_the_grace_is_reset() {
    let (proxy, _backend, _key, mut client) = held().await;
    let grace = Duration::from_millis(500);
    let begun = Instant::now();
    let (outcome, end) = tokio::join!(proxy.shutdown(grace), read_to_end(&mut client));
    assert_eq!((outcome, end.1), (Shutdown::Cut, End::Reset));
    assert!(begun.elapsed() >= grace);
    assert_eq!(proxy.lines()[0]["tidegate.close.reason"], "drained", "written before the end");
}

#[tokio::test]
async fn a_second_request_ends_everything_at_once() {
    let (proxy, _backend, key, mut client) = held().await;
    let begun = Instant::now();
    let second = async {
        let refused = eventually(async || TcpStream::connect(key.socket_addr()).await.is_err());
        assert!(refused.await);
        proxy.shutdown(LONG).await
    };
    let (first, second, end) =
        soon(async { tokio::join!(proxy.shutdown(LONG), second, read_to_end(&mut client)) }).await;
    assert_eq!((first, second, end.1), (Shutdown::Cut, Shutdown::Cut, End::Reset));
    assert!(begun.elapsed() < LONG / 4);
    assert!(proxy.lines().iter().any(|line| line["tidegate.close.reason"] == "forced"));
}

#[tokio::test]
async fn dropping_the_data_plane_ends_everything() {
    let (proxy, _backend, key, mut client) = held().await;
    drop(proxy);
    read_to_end(&mut client).await;
    let refused = eventually(async || TcpStream::connect(key.socket_addr()).await.is_err());
    assert!(refused.await);
}
