//! Receiving: up to [`BATCH`] datagrams with one `recvmmsg(2)`.
//!
//! `UDP_GRO` is not switched on, so one receive is one datagram.

#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use super::address::RawAddress;
use super::control::Control;

/// Datagrams of one call.
pub(crate) const BATCH: usize = 8;
/// Bytes for one of them: more than the 65,507 that UDP over IPv4 can carry and the 65,527 over
/// IPv6, so that nothing honest is cut.
const SLOT: usize = 64 * 1024;

/// The receive buffers of a worker. Pages that no datagram has needed are never resident.
pub(crate) struct Inbox {
    payloads: Box<[u8]>,
    slots: [Slot; BATCH],
}

#[derive(Clone, Copy)]
struct Slot {
    from: RawAddress,
    control: Control,
    len: usize,
    truncated: bool,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// One datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    /// Its bytes; may be none.
    pub(crate) payload: &'a [u8],
    /// Who sent it.
    pub(crate) from: Option<SocketAddr>,
    /// The local address it was sent to, where the socket reports it.
    pub(crate) local: Option<IpAddr>,
    /// Whether it was longer than the buffer (`MSG_TRUNC`).
    pub(crate) truncated: bool,
    /// How many datagrams the socket has lost so far for want of room, where it reports that.
    pub(crate) overflow: Option<u32>,
}

impl Inbox {
    /// Reserves the buffers.
    pub(crate) fn new() -> Self {
        let slot =
            Slot { from: RawAddress::EMPTY, control: Control::EMPTY, len: 0, truncated: false };
        Self { payloads: vec![0; BATCH * SLOT].into_boxed_slice(), slots: [slot; BATCH] }
    }

    /// Receives what is there without waiting and says how many datagrams that is.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; for a connected socket `ConnectionRefused` when an ICMP
    /// error has come in, which uses that error up.
    pub(crate) fn receive(&mut self, socket: impl AsFd) -> io::Result<usize> {
        let fd = socket.as_fd().as_raw_fd();
        // SAFETY: both are plain C structures of integers and pointers, for which all bits zero
        // is a valid value.
        let (mut iovs, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        let parts = iovs.iter_mut().zip(&mut headers);
        for ((payload, slot), (iov, header)) in
            self.payloads.chunks_exact_mut(SLOT).zip(&mut self.slots).zip(parts)
        {
            iov.iov_base = payload.as_mut_ptr().cast();
            iov.iov_len = payload.len();
            let message = &mut header.msg_hdr;
            message.msg_name = slot.from.bytes.as_mut_ptr().cast();
            message.msg_namelen = slot.from.bytes.len() as libc::socklen_t;
            message.msg_iov = iov;
            message.msg_iovlen = 1;
            message.msg_control = slot.control.bytes.as_mut_ptr().cast();
            message.msg_controllen = slot.control.bytes.len() as _;
        }
        // SAFETY: the array holds BATCH headers. Each points to its own buffers with their true
        // lengths: payload, name and control live in `self`, which is mutably borrowed, the
        // vectors on this stack frame, and all outlive the call. The control buffer is aligned
        // for `cmsghdr`. The timeout may be null. The descriptor is borrowed, hence open.
        let received = unsafe {
            libc::recvmmsg(
                fd,
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (slot, header) in self.slots.iter_mut().zip(&headers).take(received) {
            slot.len = (header.msg_len as usize).min(SLOT);
            slot.from.len = header.msg_hdr.msg_namelen;
            slot.control.len = header.msg_hdr.msg_controllen as _;
            slot.truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        }
        Ok(received)
    }

    /// The first `count` datagrams of the last receive.
    pub(crate) fn datagrams(&self, count: usize) -> impl Iterator<Item = Received<'_>> {
        self.payloads.chunks_exact(SLOT).zip(&self.slots).take(count).map(|(payload, slot)| {
            let notes = slot.control.notes();
            Received {
                payload: payload.get(..slot.len).unwrap_or_default(),
                from: slot.from.get(),
                local: notes.local,
                truncated: slot.truncated,
                overflow: notes.overflow,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::sys::{report_local_address, report_overflow};

    fn pair(address: &str) -> (UdpSocket, UdpSocket) {
        let receiver = UdpSocket::bind(address).unwrap();
        let bound = receiver.local_addr().unwrap();
        report_local_address(&receiver, bound.ip()).unwrap();
        report_overflow(&receiver).unwrap();
        let sender = UdpSocket::bind((bound.ip(), 0)).unwrap();
        sender.connect(bound).unwrap();
        (receiver, sender)
    }

    #[test]
    fn a_batch_keeps_datagrams_apart_with_sender_and_local_address() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (receiver, sender) = pair(address);
            let largest = vec![7; 65_507];
            let sent: [&[u8]; 3] = [b"one", b"", &largest];
            for payload in sent {
                sender.send(payload).unwrap();
            }
            let mut inbox = Inbox::new();
            let count = inbox.receive(&receiver).unwrap();
            let received: Vec<_> = inbox.datagrams(count).collect();
            assert_eq!(received.len(), 3);
            for (datagram, payload) in received.iter().zip(sent) {
                assert!(datagram.payload == payload, "{address}: payload differs");
                assert_eq!(datagram.from, Some(sender.local_addr().unwrap()));
                assert_eq!(datagram.local, Some(receiver.local_addr().unwrap().ip()));
                assert!(!datagram.truncated);
            }
            assert_eq!(inbox.receive(&receiver).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn a_batch_takes_no_more_than_its_slots() {
        let (receiver, sender) = pair("127.0.0.1:0");
        for i in 0..BATCH as u8 + 3 {
            sender.send(&[i]).unwrap();
        }
        let mut inbox = Inbox::new();
        let mut seen = Vec::new();
        for expected in [BATCH, 3] {
            let count = inbox.receive(&receiver).unwrap();
            assert_eq!(count, expected);
            seen.extend(inbox.datagrams(count).map(|datagram| datagram.payload[0]));
        }
        assert_eq!(seen, (0..BATCH as u8 + 3).collect::<Vec<_>>());
    }

    #[test]
    fn a_refused_connected_socket_reports_it_once() {
        let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(closed).unwrap();
        socket.send(b"x").unwrap();
        let mut inbox = Inbox::new();
        let error = inbox.receive(&socket).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(inbox.receive(&socket).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn losses_for_want_of_room_are_counted_by_the_kernel() {
        let (receiver, sender) = pair("127.0.0.1:0");
        socket2::SockRef::from(&receiver).set_recv_buffer_size(4096).unwrap();
        for _ in 0..200 {
            sender.send(&[0; 1000]).unwrap();
        }
        let mut inbox = Inbox::new();
        let mut received = 0;
        while let Ok(count) = inbox.receive(&receiver) {
            received += count as u32;
        }
        sender.send(b"last").unwrap();
        let count = inbox.receive(&receiver).unwrap();
        let last = inbox.datagrams(count).last().unwrap();
        assert_eq!(last.overflow, Some(200 - received));
    }
}
