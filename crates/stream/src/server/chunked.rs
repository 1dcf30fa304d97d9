//! An answer in small pieces. HTTP/2 takes a piece whole, however small the reader's window is: only
//! in pieces does what was taken follow what the reader has room for, and only then can be told how
//! long it takes to read a message.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use prost::bytes::Bytes;
use tonic::Status;

/// One frame of HTTP/2 (RFC 9113 §4.2).
const PIECE: usize = 16 << 10;

/// The body of an answer.
pub(super) struct Chunked {
    inner: tonic::body::Body,
    rest: Bytes,
}

impl Chunked {
    pub(super) fn new(inner: tonic::body::Body) -> Self {
        Self { inner, rest: Bytes::new() }
    }
}

impl Body for Chunked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.rest.is_empty() {
            match Pin::new(&mut self.inner).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                other => return other,
            }
        }
        let length = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
