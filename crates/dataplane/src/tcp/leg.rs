//! One side of a relay: a stream of bytes over a TCP socket, plain or TLS.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::socket::reset_on_close;

/// A stream that can be relayed.
pub(crate) trait Leg: AsyncRead + AsyncWrite + Unpin {
    /// The socket beneath.
    fn socket(&self) -> &TcpStream;

    /// Makes its close a reset.
    fn reset(&self) {
        reset_on_close(self.socket());
    }
}

impl Leg for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}
