//! An API server in memory: versions, a history of events, pages, watches with bookmarks; and it
//! lies when it is told to.
//!
//! It stands where kube's client hands over to the transport, so everything of ours runs.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gwapi::GATEWAY_GROUP;
use http::{Request, Response, Uri};
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Frame};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// The first page of a list; the whole of it if there is no limit.
    List,
    /// A further page.
    Continue,
    /// A list of one object.
    Newest,
    Watch,
    /// A list of one name.
    Fetch,
    Discover,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) at: Duration,
    pub(crate) verb: Verb,
    /// The plural, or the path of a discovery document.
    pub(crate) what: String,
    pub(crate) namespace: Option<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) version: String,
}

/// How a request is answered instead of honestly.
#[derive(Clone, Debug)]
pub(crate) enum Lie {
    /// An HTTP status, with `Retry-After` in seconds.
    Status(u16, Option<u64>),
    /// Never answered.
    Hang,
    /// The head of an answer, never its body; a watch stays open and silent for ever.
    HangAfterHead,
    /// An honest answer, later.
    Late(Duration),
    /// The connection breaks.
    Cut,
    /// 200 and this, and no more.
    Says(String),
    /// An honest answer, of the state that was saved as the stale one.
    Stale,
}

type Liar = dyn Fn(&Call) -> Option<Lie> + Send;

/// What it keeps.
#[derive(Clone, Default)]
struct Store {
    revision: u64,
    /// By plural, namespace and name.
    objects: Arc<BTreeMap<(String, String, String), Value>>,
    /// What happened, by version: plural, type, object.
    history: Arc<BTreeMap<u64, (String, &'static str, Value)>>,
    /// Watches and pages from before this version have expired.
    compacted: u64,
}

struct State {
    start: Instant,
    store: Store,
    stale: Store,
    /// Collections as they were, for lists that go on: continue tokens name them.
    snapshots: BTreeMap<u64, Store>,
    liar: Box<Liar>,
    calls: Vec<Call>,
    bookmarks: bool,
    /// Group, version, plural.
    served: BTreeSet<(String, String, String)>,
}

#[derive(Clone)]
pub(crate) struct Api {
    state: Arc<Mutex<State>>,
    /// Counts up whenever watches have something to look for; odd things happen to them on `cut`.
    news: watch::Sender<u64>,
    cuts: watch::Sender<u64>,
}

type Answer = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

pub(crate) const DEFINED: [(&str, &str, &str); 10] = [
    (GATEWAY_GROUP, "v1", "gatewayclasses"),
    (GATEWAY_GROUP, "v1", "gateways"),
    (GATEWAY_GROUP, "v1", "listenersets"),
    (GATEWAY_GROUP, "v1", "tcproutes"),
    (GATEWAY_GROUP, "v1", "udproutes"),
    (GATEWAY_GROUP, "v1", "tlsroutes"),
    (GATEWAY_GROUP, "v1", "httproutes"),
    (GATEWAY_GROUP, "v1beta1", "referencegrants"),
    (GATEWAY_GROUP, "v1", "backendtlspolicies"),
    ("tidegate.dev", "v1alpha1", "gatewayparameters"),
];

impl Api {
    /// A server with all of Gateway API and nothing in it.
    pub(crate) fn new() -> Self {
        let state = State {
            start: Instant::now(),
            store: Store { revision: 100, ..Store::default() },
            stale: Store::default(),
            snapshots: BTreeMap::new(),
            liar: Box::new(|_| None),
            calls: vec![],
            bookmarks: true,
            served: BTreeSet::new(),
        };
        let api = Self {
            state: Arc::new(Mutex::new(state)),
            news: watch::Sender::new(0),
            cuts: watch::Sender::new(0),
        };
        for (_, version, plural) in DEFINED {
            api.serve(version, plural);
        }
        api
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the state")
    }

