//! Sending: up to [`BATCH`] datagrams to one peer with one `sendmmsg(2)`.

#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use super::address::RawAddress;
use super::control::Control;
use super::inbox::BATCH;

/// Where a datagram goes and which local address it comes from.
pub(crate) struct Envelope {
    to: RawAddress,
    control: Control,
}

impl Envelope {
    /// Addresses datagrams to `to` so that they come from `from`, an address of this host of the
    /// same family.
    pub(crate) fn new(to: SocketAddr, from: IpAddr) -> Self {
        Self { to: RawAddress::new(to), control: Control::send_from(from) }
    }
}

/// Sends the first [`BATCH`] of `payloads` over a connected socket without waiting and says how
/// many the kernel took.
///
/// # Errors
/// Those of the first datagram; for a later one they show in the next call.
pub(crate) fn send_connected(socket: impl AsFd, payloads: &[&[u8]]) -> io::Result<usize> {
    send(socket, payloads, None)
}

/// Like [`send_connected`] over an unconnected socket.
///
/// # Errors
/// Those of the first datagram; for a later one they show in the next call.
pub(crate) fn send_from(
    socket: impl AsFd,
    payloads: &[&[u8]],
    envelope: &Envelope,
) -> io::Result<usize> {
    send(socket, payloads, Some(envelope))
}

fn send(socket: impl AsFd, payloads: &[&[u8]], envelope: Option<&Envelope>) -> io::Result<usize> {
    let fd = socket.as_fd().as_raw_fd();
    let count = payloads.len().min(BATCH);
    // SAFETY: both are plain C structures of integers and pointers, for which all bits zero is a
    // valid value.
    let (mut iovs, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) =
        unsafe { (mem::zeroed(), mem::zeroed()) };
    for ((payload, iov), header) in payloads.iter().zip(&mut iovs).zip(&mut headers) {
        iov.iov_base = payload.as_ptr().cast_mut().cast();
        iov.iov_len = payload.len();
        let message = &mut header.msg_hdr;
        message.msg_iov = iov;
        message.msg_iovlen = 1;
        if let Some(envelope) = envelope {
            message.msg_name = envelope.to.bytes.as_ptr().cast_mut().cast();
            message.msg_namelen = envelope.to.len;
            message.msg_control = envelope.control.bytes.as_ptr().cast_mut().cast();
            message.msg_controllen = envelope.control.len as _;
        }
    }
    // SAFETY: the first `count` headers point to payloads, name and control with their true
    // lengths; all are borrowed or on this stack frame and outlive the call. The kernel reads
    // through these pointers and writes only `msg_len` of the headers, which are ours. The
    // descriptor is borrowed, hence open.
    let sent = unsafe {
        libc::sendmmsg(
            fd,
            headers.as_mut_ptr(),
            count as libc::c_uint,
            (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    fn receiver(address: &str) -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let bound = socket.local_addr().unwrap();
        (socket, bound)
    }

    #[test]
    fn a_wildcard_socket_sends_from_the_address_it_is_told() {
        let cases = [
            ("0.0.0.0:0", "127.0.0.1:0", "127.0.0.1"),
            ("0.0.0.0:0", "127.0.0.1:0", "127.0.0.2"),
            ("[::]:0", "[::1]:0", "::1"),
        ];
        for (wildcard, to, from) in cases {
            let (receiver, to) = receiver(to);
            let sender = UdpSocket::bind(wildcard).unwrap();
            let from: IpAddr = from.parse().unwrap();
            let payloads: [&[u8]; 2] = [b"one", b""];
            assert_eq!(send_from(&sender, &payloads, &Envelope::new(to, from)).unwrap(), 2);
            let mut buffer = [0; 16];
            for payload in payloads {
                let (len, peer) = receiver.recv_from(&mut buffer).unwrap();
                assert_eq!((&buffer[..len], peer.ip()), (payload, from));
                assert_eq!(peer.port(), sender.local_addr().unwrap().port());
            }
        }
    }

    #[test]
    fn a_connected_socket_sends_a_batch_and_no_more() {
        let (receiver, to) = receiver("127.0.0.1:0");
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(to).unwrap();
        let largest = vec![9; 65_507];
        let payloads = [&largest[..]; 1];
        assert_eq!(send_connected(&sender, &payloads).unwrap(), 1);
        let mut buffer = vec![0; 65_536];
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 65_507);
        let payloads: [&[u8]; BATCH + 2] = [b"x"; BATCH + 2];
        assert_eq!(send_connected(&sender, &payloads).unwrap(), BATCH);
        assert_eq!(send_connected(&sender, &[]).unwrap(), 0);
    }

    #[test]
    fn too_large_a_datagram_is_refused_with_its_own_error() {
        let (_receiver, to) = receiver("127.0.0.1:0");
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(to).unwrap();
        let error = send_connected(&sender, &[&vec![0; 65_508]]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
    }
}
