//! Both ends of a flow: a client that asks and a server that remembers who asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use crate::support::{DEADLINE, soon};

/// Long enough for an answer that must not come.
pub const SILENCE: Duration = Duration::from_millis(150);

/// A server. It ends when dropped, and its port is closed then.
pub struct Server {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    task: JoinHandle<()>,
}

/// A datagram as the server saw it.
#[derive(Clone, Debug)]
pub struct Heard {
    pub payload: Vec<u8>,
    pub from: SocketAddr,
}

impl Server {
    /// Answers every datagram with `answers`.
    pub async fn start(
        address: impl tokio::net::ToSocketAddrs,
        answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind(address).await.unwrap();
        let address = socket.local_addr().unwrap();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let ears = heard.clone();
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            loop {
                let Ok((len, from)) = socket.recv_from(&mut buffer).await else { continue };
                let payload = buffer[..len].to_vec();
                ears.lock().unwrap().push(Heard { payload: payload.clone(), from });
                for answer in answers(&payload) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self { address, heard, task }
    }

    /// Answers every datagram with itself.
    pub async fn echo() -> Self {
        Self::start("127.0.0.1:0", |payload| vec![payload.to_vec()]).await
    }

    /// Answers every datagram with a name.
    pub async fn named(name: &str) -> Self {
        let name = name.as_bytes().to_vec();
        Self::start("127.0.0.1:0", move |_| vec![name.clone()]).await
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Where the last datagram came from: the flow as the server knows it.
    pub fn last_from(&self) -> SocketAddr {
        self.heard().last().expect("a datagram should have come").from
    }

    /// Ends it and waits until its port is closed.
    pub async fn stop(self) {
        self.task.abort();
        let mut task = self.task;
        let _ = (&mut task).await;
    }
}

/// A client that takes datagrams from one address only, like any connected socket.
pub struct Client {
    pub socket: UdpSocket,
}

impl Client {
    pub async fn new(to: SocketAddr) -> Self {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await.unwrap();
        socket.connect(to).await.unwrap();
        Self { socket }
    }

    pub async fn send(&self, payload: &[u8]) {
        self.socket.send(payload).await.unwrap();
    }

    /// The next answer, which must come.
    pub async fn answer(&self) -> Vec<u8> {
        soon(self.receive()).await
    }

    /// Asks and gives back the answer, which must come at the first asking.
    pub async fn ask(&self, payload: &[u8]) -> Vec<u8> {
        self.send(payload).await;
        self.answer().await
    }

    /// Asks again and again, as clients do, until there is an answer.
    pub async fn insist(&self, payload: &[u8]) -> Vec<u8> {
        for _ in 0..DEADLINE.as_millis() / SILENCE.as_millis() {
            self.send(payload).await;
            if let Some(answer) = self.listen(SILENCE).await {
                return answer;
            }
        }
        panic!("no answer to {payload:?}");
    }

    /// The next answer, if it comes within `time`.
    pub async fn listen(&self, time: Duration) -> Option<Vec<u8>> {
        tokio::time::timeout(time, self.receive()).await.ok()
    }

    /// The next answer, if it is there.
    pub fn at_hand(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 65_536];
        let flags = rustix::net::RecvFlags::DONTWAIT;
        let (len, _) = rustix::net::recv(&self.socket, &mut buffer[..], flags).ok()?;
        buffer.truncate(len);
        Some(buffer)
    }

    async fn receive(&self) -> Vec<u8> {
        let mut buffer = vec![0; 65_536];
        let len = self.socket.recv(&mut buffer).await.unwrap();
        buffer.truncate(len);
        buffer
    }
}
