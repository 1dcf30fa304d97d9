//! What each endpoint answers.

use std::net::IpAddr;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::HeaderValue;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode, header};
use prometheus_client::encoding::text;

use super::request::{Endpoint, endpoint};
use super::{Admin, Phase, Surface};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers one request.
pub(super) fn answer(
    request: &Parts,
    surface: Surface,
    local: IpAddr,
    admin: &Admin,
) -> Response<Full<Bytes>> {
    let (status, kind, body) = match endpoint(request, surface, local, &admin.hosts) {
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
    let subject = &admin.subject;
    match endpoint {
        Endpoint::Live => verdict("alive", subject.not_alive()),
        Endpoint::Ready => verdict("ready", not_ready(admin)),
        Endpoint::Metrics => metrics(admin),
        Endpoint::Snapshot => json(subject.snapshot()),
        Endpoint::Status if wants_text(request) => (StatusCode::OK, TEXT, subject.status_text()),
        Endpoint::Status => json(subject.status(not_ready(admin).is_none())),
    }
}

fn not_ready(admin: &Admin) -> Option<&'static str> {
    match *admin.phases.borrow() {
        Phase::Draining => Some("draining"),
        Phase::Serving => admin.subject.not_ready(),
    }
}

fn verdict(word: &str, problem: Option<&str>) -> Answer {
    match problem {
        None => (StatusCode::OK, TEXT, format!("{word}\n")),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not {word}: {why}\n")),
    }
}

fn metrics(admin: &Admin) -> Answer {
    let mut body = String::new();
    match text::encode(&mut body, &admin.registry) {
        Ok(()) => (StatusCode::OK, OPEN_METRICS, body),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, TEXT, "not encodable\n".to_owned()),
    }
}

fn json(document: serde_json::Result<String>) -> Answer {
    match document {
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
