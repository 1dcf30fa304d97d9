//! Opens sockets with the options every one of ours carries, and names what went wrong. Decides
//! nothing about when to open; knows no snapshot.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use snapshot::{BindKey, BindState, Transport};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::udp;

/// Connections that may wait to be accepted. The kernel lowers it to `net.core.somaxconn`, 4096
/// by default.
const BACKLOG: i32 = 4096;

/// First probe after a minute of silence: below the 350 s of cloud load balancers.
const KEEPALIVE_TIME: Duration = Duration::from_secs(60);
/// Three probes 10 s apart: an idle connection to a dead peer ends 90 s after its last byte.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// See [`KEEPALIVE_INTERVAL`].
const KEEPALIVE_RETRIES: u32 = 3;
/// A peer that leaves data unacknowledged this long is dead.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Unsent bytes the kernel may hold for one slow reader before we see back-pressure.
const NOTSENT_LOWAT: u32 = 128 * 1024;

/// An open socket, not yet registered with any runtime.
#[derive(Debug)]
pub(crate) enum Listening {
    /// Accepts connections.
    Tcp(TcpListener),
    /// Receives datagrams.
    Udp(UdpSocket),
}

/// Whether to look for other holders of the port before it is shared among our workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Bind once without `SO_REUSEPORT`, so that a holder that also set it is noticed.
    Ask,
    /// An own socket overlaps this address: the probe would only find ourselves.
    Skip,
}

/// Opens `count` sockets on the address of `key`, one for each worker that will serve it.
pub(crate) fn open(key: &BindKey, count: usize, probe: Probe) -> io::Result<Vec<Listening>> {
    if probe == Probe::Ask {
        let socket = new_socket(key)?;
        if key.transport == Transport::Tcp {
            // Connections of a listener that was here before may linger in TIME_WAIT.
            socket.set_reuse_address(true)?;
        }
        socket.bind(&key.socket_addr().into())?;
    }
    (0..count).map(|_| open_shared(key)).collect()
}

fn open_shared(key: &BindKey) -> io::Result<Listening> {
    let socket = new_socket(key)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    match key.transport {
        Transport::Tcp => {
            socket.set_reuse_address(true)?;
            // Accepted sockets inherit these: no system call per connection.
            set_tcp_options(&socket)?;
            socket.set_tcp_notsent_lowat(NOTSENT_LOWAT)?;
            socket.bind(&key.socket_addr().into())?;
            socket.listen(BACKLOG)?;
            Ok(Listening::Tcp(socket.into()))
        }
        Transport::Udp => {
            udp::prepare(&socket, key.address)?;
            socket.bind(&key.socket_addr().into())?;
            Ok(Listening::Udp(socket.into()))
        }
    }
}

fn new_socket(key: &BindKey) -> io::Result<Socket> {
    let (kind, protocol) = match key.transport {
        Transport::Tcp => (Type::STREAM, Protocol::TCP),
        Transport::Udp => (Type::DGRAM, Protocol::UDP),
    };
    let address = key.socket_addr();
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// A TCP socket to connect to `address` with.
pub(crate) fn outgoing(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    set_tcp_options(&socket)?;
    Ok(socket)
}

fn set_tcp_options(socket: &Socket) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_TIME)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))
}

/// Makes the close of this socket a reset: the peer learns that its stream was cut, and no port
/// waits in TIME_WAIT.
pub(crate) fn reset_on_close(socket: &impl std::os::fd::AsFd) {
    // A failure means that the peer is gone already.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// The one form an address has inside: IPv4-mapped IPv6 is IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What a failed [`open`] means for the report.
pub(crate) fn bind_failure(error: &io::Error) -> BindState {
    match error.kind() {
        io::ErrorKind::AddrInUse => BindState::PortInUse(error.to_string()),
        io::ErrorKind::AddrNotAvailable => BindState::AddressNotAvailable(error.to_string()),
        _ => BindState::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapshot::Port;

    fn key(transport: Transport, port: u16, address: &str) -> BindKey {
        BindKey { transport, port: Port::new(port).unwrap(), address: address.parse().unwrap() }
    }

    /// A foreign socket that shares its port with whoever asks, and that port.
    fn sharing_holder(transport: Transport) -> (Socket, u16) {
        let kind = match transport {
            Transport::Tcp => Type::STREAM,
            Transport::Udp => Type::DGRAM,
        };
        let socket = Socket::new(Domain::IPV4, kind, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        if transport == Transport::Tcp {
            socket.listen(1).unwrap();
        }
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        (socket, port)
    }

    #[test]
    fn a_holder_that_shares_its_port_is_noticed() {
        for transport in [Transport::Tcp, Transport::Udp] {
            let (holder, port) = sharing_holder(transport);
            let key = key(transport, port, "127.0.0.1");
            let error = open(&key, 2, Probe::Ask).unwrap_err();
            assert!(matches!(bind_failure(&error), BindState::PortInUse(_)), "{error}");
            drop(holder);
            assert_eq!(open(&key, 2, Probe::Ask).unwrap().len(), 2);
        }
    }

    /// Has every option that finds dead peers and sends small writes at once.
    fn is_watchful(socket: &impl std::os::fd::AsFd) {
        let socket = SockRef::from(socket);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_TIME);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), KEEPALIVE_INTERVAL);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), KEEPALIVE_RETRIES);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
    }

    #[test]
    fn both_legs_notice_dead_peers_and_accepted_sockets_inherit_it() {
        let (holder, port) = sharing_holder(Transport::Tcp);
        let mut listening = open(&key(Transport::Tcp, port, "127.0.0.2"), 1, Probe::Skip).unwrap();
        drop(holder);
        let Some(Listening::Tcp(listener)) = listening.pop() else { panic!("a TCP socket") };
        listener.set_nonblocking(false).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        is_watchful(&listener.accept().unwrap().0);
        is_watchful(&outgoing(([127, 0, 0, 1], port).into()).unwrap());
    }

    #[test]
    fn an_address_of_another_host_is_named_as_such() {
        let error = open(&key(Transport::Tcp, 1, "192.0.2.1"), 1, Probe::Skip).unwrap_err();
        assert!(matches!(bind_failure(&error), BindState::AddressNotAvailable(_)), "{error}");
    }

    #[test]
    fn a_mapped_address_becomes_ipv4() {
        let mapped: SocketAddr = "[::ffff:192.0.2.7]:80".parse().unwrap();
        assert_eq!(canonical(mapped), "192.0.2.7:80".parse().unwrap());
        let plain: SocketAddr = "[2001:db8::1]:80".parse().unwrap();
        assert_eq!(canonical(plain), plain);
    }
}
