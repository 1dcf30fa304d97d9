//! Reads the head of an HTTP/1 request (RFC 9112), more strictly than most: where two programs could
//! read two different requests, this one reads none. Bytes in, a verdict out; knows no sockets.
//!
//! What is taken here is read a second time by the HTTP library, which is more lenient; strictness
//! here is what keeps the two of one mind.

use http::StatusCode;
use http::uri::{Authority, PathAndQuery};
use snapshot::ServerName;

/// The longest head, in bytes. Browsers with many cookies stay below; gateways allow 8 to 64 KiB.
pub(super) const LIMIT: usize = 8 * 1024;
/// The most fields. As many as the HTTP library takes.
const MAX_FIELDS: usize = 100;

/// A head that can mean one thing only.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The host that is asked for; `None` for an IPv6 address, and for a client of HTTP/1.0 that
    /// names none.
    pub(super) host: Option<ServerName>,
    /// Path and query, as they were sent.
    pub(super) target: PathAndQuery,
    /// Whether an answer must have no body.
    pub(super) is_head: bool,
}

/// Why a head is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// What to answer.
    pub(super) status: StatusCode,
    /// Why, for the client.
    pub(super) text: &'static str,
}

fn bad<T>(text: &'static str) -> Result<T, Fault> {
    Err(Fault { status: StatusCode::BAD_REQUEST, text })
}

/// Finds the end of a head as its bytes come in.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// Bytes looked at.
    seen: usize,
    /// Where the line that is being read begins.
    line: usize,
}

impl Scanner {
    /// Looks at what has come; the length of the head once all of it is there.
    ///
    /// A byte that no head has is a verdict at once: a client that speaks TLS here, or ends its
    /// lines with a line feed only, would wait in vain for the end that never comes.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        while let Some(&byte) = bytes.get(self.seen) {
            let before = self.seen.checked_sub(1).and_then(|at| bytes.get(at));
            let after_return = before == Some(&b'\r');
            match byte {
                b'\n' if !after_return => return bad("a line ends without carriage return"),
                _ if after_return && byte != b'\n' => return bad("a carriage return in a line"),
                b'\n' if self.seen - self.line == 1 => return Ok(Some(self.seen + 1)),
                b'\n' => self.line = self.seen + 1,
                b'\r' | b'\t' | b' '..=b'~' | 0x80.. => {}
                _ => return bad("a control character in the head"),
            }
            self.seen += 1;
        }
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        match self.seen >= LIMIT {
            true => Err(Fault { status, text: "the head is longer than 8 KiB" }),
            false => Ok(None),
        }
    }
}

/// Reads a whole head, as the scanner found it.
pub(super) fn parse(head: &[u8]) -> Result<Head, Fault> {
    // Bytes that are not ASCII may stand in the value of a field (RFC 9110 §5.5), where nothing here
    // looks at them. Elsewhere this control character is refused.
    let text = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '\x7f' };
    let text: String = head.iter().map(text).collect();
    let mut lines = text.split("\r\n");
    let request = Request::read(lines.next().unwrap_or_default())?;
    let mut fields = Fields::default();
    for (count, line) in lines.take_while(|line| !line.is_empty()).enumerate() {
        if count >= MAX_FIELDS {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Err(Fault { status, text: "more than 100 fields" });
        }
        fields.add(line)?;
    }
    fields.check_framing(request.is_1_1)?;
    let authority = fields.authority(&request)?;
    Ok(Head {
        host: authority.as_ref().map(host).transpose()?.flatten(),
        target: request.target,
        is_head: request.is_head,
    })
}

/// A request line.
struct Request {
    target: PathAndQuery,
    /// Of a target in absolute form.
    authority: Option<Authority>,
    is_1_1: bool,
    is_head: bool,
}

impl Request {
    fn read(line: &str) -> Result<Self, Fault> {
        let mut words = line.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return bad("the request line is not three words");
        };
        if !is_token(method) {
            return bad("the method is no token");
        }
        let is_1_1 = match version {
            "HTTP/1.1" => true,
            "HTTP/1.0" => false,
            _ => return Err(unknown_version(version)),
        };
        if method == "CONNECT" {
            let status = StatusCode::NOT_IMPLEMENTED;
            return Err(Fault { status, text: "CONNECT is not served" });
        }
        let (authority, path) = split(target)?;
        Ok(Self { target: read_target(path)?, authority, is_1_1, is_head: method == "HEAD" })
    }
}

