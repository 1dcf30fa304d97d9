//! The ClientHello parser against hellos of every shape: as real clients send them (built byte by
//! byte after OpenSSL, Go, Chrome, and by rustls itself), cut in every way, broken in every way, and
//! beside two other readers of the same bytes.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

#[path = "support/client_hello_check.rs"]
mod client_hello_check;
#[path = "support/hello.rs"]
mod hello;

use std::collections::BTreeSet;
use std::path::Path;

use client_hello_check::{Difference, Verdict, check};
use dataplane::tls::client_hello::{Bad, Hello, LIMIT, Parser, parse};
use hello::{Shape, corpus, frame, one_record, server_name, server_name_list, sized};
use proptest::prelude::*;

/// The most that one record carries (RFC 8446 §5.1).
const RECORD: usize = 1 << 14;

fn verdict(buffer: &[u8]) -> Verdict {
    parse(buffer).into()
}

/// The verdict when the bytes come in segments that end at `ends` (and the whole).
fn segmented(buffer: &[u8], ends: impl Iterator<Item = usize>) -> Verdict {
    let mut parser = Parser::default();
    for end in ends {
        let so_far = Verdict::from(parser.parse(&buffer[..end]));
        if so_far != Verdict::Incomplete {
            return so_far;
        }
    }
    parser.parse(buffer).into()
}

#[test]
fn every_hello_of_the_corpus_is_read_as_it_was_written() {
    let corpus = corpus();
    assert!(corpus.len() >= 200, "{}", corpus.len());
    for hello in &corpus {
        let expected = Verdict::Complete { name: hello.name.clone(), alpn: hello.alpn.clone() };
        assert_eq!(verdict(&one_record(&hello.message)), expected, "{}", hello.label);
    }
}

#[test]
fn every_prefix_is_incomplete_and_nothing_after_the_hello_changes_the_verdict() {
    for hello in corpus() {
        let mut wire = one_record(&hello.message);
        let whole = wire.len();
        wire.extend_from_slice(b"\x14\x03\x03\x00\x01\x01 and whatever comes next");
        let expected = verdict(&wire);
        assert!(matches!(expected, Verdict::Complete { .. }), "{}", hello.label);
        let mut parser = Parser::default();
        for end in 0..=wire.len() {
            let expected = if end < whole { &Verdict::Incomplete } else { &expected };
            assert_eq!(
                &Verdict::from(parser.parse(&wire[..end])),
                expected,
                "{} {end}",
                hello.label
            );
            assert_eq!(&verdict(&wire[..end]), expected, "{} {end} afresh", hello.label);
        }
    }
}

#[test]
fn every_split_into_two_records_gives_the_same_verdict() {
    for hello in corpus() {
        let expected = verdict(&one_record(&hello.message));
        for at in 1..hello.message.len() {
            let wire = frame(&[&hello.message[..at], &hello.message[at..]]);
            assert_eq!(verdict(&wire), expected, "{} at {at}", hello.label);
        }
    }
}

#[test]
fn records_of_one_byte_in_segments_of_one_byte_give_the_same_verdict() {
    for hello in corpus() {
        let parts: Vec<&[u8]> = hello.message.chunks(1).collect();
        let wire = frame(&parts);
        let expected = verdict(&one_record(&hello.message));
        assert_eq!(segmented(&wire, 0..wire.len()), expected, "{}", hello.label);
        assert_eq!(verdict(&wire[..wire.len() - 1]), Verdict::Incomplete, "{}", hello.label);
    }
}

