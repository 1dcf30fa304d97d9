//! What must hold for any bytes sent to a TLS port, checked for one input: one verdict under every
//! segmentation and framing, and no name that another reader of the same bytes would not read.
//! Shared by the fuzz target and the tests that replay its corpus.

use std::collections::BTreeSet;
use std::net::IpAddr;

use dataplane::tls::client_hello::{self, Bad, Hello, LIMIT, Parser};
use tls_parser::{
    SNIType, TlsExtension, TlsMessage, TlsMessageHandshake, parse_tls_client_hello_extensions,
    parse_tls_message_handshake,
};

/// Where an oracle may differ from us, and why that is wanted. Anything else is a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    /// rustls refuses what we leave to the backend to judge: no `signature_algorithms`, no null
    /// compression, odd extensions.
    RustlsIsStricter,
    /// rustls waits for the rest of a record whose hello is whole.
    RustlsWaitsForTheRecord,
    /// rustls takes an IP literal for "no name"; we refuse it.
    RustlsDropsAddresses,
    /// rustls ignores whatever follows a name of unknown type; RFC 6066 §3 has every type begin with
    /// a length, and we hold it to that.
    RustlsSkipsTheRest,
    /// rustls reads hellos of up to 64 KiB.
    RustlsReadsLonger,
    /// rustls judges headers once they are whole, we at the first byte that decides.
    RustlsDecidesLater,
    /// `tls-parser` gives up on what we leave to the backend to judge.
    ParserIsStricter,
    /// `tls-parser` lets trailing or surplus bytes pass, takes the first of two names, or checks no
    /// alphabet.
    ParserIsLaxer,
}

/// A verdict that outlives the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Incomplete,
    Bad(Bad),
    Complete { name: Option<String>, alpn: Vec<Vec<u8>> },
}

impl From<Hello<'_>> for Verdict {
    fn from(hello: Hello<'_>) -> Self {
        match hello {
            Hello::Incomplete => Self::Incomplete,
            Hello::Bad(bad) => Self::Bad(bad),
            Hello::Complete(hello) => Self::Complete {
                name: hello.server_name().map(ToString::to_string),
                alpn: hello.alpn().map(<[u8]>::to_vec).collect(),
            },
        }
    }
}

/// Checks everything for these bytes. Panics on a finding; gives the differences seen.
pub(crate) fn check(wire: &[u8]) -> BTreeSet<Difference> {
    let verdict = Verdict::from(client_hello::parse(wire));
    one_verdict_for_every_prefix(wire, &verdict);
    let mut differences = BTreeSet::new();
    differences.extend(against_rustls(wire, &verdict));
    if let Some(message) = message(wire) {
        one_verdict_for_every_framing(&message, &verdict);
        differences.extend(against_tls_parser(&message, &verdict));
    }
    differences
}

fn one_verdict_for_every_prefix(wire: &[u8], verdict: &Verdict) {
    let mut parser = Parser::default();
    let mut decided_at = None;
    for end in 0..=wire.len() {
        match Verdict::from(parser.parse(&wire[..end])) {
            Verdict::Incomplete => {}
            decided => {
                assert_eq!(&decided, verdict, "byte by byte, at {end}");
                decided_at = Some(end);
                break;
            }
        }
    }
    match decided_at {
        None => assert_eq!(verdict, &Verdict::Incomplete),
        // Afresh, and in two segments: with no state of the calls before.
        Some(decided_at) => {
            for end in (0..8).map(|eighth| wire.len() * eighth / 8) {
                let mut parser = Parser::default();
                let prefix = Verdict::from(parser.parse(&wire[..end]));
                if end < decided_at {
                    assert_eq!(prefix, Verdict::Incomplete, "prefix of {end}");
                    assert_eq!(&Verdict::from(parser.parse(wire)), verdict, "cut at {end}");
                } else {
                    assert_eq!(&prefix, verdict, "prefix of {end}");
                }
            }
        }
    }
}

/// The handshake message, put together without the parser's help; `None` unless it is a whole
/// ClientHello in well-formed records that we would read to its end.
fn message(wire: &[u8]) -> Option<Vec<u8>> {
    let mut rest = wire.get(..LIMIT).unwrap_or(wire);
    let mut message = Vec::new();
    loop {
        let [22, 3, _, high, low, tail @ ..] = rest else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length == 0 || length > 1 << 14 {
            return None;
        }
        message.extend_from_slice(tail.get(..length).unwrap_or(tail));
        if let [1, 0, middle, low, ..] = message[..] {
            let total = 4 + usize::from(u16::from_be_bytes([middle, low]));
            if total > 1 << 14 {
                return None;
            }
            if message.len() >= total {
                message.truncate(total);
                return Some(message);
            }
        } else if !b"\x01\x00".starts_with(&message[..message.len().min(2)]) {
            return None;
        }
        rest = tail.get(length..)?;
    }
}

fn one_verdict_for_every_framing(message: &[u8], verdict: &Verdict) {
    for size in [1 << 14, message.len().div_ceil(2), 101, 1] {
        let framed: Vec<u8> = message
            .chunks(size)
            .flat_map(|part| {
                let length = u16::try_from(part.len()).unwrap();
                [&[22, 3, 3], &length.to_be_bytes()[..], part].concat()
            })
            .collect();
        let expected = if framed.len() <= LIMIT { verdict } else { &Verdict::Bad(Bad::TooLong) };
        assert_eq!(&Verdict::from(client_hello::parse(&framed)), expected, "records of {size}");
    }
}

