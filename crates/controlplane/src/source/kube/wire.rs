//! Does what a [`Machine`] asks: requests to the API server, each with a deadline, and the answers
//! back. Nothing is decided here.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use kube::core::params::{ListParams, WatchParams};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{info, warn};

use super::collect::Message;
use super::decode;
use super::health::Health;
use super::machine::{Ask, Change, Fault, HELD, Input, Machine};
use super::topic::Collection;

/// For an answer, whole; of a watch, for its head. Kubernetes itself gives up after a minute.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);
/// How much longer than it should a watch may stay open: after that the connection is dead.
const OVERTIME: Duration = Duration::from_secs(5);
/// A page that is larger is asked for in smaller pieces: the controller's memory is bounded.
const MAX_PAGE_BYTES: usize = 32 << 20;
/// One event. An object in etcd has at most 1.5 MiB, in JSON a few times that.
const MAX_EVENT_BYTES: usize = 16 << 20;
/// What is read of an error.
const MAX_ERROR_BYTES: usize = 64 << 10;

const METADATA_ONLY: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const METADATA_LIST_ONLY: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// One watch and where its news goes.
pub(crate) struct Wire {
    pub(crate) client: Client,
    pub(crate) collection: Collection,
    pub(crate) machine: Machine,
    pub(crate) out: mpsc::Sender<Message>,
    /// Told when the server does not know the collection.
    pub(crate) rediscover: Arc<Notify>,
    pub(crate) health: watch::Sender<Health>,
    pub(crate) start: Instant,
}

/// Nobody takes the news any more.
struct Closed;

impl Wire {
    /// Watches until nobody takes the news any more.
    pub(crate) async fn run(mut self) {
        let _ = self.follow().await;
    }

    async fn follow(&mut self) -> Result<(), Closed> {
        let mut ask = self.tell(Input::Woken).await?;
        loop {
            ask = match ask {
                Some(Ask::Wait(wait)) => {
                    sleep(wait).await;
                    self.tell(Input::Woken).await?
                }
                Some(Ask::List { page, limit }) => {
                    let input = self.list(page, limit).await;
                    self.tell(input).await?
                }
                Some(Ask::Newest) => {
                    let input = self.newest().await;
                    self.tell(input).await?
                }
                Some(Ask::Watch { from, seconds }) => self.watch(from.as_str(), seconds).await?,
                // The machine always asks for something unless a watch is open.
                None => return Ok(()),
            };
        }
    }

    /// Tells the machine, and the others what follows.
    async fn tell(&mut self, input: Input) -> Result<Option<Ask>, Closed> {
        if matches!(&input, Input::Failed(fault) if fault.is(404)) {
            self.rediscover.notify_one();
        }
        let step = self.machine.handle(self.start.elapsed(), input);
        self.health.send_if_modified(|health| {
            // Without an entry this watch has been ended and is saying its last words.
            let Some(shown) = health.watches.get_mut(&self.collection.id) else { return false };
            let now = self.machine.health();
            // Counting and progress wake nobody up.
            let differs = (shown.listed, &shown.trouble) != (now.listed, &now.trouble);
            shown.clone_from(now);
            differs
        });
        for change in step.changes {
            match &change {
                Change::Trouble(Some(trouble)) => warn!("{}: {trouble}", self.collection.id),
                Change::Trouble(None) => info!("{}: can be read again", self.collection.id),
                _ => {}
            }
            let message = Message::Change(self.collection.id.clone(), change);
            self.out.send(message).await.map_err(|_| Closed)?;
        }
        Ok(step.ask)
    }

    async fn list(&self, page: Option<String>, limit: Option<u32>) -> Input {
        let topic = self.collection.id.topic;
        let params = ListParams {
            label_selector: topic.label_selector(),
            field_selector: topic.field_selector(),
            limit,
            continue_token: page,
            ..ListParams::default()
        };
        let accept = topic.metadata_only().then_some(METADATA_LIST_ONLY);
        let request = kube::core::Request::new(self.collection.path()).list(&params);
        let body = match self.ask(request, accept).await {
            Ok(body) => body,
            Err(fault) => return Input::Failed(fault),
        };
        match decode::page(topic, &body) {
            Ok(page) => Input::Page(page),
            Err(problem) => Input::Failed(Fault::Garbled(problem)),
        }
    }

    /// Without selectors, or a server may look for the one object through all of them; and of a
    /// Secret that is not ours only the metadata.
    async fn newest(&self) -> Input {
        let params = ListParams { limit: Some(1), ..ListParams::default() };
        let request = kube::core::Request::new(self.collection.path()).list(&params);
        let body = match self.ask(request, Some(METADATA_LIST_ONLY)).await {
            Ok(body) => body,
            Err(fault) => return Input::Failed(fault),
        };
        match decode::list_version(&body) {
            Ok(version) => Input::Newest(version),
            Err(problem) => Input::Failed(Fault::Garbled(problem)),
        }
    }

