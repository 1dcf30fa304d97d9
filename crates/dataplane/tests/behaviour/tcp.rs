//! TCP: relays of every temper, weights, refusals and retries.

use snapshot::{Snapshot, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
    assert_eq!(lines[0]["message"], "connection closed");
    assert_eq!(lines[0]["tidegate.close.reason"], "client_closed");
    assert_eq!(lines[0]["tidegate.connection.received_bytes"], 5);
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