    pub(crate) fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (api, uri) = (api.clone(), request.uri().clone());
            async move { api.answer(&uri).await }
        });
        Client::new(service, "default")
    }

    pub(crate) fn serve(&self, version: &str, plural: &str) {
        let defined = DEFINED.iter().find(|(_, _, defined)| *defined == plural);
        let group = defined.expect("a kind that somebody defines").0;
        let entry = (group.to_owned(), version.to_owned(), plural.to_owned());
        self.state().served.insert(entry);
    }

    pub(crate) fn stop_serving(&self, plural: &str) {
        self.state().served.retain(|(_, _, served)| served != plural);
        self.cut();
    }

    pub(crate) fn lie(&self, liar: impl Fn(&Call) -> Option<Lie> + Send + 'static) {
        self.state().liar = Box::new(liar);
    }

    pub(crate) fn be_honest(&self) {
        self.lie(|_| None);
    }

    pub(crate) fn without_bookmarks(&self) {
        self.state().bookmarks = false;
    }

    /// Ends all open watches, as a server that goes away does.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Forgets what happened so far.
    pub(crate) fn compact(&self) {
        let mut state = self.state();
        state.store.compacted = state.store.revision;
        state.snapshots.clear();
    }

    /// Remembers the state for [`Lie::Stale`].
    pub(crate) fn save(&self) {
        let mut state = self.state();
        state.stale = state.store.clone();
    }

    /// Becomes what was saved, as a restored etcd does.
    pub(crate) fn restore(&self) {
        let mut state = self.state();
        state.store = state.stale.clone();
        state.snapshots.clear();
    }

    pub(crate) fn revision(&self) -> u64 {
        self.state().store.revision
    }

    /// Creates or replaces an object. `spec` is merged into it at the top.
    pub(crate) fn put(&self, plural: &str, namespace: &str, name: &str, rest: Value) {
        self.put_quietly(plural, namespace, name, rest);
        self.news.send_modify(|news| *news += 1);
    }

    /// [`Self::put`] that no open watch is told of (until the next change).
    pub(crate) fn put_quietly(&self, plural: &str, namespace: &str, name: &str, rest: Value) {
        let mut state = self.state();
        state.store.revision += 1;
        let revision = state.store.revision;
        let key = (plural.to_owned(), namespace.to_owned(), name.to_owned());
        let mut object =
            json!({"metadata": {"name": name, "uid": format!("{plural}-{namespace}-{name}")}});
        merge(&mut object, rest);
        if !namespace.is_empty() {
            object["metadata"]["namespace"] = namespace.into();
        }
        object["metadata"]["resourceVersion"] = revision.to_string().into();
        let is_new = Arc::make_mut(&mut state.store.objects).insert(key, object.clone()).is_none();
        let r#type = if is_new { "ADDED" } else { "MODIFIED" };
        Arc::make_mut(&mut state.store.history)
            .insert(revision, (plural.to_owned(), r#type, object));
    }

    pub(crate) fn delete(&self, plural: &str, namespace: &str, name: &str) {
        {
            let mut state = self.state();
            state.store.revision += 1;
            let revision = state.store.revision;
            let key = (plural.to_owned(), namespace.to_owned(), name.to_owned());
            let mut object = Arc::make_mut(&mut state.store.objects).remove(&key).expect("there");
            object["metadata"]["resourceVersion"] = revision.to_string().into();
            Arc::make_mut(&mut state.store.history)
                .insert(revision, (plural.to_owned(), "DELETED", object));
        }
        self.news.send_modify(|news| *news += 1);
    }

    /// What was asked so far.
    pub(crate) fn calls(&self, verb: Verb, what: &str) -> Vec<Call> {
        let state = self.state();
        let asked = |call: &&Call| call.verb == verb && call.what == what;
        state.calls.iter().filter(asked).cloned().collect()
    }

    pub(crate) fn has(&self, plural: &str, namespace: &str, name: &str) -> bool {
        let key = (plural.to_owned(), namespace.to_owned(), name.to_owned());
        self.state().store.objects.contains_key(&key)
    }

    pub(crate) fn has_saved(&self) -> bool {
        self.state().stale.revision > 0
    }

    /// Every object of a kind.
    pub(crate) fn objects(&self, plural: &str) -> Vec<Value> {
        let state = self.state();
        let of = state.store.objects.iter().filter(|((of, _, _), _)| of == plural);
        of.map(|(_, object)| object.clone()).collect()
    }

    /// Requests about one kind, of any verb.
    pub(crate) fn asked_about(&self, what: &str) -> Vec<Call> {
        self.state().calls.iter().filter(|call| call.what == what).cloned().collect()
    }

    async fn answer(&self, uri: &Uri) -> Result<Answer, std::io::Error> {
        let (call, lie) = {
            let mut state = self.state();
            let call = parse(uri, state.start.elapsed());
            state.calls.push(call.clone());
            let lie = (state.liar)(&call);
            (call, lie)
        };
        match lie {
            None => Ok(self.honest(&call, false)),
            Some(Lie::Stale) => Ok(self.honest(&call, true)),
            Some(Lie::Late(delay)) => {
                sleep(delay).await;
                Ok(self.honest(&call, false))
            }
            Some(Lie::Status(code, retry)) => Ok(refusal(code, retry)),
            Some(Lie::Hang) => std::future::pending().await,
            Some(Lie::HangAfterHead) => {
                let body = StreamBody::new(futures_util::stream::pending::<
                    Result<Frame<Bytes>, std::io::Error>,
                >());
                Ok(Response::new(UnsyncBoxBody::new(body)))
            }
            Some(Lie::Cut) => Err(std::io::Error::other("cut")),
            Some(Lie::Says(text)) => Ok(whole(200, text.into_bytes())),
        }
    }

    fn honest(&self, call: &Call, stale: bool) -> Answer {
        if call.verb == Verb::Discover {
            return self.discovery(&call.what);
        }
        let is_served = {
            let state = self.state();
            let mut served = state.served.iter();
            let is_ours = DEFINED.iter().any(|(_, _, plural)| *plural == call.what);
            !is_ours
                || served
                    .any(|(_, version, plural)| (version, plural) == (&call.version, &call.what))
        };
        if !is_served {
            return refusal(404, None);
        }
        match call.verb {
            Verb::Watch => self.watch(call),
            _ => self.list(call, stale),
        }
    }

    fn list(&self, call: &Call, stale: bool) -> Answer {
        let mut state = self.state();
        let (store, after) = match call.query.get("continue") {
            Some(token) => {
                let (revision, after) = token.split_once('/').expect("a token of ours");
                let Some(store) = state.snapshots.get(&revision.parse().expect("a number")) else {
                    return refusal(410, None);
                };
                (store.clone(), Some(after.to_owned()))
            }
            None if stale => (state.stale.clone(), None),
            None => (state.store.clone(), None),
        };
        let place = |key: &(String, String, String)| format!("{}/{}", key.1, key.2);
        let limit =
            call.query.get("limit").map_or(usize::MAX, |limit| limit.parse().expect("a number"));
        let mut matching = store
            .objects
            .iter()
            .filter(|(key, object)| selects(call, &key.0, object))
            .filter(|(key, _)| after.as_ref().is_none_or(|after| place(key) > *after));
        let items: Vec<_> = matching.by_ref().take(limit).collect();
        let mut metadata = json!({"resourceVersion": store.revision.to_string()});
        if matching.next().is_some()
            && let Some((last, _)) = items.last()
        {
            metadata["continue"] = format!("{}/{}", store.revision, place(last)).into();
            state.snapshots.insert(store.revision, store.clone());
        }
        let items: Vec<_> = items.into_iter().map(|(_, object)| object.clone()).collect();
        let body = json!({"kind": "List", "metadata": metadata, "items": items}).to_string();
        whole(200, body.into_bytes())
    }

    fn watch(&self, call: &Call) -> Answer {
        let from: u64 = call.query["resourceVersion"].parse().expect("a number");
        if from < self.state().store.compacted {
            let gone = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}});
            return whole(200, format!("{gone}\n").into_bytes());
        }
        let seconds: u64 = call.query["timeoutSeconds"].parse().expect("a number");
        let end = Instant::now() + Duration::from_secs(seconds);
        let watcher = Watcher {
            api: self.clone(),
            call: call.clone(),
            position: from,
            bookmark_due: end - Duration::from_secs(2),
            end,
            news: self.news.subscribe(),
            cuts: self.cuts.subscribe(),
        };
        let stream = futures_util::stream::unfold(watcher, |mut watcher| async move {
            let bytes = watcher.next().await?;
            Some((Ok(Frame::data(Bytes::from(bytes))), watcher))
        });
        Response::new(UnsyncBoxBody::new(StreamBody::new(stream)))
    }

    fn discovery(&self, path: &str) -> Answer {
        let state = self.state();
        let mut parts = path.split('/');
        let group = parts.next().unwrap_or_default();
        let of_group: Vec<_> = state.served.iter().filter(|entry| entry.0 == group).collect();
        if of_group.is_empty() {
            return refusal(404, None);
        }
        let body = match parts.next() {
            None => {
                let versions: BTreeSet<_> = of_group.iter().map(|entry| &entry.1).collect();
                let versions: Vec<_> =
                    versions.into_iter().map(|version| json!({"version": version})).collect();
                json!({"versions": versions})
            }
            Some(version) => {
                let resources: Vec<_> = of_group
                    .iter()
                    .filter(|entry| entry.1 == version)
                    .map(|entry| json!({"name": entry.2}))
                    .collect();
                json!({"resources": resources})
            }
        };
        whole(200, body.to_string().into_bytes())
    }
}