#[test]
fn the_first_byte_that_decides_is_the_last_one_waited_for() {
    const POSTGRES_SSL_REQUEST: &[u8] = b"\x00\x00\x00\x08\x04\xd2\x16\x2f";
    for (bytes, decided_at, expected) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], 1, Bad::NotTls),
        (POSTGRES_SSL_REQUEST, 1, Bad::NotTls),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 1, Bad::NotTls),
        (b"\x80\x2e\x01\x03\x01 SSLv2", 1, Bad::NotTls),
        (b"\x15\x03\x01\x00\x02\x02\x28", 1, Bad::NotTls),
        (b"\x16\x02\x00\x00\x10", 2, Bad::NotTls),
        (b"\x16\xfe\xfd\x00\x00 DTLS", 2, Bad::NotTls),
        (b"\x16\x03\x01\x00\x00", 5, Bad::Malformed),
        (b"\x16\x03\x01\x40\x01", 5, Bad::Malformed),
        (b"\x16\x03\x01\xff\xff", 5, Bad::Malformed),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", 6, Bad::NotClientHello),
        (b"\x16\x03\x01\x40\x00\x01\x00\x40\x00", 9, Bad::TooLong),
        (b"\x16\x03\x01\x00\x01\x01\x17\x03\x03", 7, Bad::Malformed),
        (b"\x16\x03\x01\x00\x01\x01\x16\x02", 8, Bad::Malformed),
        (b"\x16\x03\x01\x00\x01\x01\x16\x03\x01\x00\x00", 11, Bad::Malformed),
    ] {
        for end in 0..=bytes.len() {
            let expected =
                if end < decided_at { Verdict::Incomplete } else { Verdict::Bad(expected.clone()) };
            assert_eq!(verdict(&bytes[..end]), expected, "{} of {bytes:02x?}", end);
        }
    }
}

#[test]
fn a_hello_that_never_ends_is_too_long_at_the_limit() {
    // One-byte records need six bytes for one, so this message fits the limit only in bigger ones.
    let message = Shape { padding: 4000, ..Shape::default() }.message();
    let wire = frame(&message.chunks(1).collect::<Vec<_>>());
    assert!(wire.len() > LIMIT);
    assert_eq!(verdict(&wire[..LIMIT - 1]), Verdict::Incomplete);
    for end in [LIMIT, LIMIT + 1, wire.len()] {
        assert_eq!(verdict(&wire[..end]), Verdict::Bad(Bad::TooLong), "{end}");
    }
    assert!(matches!(verdict(&one_record(&message)), Verdict::Complete { .. }));
}

#[test]
fn a_message_that_fills_a_whole_record_is_read_and_one_byte_more_is_not() {
    let fitting = Shape::default();
    // Two bytes of length for the extensions, four for the header of the one that pads.
    let padding = RECORD - fitting.message().len() - 2 - 4;
    let largest = Shape { padding, ..Shape::default() }.message();
    assert_eq!(largest.len(), RECORD);
    assert!(matches!(verdict(&one_record(&largest)), Verdict::Complete { .. }));
    let larger = Shape { padding: padding + 1, ..Shape::default() }.message();
    let wire = frame(&[&larger[..100], &larger[100..]]);
    assert_eq!(verdict(&wire), Verdict::Bad(Bad::TooLong));
}

#[test]
fn server_names_are_read_in_one_form_or_refused() {
    for (name, expected) in [
        ("db.example.com", Some("db.example.com")),
        ("DB.Example.COM", Some("db.example.com")),
        ("db.example.com.", Some("db.example.com")),
        ("_sip._tcp.example.com", Some("_sip._tcp.example.com")),
        ("xn--mnchen-3ya.de", Some("xn--mnchen-3ya.de")),
        ("localhost", Some("localhost")),
        ("1.2.3", Some("1.2.3")),
        ("", None),
        (".", None),
        ("a..b", None),
        ("db.example.com..", None),
        ("192.0.2.1", None),
        ("192.0.2.1.", None),
        ("2001:db8::1", None),
        ("[2001:db8::1]", None),
        ("db example.com", None),
        ("db.example.com\0.evil.org", None),
        ("db.example.com\r\ninjected", None),
        ("*.example.com", None),
        ("münchen.de", None),
        ("db/../etc", None),
        (&"a".repeat(64), None),
        (&"a.".repeat(128), None),
    ] {
        let message = Shape { extensions: vec![server_name(name)], ..Shape::default() }.message();
        match (verdict(&one_record(&message)), expected) {
            (Verdict::Complete { name: Some(read), .. }, Some(expected)) => {
                assert_eq!(read, expected);
            }
            // Only as hex: no byte of it may forge a log line.
            (Verdict::Bad(Bad::Name(shown)), None) => {
                let hex: String = name.bytes().take(64).map(|b| format!("{b:02x}")).collect();
                assert_eq!((shown.to_string(), format!("{shown:?}")), (hex.clone(), hex));
            }
            (read, expected) => panic!("{name:?}: {read:?}, not {expected:?}"),
        }
    }
}

