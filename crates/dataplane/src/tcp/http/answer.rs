//! What a client is told whose request reaches no backend. Pure.

use http::StatusCode;

use crate::outcome::Refusal;

/// A whole answer, which says that the connection ends.
pub(super) fn answer(status: StatusCode, text: &str, is_head: bool) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    // With a line break, for people who see it in a terminal.
    let length = text.len() + 1;
    let mut answer = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n",
        status.as_str()
    );
    // RFC 9110 §9.3.2: the same fields as with the body, and no body.
    if !is_head {
        answer.push_str(text);
        answer.push('\n');
    }
    answer.into_bytes()
}

/// The answer that a refusal deserves. Spec: `HTTPRouteRule.backendRefs` asks for 500 for an invalid
/// backend and 503 for one without endpoints.
pub(super) fn status(reason: Refusal) -> (StatusCode, &'static str) {
    match reason {
        Refusal::NoRoute => (StatusCode::NOT_FOUND, "no route for this host and path"),
        Refusal::NoBackend => (StatusCode::INTERNAL_SERVER_ERROR, "the backend is not valid"),
        Refusal::NoEndpoint => (StatusCode::SERVICE_UNAVAILABLE, "the backend has no endpoint"),
        Refusal::ConnectFailed => (StatusCode::BAD_GATEWAY, "the backend cannot be reached"),
        Refusal::ConnectTimeout => (StatusCode::GATEWAY_TIMEOUT, "the backend does not answer"),
        Refusal::HelloTimeout => (StatusCode::REQUEST_TIMEOUT, "the head did not come in time"),
        Refusal::BadRequest => (StatusCode::BAD_REQUEST, "the head is not well-formed"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "no room for another connection"),
    }
}