    async fn ask(
        &self,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
        accept: Option<&'static str>,
    ) -> Result<Vec<u8>, Fault> {
        let request = request.map_err(|error| Fault::Broken(error.to_string()))?;
        get(&self.client, request, accept).await
    }

    /// Reads a watch until the machine asks for something else.
    async fn watch(&mut self, from: &str, seconds: u32) -> Result<Option<Ask>, Closed> {
        let topic = self.collection.id.topic;
        let params = WatchParams {
            label_selector: topic.label_selector(),
            field_selector: topic.field_selector(),
            timeout: Some(seconds),
            bookmarks: true,
            send_initial_events: false,
        };
        let accept = topic.metadata_only().then_some(METADATA_ONLY);
        let request = kube::core::Request::new(self.collection.path()).watch(&params, from);
        let opened = match request {
            Ok(request) => open(&self.client, request, accept).await,
            Err(error) => Err(Fault::Broken(error.to_string())),
        };
        let mut lines = match opened {
            Ok(response) => Lines::of(response),
            Err(fault) => return self.tell(Input::Failed(fault)).await,
        };
        if let Some(ask) = self.tell(Input::Opened).await? {
            return Ok(Some(ask));
        }
        let opened = Instant::now();
        let end = opened + Duration::from_secs(seconds.into()) + OVERTIME;
        let mut held = false;
        loop {
            let until = if held { end } else { opened + HELD };
            let input = match timeout_at(until, lines.next()).await {
                Err(_) if !held => {
                    held = true;
                    Input::Held
                }
                Err(_) => Input::Failed(Fault::TimedOut),
                Ok(Err(fault)) => Input::Failed(fault),
                Ok(Ok(None)) => Input::Ended,
                Ok(Ok(Some(line))) => match decode::event(topic, &line) {
                    Ok(event) => Input::Event(event),
                    Err(problem) => Input::Failed(Fault::Garbled(problem)),
                },
            };
            if let Some(ask) = self.tell(input).await? {
                return Ok(Some(ask));
            }
        }
    }
}

/// A GET and its whole answer, within [`ANSWER`].
pub(crate) async fn get(
    client: &Client,
    request: Request<Vec<u8>>,
    accept: Option<&'static str>,
) -> Result<Vec<u8>, Fault> {
    let answer = async {
        let response = send(client, request, accept).await?;
        read(response.into_body(), MAX_PAGE_BYTES).await
    };
    timeout(ANSWER, answer).await.unwrap_or(Err(Fault::TimedOut))
}

/// A request whose answer has no end yet; its head within [`ANSWER`].
async fn open(
    client: &Client,
    request: Request<Vec<u8>>,
    accept: Option<&'static str>,
) -> Result<Response<Body>, Fault> {
    timeout(ANSWER, send(client, request, accept)).await.unwrap_or(Err(Fault::TimedOut))
}

async fn send(
    client: &Client,
    request: Request<Vec<u8>>,
    accept: Option<&'static str>,
) -> Result<Response<Body>, Fault> {
    let mut request = request.map(Body::from);
    if let Some(accept) = accept {
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
    }
    let response = client.send(request).await.map_err(|error| Fault::Broken(error.to_string()))?;
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(response);
    }
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let wait = seconds.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    // Whatever the body is, the code is what counts.
    let body = read(response.into_body(), MAX_ERROR_BYTES).await.unwrap_or_default();
    Err(Fault::Refused(decode::status(status.as_u16(), &body), wait))
}

async fn read(mut body: Body, most: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Fault::Broken(error.to_string()))?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > most {
            return Err(Fault::TooLarge);
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

/// The lines of a body.
struct Lines {
    body: Body,
    bytes: Vec<u8>,
    /// Up to here there is no line end.
    searched: usize,
    ended: bool,
}

impl Lines {
    fn of(response: Response<Body>) -> Self {
        Self { body: response.into_body(), bytes: Vec::new(), searched: 0, ended: false }
    }

    /// The next line that is not empty; `None` at the end. Nothing is lost if it is dropped.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        loop {
            let found = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n');
            if let Some(offset) = found {
                let rest = self.bytes.split_off(self.searched + offset + 1);
                let mut line = std::mem::replace(&mut self.bytes, rest);
                self.searched = 0;
                while line.last().is_some_and(u8::is_ascii_whitespace) {
                    line.pop();
                }
                if !line.is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            self.searched = self.bytes.len();
            if self.bytes.len() > MAX_EVENT_BYTES {
                return Err(Fault::Garbled("an event that is too large".to_owned()));
            }
            if self.ended {
                // Half a line is a cut connection; what it was about comes again.
                return Ok(None);
            }
            match self.body.frame().await {
                None => self.ended = true,
                Some(Err(error)) => return Err(Fault::Broken(error.to_string())),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.bytes.extend_from_slice(data);
                    }
                }
            }
        }
    }
}