/// What rustls makes of the bytes: not yet whole, refused, or name and ALPN.
enum Rustls {
    Waits,
    Refuses,
    Reads { name: Option<String>, alpn: Vec<Vec<u8>> },
}

fn by_rustls(mut wire: &[u8]) -> Rustls {
    let mut acceptor = rustls::server::Acceptor::default();
    loop {
        match acceptor.accept() {
            Err(_) => return Rustls::Refuses,
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                return Rustls::Reads {
                    name: hello.server_name().map(in_one_form),
                    alpn: hello.alpn().into_iter().flatten().map(<[u8]>::to_vec).collect(),
                };
            }
            Ok(None) => {}
        }
        if wire.is_empty() {
            return Rustls::Waits;
        }
        if acceptor.read_tls(&mut wire).is_err() {
            return Rustls::Refuses;
        }
    }
}

/// Lower case, without the dot of the root.
fn in_one_form(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn against_rustls(wire: &[u8], verdict: &Verdict) -> Option<Difference> {
    match (verdict, by_rustls(wire)) {
        (Verdict::Complete { name, alpn }, Rustls::Reads { name: theirs, alpn: their_alpn }) => {
            assert_eq!(name, &theirs, "rustls reads another name");
            assert_eq!(alpn, &their_alpn, "rustls reads another offer");
            None
        }
        (Verdict::Complete { .. }, Rustls::Refuses) => Some(Difference::RustlsIsStricter),
        (Verdict::Complete { .. }, Rustls::Waits) => Some(Difference::RustlsWaitsForTheRecord),
        (Verdict::Incomplete, Rustls::Waits) | (Verdict::Bad(_), Rustls::Refuses) => None,
        (Verdict::Incomplete, Rustls::Refuses) => panic!("rustls refuses what may become whole"),
        (Verdict::Bad(Bad::TooLong), Rustls::Reads { .. }) => Some(Difference::RustlsReadsLonger),
        (Verdict::Bad(Bad::Name(offending)), Rustls::Reads { name: None, .. }) => {
            let name = offending.to_string();
            let bytes = (0..name.len() / 2)
                .map(|at| u8::from_str_radix(&name[2 * at..2 * at + 2], 16).unwrap());
            let name = String::from_utf8(bytes.collect()).unwrap();
            let address = name.strip_suffix('.').unwrap_or(&name).parse::<IpAddr>();
            assert!(address.is_ok(), "rustls drops {name:?}");
            Some(Difference::RustlsDropsAddresses)
        }
        (Verdict::Bad(Bad::Malformed), Rustls::Reads { .. })
            if message(wire).is_some_and(|message| has_name_of_unknown_type(&message)) =>
        {
            Some(Difference::RustlsSkipsTheRest)
        }
        (Verdict::Bad(_), Rustls::Waits) => Some(Difference::RustlsDecidesLater),
        (Verdict::Incomplete | Verdict::Bad(_), Rustls::Reads { name, .. }) => {
            panic!("rustls reads {name:?} where we say {verdict:?}")
        }
    }
}

/// Whether the first `server_name` extension holds a name that is no host name.
fn has_name_of_unknown_type(message: &[u8]) -> bool {
    let block = |bytes: &[u8], prefix: usize| {
        let length =
            bytes[..prefix].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        (prefix, prefix + length)
    };
    // rustls read this message, so every length up to the extensions is in bounds.
    let mut rest = &message[4 + 34..];
    for prefix in [1, 2, 1] {
        rest = &rest[block(rest, prefix).1..];
    }
    rest = &rest[2..];
    while let [high, low, tail @ ..] = rest {
        let (start, end) = block(tail, 2);
        if [*high, *low] == [0, 0] {
            let mut names = &tail[start + 2..end];
            while let [0, name @ ..] = names {
                names = &name[block(name, 2).1..];
            }
            return !names.is_empty();
        }
        rest = &tail[end..];
    }
    false
}

fn against_tls_parser(message: &[u8], verdict: &Verdict) -> Option<Difference> {
    let names = by_tls_parser(message);
    match (verdict, names) {
        (Verdict::Complete { name, .. }, Some(names)) => match (name, names.as_slice()) {
            (None, []) => None,
            (Some(name), [theirs]) if name == theirs => None,
            _ => panic!("tls-parser reads {names:?} where we read {name:?}"),
        },
        (Verdict::Complete { .. }, None) => Some(Difference::ParserIsStricter),
        (Verdict::Bad(_), Some(_)) => Some(Difference::ParserIsLaxer),
        (Verdict::Bad(_), None) => None,
        (Verdict::Incomplete, _) => panic!("incomplete, with the whole message there"),
    }
}

/// The host names that `tls-parser` finds, in one form; `None` if it does not read to the end.
fn by_tls_parser(message: &[u8]) -> Option<Vec<String>> {
    let Ok((_, TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello)))) =
        parse_tls_message_handshake(message)
    else {
        return None;
    };
    let (rest, extensions) =
        parse_tls_client_hello_extensions(hello.ext.unwrap_or_default()).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let names = extensions.iter().filter_map(|extension| match extension {
        TlsExtension::SNI(names) => Some(names),
        _ => None,
    });
    let hosts = names.flatten().filter(|(kind, _)| *kind == SNIType::HostName);
    Some(hosts.map(|(_, name)| in_one_form(&String::from_utf8_lossy(name))).collect())
}
