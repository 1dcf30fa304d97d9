//! The one place that lets in. Every request of every connection comes through here before anything
//! else looks at it, whatever its path; who it is follows from the token alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use prost::bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};
use tonic::Status;
use tonic::body::Body;
use tonic::codec::Streaming;
use tonic::server::StreamingService;

use super::accept::{Counted, Presence};
use super::chunked::Chunked;
use super::counters::Refusal;
use super::outbox::{self, Outbox};
use super::recheck::Recheck;
use super::stream::Stream;
use super::{Feeds, Shared};
use crate::fleet::{Authenticate, Member, Refused};
use crate::grpc::{FOLLOW, Raw};
use crate::wire::REPORT_MAX;

/// Lets in whoever has a good token.
pub(super) struct Gate<A> {
    shared: Arc<Shared>,
    asks: Arc<Asks<A>>,
    feeds: watch::Receiver<Feeds>,
    started: Instant,
    /// Second of the last log line about a refusal.
    logged: AtomicU64,
}

/// Asks who holds a token, not too many at once and not for too long.
pub(super) struct Asks<A> {
    auth: A,
    questions: Semaphore,
    longest: std::time::Duration,
}

/// A token, to be looked at again. Without `Debug`.
pub(super) struct Token(Box<str>);

impl<A: Authenticate> Asks<A> {
    pub(super) async fn who(&self, token: &Token) -> Result<Member, Refused> {
        let answer = async {
            let _turn = self.questions.acquire().await;
            self.auth.authenticate(&token.0).await
        };
        let late = |_| Err(Refused::Unavailable("no answer in time".into()));
        timeout(self.longest, answer).await.unwrap_or_else(late)
    }
}

impl<A: Authenticate> Gate<A> {
    pub(super) fn new(shared: Arc<Shared>, auth: A, feeds: watch::Receiver<Feeds>) -> Self {
        let asks = Asks {
            auth,
            questions: Semaphore::new(shared.bounds.questions),
            longest: shared.bounds.authentication,
        };
        Self {
            shared,
            asks: Arc::new(asks),
            feeds,
            started: Instant::now(),
            logged: AtomicU64::new(0),
        }
    }

    /// Answers one request.
    pub(super) async fn enter(
        &self,
        request: Request<Incoming>,
        presence: Arc<Presence>,
    ) -> Response<Chunked> {
        let counted = presence.count();
        let answer = match self.admit(&request, &presence).await {
            Ok((token, member)) => self.route(request, token, member, presence, counted).await,
            Err(status) => status.into_http(),
        };
        answer.map(Chunked::new)
    }

    /// Who is it? Looks at nothing but the token.
    async fn admit(
        &self,
        request: &Request<Incoming>,
        presence: &Presence,
    ) -> Result<(Token, Member), Status> {
        let Some(token) = bearer(request) else {
            self.refuse(presence, &Refused::Unauthenticated("no bearer token".into()));
            return Err(unauthenticated());
        };
        match self.asks.who(&token).await {
            Ok(member) => {
                presence.known();
                Ok((token, member))
            }
            Err(refused) => {
                self.refuse(presence, &refused);
                Err(match refused {
                    Refused::Unauthenticated(_) => unauthenticated(),
                    Refused::Unavailable(_) => {
                        Status::unavailable("tokens cannot be checked now; try again")
                    }
                })
            }
        }
    }

    fn refuse(&self, presence: &Presence, refused: &Refused) {
        self.shared.counters.refuse(match refused {
            Refused::Unauthenticated(_) => Refusal::Unauthenticated,
            Refused::Unavailable(_) => Refusal::Unavailable,
        });
        presence.failed();
        // One line a second: whoever has no token must not be able to fill the log.
        let second = self.started.elapsed().as_secs() + 1;
        if self.logged.swap(second, Relaxed) != second {
            tracing::warn!(peer = %presence.peer, %refused, "a proxy was not let in");
        }
    }

    /// Which method?
    async fn route(
        &self,
        request: Request<Incoming>,
        token: Token,
        member: Member,
        presence: Arc<Presence>,
        counted: Counted,
    ) -> Response<Body> {
        if request.method() != Method::POST || request.uri().path() != FOLLOW || !is_grpc(&request)
        {
            self.shared.counters.refuse(Refusal::Method);
            return Status::unimplemented("there is no such method").into_http();
        }
        if self.feeds.borrow().is_none() {
            self.shared.counters.refuse(Refusal::NotSynced);
            return Status::unavailable("the controller has not seen everything yet").into_http();
        }
        let recheck = Recheck::new(self.asks.clone(), token, member.clone(), &self.shared.bounds);
        let follow = Follow { shared: self.shared.clone(), recheck, member, presence, counted };
        tonic::server::Grpc::new(Raw)
            .max_decoding_message_size(REPORT_MAX + 64)
            .streaming(Once(Some(follow)), request)
            .await
    }
}

/// The token of a request.
fn bearer(request: &Request<Incoming>) -> Option<Token> {
    let mut values = request.headers().get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    // Two of them could be judged differently by two readers.
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Token(token.into()))
}

fn is_grpc(request: &Request<Incoming>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// The same words for every reason: a stranger learns nothing.
fn unauthenticated() -> Status {
    Status::unauthenticated("this token opens nothing here")
}

/// The method, for one call.
struct Follow<A> {
    shared: Arc<Shared>,
    recheck: Recheck<A>,
    member: Member,
    presence: Arc<Presence>,
    counted: Counted,
}

/// Tonic calls a method through a mutable reference, once.
struct Once<A>(Option<Follow<A>>);

impl<A: Authenticate> StreamingService<Bytes> for Once<A> {
    type Response = Bytes;
    type ResponseStream = Outbox;
    type Future = std::future::Ready<Result<tonic::Response<Outbox>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let Some(follow) = self.0.take() else {
            return std::future::ready(Err(Status::internal("called twice")));
        };
        let (sender, outbox) = outbox::channel();
        let seat = follow.shared.roll.enter(&follow.member);
        if seat.has_replaced() {
            follow.shared.counters.refuse(Refusal::Replaced);
        }
        let stream = Stream {
            shared: follow.shared,
            member: follow.member,
            seat,
            outbox: sender,
            presence: follow.presence,
            _counted: follow.counted,
        };
        tokio::spawn(stream.run(request.into_inner(), follow.recheck));
        std::future::ready(Ok(tonic::Response::new(outbox)))
    }
}
