//! One side of a relay: a stream of bytes over a TCP socket, plain or TLS.

use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

use crate::socket::reset_on_close;
use crate::tls::Rewind;

/// A stream that can be relayed.
pub(crate) trait Leg: AsyncRead + AsyncWrite + Unpin {
    /// Whether its socket has room for a few KiB.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Makes its close a reset.
    fn reset(&self);
}

impl Leg for TcpStream {
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        // An error is for the write to find.
        self.poll_write_ready(cx).map(drop)
    }

    fn reset(&self) {
        reset_on_close(self);
    }
}

impl<L: Leg + ?Sized> Leg for Box<L> {
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll_room(cx)
    }

    fn reset(&self) {
        (**self).reset();
    }
}

/// A stream whose first bytes were read before.
impl<L: Leg> Leg for Rewind<L> {
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.get_ref().poll_room(cx)
    }

    fn reset(&self) {
        self.get_ref().reset();
    }
}

/// A client whose TLS session ends here.
impl Leg for server::TlsStream<Rewind<TcpStream>> {
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.get_ref().0.get_ref().poll_room(cx)
    }

    fn reset(&self) {
        self.get_ref().0.get_ref().reset();
    }
}

/// A backend spoken to by TLS.
impl Leg for client::TlsStream<TcpStream> {
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.get_ref().0.poll_room(cx)
    }

    fn reset(&self) {
        self.get_ref().0.reset();
    }
}