fn unknown_version(version: &str) -> Fault {
    let is_version = |text: &str| {
        matches!(text.as_bytes(), [major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit())
    };
    match version.strip_prefix("HTTP/").is_some_and(is_version) {
        true => Fault {
            status: StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            text: "expected HTTP/1.1 or HTTP/1.0",
        },
        false => Fault { status: StatusCode::BAD_REQUEST, text: "the version is none of HTTP" },
    }
}

/// Authority and path of a target in origin form or absolute form (RFC 9112 §3.2).
fn split(target: &str) -> Result<(Option<Authority>, &str), Fault> {
    if target.starts_with('/') {
        return Ok((None, target));
    }
    let is_scheme = |text: &&str| ["http", "https"].iter().any(|s| text.eq_ignore_ascii_case(s));
    let Some((_, rest)) = target.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
        return bad("the target is neither a path nor an HTTP URI");
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = if path.is_empty() { "/" } else { path };
    if !path.starts_with('/') {
        return bad("the target has no path");
    }
    Ok((Some(read_authority(authority)?), path))
}

fn read_target(target: &str) -> Result<PathAndQuery, Fault> {
    // What the library would take but leave out, and what URIs have only when encoded.
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte);
    if !target.bytes().all(is_allowed) {
        return bad("a character in the target that a URI has only encoded");
    }
    let path = target.split('?').next().unwrap_or_default();
    // A backend that resolves them would see another path than the one that chose the route.
    let is_dots = |element: &str| {
        let element = element.to_ascii_lowercase().replace("%2e", ".");
        element == "." || element == ".."
    };
    if path.split('/').any(is_dots) {
        return bad("a path with . or .. as an element");
    }
    PathAndQuery::try_from(target).or_else(|_| bad("the target is no path"))
}

fn read_authority(text: &str) -> Result<Authority, Fault> {
    match Authority::try_from(text) {
        Ok(authority) if !text.contains('@') && !authority.host().is_empty() => {
            let port = text.rsplit_once(']').map_or(text, |(_, rest)| rest).split_once(':');
            match port {
                Some((_, port)) if port.is_empty() || authority.port_u16().is_none() => {
                    bad("the port of the host is no number")
                }
                _ => Ok(authority),
            }
        }
        _ => bad("the host is no host"),
    }
}

/// The name to look up; `None` for an IPv6 address.
fn host(authority: &Authority) -> Result<Option<ServerName>, Fault> {
    let host = authority.host();
    if host.starts_with('[') {
        return Ok(None);
    }
    match ServerName::parse(host.as_bytes()) {
        Some(name) => Ok(Some(name)),
        None => bad("the host is no host name"),
    }
}

/// The fields that decide where a request goes and where it ends.
#[derive(Default)]
struct Fields<'a> {
    hosts: Vec<&'a str>,
    lengths: Vec<&'a str>,
    encodings: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    fn add(&mut self, line: &'a str) -> Result<(), Fault> {
        let Some((name, value)) = line.split_once(':') else {
            return bad("a field without colon");
        };
        // A line that begins with a space goes on with the field before (RFC 9112 §5.2); it fails
        // here, as a space before the colon does.
        if !is_token(name) {
            return bad("the name of a field is no token");
        }
        let value = value.trim_matches([' ', '\t']);
        let list = match name {
            name if name.eq_ignore_ascii_case("host") => &mut self.hosts,
            name if name.eq_ignore_ascii_case("content-length") => &mut self.lengths,
            name if name.eq_ignore_ascii_case("transfer-encoding") => &mut self.encodings,
            _ => return Ok(()),
        };
        list.push(value);
        Ok(())
    }

    /// RFC 9112 §6.3, without its leniency: one statement of where the body ends, or none.
    fn check_framing(&self, is_1_1: bool) -> Result<(), Fault> {
        match (self.lengths.as_slice(), self.encodings.as_slice()) {
            ([], []) => Ok(()),
            ([length], []) => {
                let is_number = (1..=18).contains(&length.len())
                    && length.bytes().all(|byte| byte.is_ascii_digit());
                if is_number { Ok(()) } else { bad("the content length is no number") }
            }
            ([], [encoding]) if encoding.eq_ignore_ascii_case("chunked") && is_1_1 => Ok(()),
            ([], [_]) if is_1_1 => {
                let status = StatusCode::NOT_IMPLEMENTED;
                Err(Fault { status, text: "a transfer encoding other than chunked" })
            }
            _ => bad("more than one statement of where the body ends"),
        }
    }

    fn authority(&self, request: &Request) -> Result<Option<Authority>, Fault> {
        let written = match self.hosts.as_slice() {
            [host] => Some(read_authority(host)?),
            [] if !request.is_1_1 => None,
            [] => return bad("no host"),
            _ => return bad("more than one host"),
        };
        match (&request.authority, written) {
            (Some(target), Some(written)) if *target != written => {
                bad("the host is not that of the target")
            }
            (target, written) => Ok(written.or_else(|| target.clone())),
        }
    }
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}

#[cfg(test)]
mod tests;
