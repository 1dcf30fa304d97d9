//! Opens the socket of a flow: bound to the source port we chose, connected to the endpoint, and
//! empty.
//!
//! Chooses no endpoint and keeps nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, Protocol, Socket, Type};

use super::ports::{Held, Lease, Ports};

/// How many ports are tried when other processes hold them.
const TRIES: usize = 16;

/// A socket that speaks with one endpoint and nobody else.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) socket: OwnedFd,
    /// To be given back to the [`Ports`] it was taken from.
    pub(super) port: u16,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// Every source port is used towards this endpoint, or held by another process.
    #[error("no source port left towards the endpoint")]
    NoPort,
    /// What `socket(2)`, `bind(2)` or `connect(2)` said.
    #[error("no socket towards the endpoint")]
    Io(#[from] io::Error),
}

/// Opens a socket towards `endpoint`.
pub(super) fn open(
    ports: &mut Ports,
    now: Instant,
    endpoint: SocketAddr,
) -> Result<Upstream, OpenError> {
    let socket = Socket::new(Domain::for_address(endpoint), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if endpoint.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    allow_fragments(&socket, endpoint.ip())?;
    let port = bind(&socket, ports, now, endpoint)?;
    match connect(&socket, endpoint) {
        Ok(()) => Ok(Upstream { socket: socket.into(), port }),
        Err(error) => {
            ports.give_back(now, endpoint, port);
            Err(error.into())
        }
    }
}

/// Lets routers cut a datagram into fragments: no datagram may be lost for being longer than a
/// path we cannot see. In IPv6 the sender cuts, which is the kernel's default.
pub(super) fn allow_fragments(socket: impl AsFd, family: IpAddr) -> io::Result<()> {
    match family {
        IpAddr::V4(_) => Ok(set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DONT)?),
        IpAddr::V6(_) => Ok(()),
    }
}

/// Binds to the next port that no other process holds.
fn bind(
    socket: &Socket,
    ports: &mut Ports,
    now: Instant,
    endpoint: SocketAddr,
) -> Result<u16, OpenError> {
    for _ in 0..TRIES {
        let Some(lease) = ports.take(now, endpoint) else { break };
        match bind_to(socket, lease, endpoint.ip()) {
            Ok(()) => return Ok(lease.port),
            Err(error) => {
                if error.kind() != io::ErrorKind::AddrInUse {
                    ports.give_back(now, endpoint, lease.port);
                    return Err(error.into());
                }
                ports.set_aside(now, endpoint, lease.port);
            }
        }
    }
    Err(OpenError::NoPort)
}

