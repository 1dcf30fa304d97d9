//! What each endpoint answers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use controlplane::View;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::HeaderValue;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode, header};
use prometheus_client::encoding::text;
use serde::Serialize;
use snapshot::Snapshot;

use super::request::{Endpoint, endpoint};
use super::{Admin, Phase};
use crate::check::report::Report;
use crate::check::text::{Style, Tense, render};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers one request.
pub(super) fn answer(request: &Parts, local: IpAddr, admin: &Admin) -> Response<Full<Bytes>> {
    let (status, kind, body) = match endpoint(request, local, &admin.hosts) {
        Ok(endpoint) => found(endpoint, request, admin),
        Err(status) => (status, TEXT, format!("{}\n", reason(status))),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => {
            "the host must be localhost, the bound address or an --admin-host; \
             /snapshot and /status are for loopback only"
        }
        _ => status.canonical_reason().unwrap_or("refused"),
    }
}

type Answer = (StatusCode, &'static str, String);

fn found(endpoint: Endpoint, request: &Parts, admin: &Admin) -> Answer {
    let view = Arc::clone(&admin.views.borrow());
    match endpoint {
        Endpoint::Live => live(admin),
        Endpoint::Ready => ready(&view, *admin.phases.borrow()),
        Endpoint::Metrics => metrics(admin),
        Endpoint::Snapshot => json(&Published::new(&view)),
        Endpoint::Status if wants_text(request) => {
            let report = Report::new(&view.loaded, &view.translation);
            let style = Style { color: false, unicode: true };
            (StatusCode::OK, TEXT, render(&report, style, Tense::Does))
        }
        Endpoint::Status => json(&Status::new(&view, *admin.phases.borrow())),
    }
}

/// The process is alive as long as its control plane is: without one it would serve what it has
/// for ever.
fn live(admin: &Admin) -> Answer {
    match admin.views.has_changed() {
        Ok(_) => (StatusCode::OK, TEXT, "alive\n".to_owned()),
        Err(_) => {
            let body = "the control plane has ended\n".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, TEXT, body)
        }
    }
}

fn ready(view: &View, phase: Phase) -> Answer {
    match not_ready(view, phase) {
        None => (StatusCode::OK, TEXT, "ready\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not ready: {why}\n")),
    }
}

/// Ready is once the first snapshot was applied, whichever of its sockets could be opened: one
/// taken port must not take all others out of service.
fn not_ready(view: &View, phase: Phase) -> Option<&'static str> {
    let applied = view.published.version == 0 || view.applied.version > 0;
    match phase {
        Phase::Draining => Some("draining"),
        Phase::Serving if view.rounds == 0 => Some("the configuration is being read"),
        Phase::Serving if !applied => Some("sockets are being opened"),
        Phase::Serving => None,
    }
}

fn metrics(admin: &Admin) -> Answer {
    let mut body = String::new();
    match text::encode(&mut body, &admin.registry) {
        Ok(()) => (StatusCode::OK, OPEN_METRICS, body),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, TEXT, "not encodable\n".to_owned()),
    }
}

fn json(document: &impl Serialize) -> Answer {
    match serde_json::to_string_pretty(document) {
        Ok(body) => (StatusCode::OK, JSON, body + "\n"),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

/// Text is for those who ask for it and not for JSON: `curl -H 'Accept: text/plain'`.
fn wants_text(request: &Parts) -> bool {
    let accepts = |kind: &str| {
        request
            .headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.contains(kind))
    };
    accepts("text/plain") && !accepts("application/json")
}

/// What the data plane was given.
#[derive(Serialize)]
struct Published<'a> {
    version: u64,
    #[serde(flatten)]
    snapshot: &'a Snapshot,
}

impl<'a> Published<'a> {
    fn new(view: &'a View) -> Self {
        Self { version: view.published.version, snapshot: &view.published.snapshot }
    }
}

/// Everything about the running process that is not a number.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(flatten)]
    report: Report,
    version: &'static str,
    ready: bool,
    snapshot_version: u64,
    applied: &'a snapshot::ApplyReport,
    names: Vec<Name<'a>>,
}

/// A DNS name of a backend.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Name<'a> {
    name: &'a str,
    addresses: &'a [IpAddr],
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_unix_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
}

impl<'a> Status<'a> {
    fn new(view: &'a View, phase: Phase) -> Self {
        let name = |(name, answer): (&'a String, &'a controlplane::source::dns::Answer)| Name {
            name,
            addresses: view.names.names.get(name).map_or(&[], Vec::as_slice),
            confirmed_unix_seconds: answer
                .confirmed
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                .map(|since| since.as_secs()),
            failure: answer.failure.as_deref(),
        };
        Self {
            report: Report::new(&view.loaded, &view.translation),
            version: env!("CARGO_PKG_VERSION"),
            ready: not_ready(view, phase).is_none(),
            snapshot_version: view.published.version,
            applied: &view.applied,
            names: view.names.answers.iter().map(name).collect(),
        }
    }
}
