//! Own clients and backends for what no everyday program does: thousands of held connections,
//! late answers, bytes that can be checked, hellos that never end. All on the caller's tokio
//! runtime.

pub mod hello;
pub mod pattern;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};

/// How many connections a peer's listen queue holds.
const BACKLOG: u32 = 4096;

/// A backend that sends back what it gets, over TCP; ends with the runtime.
///
/// # Panics
/// When the address is taken.
pub async fn tcp_echo(address: SocketAddr) {
    let listener = listen(address);
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else {
                sleep(Duration::from_millis(10)).await; // out of descriptors: not a busy loop
                continue;
            };
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _closed = tokio::io::copy(&mut read, &mut write).await;
                let _closed = write.shutdown().await;
            });
        }
    });
}

/// A TCP backend that answers the first bytes of each connection with `name` and closes.
///
/// # Panics
/// When the address is taken.
pub async fn tcp_name(address: SocketAddr, name: String) {
    let listener = listen(address);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let name = name.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 2048];
                if stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                    let _closed = stream.write_all(name.as_bytes()).await;
                }
            });
        }
    });
}

/// Listens with a queue long enough for a burst.
///
/// # Panics
/// When the address is taken.
pub fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    socket.listen(BACKLOG).expect("it listens")
}

/// A UDP backend that answers each datagram, `delay` later, with the port it saw the datagram come
/// from (two bytes, big endian) and the datagram itself. Returns how many it has seen.
///
/// # Panics
/// When the address is taken.
pub async fn udp_witness(address: SocketAddr, delay: Duration) -> Arc<AtomicU64> {
    let socket =
        UdpSocket::bind(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    let socket = Arc::new(with_large_buffer(socket));
    let seen = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        let mut buffer = vec![0; 65536];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
            count.fetch_add(1, Ordering::Relaxed);
            let mut answer = from.port().to_be_bytes().to_vec();
            answer.extend_from_slice(&buffer[..length]);
            if delay.is_zero() {
                let _lost = socket.send_to(&answer, from).await;
            } else {
                let socket = Arc::clone(&socket);
                tokio::spawn(async move {
                    sleep(delay).await;
                    let _lost = socket.send_to(&answer, from).await;
                });
            }
        }
    });
    seen
}

/// Room for the bursts of thousands of clients; the kernel may grant less.
fn with_large_buffer(socket: UdpSocket) -> UdpSocket {
    let _less = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4 << 20);
    socket
}

/// A held TCP connection through an echo.
#[derive(Debug)]
pub struct Held(TcpStream);

impl Held {
    /// Connects and exchanges one message.
    ///
    /// # Errors
    /// When it is refused, reset or not answered.
    pub async fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = timeout(Duration::from_secs(10), TcpStream::connect(to)).await??;
        let mut held = Self(stream);
        held.ping(0).await?;
        Ok(held)
    }

    /// Sends a message and waits for the same back.
    ///
    /// # Errors
    /// When the connection has ended, or the answer is wrong or late.
    pub async fn ping(&mut self, number: u64) -> io::Result<()> {
        let message = number.to_be_bytes();
        self.0.write_all(&message).await?;
        let mut answer = [0; 8];
        timeout(Duration::from_secs(10), self.0.read_exact(&mut answer)).await??;
        if answer == message { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Resets it, so that no port waits for stray segments.
    pub fn reset(self) {
        let _closed = rustix::net::sockopt::set_socket_linger(&self.0, Some(Duration::ZERO));
    }
}

/// A held UDP flow to a [`udp_witness`].
#[derive(Debug)]
pub struct Flow {
    socket: UdpSocket,
    number: u64,
}

impl Flow {
    /// Makes a client; nothing is sent.
    ///
    /// # Errors
    /// When there is no socket.
    pub async fn new(to: SocketAddr, number: u64) -> io::Result<Self> {
        // An address and port that no other number gets: who takes over the port of a client that
        // has gone is, to any gateway, that client.
        let port = u16::try_from(10_000 + number / 256).map_err(io::Error::other)?;
        Self::from(SocketAddr::new(client_address(number), port), to, number).await
    }

    /// Makes a client at an address of the caller's choice; nothing is sent.
    ///
    /// # Errors
    /// When there is no socket.
    pub async fn from(at: SocketAddr, to: SocketAddr, number: u64) -> io::Result<Self> {
        let socket = UdpSocket::bind(at).await?;
        socket.connect(to).await?;
        Ok(Self { socket, number })
    }

    /// Sends its number.
    ///
    /// # Errors
    /// When the datagram is refused.
    pub async fn ask(&self) -> io::Result<()> {
        self.socket.send(&self.number.to_be_bytes()).await.map(|_| ())
    }

    /// Waits for an answer: the port that the backend saw, and whether the number in it is this
    /// flow's.
    ///
    /// # Errors
    /// When none comes within `deadline`.
    pub async fn answer(&self, deadline: Duration) -> io::Result<(u16, bool)> {
        let mut buffer = [0; 64];
        let length = timeout(deadline, self.socket.recv(&mut buffer)).await??;
        let answer = buffer.get(..length).filter(|answer| answer.len() == 10);
        let answer = answer.ok_or(io::ErrorKind::InvalidData)?;
        let port = u16::from_be_bytes([answer[0], answer[1]]);
        Ok((port, answer[2..] == self.number.to_be_bytes()))
    }

    /// Asks until it is answered, since datagrams may be lost; at most five times.
    ///
    /// # Errors
    /// When no answer comes, or a wrong one.
    pub async fn ping(&self) -> io::Result<u16> {
        for _ in 0..5 {
            self.ask().await?;
            match self.answer(Duration::from_secs(1)).await {
                Ok((port, true)) => return Ok(port),
                Ok((_, false)) => return Err(io::ErrorKind::InvalidData.into()),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

/// A loopback address for client number `number`, so that no one address runs out of ports.
pub fn client_address(number: u64) -> IpAddr {
    let [.., low] = number.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 200, 0, low))
}
