//! Reads the ClientHello that opens a TLS connection, and gives the one verdict that routing,
//! logs and termination all share. Pure: bytes in, verdict out, no clock and no socket.
//!
//! It judges only what a route is chosen by: the framing down to the extensions, and the server
//! name. Everything else (versions, cipher suites, missing `signature_algorithms`, unknown or
//! oddly ordered extensions) is for whoever ends the session to judge: a backend behind
//! passthrough may accept what this process would not. Hence a parser of our own, and not
//! `rustls::server::Acceptor`, which refuses some of those hellos and queues an alert.
//!
//! Decisions worth knowing:
//! - The verdict is a function of the byte stream, never of how it was cut into segments: once a
//!   prefix has a verdict, every longer one has the same.
//! - An IP literal as server name is [`Bad::Name`]: RFC 6066 §3 forbids it, and counting it as
//!   "no name" would route by something the client did not say.
//! - A name is `Bad` if any byte is outside letters, digits, hyphen, dot, underscore; so is a
//!   second `server_name` extension or a second host name in it. Nothing falls back to "no name".
//! - A malformed ALPN extension counts as no offer: no route depends on it.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;
use std::ops::Range;

use snapshot::ServerName;

use super::wire::Reader;

/// Bytes of the connection that may go by before the hello is whole, record headers included: one
/// full record (RFC 8446 §5.1). Post-quantum hellos are about 1.8 KiB; what a silent client can
/// pin is this times the connections in this phase.
pub const LIMIT: usize = RECORD_HEADER + MAX_RECORD;

/// Type, version, length (RFC 8446 §5.1).
const RECORD_HEADER: usize = 5;
/// The most a plaintext record may carry (RFC 8446 §5.1).
const MAX_RECORD: usize = 1 << 14;
/// Type and length (RFC 8446 §4).
const HANDSHAKE_HEADER: usize = 4;

const CONTENT_HANDSHAKE: u8 = 22;
const VERSION_MAJOR: u8 = 3;
const CLIENT_HELLO: u8 = 1;
const EXTENSION_SERVER_NAME: u16 = 0;
const EXTENSION_ALPN: u16 = 16;
const NAME_TYPE_HOST: u8 = 0;

/// What the bytes so far amount to.
#[derive(Debug)]
pub enum Hello<'a> {
    /// A prefix of something that may become a ClientHello: read more.
    Incomplete,
    /// No more bytes can make this acceptable: close.
    Bad(Bad),
    /// The ClientHello is whole.
    Complete(ClientHello<'a>),
}

/// Why bytes are not an acceptable ClientHello.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// The first bytes are not a TLS handshake record: plain HTTP, a PostgreSQL SSLRequest, SSLv2.
    #[error("not TLS")]
    NotTls,
    /// TLS, but the first handshake message is another one.
    #[error("not a ClientHello")]
    NotClientHello,
    /// A length that does not fit into what encloses it, an empty or oversized record, a record of
    /// another type in between, or `server_name` given twice.
    #[error("malformed ClientHello")]
    Malformed,
    /// Not whole within [`LIMIT`] bytes.
    #[error("ClientHello too long")]
    TooLong,
    /// The server name is no host name. Shown as hex: these are the client's bytes.
    #[error("server name is not a host name: {0}")]
    Name(OffendingName),
}

/// The first bytes of a server name that is no host name, shown as hex only, so that nothing a
/// client sends can forge a log line.
#[derive(Clone, PartialEq, Eq)]
pub struct OffendingName(Box<[u8]>);

impl OffendingName {
    /// Enough to recognise what a client sent; a log line should not carry 16 KiB of it.
    const KEPT: usize = 64;

    fn new(name: &[u8]) -> Self {
        Self(name.get(..Self::KEPT).unwrap_or(name).into())
    }
}

impl fmt::Display for OffendingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for OffendingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A whole ClientHello, reduced to what routing and logs need.
#[derive(Debug)]
pub struct ClientHello<'a> {
    server_name: Option<ServerName>,
    /// The message without its header. Borrowed unless it came in several records.
    message: Cow<'a, [u8]>,
    /// Where in `message` the ALPN list is, already checked; empty if there is none.
    alpn: Range<usize>,
}

impl ClientHello<'_> {
    /// The server name, or `None` for a hello without one.
    pub fn server_name(&self) -> Option<&ServerName> {
        self.server_name.as_ref()
    }

    /// The protocols offered by ALPN (RFC 7301), most preferred first, none of them empty.
    pub fn alpn(&self) -> impl Iterator<Item = &[u8]> {
        let mut list = Reader::new(self.message.get(self.alpn.clone()).unwrap_or_default());
        std::iter::from_fn(move || list.block_u8())
    }
}

