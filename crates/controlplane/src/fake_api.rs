//! An API server for tests, at the seam where kube's client hands a request to the transport:
//! objects by path, versions, optimistic locking, the status subresource, and faults on demand.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// What goes wrong with one request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It is refused with this status.
    Refuse(u16),
    /// It is never answered, and has no effect.
    Hang,
    /// It has its effect, but is never answered.
    Lose,
    /// It is answered after this time, and has its effect then.
    Slow(Duration),
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Value,
}

type Decide = Box<dyn FnMut(&Call) -> Fault + Send>;
type Review = Box<dyn FnMut(&Call) -> Option<Value> + Send>;

struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    calls: Vec<Call>,
    fault: Decide,
    /// Answers to what creates nothing.
    review: Review,
}

/// The API server. Clones are the same one.
#[derive(Clone)]
pub(crate) struct FakeApi(Arc<Mutex<State>>);

impl FakeApi {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            objects: BTreeMap::new(),
            version: 0,
            calls: vec![],
            fault: Box::new(|_| Fault::None),
            review: Box::new(|_| None),
        })))
    }

    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.serve(request).await) }
        });
        Client::new(service, "default")
    }

    /// Decides the fault of each request from now on.
    pub(crate) fn fault(&self, decide: impl FnMut(&Call) -> Fault + Send + 'static) {
        self.state().fault = Box::new(decide);
    }

    /// Answers requests that it has an answer for, in place of the store.
    pub(crate) fn review(&self, answer: impl FnMut(&Call) -> Option<Value> + Send + 'static) {
        self.state().review = Box::new(answer);
    }

    /// Puts an object at its path; a new version, whatever it says.
    pub(crate) fn put(&self, path: &str, object: Value) {
        let mut state = self.state();
        state.store(path, object);
    }

    /// Changes the object at a path.
    pub(crate) fn edit(&self, path: &str, change: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        let mut object = state.objects.get(path).cloned().expect("the object is there");
        change(&mut object);
        state.store(path, object);
    }

    pub(crate) fn delete(&self, path: &str) {
        self.state().objects.remove(path).expect("the object is there");
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    /// Changes with every write.
    pub(crate) fn version(&self) -> u64 {
        self.state().version
    }

    /// Every object below a path.
    pub(crate) fn below(&self, path: &str) -> Vec<Value> {
        let state = self.state();
        let found = state.objects.iter().filter(|(at, _)| at.starts_with(path));
        found.map(|(_, object)| object.clone()).collect()
    }

    /// Every object, by path.
    pub(crate) fn all(&self) -> BTreeMap<String, Value> {
        self.state().objects.clone()
    }

    /// Every request so far, oldest first.
    pub(crate) fn all_calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The requests of a method so far, oldest first.
    pub(crate) fn calls(&self, method: &Method) -> Vec<Call> {
        let state = self.state();
        state.calls.iter().filter(|call| call.method == method).cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("a body in memory").to_bytes();
        let call = Call {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        };
        let fault = {
            let mut state = self.state();
            state.calls.push(call.clone());
            (state.fault)(&call)
        };
        match fault {
            Fault::None => {}
            Fault::Refuse(code) => return refusal(code, "refused by the test"),
            Fault::Hang => std::future::pending().await,
            Fault::Lose => {
                self.state().answer(&call);
                std::future::pending().await
            }
            Fault::Slow(time) => tokio::time::sleep(time).await,
        }
        self.state().answer(&call)
    }
}

impl State {
    fn answer(&mut self, call: &Call) -> Response<Body> {
        if let Some(value) = (self.review)(call) {
            return response(StatusCode::OK, &value);
        }
        match call.method {
            Method::GET => match self.objects.get(&call.path) {
                Some(object) => response(StatusCode::OK, object),
                None => refusal(404, "not found"),
            },
            Method::POST => self.create(call),
            Method::PUT => self.replace(call),
            // Only what is applied says what it is.
            Method::PATCH if call.body["apiVersion"].is_null() => self.merge(call),
            Method::PATCH => self.apply(call),
            Method::DELETE => self.remove(call),
            _ => refusal(405, "not known to the test"),
        }
    }

