//! Decides whether a request is answered, and which of the endpoints it means. Pure.
//!
//! Paths are compared byte for byte, without decoding, without a query: whatever is not exactly
//! one of them does not exist. The host must be one that a browser cannot be led to by a foreign
//! DNS name (DNS rebinding). What tells the configuration is answered on loopback only, wherever
//! the endpoint listens.

use std::net::IpAddr;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode, header};

use super::Surface;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `/livez`
    Live,
    /// `/readyz`
    Ready,
    /// `/metrics`
    Metrics,
    /// `/snapshot`
    Snapshot,
    /// `/status`
    Status,
}

/// Finds the endpoint, or the status to refuse with.
pub(super) fn endpoint(
    request: &Parts,
    surface: Surface,
    local: IpAddr,
    hosts: &[String],
) -> Result<Endpoint, StatusCode> {
    if surface == Surface::Full && !host_is_ours(request, local, hosts) {
        return Err(StatusCode::FORBIDDEN);
    }
    let uri = &request.uri;
    let plain = uri.scheme().is_none() && uri.authority().is_none() && uri.query().is_none();
    let endpoint = match uri.path() {
        "/livez" => Endpoint::Live,
        "/readyz" => Endpoint::Ready,
        "/metrics" => Endpoint::Metrics,
        "/snapshot" => Endpoint::Snapshot,
        "/status" => Endpoint::Status,
        _ => return Err(StatusCode::NOT_FOUND),
    };
    if !plain {
        return Err(StatusCode::NOT_FOUND);
    }
    let local_only = matches!(endpoint, Endpoint::Snapshot | Endpoint::Status);
    if local_only && surface == Surface::Health {
        return Err(StatusCode::NOT_FOUND);
    }
    if local_only && !local.to_canonical().is_loopback() {
        return Err(StatusCode::FORBIDDEN);
    }
    match request.method {
        Method::GET | Method::HEAD => Ok(endpoint),
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

fn host_is_ours(request: &Parts, local: IpAddr, hosts: &[String]) -> bool {
    let mut named = request.headers.get_all(header::HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.rsplit_once(':') {
        // A colon inside brackets is part of the address.
        Some((name, port)) if !port.ends_with(']') => {
            if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return false;
            }
            name
        }
        _ => host,
    };
    let address = match local.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    ["localhost", "127.0.0.1", "[::1]", &address]
        .into_iter()
        .chain(hosts.iter().map(String::as_str))
        .any(|ours| ours.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn ask(method: &str, uri: &str, host: &[&str]) -> Result<Endpoint, StatusCode> {
        ask_at("127.0.0.7", method, uri, host)
    }

    fn ask_at(local: &str, method: &str, uri: &str, host: &[&str]) -> Result<Endpoint, StatusCode> {
        let mut request = Request::builder().method(method).uri(uri);
        for host in host {
            request = request.header(header::HOST, *host);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let local = local.parse().expect("an address");
        endpoint(&parts, Surface::Full, local, &["tidegate.internal".to_owned()])
    }

    #[test]
    fn only_the_exact_paths_exist() {
        let exact = [
            ("/livez", Endpoint::Live),
            ("/readyz", Endpoint::Ready),
            ("/metrics", Endpoint::Metrics),
            ("/snapshot", Endpoint::Snapshot),
            ("/status", Endpoint::Status),
        ];
        for (path, endpoint) in exact {
            for method in ["GET", "HEAD"] {
                assert_eq!(ask(method, path, &["localhost"]), Ok(endpoint), "{path}");
            }
            for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "GETT"] {
                let refused = Err(StatusCode::METHOD_NOT_ALLOWED);
                assert_eq!(ask(method, path, &["localhost"]), refused, "{method} {path}");
            }
        }
        let tricks = include_str!("../../tests/admin/path-tricks.txt");
        assert!(tricks.lines().count() >= 30);
        for path in tricks.lines() {
            // What is no URI at all is refused before it comes here.
            if path.parse::<hyper::Uri>().is_ok() {
                assert_eq!(ask("GET", path, &["localhost"]), Err(StatusCode::NOT_FOUND), "{path}");
            }
        }
    }

    #[test]
    fn only_hosts_that_dns_cannot_fake_are_answered() {
        let cases: [(&[&str], bool); 22] = [
            (&["localhost"], true),
            (&["LOCALHOST:19000"], true),
            (&["127.0.0.1:19000"], true),
            (&["[::1]:19000"], true),
            (&["[::1]"], true),
            (&["127.0.0.7:19000"], true),
            (&["tidegate.internal:80"], true),
            (&[], false),
            (&[""], false),
            (&["evil.example"], false),
            (&["evil.example:19000"], false),
            (&["localhost.evil.example"], false),
            (&["127.0.0.1.evil.example"], false),
            (&["localhost@evil.example"], false),
            (&["evil.example#localhost"], false),
            (&["localhost:evil"], false),
            (&["localhost:"], false),
            (&["::1"], false),
            (&["127.0.0.8"], false),
            (&["0.0.0.0"], false),
            (&["localhost", "evil.example"], false),
            (&["localhost", "localhost"], false),
        ];
        for (host, answered) in cases {
            assert_eq!(ask("GET", "/status", host).is_ok(), answered, "{host:?}");
        }
    }
    #[test]
    fn the_configuration_is_told_on_loopback_only() {
        let cases = [
            ("127.0.0.1", "localhost", true),
            ("::1", "[::1]:19000", true),
            ("::ffff:127.0.0.1", "localhost", true),
            ("10.0.0.7", "10.0.0.7:19000", false),
            ("10.0.0.7", "localhost", false),
            ("2001:db8::7", "[2001:db8::7]", false),
        ];
        for (local, host, told) in cases {
            for path in ["/snapshot", "/status"] {
                let answer = ask_at(local, "GET", path, &[host]);
                assert_eq!(answer.is_ok(), told, "{local} {path}: {answer:?}");
            }
            for path in ["/livez", "/readyz", "/metrics"] {
                assert!(ask_at(local, "GET", path, &[host]).is_ok(), "{local} {path}");
            }
        }
    }

    #[test]
    fn probes_may_use_any_name_and_see_no_configuration() {
        let ask = |path| {
            let request = hyper::Request::get(path).header(header::HOST, "balancer.example");
            let (parts, ()) = request.body(()).expect("a request").into_parts();
            endpoint(&parts, Surface::Health, "127.0.0.1".parse().expect("an address"), &[])
        };
        assert_eq!(ask("/livez"), Ok(Endpoint::Live));
        assert_eq!(ask("/readyz"), Ok(Endpoint::Ready));
        assert_eq!(ask("/metrics"), Ok(Endpoint::Metrics));
        assert_eq!(ask("/snapshot"), Err(StatusCode::NOT_FOUND));
        assert_eq!(ask("/status"), Err(StatusCode::NOT_FOUND));
    }
}
