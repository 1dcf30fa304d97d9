//! `slow-hello`: thousands of connections that send a ClientHello one byte a second. Each ends
//! 5.0 ± 0.5 s after it was accepted, none is extended by the bytes it sends, memory stays bounded,
//! and a client that is not slow is served meanwhile.

use std::time::{Duration, Instant};

use e2e::peers::hello::client_hello;
use e2e::peers::{client_address, tcp_name};
use e2e::process::raise_descriptor_limit;
use e2e::{Gateway, address, manifests as m};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{interval, sleep, timeout};

const CLIENTS: u64 = 5_000;
/// Descriptors that this process and the gateway need besides.
const OTHERS: u64 = 500;
const END: Duration = Duration::from_secs(5);
const TOLERANCE: Duration = Duration::from_millis(500);
const MEMORY: u64 = 24 << 20;
/// How many connect at once: a burst beyond the listen queue would measure the kernel's retries.
const BATCH: u64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_hello() {
    let clients = CLIENTS.min(raise_descriptor_limit() - OTHERS);
    let backend = std::net::SocketAddr::new(address::fresh(), 7443);
    tcp_name(backend, "served".to_owned()).await;
    let gateway = Gateway::start(
        &[
            m::gateway(&[m::Listener::passthrough("tls", 7443, "fast.example.com")]),
            m::tls_route("fast", "tls", "fast.example.com", "fast"),
            m::service("fast", "TCP", &[backend]),
        ]
        .concat(),
    );
    let to = gateway.at(7443);
    let idle = gateway.process.memory();

    let mut dripping = Vec::new();
    for number in 0..clients {
        if number % BATCH == 0 {
            sleep(Duration::from_millis(30)).await;
        }
        dripping.push(tokio::spawn(drip(number, to)));
    }
    let served =
        timeout(Duration::from_secs(2), quick(to)).await.expect("served while others drip");
    assert_eq!(served.expect("served"), b"served");
    let grown = gateway.process.memory().saturating_sub(idle);

    let mut ends = Vec::new();
    for client in dripping {
        ends.push(client.await.expect("no task panics"));
    }
    ends.sort();
    let (first, last) = (ends[0], ends[ends.len() - 1]);
    e2e::report(&format!(
        "slow-hello: {clients} ended between {:.2} and {:.2} s, memory grew by {:.1} MiB",
        first.as_secs_f64(),
        last.as_secs_f64(),
        grown as f64 / f64::from(1 << 20)
    ));
    assert!(first + TOLERANCE >= END && last <= END + TOLERANCE, "{first:?} to {last:?}");
    assert!(grown <= MEMORY, "{grown} bytes");

    let reason = [("reason", "hello_timeout")];
    let refused = clients as f64;
    gateway.until_metric("tidegate_connections_refused_total", &reason, |count| count == refused);
    tokio::task::spawn_blocking(|| gateway.finish()).await.expect("it ends in order");
}

/// Sends a byte a second and returns how long the connection lived.
async fn drip(number: u64, to: std::net::SocketAddr) -> Duration {
    let hello = client_hello("fast.example.com");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((client_address(number), 0).into()).expect("a loopback address");
    let stream = socket.connect(to).await.expect("it accepts");
    let begun = Instant::now();
    let (mut read, mut write) = stream.into_split();
    let mut pace = interval(Duration::from_secs(1));
    let mut answer = [0];
    for byte in hello {
        tokio::select! {
            _ = pace.tick() => { let _ended = write.write_all(&[byte]).await; }
            ended = read.read(&mut answer) => {
                assert!(!matches!(ended, Ok(1..)), "a half hello was answered");
                return begun.elapsed();
            }
        }
        // Each round sends or ends; the next tick is at least the time between two bytes away.
        let wait = timeout(Duration::from_millis(900), read.read(&mut answer)).await;
        if let Ok(ended) = wait {
            assert!(!matches!(ended, Ok(1..)), "a half hello was answered");
            return begun.elapsed();
        }
    }
    begun.elapsed()
}

async fn quick(to: std::net::SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(&client_hello("fast.example.com")).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}
