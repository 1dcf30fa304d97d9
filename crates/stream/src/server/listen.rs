//! What a proxy says. It may be hostile: everything is bounded, nothing it says decides who it is.

use prost::Message;
use prost::bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tonic::Status;
use tonic::codec::Streaming;

use super::Shared;
use super::allowance::Allowance;
use super::roll::Seat;
use crate::fleet::Member;
use crate::hash::SnapshotHash;
use crate::wire::message::{Hello, ToController, Word};
use crate::wire::report::read_report;

/// The first message: the name of what the proxy has.
pub(super) async fn hello(words: &mut Streaming<Bytes>) -> Result<Option<SnapshotHash>, Status> {
    match next(words).await? {
        (Word::Hello(bytes), _) => {
            let hello = Hello::decode(bytes).map_err(|_| malformed("hello"))?;
            Ok(SnapshotHash::from_bytes(&hello.hash))
        }
        _ => Err(malformed("the first message is a hello")),
    }
}

/// Every message after it. Ends with the stream, or with a message that is none.
pub(super) async fn listen(
    mut words: Streaming<Bytes>,
    shared: &Shared,
    member: &Member,
    seat: &Seat,
    asks: &Notify,
) -> Status {
    let mut allowance = Allowance::new(Instant::now());
    loop {
        let (word, length) = match next(&mut words).await {
            Ok(next) => next,
            Err(status) => return status,
        };
        match word {
            Word::Report(bytes) => match read_report(&bytes) {
                Ok(told) => {
                    let applied = shared.hub.recall(&member.fleet, told.hash);
                    seat.told(told, applied);
                }
                Err(error) => return malformed(&error.to_string()),
            },
            Word::Resync(_) => asks.notify_one(),
            Word::Hello(_) => return malformed("a second hello"),
        }
        // What is not read stays with the sender: HTTP/2 holds it back.
        sleep(allowance.take(length, Instant::now())).await;
    }
}

async fn next(words: &mut Streaming<Bytes>) -> Result<(Word, usize), Status> {
    let Some(bytes) = words.message().await? else {
        return Err(Status::cancelled("the proxy has ended the stream"));
    };
    let length = bytes.len();
    match ToController::decode(bytes) {
        Ok(ToController { word: Some(word) }) => Ok((word, length)),
        _ => Err(malformed("no message of a proxy")),
    }
}

fn malformed(what: &str) -> Status {
    Status::invalid_argument(what.to_owned())
}