#[test]
fn what_a_backend_may_accept_is_not_refused() {
    let name = || server_name("db.example.com");
    for (label, shape) in [
        ("no extensions at all", Shape::default()),
        ("no signature_algorithms", Shape { extensions: vec![name()], ..Shape::default() }),
        ("no cipher suites", Shape { suites: vec![], ..Shape::default() }),
        ("no null compression", Shape { compression: vec![1], ..Shape::default() }),
        ("no compression", Shape { compression: vec![], ..Shape::default() }),
        ("a session id of 255 bytes", Shape { session_id: vec![7; 255], ..Shape::default() }),
        ("a version of the future", Shape { version: 0x0399, ..Shape::default() }),
        (
            "unknown extensions, twice",
            Shape {
                extensions: vec![(0x1234, vec![1]), (0x1234, vec![]), name()],
                ..Shape::default()
            },
        ),
        (
            "ALPN of no use",
            Shape { extensions: vec![(16, vec![0, 9, 1]), name()], ..Shape::default() },
        ),
        (
            "ALPN with an empty protocol",
            Shape { extensions: vec![(16, vec![0, 1, 0]), name()], ..Shape::default() },
        ),
        (
            "ALPN twice, the first is taken",
            Shape { extensions: vec![(16, vec![]), (16, vec![0, 2, 1, b'x'])], ..Shape::default() },
        ),
    ] {
        let expected_name = shape.extensions.contains(&name()).then(|| "db.example.com".to_owned());
        let expected = Verdict::Complete { name: expected_name, alpn: vec![] };
        assert_eq!(verdict(&one_record(&shape.message())), expected, "{label}");
    }
}

#[test]
fn malformed_hellos_are_refused_and_never_read_as_nameless() {
    let host = |name: &str| [&[0][..], &sized(name.as_bytes())].concat();
    let name = |data: Vec<u8>| Shape { extensions: vec![(0, data)], ..Shape::default() }.message();
    let good =
        Shape { extensions: vec![server_name("a.example.com")], ..Shape::default() }.message();
    let mut trailing = good.clone();
    trailing.push(0);
    let patch = |at: usize, byte: u8| {
        let mut message = good.clone();
        message[at] = byte;
        message
    };
    let extensions_length_at = Shape::default().message().len();
    for (label, message) in [
        ("an empty server_name", name(vec![])),
        ("an empty list", name(vec![0, 0])),
        ("a list longer than the extension", name(vec![0, 9, 0, 0, 1, b'a'])),
        (
            "a list shorter than the extension",
            name([server_name_list(&[host("a")]), vec![0]].concat()),
        ),
        ("a name longer than the list", name(vec![0, 4, 0, 0, 9, b'a'])),
        ("two host names", name(server_name_list(&[host("a"), host("b")]))),
        ("the same host name twice", name(server_name_list(&[host("a"), host("a")]))),
        (
            "two server_name extensions",
            Shape { extensions: vec![server_name("a"), server_name("b")], ..Shape::default() }
                .message(),
        ),
        ("a session id past the end", patch(4 + 34, 255)),
        ("extensions longer than the message", patch(extensions_length_at + 1, 255)),
        ("extensions shorter than the message", patch(extensions_length_at + 1, 3)),
        ("a byte after the extensions", Shape::with_length(trailing)),
        ("a message of nothing", vec![1, 0, 0, 0]),
        ("a message cut in the random", Shape::with_length(good[..20].to_vec())),
        ("a message cut in the extensions", Shape::with_length(good[..good.len() - 3].to_vec())),
    ] {
        assert_eq!(verdict(&one_record(&message)), Verdict::Bad(Bad::Malformed), "{label}");
    }
}