/// Reads a ClientHello from a buffer that grows. Keeps only offsets, so that all calls together
/// cost one walk over the bytes, however finely they arrive.
#[derive(Clone, Debug, Default)]
pub struct Parser {
    /// Start of the first record that is not whole yet.
    record: usize,
    /// Handshake bytes in the records before it.
    gathered: usize,
    /// The handshake header, as far as those bytes reach.
    header: [u8; HANDSHAKE_HEADER],
}

impl Parser {
    /// Judges `buffer`, which begins with the first byte of the connection and holds what it held
    /// at the call before, and more. Allocates nothing until the hello is whole.
    pub fn parse<'a>(&mut self, buffer: &'a [u8]) -> Hello<'a> {
        match self.find_end(buffer.get(..LIMIT).unwrap_or(buffer)) {
            Ok(Some(end)) => match gather(buffer, end).and_then(read_message) {
                Ok(hello) => Hello::Complete(hello),
                Err(bad) => Hello::Bad(bad),
            },
            Ok(None) if buffer.len() >= LIMIT => Hello::Bad(Bad::TooLong),
            Ok(None) => Hello::Incomplete,
            Err(bad) => Hello::Bad(bad),
        }
    }

    /// Walks the records that came since the last call. Gives the length of the handshake message,
    /// its header included, once all of it is there.
    fn find_end(&mut self, wire: &[u8]) -> Result<Option<usize>, Bad> {
        loop {
            let rest = wire.get(self.record..).unwrap_or_default();
            let Some(length) = read_record_header(rest, self.record == 0)? else {
                return Ok(None);
            };
            let payload = rest.get(RECORD_HEADER..).unwrap_or_default();
            let payload = payload.get(..length).unwrap_or(payload);
            for (slot, byte) in self.header.iter_mut().skip(self.gathered).zip(payload) {
                *slot = *byte;
            }
            let [kind, length_bytes @ ..] = self.header;
            let available = self.gathered + payload.len();
            if available > 0 && kind != CLIENT_HELLO {
                return Err(Bad::NotClientHello);
            }
            if available >= HANDSHAKE_HEADER {
                let [high, middle, low] = length_bytes;
                let total = HANDSHAKE_HEADER + u32::from_be_bytes([0, high, middle, low]) as usize;
                if total > MAX_RECORD {
                    return Err(Bad::TooLong);
                }
                if available >= total {
                    return Ok(Some(total));
                }
            }
            if payload.len() < length {
                return Ok(None);
            }
            self.record += RECORD_HEADER + length;
            self.gathered = available;
        }
    }
}

/// Judges a buffer that will not be looked at again.
pub fn parse(buffer: &[u8]) -> Hello<'_> {
    Parser::default().parse(buffer)
}

/// The payload length of the record that begins here; `None` if its header is not whole.
fn read_record_header(record: &[u8], is_first: bool) -> Result<Option<usize>, Bad> {
    let wrong = || if is_first { Bad::NotTls } else { Bad::Malformed };
    let mut reader = Reader::new(record);
    // Byte by byte: what decides must decide on arrival, or a client that waits for an answer to
    // its three plaintext bytes is kept until the deadline.
    match reader.u8() {
        None => return Ok(None),
        Some(CONTENT_HANDSHAKE) => {}
        Some(_) => return Err(wrong()),
    }
    match reader.u8() {
        None => return Ok(None),
        // Any minor version: 3.0 to 3.3 are all seen in first records (RFC 8446 §5.1).
        Some(VERSION_MAJOR) => {}
        Some(_) => return Err(wrong()),
    }
    let Some((_minor, length)) = reader.u8().zip(reader.u16()) else {
        return Ok(None);
    };
    // Empty handshake records are forbidden (RFC 8446 §5.1) and would be a way to send for ever
    // without saying anything.
    match usize::from(length) {
        0 => Err(Bad::Malformed),
        length if length > MAX_RECORD => Err(Bad::Malformed),
        length => Ok(Some(length)),
    }
}

/// The handshake message of `total` bytes without its header: a slice if one record holds it, else
/// put together.
fn gather(buffer: &[u8], total: usize) -> Result<Cow<'_, [u8]>, Bad> {
    let mut records = Reader::new(buffer);
    let mut message = Vec::new();
    while message.len() < total {
        let payload = records.record().ok_or(Bad::Malformed)?;
        let wanted = total - message.len();
        let part = payload.get(..wanted).unwrap_or(payload);
        if message.is_empty() {
            if part.len() == total {
                return Ok(Cow::Borrowed(part.get(HANDSHAKE_HEADER..).unwrap_or_default()));
            }
            message.reserve_exact(total);
        }
        message.extend_from_slice(part);
    }
    message.drain(..HANDSHAKE_HEADER);
    Ok(Cow::Owned(message))
}

