//! What a process may take: descriptors, and the memory of an idle connection.

use std::time::{Duration, Instant};

use snapshot::Transport;
use tokio::net::TcpStream;

use crate::support::backend::{Backend, End, ask};
use crate::support::child::{Child, is_child};
use crate::support::{dial, eventually, key, knock};

/// Processor seconds that `child` uses in the next seconds, as a part of one processor.
async fn load(child: &mut Child) -> f64 {
    let (before, begun) = (child.metric("process_cpu_seconds_total"), Instant::now());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let spent = child.metric("process_cpu_seconds_total") - before;
    spent / begun.elapsed().as_secs_f64()
}

#[tokio::test]
async fn a_full_process_lets_clients_wait_and_every_listener_keeps_its_share() {
    const DESCRIPTORS: u64 = 264;
    if is_child().await {
        return;
    }
    let backend = Backend::echo().await;
    let keys = [key(Transport::Tcp), key(Transport::Tcp)];
    let test = "budgets::a_full_process_lets_clients_wait_and_every_listener_keeps_its_share";
    let mut child = Child::start(test, DESCRIPTORS, &keys, backend.address);
    let [flooded, calm] = &keys;

    // A flood. The kernel accepts them all; the proxy only as many as it has room for: about 120
    // of its descriptors are not for connections, which take two each.
    let mut flood: Vec<TcpStream> = Vec::new();
    for _ in 0..300 {
        flood.push(dial(flooded).await);
    }
    let mut held = 0.0;
    let full = eventually(async || {
        let before = std::mem::replace(&mut held, child.metric("tidegate_connections_active"));
        tokio::time::sleep(Duration::from_millis(200)).await;
        held > 40.0 && held == before
    });
    assert!(full.await, "{held}");
    assert!(held < 75.0, "{held}");
    let load = load(&mut child).await;
    assert!(load <= 0.06, "being full costs {load} of a processor");
    assert_eq!(child.metric("tidegate_connections_active"), held, "the rest waits");

    // The other listener keeps its share: half of the whole for both of them.
    const SHARE: usize = 15;
    let mut others = Vec::new();
    for _ in 0..SHARE {
        let mut client = dial(calm).await;
        assert_eq!(ask(&mut client, "calm").await.unwrap(), "calm");
        others.push(client);
    }
    assert!(child.metric("process_open_fds") <= DESCRIPTORS as f64);

    // Room that is given back is taken by those who waited.
    let opened = child.metric("tidegate_connections_opened_total");
    flood.drain(..150);
    let begun = Instant::now();
    let full = eventually(async || {
        child.metric("tidegate_connections_opened_total") > opened
            && child.metric("tidegate_connections_active") == held + SHARE as f64
    });
    assert!(full.await, "{}", child.metric("tidegate_connections_active"));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(child.metric("tidegate_connections_refused_total"), 0.0, "nobody was turned away");
    drop((flood, others));
    let gone = eventually(async || child.metric("tidegate_connections_active") == 0.0);
    assert!(gone.await);
}

#[tokio::test]
async fn without_a_descriptor_clients_are_reset_counted_and_served_again_later() {
    if is_child().await {
        return;
    }
    let backend = Backend::echo().await;
    let key = key(Transport::Tcp);
    let test = "budgets::without_a_descriptor_clients_are_reset_counted_and_served_again_later";
    let mut child = Child::start(test, 300, &[key], backend.address);
    let mut held = dial(&key).await;
    assert_eq!(ask(&mut held, "before").await.unwrap(), "before");
    // The budget has room, but something else in the process took every descriptor.
    child.hoard_descriptors();
    for _ in 0..5 {
        assert_eq!(knock(&key).await.1, End::Reset);
    }
    assert_eq!(child.metric("tidegate_connections_refused_total fd_budget"), 5.0);
    assert_eq!(ask(&mut held, "still").await.unwrap(), "still");
    let load = load(&mut child).await;
    assert!(load <= 0.06, "waiting costs {load} of a processor");
    child.release_descriptors();
    assert_eq!(ask(&mut dial(&key).await, "after").await.unwrap(), "after");
}

#[tokio::test]
async fn an_idle_connection_keeps_little_memory() {
    const COUNT: usize = 2000;
    if is_child().await {
        return;
    }
    let (backend, mut accepted) = Backend::manual().await;
    let key = key(Transport::Tcp);
    let test = "budgets::an_idle_connection_keeps_little_memory";
    let mut child = Child::start(test, 10_000, &[key], backend.address);
    let mut open = Vec::new();
    let mut connect = async |count: usize| {
        for _ in 0..count {
            open.push((dial(&key).await, crate::support::soon(accepted.recv()).await.unwrap()));
        }
    };
    // Whatever is allocated once is allocated by the first few.
    connect(200).await;
    let before = child.metric("process_resident_memory_bytes");
    connect(COUNT).await;
    let each = (child.metric("process_resident_memory_bytes") - before) / COUNT as f64;
    assert_eq!(child.metric("tidegate_connections_active"), (COUNT + 200) as f64);
    assert!(each <= 2048.0, "{each} bytes for each");
}
