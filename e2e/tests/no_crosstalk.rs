//! `no-crosstalk`: nothing reaches a wrong client or backend. 60,000 UDP flows whose answers come
//! a second late, when other flows have long taken their turn at the ports; and 10,000 server names
//! while their routes are swapped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use e2e::peers::hello::client_hello;
use e2e::peers::{Flow, tcp_name, udp_witness};
use e2e::{Gateway, address, manifests as m};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

const FLOWS: u64 = 60_000;
const LATE: Duration = Duration::from_secs(1);
/// Clients that wait at any time: with [`LATE`] answers, about as many flows begin per second. A
/// number instead of a rate, so that a slow machine is not flooded.
const WAITING: usize = 3_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_crosstalk_between_udp_flows() {
    let backends = address::fresh();
    let endpoints: Vec<_> = (7000..7004).map(|port| SocketAddr::new(backends, port)).collect();
    let mut seen = Vec::new();
    for endpoint in &endpoints {
        seen.push(udp_witness(*endpoint, LATE).await);
    }
    let gateway = Gateway::start(
        &[
            m::gateway(&[m::Listener::udp("udp", 7000)]),
            m::udp_route("udp", "udp", "late"),
            m::service("late", "UDP", &endpoints),
        ]
        .concat(),
    );
    let to = gateway.at(7000);

    let (own, foreign) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    let waiting = Arc::new(Semaphore::new(WAITING));
    for number in 0..FLOWS {
        let place = Arc::clone(&waiting).acquire_owned().await.expect("never closed");
        let (own, foreign) = (Arc::clone(&own), Arc::clone(&foreign));
        clients.spawn(async move {
            let _place = place;
            let flow = Flow::new(to, number).await.expect("a socket");
            flow.ask().await.expect("sent");
            // Some clients leave before their answer; their port goes to another one.
            let patience = if number % 4 == 0 { LATE / 2 } else { LATE * 3 };
            if let Ok((_, is_own)) = flow.answer(patience).await {
                if is_own { &own } else { &foreign }.fetch_add(1, Ordering::Relaxed);
            }
        });
        while clients.try_join_next().is_some_and(|ended| ended.is_ok()) {}
    }
    while clients.join_next().await.is_some_and(|ended| ended.is_ok()) {}

    let seen: u64 = seen.iter().map(|count| count.load(Ordering::Relaxed)).sum();
    let (own, foreign) = (own.load(Ordering::Relaxed), foreign.load(Ordering::Relaxed));
    e2e::report(&format!(
        "no-crosstalk: {FLOWS} flows at {:.0}/s, {seen} reached a backend, {own} of the {} that \
         waited were answered, {foreign} got another's answer",
        FLOWS as f64 / begun.elapsed().as_secs_f64(),
        FLOWS / 4 * 3
    ));
    assert_eq!(foreign, 0);
    // Datagrams may be lost; but if most were, this would have shown nothing.
    assert!(own >= FLOWS / 4 * 3 * 9 / 10, "only {own} were answered");
    tokio::task::spawn_blocking(|| gateway.finish()).await.expect("it ends in order");
}

const NAMES: u16 = 10_000;
/// Each route has a tenth of the names.
const ROUTES: u16 = 10;
const CLIENTS: u16 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_crosstalk_between_server_names() {
    // Route r leads to backend r or r + ROUTES, never to another.
    let backends = address::fresh();
    let endpoint = |backend: u16| SocketAddr::new(backends, 7000 + backend);
    for backend in 0..2 * ROUTES {
        tcp_name(endpoint(backend), backend.to_string()).await;
    }
    let routes = move |odd: bool| {
        (0..ROUTES)
            .map(|route| {
                let names: Vec<_> =
                    (0..NAMES).filter(|name| name % ROUTES == route).map(host).collect();
                let service = if odd { route + ROUTES } else { route };
                let text =
                    m::tls_route(&format!("r{route}"), "tls", "names", &format!("b{service}"));
                text.replace("[\"names\"]", &format!("[{}]", names.join(", ")))
            })
            .collect::<String>()
    };
    let services: String = (0..2 * ROUTES)
        .map(|backend| m::service(&format!("b{backend}"), "TCP", &[endpoint(backend)]))
        .collect();
    let listener = m::Listener::passthrough("tls", 7443, "*.example.com");
    let gateway = Gateway::start(&[m::gateway(&[listener]), services, routes(false)].concat());
    let to = gateway.at(7443);

    let served = Arc::new([const { AtomicU64::new(0) }; 2]);
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let served = Arc::clone(&served);
            tokio::spawn(async move {
                for name in (0..NAMES).filter(|name| name % CLIENTS == client) {
                    let backend = timeout(Duration::from_secs(10), ask(&host(name), to)).await;
                    let backend = backend.expect("in time").expect("served");
                    assert_eq!(backend % ROUTES, name % ROUTES, "a wrong backend");
                    served[usize::from(backend / ROUTES)].fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // The same file holds all routes: a swap is one edit.
    let head = std::fs::read_to_string(gateway.folder.path().join("gateway.yaml")).expect("there");
    let unrouted = head[..head.find("kind: TLSRoute").expect("routes")].to_owned();
    let unrouted = unrouted[..unrouted.rfind("---\n").expect("a separator")].to_owned();
    let swaps = tokio::spawn({
        let (folder, over) = (gateway.folder.path().to_path_buf(), Arc::clone(&over));
        async move {
            let mut swaps = 0_u32;
            while !over.load(Ordering::Relaxed) {
                swaps += 1;
                let text = format!("{unrouted}{}", routes(swaps % 2 == 1));
                tokio::fs::write(folder.join(".next"), text).await.expect("written");
                tokio::fs::rename(folder.join(".next"), folder.join("gateway.yaml"))
                    .await
                    .expect("renamed");
                sleep(Duration::from_millis(300)).await; // the pace of the edits, not a wait
            }
            swaps
        }
    });
    for client in clients {
        client.await.expect("every name went to a backend of its own");
    }
    over.store(true, Ordering::Relaxed);
    let swaps = swaps.await.expect("no panic");
    let [even, odd] = [0, 1].map(|side: usize| served[side].load(Ordering::Relaxed));
    e2e::report(&format!(
        "no-crosstalk: {NAMES} names during {swaps} swaps, {even} + {odd} served, none wrong"
    ));
    assert_eq!(even + odd, u64::from(NAMES));
    tokio::task::spawn_blocking(|| gateway.finish()).await.expect("it ends in order");
}

fn host(name: u16) -> String {
    format!("n{name}.example.com")
}

async fn ask(name: &str, to: SocketAddr) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(&client_hello(name)).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    answer.parse().map_err(std::io::Error::other)
}