#[test]
fn names_of_unknown_types_are_skipped() {
    let unknown = [&[7][..], &sized(b"\xff\xff")].concat();
    let host = [&[0][..], &sized(b"a.example.com")].concat();
    for (list, expected) in [
        (vec![unknown.clone(), host.clone()], Some("a.example.com")),
        (vec![host, unknown.clone()], Some("a.example.com")),
        (vec![unknown], None),
    ] {
        let data = server_name_list(&list);
        let message = Shape { extensions: vec![(0, data)], ..Shape::default() }.message();
        let expected = Verdict::Complete { name: expected.map(str::to_owned), alpn: vec![] };
        assert_eq!(verdict(&one_record(&message)), expected);
    }
}

#[test]
fn a_buffer_shorter_than_before_is_no_reason_to_panic() {
    let wire = frame(&[&[1], &[0], &[0], &[9]]);
    let mut parser = Parser::default();
    assert!(matches!(parser.parse(&wire), Hello::Incomplete));
    assert!(matches!(parser.parse(&wire[..3]), Hello::Incomplete));
}

/// A hello with these extensions and what TLS 1.3 needs besides.
fn modern(extensions: Vec<(u16, Vec<u8>)>) -> Vec<u8> {
    let sample = corpus().into_iter().find(|hello| hello.label == "openssl None []").unwrap();
    let mut message = sample.message;
    let added: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, data)| [&kind.to_be_bytes()[..], &sized(data)].concat())
        .collect();
    // Version and random, a session id of 32 bytes, 4 suites, 1 compression method.
    let length_at = 4 + 34 + 33 + 10 + 2;
    let length = u16::from_be_bytes([message[length_at], message[length_at + 1]]);
    let length = length + u16::try_from(added.len()).unwrap();
    message[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    message.extend(added);
    Shape::with_length(message)
}

#[test]
fn two_other_readers_agree_or_differ_as_wanted() {
    let nothing = &[][..];
    let mut waiting = one_record(&modern(vec![]));
    let length = u16::from_be_bytes([waiting[3], waiting[4]]) + 1;
    waiting[3..5].copy_from_slice(&length.to_be_bytes());
    let long = Shape { padding: 17_000, ..Shape::default() };
    let long = Shape { extensions: vec![(13, vec![0, 2, 4, 3])], ..long }.message();
    let long = frame(&long.chunks(9000).collect::<Vec<_>>());
    let host = |name: &str| [&[0][..], &sized(name.as_bytes())].concat();
    let twice = vec![(0, server_name_list(&[host("a.io"), host("b.io")]))];
    for (label, wire, expected) in [
        ("a name", one_record(&modern(vec![server_name("a.io")])), nothing),
        ("a trailing dot", one_record(&modern(vec![server_name("a.io.")])), nothing),
        ("no name", one_record(&modern(vec![])), nothing),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec(), nothing),
        (
            "no signature_algorithms",
            one_record(&Shape::default().message()),
            &[Difference::RustlsIsStricter],
        ),
        (
            "an address",
            one_record(&modern(vec![server_name("192.0.2.1")])),
            &[Difference::RustlsDropsAddresses, Difference::ParserIsLaxer],
        ),
        ("DTLS", b"\x16\xfe\xfd".to_vec(), &[Difference::RustlsDecidesLater]),
        (
            "a name of unknown type without a length",
            one_record(&modern(vec![(0, server_name_list(&[host("a.io"), vec![7, 0xff]]))])),
            &[Difference::RustlsSkipsTheRest, Difference::ParserIsLaxer],
        ),
        ("more record than hello", waiting, &[Difference::RustlsWaitsForTheRecord]),
        ("17 KB", long, &[Difference::RustlsReadsLonger]),
        ("two names", one_record(&modern(twice)), &[Difference::ParserIsLaxer]),
        (
            "a session id of 255 bytes",
            one_record(&Shape { session_id: vec![7; 255], ..Shape::default() }.message()),
            &[Difference::RustlsIsStricter, Difference::ParserIsStricter],
        ),
    ] {
        assert_eq!(check(&wire), expected.iter().copied().collect(), "{label}");
    }
}

