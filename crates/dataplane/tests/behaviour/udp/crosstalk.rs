//! `no-crosstalk`: many short flows whose answers come after the flow was forgotten. None may
//! reach another client.
//!
//! A run of some seconds is part of the tests. `TIDEGATE_CROSSTALK=60000,5000,1000` is the run a
//! release is held to: flows, flows per second, milliseconds an answer takes.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use snapshot::Snapshot;

use super::{UdpWorld, key};
use crate::support::Proxy;
use crate::support::world::{World, to};

/// Sockets the clients use in turns; long forgotten when one is used again.
const CLIENTS: usize = 4000;
/// Shorter than any answer takes.
const IDLE: Duration = Duration::from_millis(200);

#[derive(Clone, Copy)]
struct Load {
    flows: usize,
    per_second: usize,
    late: Duration,
}

impl Load {
    fn read() -> Self {
        let text = std::env::var("TIDEGATE_CROSSTALK").unwrap_or("5000,2500,500".into());
        let numbers: Vec<usize> = text.split(',').map(|number| number.parse().unwrap()).collect();
        let [flows, per_second, late] = numbers[..] else { panic!("three numbers: {text}") };
        Self { flows, per_second, late: Duration::from_millis(late as u64) }
    }
}

/// What reached whom.
#[derive(Debug, Default)]
struct Count {
    own: usize,
    foreign: usize,
}

#[tokio::test]
async fn late_answers_reach_no_other_client() {
    let load = Load::read();
    let backend = UdpSocket::bind("127.0.0.1:0").unwrap();
    let key = key();
    let snapshot = Snapshot::default()
        .udp(key, vec![to("a", 1)])
        .cluster("a", &[backend.local_addr().unwrap()])
        .idle(key, IDLE.as_millis() as u64);
    let proxy = Proxy::serving(&snapshot).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let answers = std::thread::spawn({
        let is_over = is_over.clone();
        move || answer_late(&backend, load.late, &is_over)
    });
    let to = key.socket_addr();
    let clients = std::thread::spawn(move || ask(to, load));
    let count = tokio::task::spawn_blocking(|| clients.join().unwrap()).await.unwrap();
    is_over.store(true, Relaxed);
    let answered = tokio::task::spawn_blocking(|| answers.join().unwrap()).await.unwrap();
    proxy.await_metric("tidegate_udp_flows_active", &[], 0.0).await;
    let opened = proxy.metric("tidegate_udp_flows_opened_total", &[]);
    let answers = answered.load(Relaxed);
    let dropped = proxy.metric("tidegate_udp_datagrams_dropped_total", &[]);
    println!("{opened} flows, {dropped} dropped, {answers} late answers, {count:?}");
    assert_eq!(count.foreign, 0, "answers for another client");
    // The load was real: flows were opened and answered after their end.
    assert!(opened >= 0.98 * load.flows as f64, "{opened} flows of {}", load.flows);
    assert!(answers >= load.flows * 97 / 100, "{answers} answers");
    assert!(count.own < load.flows / 50, "{} answers were not late", count.own);
}

/// Sends every datagram back after a while.
fn answer_late(socket: &UdpSocket, late: Duration, is_over: &AtomicBool) -> AtomicUsize {
    let answered = AtomicUsize::new(0);
    socket.set_nonblocking(true).unwrap();
    let mut due: VecDeque<(Instant, [u8; 4], SocketAddr)> = VecDeque::new();
    let mut buffer = [0; 16];
    while !is_over.load(Relaxed) {
        while let Ok((4, from)) = socket.recv_from(&mut buffer) {
            due.push_back((Instant::now() + late, buffer[..4].try_into().unwrap(), from));
        }
        while due.front().is_some_and(|(at, ..)| *at <= Instant::now()) {
            let (_, payload, to) = due.pop_front().unwrap();
            // A refusal, from a port where nobody is any more, shows at some later call.
            while socket.send_to(&payload, to).is_err() {}
            answered.fetch_add(1, Relaxed);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    answered
}

/// Opens flows at an even rate and looks at everything that comes back.
fn ask(to: SocketAddr, load: Load) -> Count {
    let clients: Vec<UdpSocket> = (0..CLIENTS.min(load.flows))
        .map(|i| {
            let ip = Ipv4Addr::from(0x7f60_0001 + (i as u32 % 200));
            let socket = UdpSocket::bind((ip, 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let mut count = Count::default();
    let look = |client: usize, count: &mut Count| {
        let mut buffer = [0; 16];
        while let Ok(len) = clients[client].recv(&mut buffer) {
            match <[u8; 4]>::try_from(&buffer[..len]) {
                Ok(bytes) if u32::from_le_bytes(bytes) as usize == client => count.own += 1,
                _ => count.foreign += 1,
            }
        }
    };
    let start = Instant::now();
    for flow in 0..load.flows {
        let at = start + Duration::from_secs_f64(flow as f64 / load.per_second as f64);
        if let Some(wait) = at.checked_duration_since(Instant::now()) {
            std::thread::sleep(wait);
        }
        let client = flow % clients.len();
        look(client, &mut count);
        clients[client].send_to(&(client as u32).to_le_bytes(), to).unwrap();
    }
    std::thread::sleep(load.late + Duration::from_secs(1));
    for client in 0..clients.len() {
        look(client, &mut count);
    }
    count
}
