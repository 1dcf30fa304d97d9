//! What is on its way to one reader: one message at a time, and word of when it was taken.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use prost::bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use super::rooms::Room;

/// The right to have a whole snapshot on its way: one of its fleet's, one of all.
pub(super) type Turn = [Room; 2];

/// A message on its way.
struct Parcel {
    bytes: Bytes,
    /// Dropped when the message has been taken.
    taken: Taken,
}

/// What a message holds while it is on its way.
struct Taken {
    _room: Option<Turn>,
    _word: oneshot::Sender<()>,
}

/// The sending end.
pub(super) struct Sender(mpsc::Sender<Result<Parcel, Status>>);

/// The reader's end, as the body of an answer. It is asked for the next message only after the last
/// one has been handed to the connection, which takes no more than the reader's window allows.
pub(super) struct Outbox {
    parcels: mpsc::Receiver<Result<Parcel, Status>>,
    /// Of the message that was handed out last.
    last: Option<Taken>,
}

pub(super) fn channel() -> (Sender, Outbox) {
    let (sender, parcels) = mpsc::channel(1);
    (Sender(sender), Outbox { parcels, last: None })
}

impl Sender {
    /// Sends a message; done when it was taken. `room` is held until then. False if the reader is
    /// gone.
    pub(super) async fn send(&self, bytes: Bytes, room: Option<Turn>) -> bool {
        let (word, taken) = oneshot::channel();
        let parcel = Parcel { bytes, taken: Taken { _room: room, _word: word } };
        if self.0.send(Ok(parcel)).await.is_err() {
            return false;
        }
        // The word is never spoken: that it is dropped says it.
        let _ = taken.await;
        !self.0.is_closed()
    }

    /// Ends the stream.
    pub(super) async fn end(&self, status: Status) {
        // An error means that it has ended already.
        let _ = self.0.send(Err(status)).await;
    }

    /// Until the reader is gone.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

impl Stream for Outbox {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.last = None;
        let Poll::Ready(next) = self.parcels.poll_recv(context) else { return Poll::Pending };
        Poll::Ready(next.map(|parcel| {
            let parcel = parcel?;
            self.last = Some(parcel.taken);
            Ok(parcel.bytes)
        }))
    }
}
