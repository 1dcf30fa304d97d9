//! The fields of requests and responses on their way: those that concern one connection end here
//! (RFC 9110 §7.6.1), and backends are told who asked. Pure.

use std::net::{IpAddr, SocketAddr};

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Who asked, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    /// The client.
    pub(super) client: IpAddr,
    /// Whether it came by TLS.
    pub(super) is_tls: bool,
}

/// Makes the fields of a request those of the one that the backend gets. What clients say of who
/// they are is not passed on: nothing before us is known to be trustworthy.
pub(super) fn towards_backend(fields: &mut HeaderMap, asker: Asker, endpoint: SocketAddr) {
    end_connection(fields);
    // The library has answered it, or will when the backend reads the body.
    fields.remove(EXPECT);
    fields.remove(FORWARDED);
    if let Ok(client) = HeaderValue::try_from(asker.client.to_string()) {
        fields.insert(FORWARDED_FOR, client);
    }
    let proto = if asker.is_tls { "https" } else { "http" };
    fields.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    // A client of HTTP/1.0 may have none; the request goes on as HTTP/1.1, which must.
    if !fields.contains_key(HOST)
        && let Ok(endpoint) = HeaderValue::try_from(endpoint.to_string())
    {
        fields.insert(HOST, endpoint);
    }
}

/// Makes the fields of a response those of the one that the client gets.
pub(super) fn towards_client(fields: &mut HeaderMap) {
    end_connection(fields);
}

/// Takes away what concerns the connection it came by, and says that the next one ends too.
fn end_connection(fields: &mut HeaderMap) {
    let listed: Vec<HeaderName> = fields
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        // Those are of the message, whatever a sender lists.
        .filter(|name| ![HOST, CONTENT_LENGTH].contains(name))
        .collect();
    let always = [KEEP_ALIVE, PROXY_CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
    for name in listed.into_iter().chain(always) {
        fields.remove(name);
    }
    fields.insert(CONNECTION, HeaderValue::from_static("close"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut fields = HeaderMap::new();
        for (name, value) in text.iter().map(pair) {
            fields.append(name, value);
        }
        fields
    }

    #[test]
    fn what_concerns_one_connection_ends_with_it() {
        let mut response = fields(&[
            ("connection", "Keep-Alive, x-hop ,content-length"),
            ("connection", "upgrade"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "a"),
            ("upgrade", "h2c"),
            ("content-length", "3"),
            ("x-end", "b"),
        ]);
        towards_client(&mut response);
        let expected = [("connection", "close"), ("content-length", "3"), ("x-end", "b")];
        assert_eq!(response, fields(&expected));
    }

    #[test]
    fn backends_learn_who_asked_from_us_alone() {
        let mut request = fields(&[
            ("host", "a.example.com"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-for", "203.0.113.10"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=203.0.113.9"),
            ("expect", "100-continue"),
            ("connection", "x-forwarded-for, host"),
        ]);
        let asker = Asker { client: "192.0.2.1".parse().unwrap(), is_tls: false };
        towards_backend(&mut request, asker, "10.0.0.7:80".parse().unwrap());
        let expected = [
            ("host", "a.example.com"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "http"),
            ("connection", "close"),
        ];
        assert_eq!(request, fields(&expected));
    }

    #[test]
    fn a_request_without_host_gets_that_of_the_endpoint() {
        let mut request = HeaderMap::new();
        let asker = Asker { client: "2001:db8::1".parse().unwrap(), is_tls: true };
        towards_backend(&mut request, asker, "[2001:db8::7]:80".parse().unwrap());
        assert_eq!(request[HOST], "[2001:db8::7]:80");
        assert_eq!(request[FORWARDED_FOR], "2001:db8::1");
        assert_eq!(request[FORWARDED_PROTO], "https");
    }
}
