//! A wire between proxy and controller that can be cut, or go dead without a word.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp};
use tokio::sync::watch;

/// How the wire is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Good,
    /// Takes nothing and gives nothing, but stays: as a host that lost its power.
    Dead,
    /// Closes everything.
    Cut,
}

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    wire: watch::Sender<Wire>,
    to: watch::Sender<SocketAddr>,
    accepted: Arc<AtomicUsize>,
}

impl Relay {
    pub(crate) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (wire, state) = watch::channel(Wire::Good);
        let (to, target) = watch::channel(to);
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, SeqCst);
                let target = *target.borrow();
                tokio::spawn(connection(client, target, state.clone()));
            }
        });
        Self { address, wire, to, accepted }
    }

    pub(crate) fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }

    /// New connections go there.
    pub(crate) fn lead_to(&self, address: SocketAddr) {
        self.to.send_replace(address);
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(SeqCst)
    }
}

async fn connection(client: TcpStream, to: SocketAddr, mut wire: watch::Receiver<Wire>) {
    let Ok(server) = TcpStream::connect(to).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let cut = wire.clone();
    tokio::select! {
        () = pump(from_client, to_server, wire.clone()) => {}
        () = pump(from_server, to_client, cut) => {}
        _ = wire.wait_for(|wire| *wire == Wire::Cut) => {}
    }
}

async fn pump(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut wire: watch::Receiver<Wire>,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
        if wire.wait_for(|wire| *wire != Wire::Dead).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
