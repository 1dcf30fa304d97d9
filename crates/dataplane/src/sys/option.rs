//! Socket options that neither `rustix` nor `socket2` sets.

#![allow(unsafe_code)]

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

/// Makes the kernel tell with every datagram which local address it was sent to (`IP_PKTINFO`,
/// `IPV6_RECVPKTINFO`). `bound` is the address of the socket, for its family.
pub(crate) fn report_local_address(socket: impl AsFd, bound: IpAddr) -> io::Result<()> {
    match bound {
        IpAddr::V4(_) => set(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        IpAddr::V6(_) => set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    }
}

/// Makes the kernel tell how many datagrams found the receive buffer full (`SO_RXQ_OVFL`).
pub(crate) fn report_overflow(socket: impl AsFd) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)
}

fn set(socket: impl AsFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    let fd = socket.as_fd().as_raw_fd();
    let len = size_of::<i32>() as libc::socklen_t;
    // SAFETY: `value` lives on the stack for the whole call and is `len` bytes long; the kernel
    // only reads it. The descriptor is borrowed, hence open.
    let result = unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn options_are_set_and_refusals_are_told() {
        let v4 = UdpSocket::bind("127.0.0.1:0").unwrap();
        report_local_address(&v4, IpAddr::from([127, 0, 0, 1])).unwrap();
        report_overflow(&v4).unwrap();
        let v6 = UdpSocket::bind("[::1]:0").unwrap();
        report_local_address(&v6, "::1".parse().unwrap()).unwrap();
        let refusal = set(&v4, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1).unwrap_err();
        assert!(refusal.raw_os_error().is_some());
    }
}