#[test]
fn the_corpus_of_the_fuzzer_holds_no_finding() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/client_hello");
    let mut seen = BTreeSet::new();
    let mut inputs = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        seen.extend(check(&std::fs::read(entry.unwrap().path()).unwrap()));
        inputs += 1;
    }
    assert!(inputs >= 100, "{inputs} inputs in {}", corpus.display());
    assert!(seen.len() >= 6, "the corpus shows the differences too: {seen:?}");
}

#[test]
fn hellos_of_real_clients_are_read_alike_by_all() {
    for hello in corpus() {
        let differences = check(&one_record(&hello.message));
        // TLS 1.0 has no signature_algorithms, and the GREASE of Chrome's key shares and ECH is
        // more than either oracle knows.
        let allowed = [Difference::RustlsIsStricter, Difference::ParserIsStricter];
        assert!(
            differences.iter().all(|one| allowed.contains(one)),
            "{} {differences:?}",
            hello.label
        );
        if hello.label.starts_with("rustls") {
            assert_eq!(differences, BTreeSet::new(), "{}", hello.label);
        }
    }
}

/// A hello of the corpus with a few bytes changed, cut or repeated: near enough to real ones to
/// reach the depths of the parser.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let corpus: Vec<_> = corpus().into_iter().map(|hello| hello.message).collect();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..6);
    (prop::sample::select(corpus), edits, prop::collection::vec(1..200_usize, 0..8)).prop_map(
        |(message, edits, cuts)| {
            let mut parts = Vec::new();
            let mut rest = message.as_slice();
            for cut in cuts {
                let (part, tail) = rest.split_at(cut.min(rest.len()));
                if !part.is_empty() {
                    parts.push(part);
                }
                rest = tail;
            }
            if !rest.is_empty() {
                parts.push(rest);
            }
            let mut wire = frame(&parts);
            for (at, byte, kind) in edits {
                let at = at.index(wire.len());
                match kind {
                    0 => wire[at] = byte,
                    1 => wire[at] ^= 1 << (byte % 8),
                    2 => wire.insert(at, byte),
                    _ => drop(wire.remove(at)),
                }
            }
            wire
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_segmentation_of_any_bytes_gives_one_verdict(
        wire in prop_oneof![mutated(), prop::collection::vec(any::<u8>(), 0..400)],
        ends in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let whole = verdict(&wire);
        let mut ends: Vec<_> = ends.iter().map(|end| end.index(wire.len() + 1)).collect();
        ends.sort_unstable();
        prop_assert_eq!(&segmented(&wire, ends.into_iter()), &whole);
        prop_assert_eq!(&segmented(&wire, 0..wire.len()), &whole);
    }

    #[test]
    fn no_name_outside_the_alphabet_ever_passes(name in prop::collection::vec(any::<u8>(), 0..40)) {
        let list = server_name_list(&[[&[0][..], &sized(&name)].concat()]);
        let message = Shape { extensions: vec![(0, list)], ..Shape::default() }.message();
        if let Verdict::Complete { name: read, .. } = verdict(&one_record(&message)) {
            let read = read.expect("a host name was sent");
            prop_assert!(read.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b)));
            prop_assert!(name.to_ascii_lowercase().starts_with(read.as_bytes()));
        }
    }
}
