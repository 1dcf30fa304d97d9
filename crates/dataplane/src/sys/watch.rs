//! A descriptor that the runtime watches for input, of a kind it has no type for.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor registered with the runtime of this thread.
#[derive(Debug)]
pub(crate) struct Watched(AsyncFd<OwnedFd>);

impl Watched {
    /// Registers a descriptor that `epoll(7)` can watch. Has to be called within a runtime.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: the runtime asks that the descriptor stays open and the same until the
        // `AsyncFd` is gone. An `OwnedFd` is open for as long as it lives and always the same
        // descriptor; the `AsyncFd` owns it, and this type, which keeps it private, never hands
        // it out to be exchanged.
        let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Self(registered?))
    }

    /// The descriptor, to be given to system calls.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }

    /// Waits until there is input.
    pub(crate) async fn ready(&self) {
        // Fails only when the runtime ends, and this task with it.
        let _ = self.0.readable().await;
    }

    /// Calls `read` if there may be input. When that answers `WouldBlock`, [`Self::ready`] waits
    /// for more.
    pub(crate) fn read<R>(
        &self,
        read: impl FnOnce(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        self.0.try_io(Interest::READABLE, |fd| read(fd.as_fd()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[tokio::test]
    async fn input_is_reported_until_a_read_finds_none() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let watched = Watched::new(socket.into()).unwrap();
        let receive = |fd: BorrowedFd<'_>| {
            let mut buffer = [0; 8];
            let flags = rustix::net::RecvFlags::DONTWAIT;
            Ok(rustix::net::recv(fd, &mut buffer[..], flags)?.0)
        };
        for payload in [&b"one"[..], b"three"] {
            let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
            sender.send_to(payload, address).unwrap();
            watched.ready().await;
            assert_eq!(watched.read(receive).unwrap(), payload.len());
            assert_eq!(watched.read(receive).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
    }
}
