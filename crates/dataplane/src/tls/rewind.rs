//! A stream that gives back bytes already read from it: the ClientHello was read to choose a
//! route, and whoever ends the TLS session must see it too.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Yields the bytes read ahead, then everything the inner stream yields. The bytes are freed once
/// they are given back, so a connection that lives on costs nothing for having been read ahead.
#[derive(Debug)]
pub struct Rewind<S> {
    ahead: Vec<u8>,
    given: usize,
    inner: S,
}

impl<S> Rewind<S> {
    /// Puts `ahead` back in front of `inner`.
    pub fn new(ahead: Vec<u8>, inner: S) -> Self {
        Self { ahead, given: 0, inner }
    }

    /// The stream behind.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewind<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let left = this.ahead.get(this.given..).unwrap_or_default();
        if left.is_empty() {
            return Pin::new(&mut this.inner).poll_read(cx, buf);
        }
        let count = left.len().min(buf.remaining());
        buf.put_slice(left.get(..count).unwrap_or(left));
        this.given += count;
        if this.given == this.ahead.len() {
            this.ahead = Vec::new();
            this.given = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewind<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn bytes_read_ahead_come_first_in_any_read_size() {
        for size in 1..=7 {
            let read = runtime().block_on(async {
                let mut stream = Rewind::new(b"hello".to_vec(), &b" world"[..]);
                let mut read = Vec::new();
                let mut chunk = vec![0; size];
                loop {
                    match stream.read(&mut chunk).await.unwrap() {
                        0 => return read,
                        count => read.extend_from_slice(&chunk[..count]),
                    }
                }
            });
            assert_eq!(read, b"hello world", "reads of {size}");
        }
    }

    #[test]
    fn no_buffer_is_kept_once_it_was_given_back() {
        runtime().block_on(async {
            let mut stream = Rewind::new(b"hello".to_vec(), tokio::io::empty());
            stream.read_exact(&mut [0; 5]).await.unwrap();
            assert_eq!(stream.ahead.capacity(), 0);
        });
    }

    #[test]
    fn the_end_of_the_inner_stream_comes_after_what_was_read_ahead() {
        runtime().block_on(async {
            let mut stream = Rewind::new(b"hello".to_vec(), tokio::io::empty());
            stream.read_exact(&mut [0; 2]).await.unwrap();
            let mut rest = String::new();
            stream.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "llo");
        });
    }

    #[test]
    fn writes_go_straight_through() {
        runtime().block_on(async {
            let (near, mut far) = tokio::io::duplex(64);
            let mut stream = Rewind::new(b"hello".to_vec(), near);
            stream.write_all(b"answer").await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = String::new();
            far.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, "answer");
        });
    }
}