/// Reads the message (RFC 8446 §4.1.2; the same frame since SSL 3.0) as far as routing needs.
fn read_message(message: Cow<'_, [u8]>) -> Result<ClientHello<'_>, Bad> {
    let mut found = Found::default();
    read_frame(&message, &mut found)?;
    Ok(ClientHello { server_name: found.server_name, alpn: found.alpn.unwrap_or(0..0), message })
}

/// What the extensions say.
#[derive(Default)]
struct Found {
    has_server_name: bool,
    server_name: Option<ServerName>,
    alpn: Option<Range<usize>>,
}

fn read_frame(message: &[u8], found: &mut Found) -> Result<(), Bad> {
    let mut reader = Reader::new(message);
    let _version_and_random = reader.bytes(2 + 32).ok_or(Bad::Malformed)?;
    let _session_id = reader.block_u8().ok_or(Bad::Malformed)?;
    let _cipher_suites = reader.block_u16().ok_or(Bad::Malformed)?;
    let _compression_methods = reader.block_u8().ok_or(Bad::Malformed)?;
    if reader.is_empty() {
        // Extensions are optional before TLS 1.3 (RFC 5246 §7.4.1.2).
        return Ok(());
    }
    let mut extensions = reader.sole_block_u16().ok_or(Bad::Malformed)?;
    while !extensions.is_empty() {
        let kind = extensions.u16().ok_or(Bad::Malformed)?;
        let length = extensions.u16().ok_or(Bad::Malformed)?;
        let start = message.len() - extensions.len();
        let data = extensions.bytes(usize::from(length)).ok_or(Bad::Malformed)?;
        match kind {
            EXTENSION_SERVER_NAME if found.has_server_name => return Err(Bad::Malformed),
            EXTENSION_SERVER_NAME => {
                found.has_server_name = true;
                found.server_name = read_server_name(data)?;
            }
            EXTENSION_ALPN if found.alpn.is_none() => {
                let end = start + data.len();
                found.alpn = Some(if is_alpn(data) { start + 2..end } else { 0..0 });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The host name of a `server_name` extension (RFC 6066 §3); `None` if it holds only names of
/// types yet to be invented.
fn read_server_name(data: &[u8]) -> Result<Option<ServerName>, Bad> {
    let mut list = Reader::new(data).sole_block_u16().ok_or(Bad::Malformed)?;
    if list.is_empty() {
        return Err(Bad::Malformed);
    }
    let mut host = None;
    while !list.is_empty() {
        let kind = list.u8().ok_or(Bad::Malformed)?;
        let name = list.block_u16().ok_or(Bad::Malformed)?;
        if kind != NAME_TYPE_HOST {
            continue;
        }
        let parsed = ServerName::parse(name)
            .filter(|name| name.as_str().parse::<Ipv4Addr>().is_err())
            .ok_or_else(|| Bad::Name(OffendingName::new(name)))?;
        if host.replace(parsed).is_some() {
            return Err(Bad::Malformed);
        }
    }
    Ok(host)
}

/// Whether this is a list of non-empty protocol names (RFC 7301 §3.1).
fn is_alpn(data: &[u8]) -> bool {
    let Some(mut list) = Reader::new(data).sole_block_u16() else {
        return false;
    };
    while !list.is_empty() {
        if list.block_u8().is_none_or(<[u8]>::is_empty) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    // What can be seen from outside is tested from outside: `tests/client_hello.rs`.

    fn framed(parts: &[&[u8]]) -> Vec<u8> {
        let header = |part: &[u8]| [22, 3, 1, 0, u8::try_from(part.len()).unwrap()];
        parts.iter().flat_map(|part| [&header(part)[..], part].concat()).collect()
    }

    #[test]
    fn only_a_hello_in_several_records_is_copied() {
        // Header, version, random, and three empty lists, of which the middle has a long length.
        let message = [&[1, 0, 0, 38, 3, 3][..], &[0; 32], &[0, 0, 0, 0]].concat();
        for (parts, borrowed) in
            [(vec![&message[..]], true), (vec![&message[..7], &message[7..]], false)]
        {
            let wire = framed(&parts);
            let Hello::Complete(hello) = parse(&wire) else { panic!("{:?}", parse(&wire)) };
            assert_eq!(matches!(hello.message, Cow::Borrowed(_)), borrowed);
        }
    }

    #[test]
    fn offsets_are_all_that_is_kept_between_calls() {
        assert_eq!(size_of::<Parser>(), 2 * size_of::<usize>() + 8);
    }
}
