//! `no-fd-left`: a gateway with 1,024 descriptors and 5,000 clients that want one each. While full
//! it rests instead of spinning, its metrics answer, the other listener keeps its share, and as
//! soon as there is room again it accepts.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::peers::{Held, client_address, tcp_echo};
use e2e::{Launch, address, manifests as m};
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};

const DESCRIPTORS: u32 = 1_024;
const CLIENTS: u64 = 5_000;
/// How long the load is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Of one core.
const CPU: f64 = 0.05;
const RECOVERY: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fd_left() {
    let backend = SocketAddr::new(address::fresh(), 7000);
    tcp_echo(backend).await;
    let mut launch = Launch::new(
        &[
            m::gateway(&[m::Listener::tcp("full", 7000), m::Listener::tcp("beside", 7001)]),
            m::tcp_route("full", "full", "echo"),
            m::tcp_route("beside", "beside", "echo"),
            m::service("echo", "TCP", &[backend]),
        ]
        .concat(),
    );
    launch.nofile = Some(DESCRIPTORS);
    let mut gateway = launch.start();
    let (full, beside) = (gateway.at(7000), gateway.at(7001));

    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        // Beyond the descriptors and the listen queue, connecting takes the kernel's retries.
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((client_address(number), 0).into()).expect("a loopback address");
        clients.push(tokio::spawn(timeout(Duration::from_secs(20), socket.connect(full))));
    }
    let mut open = Vec::new();
    for client in clients {
        if let Ok(Ok(stream)) = client.await.expect("no task panics") {
            open.push(stream);
        }
    }
    let descriptors = gateway.process.descriptors();
    assert!(descriptors <= DESCRIPTORS as usize);
    assert!(descriptors > DESCRIPTORS as usize / 2, "only {descriptors} descriptors in use");

    let (begun, before) = (Instant::now(), gateway.process.cpu());
    let mut shared = Vec::new();
    while begun.elapsed() < LOOK {
        let asked = Instant::now();
        let (code, _) = gateway.get("/metrics").expect("metrics answer while full");
        assert_eq!(code, 200);
        assert!(asked.elapsed() < Duration::from_secs(1), "metrics took {:?}", asked.elapsed());
        if shared.len() < 5 {
            shared.push(Held::open(beside).await.expect("the other listener has its share"));
        }
        sleep(Duration::from_secs(1)).await; // the pace of the looks, not a wait
    }
    let share = (gateway.process.cpu() - before).as_secs_f64() / begun.elapsed().as_secs_f64();

    let (connected, freed) = (open.len(), Instant::now());
    drop(open);
    let recovered = timeout(Duration::from_secs(10), async {
        while Held::open(full).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    });
    recovered.await.expect("it accepts again");
    let recovery = freed.elapsed();
    e2e::report(&format!(
        "no-fd-left: {DESCRIPTORS} descriptors, {CLIENTS} clients, {connected} connected: \
         {:.1} % of a core while full, accepts {} ms after room",
        share * 100.0,
        recovery.as_millis()
    ));
    assert!(share <= CPU, "{:.1} % of a core", share * 100.0);
    assert!(recovery <= RECOVERY, "{recovery:?}");
    for held in &mut shared {
        held.ping(1).await.expect("held through it all");
    }
    drop(shared);
    assert!(gateway.process.is_running());
    tokio::task::spawn_blocking(|| gateway.finish()).await.expect("it ends in order");
}