/// An open watch.
struct Watcher {
    api: Api,
    call: Call,
    position: u64,
    bookmark_due: Instant,
    end: Instant,
    news: watch::Receiver<u64>,
    cuts: watch::Receiver<u64>,
}

impl Watcher {
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            self.news.borrow_and_update();
            if let Some(line) = self.event() {
                return Some(line);
            }
            tokio::select! {
                biased;
                _ = self.cuts.changed() => return None,
                _ = self.news.changed() => {}
                () = sleep_until(self.end) => return None,
                () = sleep_until(self.bookmark_due), if self.bookmark_due < self.end => {
                    self.bookmark_due = self.end;
                    // No bookmark says more than what has been told.
                    if let Some(line) = self.event() {
                        return Some(line);
                    }
                    if self.api.state().bookmarks {
                        let version = self.api.revision().to_string();
                        let object = json!({"metadata": {"resourceVersion": version}});
                        let line = json!({"type": "BOOKMARK", "object": object});
                        return Some(format!("{line}\n").into_bytes());
                    }
                }
            }
        }
    }

    fn event(&mut self) -> Option<Vec<u8>> {
        let state = self.api.state();
        for (revision, (plural, r#type, object)) in state.store.history.range(self.position + 1..) {
            self.position = *revision;
            if selects(&self.call, plural, object) {
                let line = json!({"type": r#type, "object": object});
                return Some(format!("{line}\n").into_bytes());
            }
        }
        None
    }
}

fn selects(call: &Call, plural: &str, object: &Value) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    let fields = call.query.get("fieldSelector").map(String::as_str).unwrap_or_default();
    let labels = call.query.get("labelSelector").map(String::as_str).unwrap_or_default();
    let of = |selector: &str| -> Vec<(String, Option<String>)> {
        let parts = selector.split(',').filter(|part| !part.is_empty());
        parts
            .map(|part| match part.split_once('=') {
                Some((field, value)) => (field.to_owned(), Some(value.to_owned())),
                None => (part.to_owned(), None),
            })
            .collect()
    };
    plural == call.what
        && call
            .namespace
            .as_ref()
            .is_none_or(|namespace| *namespace == text(&metadata["namespace"]))
        && of(fields).iter().all(|(field, wanted)| {
            let found = match field.as_str() {
                "metadata.name" => text(&metadata["name"]),
                field => text(&object[field]),
            };
            Some(found) == *wanted
        })
        && of(labels).iter().all(|(label, wanted)| {
            let found = metadata["labels"][label].as_str();
            found.is_some() && wanted.as_ref().is_none_or(|wanted| found == Some(wanted))
        })
}

fn parse(uri: &Uri, at: Duration) -> Call {
    let decode = |text: &str| {
        let mut bytes = vec![];
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'%' => {
                    let hex = [rest.next().expect("hex"), rest.next().expect("hex")];
                    let hex = std::str::from_utf8(&hex).expect("ASCII");
                    bytes.push(u8::from_str_radix(hex, 16).expect("hex"));
                }
                b'+' => bytes.push(b' '),
                byte => bytes.push(byte),
            }
        }
        String::from_utf8(bytes).expect("UTF-8")
    };
    let query: BTreeMap<_, _> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    let parts: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
    let (group, rest) = match parts[0] {
        "api" => ("", &parts[1..]),
        _ => (parts[1], &parts[2..]),
    };
    let mut call = Call {
        at,
        verb: Verb::Discover,
        what: [&[group], rest].concat().join("/"),
        namespace: None,
        query,
        version: rest.first().copied().unwrap_or_default().to_owned(),
    };
    match rest {
        [_, "namespaces", namespace, plural] => {
            call.what = (*plural).to_owned();
            call.namespace = Some((*namespace).to_owned());
        }
        [_, plural] => call.what = (*plural).to_owned(),
        _ => return call,
    }
    let has = |field: &str| call.query.contains_key(field);
    let fields = call.query.get("fieldSelector").map(String::as_str).unwrap_or_default();
    call.verb = if has("watch") {
        Verb::Watch
    } else if has("continue") {
        Verb::Continue
    } else if fields.contains("metadata.name=") {
        Verb::Fetch
    } else if call.query.get("limit").is_some_and(|limit| limit == "1") {
        Verb::Newest
    } else {
        Verb::List
    };
    call
}

fn whole(code: u16, body: Vec<u8>) -> Answer {
    let body = Full::new(Bytes::from(body)).map_err(|never: Infallible| match never {});
    let mut response = Response::new(UnsyncBoxBody::new(body));
    *response.status_mut() = http::StatusCode::from_u16(code).expect("a status");
    response
}

fn refusal(code: u16, retry: Option<u64>) -> Answer {
    let body = json!({"kind": "Status", "code": code, "message": format!("status {code}")});
    let mut response = whole(code, body.to_string().into_bytes());
    if let Some(seconds) = retry {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

fn merge(object: &mut Value, rest: Value) {
    match (object, rest) {
        (Value::Object(object), Value::Object(rest)) => {
            for (field, value) in rest {
                merge(object.entry(field).or_insert(Value::Null), value);
            }
        }
        (object, rest) => *object = rest,
    }
}