/// `SO_REUSEADDR` lets sockets of one port coexist, but those of other processes too, and then
/// nobody could tell whose an answer is. So the first of ours on a port goes without, which fails
/// if anybody is there, and permits company only afterwards.
fn bind_to(socket: &Socket, lease: Lease, family: IpAddr) -> io::Result<()> {
    let any = match family {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    socket.set_reuse_address(lease.held == Held::Yes)?;
    socket.bind(&SocketAddr::new(any, lease.port).into())?;
    match lease.held {
        Held::Yes => Ok(()),
        Held::No => socket.set_reuse_address(true),
    }
}

/// From here on the kernel delivers only what comes from `endpoint`. What came before, from
/// anybody, is thrown away; an honest answer cannot be there before the question.
fn connect(socket: &Socket, endpoint: SocketAddr) -> io::Result<()> {
    socket.connect(&endpoint.into())?;
    loop {
        match recv(socket, &mut [0u8; 1][..], RecvFlags::DONTWAIT) {
            // An ICMP error for a port that others used before is no more ours than a datagram.
            Ok(_) | Err(rustix::io::Errno::CONNREFUSED) => {}
            Err(_) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    fn backend(address: &str) -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    /// A port that was free a moment ago.
    fn free_port() -> u16 {
        UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
    }

    fn send(upstream: &Upstream, payload: &[u8]) {
        assert_eq!(crate::sys::send_connected(&upstream.socket, &[payload]).unwrap(), 1);
    }

    fn received(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 64];
        let (len, from) = socket.recv_from(&mut buffer).unwrap();
        (buffer[..len].to_vec(), from)
    }

    #[test]
    fn a_socket_speaks_from_the_chosen_port_to_its_endpoint() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (backend, endpoint) = backend(address);
            let port = free_port();
            let mut ports = Ports::new(vec![port], 1);
            let upstream = open(&mut ports, Instant::now(), endpoint).unwrap();
            assert_eq!(upstream.port, port);
            send(&upstream, b"ping");
            let (payload, from) = received(&backend);
            assert_eq!((payload.as_slice(), from.port()), (&b"ping"[..], port));
        }
    }

    #[test]
    fn one_port_serves_several_endpoints_and_each_answer_finds_its_flow() {
        let (mut ports, now) = (Ports::new(vec![free_port()], 1), Instant::now());
        let backends = [backend("127.0.0.1:0"), backend("127.0.0.1:0"), backend("127.0.0.2:0")];
        let flows: Vec<_> = backends
            .iter()
            .map(|(_, endpoint)| open(&mut ports, now, *endpoint).unwrap())
            .collect();
        for (flow, (backend, _)) in flows.iter().zip(&backends) {
            send(flow, b"ping");
            let (_, from) = received(backend);
            backend.send_to(&backend.local_addr().unwrap().port().to_be_bytes(), from).unwrap();
        }
        for (flow, (_, endpoint)) in flows.iter().zip(&backends) {
            let mut answer = [0; 8];
            let len = recv(&flow.socket, &mut answer[..], RecvFlags::DONTWAIT).unwrap().0;
            assert_eq!(answer[..len], endpoint.port().to_be_bytes());
        }
        let again = open(&mut ports, now, backends[0].1);
        assert!(matches!(again, Err(OpenError::NoPort)), "{again:?}");
    }

    #[test]
    fn ports_of_other_processes_are_passed_over() {
        let (_backend, endpoint) = backend("127.0.0.1:0");
        // What another process would hold, once alone and once ready to share.
        let alone = UdpSocket::bind("0.0.0.0:0").unwrap();
        let sharing = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        sharing.set_reuse_address(true).unwrap();
        sharing.bind(&SocketAddr::from(([0, 0, 0, 0], 0)).into()).unwrap();
        let held = [
            alone.local_addr().unwrap().port(),
            sharing.local_addr().unwrap().as_socket().unwrap().port(),
        ];
        let mut ports = Ports::new(held.to_vec(), 1);
        let result = open(&mut ports, Instant::now(), endpoint);
        assert!(matches!(result, Err(OpenError::NoPort)), "{result:?}");
        drop((alone, sharing));
        let later = Instant::now() + Duration::from_secs(5);
        assert!(held.contains(&open(&mut ports, later, endpoint).unwrap().port));
    }

    #[test]
    fn what_came_before_the_connect_is_thrown_away() {
        let (backend, endpoint) = backend("127.0.0.1:0");
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        socket.bind(&SocketAddr::from(([0, 0, 0, 0], 0)).into()).unwrap();
        let bound = socket.local_addr().unwrap().as_socket().unwrap().port();
        let to = SocketAddr::from(([127, 0, 0, 1], bound));
        stranger.send_to(b"early", to).unwrap();
        backend.send_to(b"late answer to somebody else", to).unwrap();
        connect(&socket, endpoint).unwrap();
        stranger.send_to(b"wrong source", to).unwrap();
        let mut buffer = [0; 64];
        let rest = recv(&socket, &mut buffer[..], RecvFlags::DONTWAIT);
        assert_eq!(rest.unwrap_err(), rustix::io::Errno::AGAIN);
        backend.send_to(b"answer", to).unwrap();
        assert_eq!(recv(&socket, &mut buffer[..], RecvFlags::DONTWAIT).unwrap().0, 6);
    }
}