    fn create(&mut self, call: &Call) -> Response<Body> {
        let metadata = &call.body["metadata"];
        let name = match metadata["name"].as_str() {
            Some(name) => name.to_owned(),
            None => {
                let prefix = metadata["generateName"].as_str().unwrap_or_default();
                format!("{prefix}{}", self.version)
            }
        };
        let path = format!("{}/{name}", call.path);
        if self.objects.contains_key(&path) {
            return refusal(409, "already exists");
        }
        let stored = self.store(&path, call.body.clone());
        response(StatusCode::CREATED, &stored)
    }

    fn replace(&mut self, call: &Call) -> Response<Body> {
        let path = call.path.strip_suffix("/status").unwrap_or(&call.path);
        let Some(current) = self.objects.get(path).cloned() else {
            return refusal(404, "not found");
        };
        let version = &call.body["metadata"]["resourceVersion"];
        if !version.is_null() && *version != current["metadata"]["resourceVersion"] {
            return refusal(409, "the object has been modified");
        }
        let mut next = call.body.clone();
        if path != call.path {
            next = current.clone();
            next["status"] = call.body["status"].clone();
        }
        // A write that changes nothing is none.
        if next == current {
            return response(StatusCode::OK, &current);
        }
        let stored = self.store(path, next);
        response(StatusCode::OK, &stored)
    }

    /// Server-side apply by the only manager there is: what it no longer asks for is gone.
    fn apply(&mut self, call: &Call) -> Response<Body> {
        let current = self.objects.get(&call.path).cloned();
        let wanted = &call.body["metadata"]["uid"];
        let uid = current.as_ref().map(|current| current["metadata"]["uid"].clone());
        if !wanted.is_null() && Some(wanted) != uid.as_ref() {
            return refusal(409, "uid mismatch");
        }
        let mut next = call.body.clone();
        next["metadata"]["uid"] = uid.unwrap_or_else(|| json!(format!("uid-{}", self.version)));
        if let Some(current) = current {
            next["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"].clone();
            if !current["status"].is_null() {
                next["status"] = current["status"].clone();
            }
            if next == current {
                return response(StatusCode::OK, &current);
            }
        }
        let stored = self.store(&call.path, next);
        response(StatusCode::OK, &stored)
    }

    /// A merge patch of metadata.
    fn merge(&mut self, call: &Call) -> Response<Body> {
        let Some(mut next) = self.objects.get(&call.path).cloned() else {
            return refusal(404, "not found");
        };
        let fields = call.body["metadata"].as_object().cloned().unwrap_or_default();
        let version = fields.get("resourceVersion").filter(|version| !version.is_null());
        if version.is_some_and(|version| *version != next["metadata"]["resourceVersion"]) {
            return refusal(409, "the object has been modified");
        }
        for (name, value) in fields {
            next["metadata"][name] = value;
        }
        let stored = self.store(&call.path, next);
        response(StatusCode::OK, &stored)
    }

    fn remove(&mut self, call: &Call) -> Response<Body> {
        let Some(current) = self.objects.get(&call.path) else { return refusal(404, "not found") };
        let wanted = &call.body["preconditions"]["uid"];
        if !wanted.is_null() && *wanted != current["metadata"]["uid"] {
            return refusal(409, "uid mismatch");
        }
        let removed = self.objects.remove(&call.path).unwrap_or_default();
        self.version += 1;
        response(StatusCode::OK, &removed)
    }

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}

fn refusal(code: u16, message: &str) -> Response<Body> {
    let status = StatusCode::from_u16(code).expect("a status code");
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "message": message, "reason": status.canonical_reason().unwrap_or_default().replace(' ', ""),
    });
    response(status, &body)
}

fn response(status: StatusCode, value: &Value) -> Response<Body> {
    let body = serde_json::to_vec(value).expect("a value");
    Response::builder().status(status).body(Body::from(body)).expect("a response")
}
