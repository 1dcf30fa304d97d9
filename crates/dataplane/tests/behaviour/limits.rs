//! Bounds of one listener.

use snapshot::{Limits, Snapshot, Transport};
use tokio::net::TcpStream;

use crate::support::backend::{Backend, End, ask};
use crate::support::world::{World, to};
use crate::support::{Proxy, dial, eventually, key, knock};

#[tokio::test]
async fn a_listener_holds_as_many_connections_as_it_may_and_refuses_the_rest() {
    let backend = Backend::echo().await;
    let (limited, other) = (key(Transport::Tcp), key(Transport::Tcp));
    let snapshot = Snapshot::default()
        .tcp(limited, vec![to("a", 1)])
        .limits(limited, Limits { connections: Some(5), flows: None })
        .tcp(other, vec![to("a", 1)])
        .cluster("a", &[backend.address]);
    let proxy = Proxy::serving(&snapshot).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut client = dial(&limited).await;
        assert_eq!(ask(&mut client, "in").await.unwrap(), "in");
        held.push(client);
    }
    for _ in 0..10 {
        assert_eq!(knock(&limited).await.1, End::Reset);
    }
    assert_eq!(ask(&mut dial(&other).await, "other").await.unwrap(), "other");
    let name = "tidegate_connections_refused_total";
    assert_eq!(proxy.metric(name, &[("reason", "listener_limit")]), 10.0);
    let lines = proxy.await_lines(1).await;
    let refused = lines.iter().filter(|line| line["tidegate.close.reason"] == "listener_limit");
    assert!((1..=3).contains(&refused.count()), "one line a second: {lines:#?}");

    held.pop();
    let again = eventually(async || {
        let Ok(mut client) = TcpStream::connect(limited.socket_addr()).await else { return false };
        ask(&mut client, "in").await.is_ok()
    });
    assert!(again.await, "a place that is given back is taken");
    for client in &mut held {
        assert_eq!(ask(client, "held").await.unwrap(), "held");
    }
}
