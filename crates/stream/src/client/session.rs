//! One stream: hello, snapshots in, reports out.

use std::time::{Instant, SystemTime};

use prost::bytes::Bytes;
use snapshot::{ApplyReport, Published};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tonic::codec::Streaming;
use tonic::{Code, Request, Status};

use super::Timing;
use super::dial::Link;
use super::follower::{self, Follower, Received};
use super::keeper::Keeper;
use super::state::{Failure, LinkState, Rejected, Trouble};
use crate::grpc::{FOLLOW, Raw};
use crate::wire::SNAPSHOT_MAX;
use crate::wire::report::Told;

/// What lives longer than one stream.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) follower: Follower,
    pub(super) applied: watch::Receiver<ApplyReport>,
    pub(super) published: watch::Sender<Published>,
    pub(super) state: watch::Sender<LinkState>,
    pub(super) keeper: Keeper,
}

/// Hands what is held to the data plane, unless it has it already.
pub(super) fn publish(published: &watch::Sender<Published>, follower: &Follower) {
    published.send_if_modified(|published| {
        // Equality stops at the pointer.
        if published.version > 0 && published.snapshot == *follower.snapshot() {
            return false;
        }
        published.version += 1;
        published.snapshot = follower.snapshot().clone();
        true
    });
}

impl Session {
    /// Follows until the stream ends; says why it did. `opened` is set once the controller has let
    /// us in.
    pub(super) async fn run(
        &mut self,
        link: Link,
        timing: Timing,
        opened: &mut Option<Instant>,
    ) -> Failure {
        let Link { requests, token, origin, connection: _connection } = link;
        let mut grpc = tonic::client::Grpc::with_origin(requests, origin)
            .max_decoding_message_size(SNAPSHOT_MAX + 64);
        let (outbox, words) = mpsc::channel::<Bytes>(2);
        // There is room for two: this one cannot fail.
        let _ = outbox.try_send(self.follower.hello());
        let words = futures_util::stream::unfold(words, |mut words| async move {
            Some((words.recv().await?, words))
        });
        let mut request = Request::new(words);
        request.metadata_mut().insert("authorization", token);
        let path = http::uri::PathAndQuery::from_static(FOLLOW);
        let call = async {
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            grpc.streaming(request, path, Raw).await
        };
        let answered = match timeout(timing.answer, call).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => return ended(&status),
            Err(_) => return Failure::new(Trouble::Lost, "no answer in time"),
        };
        *opened = Some(Instant::now());
        tracing::info!("connected to the controller");
        self.state.send_modify(|state| {
            state.connected = true;
            state.streams += 1;
            state.last_contact = Some(SystemTime::now());
        });
        self.exchange(answered, outbox).await
    }

    async fn exchange(
        &mut self,
        mut answered: Streaming<Bytes>,
        outbox: mpsc::Sender<Bytes>,
    ) -> Failure {
        // What the controller knows of us on this stream.
        let mut told: Option<Told> = None;
        let mut asks = false;
        // Nobody applies anything any more: the last report stands.
        let mut reports = true;
        loop {
            let news = self.news().filter(|news| told.as_ref() != Some(news));
            tokio::select! {
                room = outbox.reserve(), if asks || news.is_some() => {
                    let Ok(room) = room else {
                        return Failure::new(Trouble::Lost, "the stream is closed");
                    };
                    if std::mem::take(&mut asks) {
                        room.send(follower::ask_for_all());
                    } else if let Some(news) = news {
                        room.send(follower::report(&news));
                        told = Some(news);
                    }
                }
                changed = self.applied.changed(), if reports => reports = changed.is_ok(),
                message = answered.message() => match message {
                    Ok(Some(message)) => match self.receive(message) {
                        Received::Taken | Received::Skipped => {}
                        Received::AskForAll(_) => asks = true,
                        Received::GiveUp(why) => {
                            let words = format!("the controller sends what is no use ({})", why.as_str());
                            return Failure::new(Trouble::Protocol, words);
                        }
                    },
                    Ok(None) => return Failure::new(Trouble::Ended, "the controller ended the stream"),
                    Err(status) => return ended(&status),
                },
            }
        }
    }

    /// What the controller should know: the data plane's word on what is published, if it has
    /// spoken, under the controller's name of it.
    fn news(&self) -> Option<Told> {
        let report = self.applied.borrow();
        if report.version != self.published.borrow().version {
            return None;
        }
        Some(Told {
            hash: self.follower.hash()?,
            report: report.clone(),
            refused: self.follower.served().refused.clone(),
            last_good: self.state.borrow().last_good_in_use,
        })
    }

    fn receive(&mut self, message: Bytes) -> Received {
        let before = self.follower.served().packed.hash();
        let received = self.follower.receive(message);
        let now = SystemTime::now();
        match received {
            Received::Taken => {
                let served = self.follower.served();
                tracing::info!(hash = ?self.follower.hash(), refused = served.refused.len(), "took a snapshot");
                publish(&self.published, &self.follower);
                if served.packed.hash() != before {
                    self.keeper.keep(served.packed.clone());
                }
                let known = self.state.borrow().refused.clone();
                let news = served.refused.iter().filter(|(bind, why)| known.get(bind) != Some(why));
                for (bind, why) in news {
                    tracing::warn!(%bind, %why, "a bind is not served as asked");
                }
            }
            Received::AskForAll(why) | Received::GiveUp(why) => {
                tracing::warn!(reason = why.as_str(), "a message of the controller was not taken");
            }
            Received::Skipped => {}
        }
        let (served, hash) = (self.follower.served(), self.follower.hash());
        self.state.send_modify(|state| {
            state.last_contact = Some(now);
            match received {
                Received::Taken => {
                    state.hash = hash;
                    state.snapshot_at = Some(now);
                    state.last_good_in_use = false;
                    state.refused.clone_from(&served.refused);
                    if !served.refused.is_empty() {
                        *state.rejected.entry(Rejected::Bind).or_default() += 1;
                    }
                }
                Received::AskForAll(why) | Received::GiveUp(why) => {
                    *state.rejected.entry(why).or_default() += 1;
                }
                Received::Skipped => {}
            }
        });
        received
    }
}

/// Why the controller ended a stream, or did not begin one.
fn ended(status: &Status) -> Failure {
    let (trouble, what) = match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => {
            (Trouble::Refused, "the controller does not know our token")
        }
        Code::Unavailable => (Trouble::Unavailable, "the controller is not available"),
        Code::Aborted | Code::Ok => (Trouble::Ended, "the controller ended the stream"),
        Code::OutOfRange | Code::ResourceExhausted | Code::InvalidArgument => {
            (Trouble::Protocol, "the stream was given up")
        }
        _ => (Trouble::Lost, "the stream broke"),
    };
    // The other side has proved to be the controller: its words may be shown, if not all of them.
    let words: String = status.message().chars().take(256).collect();
    Failure::new(trouble, format!("{what}: {words}"))
}
