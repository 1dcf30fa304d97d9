//! `no-leak`: after 100,000 short connections, ended in every way there is, descriptors and memory
//! are back to within 10 %.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use e2e::gateway::DEADLINE;
use e2e::peers::{client_address, tcp_echo};
use e2e::{Gateway, Launch, address, eventually, manifests as m};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

const CONNECTIONS: u64 = 100_000;
/// Before the first reading, so that pools and tables have their working size.
const WARM_UP: u64 = 20_000;
const CLIENTS: u64 = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_leak() {
    let backends: Vec<_> = (0..8).map(|_| SocketAddr::new(address::fresh(), 7000)).collect();
    for backend in &backends {
        tcp_echo(*backend).await;
    }
    let mut launch = Launch::new(
        &[
            m::gateway(&[m::Listener::tcp("tcp", 7000)]),
            m::tcp_route("tcp", "tcp", "echo"),
            m::service("echo", "TCP", &backends),
        ]
        .concat(),
    );
    launch.access_lines = false;
    let gateway = launch.start();

    connect(&gateway, WARM_UP).await;
    let (descriptors, memory) = (gateway.process.descriptors(), gateway.process.memory());
    let begun = Instant::now();
    connect(&gateway, CONNECTIONS).await;
    let seconds = begun.elapsed().as_secs_f64();
    eventually("descriptors are back", DEADLINE, || {
        gateway.process.descriptors() <= descriptors + descriptors / 10
    });
    eventually("memory is back", DEADLINE, || gateway.process.memory() <= memory + memory / 10);
    e2e::report(&format!(
        "no-leak: {CONNECTIONS} connections in {seconds:.0} s; descriptors {descriptors} → {}, \
         memory {:.1} → {:.1} MiB",
        gateway.process.descriptors(),
        memory as f64 / f64::from(1 << 20),
        gateway.process.memory() as f64 / f64::from(1 << 20)
    ));
    let all = (WARM_UP + CONNECTIONS) as f64;
    gateway.until_metric("tidegate_connections_accepted_total", &[], |count| count == all);
    tokio::task::spawn_blocking(|| gateway.finish()).await.expect("it ends in order");
}

/// Makes `count` connections, many at once.
async fn connect(gateway: &Gateway, count: u64) {
    let to = gateway.at(7000);
    let next = Arc::new(AtomicU64::new(0));
    let failed = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (next, failed) = (Arc::clone(&next), Arc::clone(&failed));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    if short(number, to).await.is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no task panics");
    }
    assert_eq!(failed.load(Ordering::Relaxed), 0, "failed connections");
    gateway.until_metric("tidegate_connections_active", &[], |count| count == 0.0);
}

/// One connection: a message and its echo, then one of three ends.
async fn short(number: u64, to: SocketAddr) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((client_address(number), 0).into())?;
    let mut stream = socket.connect(to).await?;
    stream.write_all(b"ebb").await?;
    let mut answer = [0; 3];
    stream.read_exact(&mut answer).await?;
    match number % 3 {
        // Both directions are shut down in turn.
        0 => {
            stream.shutdown().await?;
            stream.read_to_end(&mut Vec::new()).await?;
        }
        // A reset.
        1 => rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?,
        // The client just goes.
        _ => {}
    }
    if answer == *b"ebb" { Ok(()) } else { Err(std::io::ErrorKind::InvalidData.into()) }
}
