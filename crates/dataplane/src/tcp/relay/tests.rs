//! The relay between two peers that exist in memory only: seeded readiness, ends and resets in any
//! order, and a task that runs only when it was woken.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Wake, Waker};

use super::*;
use crate::worker::tests::{opened, worker};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// What a peer says, hears and does, shared between the relay's leg and the test.
#[derive(Default)]
struct Peer {
    random: fastrand::Rng,
    /// Bytes it will still say.
    to_say: Vec<u8>,
    /// Whether it ends by a reset instead of an end.
    ends_by_reset: bool,
    /// Bytes it heard.
    heard: Vec<u8>,
    /// Whether it reads nothing at all.
    is_deaf: bool,
    was_shut_down: usize,
    was_reset: bool,
    /// Written, and not flushed since.
    is_dirty: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Peer {
    /// Whether to make the relay wait, waking it later.
    fn stalls(&mut self) -> bool {
        self.random.u8(..3) == 0
    }
}

#[derive(Clone)]
struct Fake(Rc<RefCell<Peer>>);

impl AsyncRead for Fake {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut peer = self.0.borrow_mut();
        if peer.stalls() {
            peer.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if peer.to_say.is_empty() && peer.ends_by_reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let most = peer.to_say.len().min(buffer.remaining());
        let count =
            if peer.random.bool() { most } else { peer.random.usize(..=most).max(most.min(1)) };
        let said: Vec<_> = peer.to_say.drain(..count).collect();
        buffer.put_slice(&said);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Fake {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut peer = self.0.borrow_mut();
        assert_eq!(peer.was_shut_down, 0, "nothing is written after the end");
        if peer.is_deaf || peer.stalls() {
            peer.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count =
            if peer.random.bool() { bytes.len() } else { peer.random.usize(1..=bytes.len()) };
        peer.heard.extend_from_slice(&bytes[..count]);
        peer.is_dirty = true;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut peer = self.0.borrow_mut();
        if peer.stalls() {
            peer.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        peer.is_dirty = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut peer = self.0.borrow_mut();
        if peer.stalls() {
            peer.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        peer.was_shut_down += 1;
        peer.is_dirty = false;
        Poll::Ready(Ok(()))
    }
}

impl Leg for Fake {
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut peer = self.0.borrow_mut();
        if peer.is_deaf || peer.stalls() {
            peer.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn reset(&self) {
        self.0.borrow_mut().was_reset = true;
    }
}

/// A task that knows whether it was woken.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// Two peers with a relay between them.
struct Scene {
    worker: Rc<Worker>,
    client: Rc<RefCell<Peer>>,
    backend: Rc<RefCell<Peer>>,
    said: [Vec<u8>; 2],
    relay: Relay<Fake, Fake>,
    woken: Arc<Flag>,
}

impl Scene {
    fn new(random: &mut fastrand::Rng, residual_limit: u64, most_bytes: usize) -> Self {
        let worker = worker(residual_limit);
        let mut peer = || {
            let to_say: Vec<u8> = (0..random.usize(..=most_bytes)).map(|i| i as u8).collect();
            let random = fastrand::Rng::with_seed(random.u64(..));
            Rc::new(RefCell::new(Peer { to_say, random, ..Peer::default() }))
        };
        let (client, backend) = (peer(), peer());
        let said = [&client, &backend].map(|peer| peer.borrow().to_say.clone());
        let timeouts = Timeouts::default();
        let (fake_client, fake_backend) = (Fake(client.clone()), Fake(backend.clone()));
        let relay = Relay::new(fake_client, fake_backend, opened(&worker), &timeouts, &[]);
        Self { worker, client, backend, said, relay, woken: Arc::default() }
    }

    /// Polls once.
    fn poll(&mut self) -> Poll<()> {
        let waker = Waker::from(self.woken.clone());
        self.woken.0.store(false, SeqCst);
        Pin::new(&mut self.relay).poll(&mut Context::from_waker(&waker))
    }

    /// Polls whenever something the relay waits for happens, until it ends or waits for nothing
    /// that can happen.
    fn run(&mut self) -> Poll<()> {
        for _ in 0..1_000_000 {
            if self.poll().is_ready() {
                return Poll::Ready(());
            }
            let mut wakers = Vec::new();
            for peer in [&self.client, &self.backend] {
                let mut peer = peer.borrow_mut();
                wakers.extend(peer.reader.take());
                let writer = if peer.is_deaf { None } else { peer.writer.take() };
                wakers.extend(writer);
            }
            wakers.into_iter().for_each(Waker::wake);
            if !self.woken.0.load(SeqCst) {
                return Poll::Pending;
            }
        }
        panic!("no end in sight");
    }
}

#[test]
fn bytes_in_are_bytes_out_under_any_readiness() {
    for seed in 0..128 {
        let mut random = fastrand::Rng::with_seed(seed);
        let limit = if random.bool() { 1 << 20 } else { random.u64(..40_000) };
        let mut scene = Scene::new(&mut random, limit, 80_000);
        assert!(scene.run().is_ready(), "seed {seed}: a wake-up was lost");
        let (client, backend) = (scene.client.borrow(), scene.backend.borrow());
        assert!(client.heard == scene.said[1], "seed {seed}: bytes to the client");
        assert!(backend.heard == scene.said[0], "seed {seed}: bytes to the backend");
        for peer in [&client, &backend] {
            assert_eq!((peer.was_shut_down, peer.was_reset), (1, false), "seed {seed}");
            assert!(!peer.is_dirty, "seed {seed}");
        }
        assert_eq!(scene.worker.residual().get(), 0, "seed {seed}");
    }
}

#[test]
fn a_reset_of_either_side_resets_the_other() {
    for seed in 0..128 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut scene = Scene::new(&mut random, 1 << 20, 100_000);
        let victim = if random.bool() { &scene.client } else { &scene.backend };
        victim.borrow_mut().ends_by_reset = true;
        assert!(scene.run().is_ready(), "seed {seed}: a wake-up was lost");
        let (client, backend) = (scene.client.borrow(), scene.backend.borrow());
        assert!(client.was_reset && backend.was_reset, "seed {seed}");
        assert!(scene.said[1].starts_with(&client.heard), "seed {seed}");
        assert!(scene.said[0].starts_with(&backend.heard), "seed {seed}");
        drop((client, backend));
        let worker = scene.worker.clone();
        drop(scene);
        assert_eq!(worker.residual().get(), 0, "seed {seed}");
    }
}

#[test]
fn a_peer_that_never_reads_stops_the_other_and_holds_no_more_than_one_read() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut scene = Scene::new(&mut random, 64 << 20, 4_000_000);
    scene.client.borrow_mut().is_deaf = true;
    scene.backend.borrow_mut().to_say = vec![7; 3_000_000];
    assert!(scene.run().is_pending());
    assert!(scene.backend.borrow().to_say.len() > 2_900_000);
    assert!(scene.worker.residual().get() <= 16 * 1024);
    assert!(scene.backend.borrow().heard == scene.said[0], "the other direction goes on");
}

#[test]
fn one_poll_moves_no_more_than_its_turn() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut scene = Scene::new(&mut random, 64 << 20, 0);
    scene.client.borrow_mut().to_say = vec![1; 8 << 20];
    let mut polls = 0;
    let mut before = 0;
    while scene.poll().is_pending() {
        let heard = scene.backend.borrow().heard.len();
        assert!(heard - before <= (TURN as usize) + (256 << 10), "{}", heard - before);
        before = heard;
        polls += 1;
    }
    assert!(polls >= 7, "{polls}");
}

/// What an idle connection keeps, besides two sockets' entries in the reactor and its share of
/// maps. Grows only on purpose.
#[test]
fn the_task_of_an_idle_connection_stays_small() {
    assert!(
        size_of::<Relay<TcpStream, TcpStream>>() <= 448,
        "{}",
        size_of::<Relay<TcpStream, TcpStream>>()
    );
    assert!(size_of::<Slot>() <= 96, "{}", size_of::<Slot>());
}
