//! Heads and what becomes of them.

use proptest::prelude::*;

use super::*;

/// What becomes of a head: the status of its refusal, or host and target.
fn verdict(head: &[u8]) -> Result<(String, String), u16> {
    let refused = |fault: Fault| fault.status.as_u16();
    let end = Scanner::default().scan(head).map_err(refused)?.ok_or(0_u16)?;
    let head = parse(&head[..end]).map_err(refused)?;
    let host = head.host.map_or_else(|| "none".to_owned(), |host| host.to_string());
    Ok((host, head.target.to_string()))
}

#[test]
fn heads_that_mean_one_thing_are_read() {
    for (head, host, target) in [
        ("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n", "a.example.com", "/"),
        ("GET / HTTP/1.1\r\nhOST:A.Example.Com.:8080\r\n\r\n", "a.example.com", "/"),
        ("GET /a/b%20c?d=/../e HTTP/1.1\r\nHost: \t a \t\r\n\r\n", "a", "/a/b%20c?d=/../e"),
        ("GET //a HTTP/1.1\r\nHost: a\r\n\r\n", "a", "//a"),
        ("GET /a..b/.c HTTP/1.1\r\nHost: a\r\n\r\n", "a", "/a..b/.c"),
        ("GET http://A/b HTTP/1.1\r\nHost: a\r\n\r\n", "a", "/b"),
        ("GET HTTP://a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "a", "/"),
        ("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", "none", "/"),
        ("GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n", "192.0.2.1", "/"),
        ("GET / HTTP/1.0\r\n\r\n", "none", "/"),
        ("GET http://a/ HTTP/1.0\r\n\r\n", "a", "/"),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\n\r\n", "a", "/"),
        ("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", "a", "/"),
        ("BREW /pot HTTP/1.1\r\nHost: a\r\nX: \u{e9}\r\nY:\r\n\r\n", "a", "/pot"),
    ] {
        let expected = Ok((host.to_owned(), target.to_owned()));
        assert_eq!(verdict(head.as_bytes()), expected, "{head:?}");
    }
}

#[test]
fn heads_that_could_mean_two_things_are_refused() {
    // `{}` stands for a request line and a host that are fine.
    for (head, status) in [
        // Framing.
        ("{}Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        ("{}Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
        ("{}Content-Length: 5, 5\r\n\r\n", 400),
        ("{}Content-Length: +5\r\n\r\n", 400),
        ("{}Content-Length: -5\r\n\r\n", 400),
        ("{}Content-Length: 0x5\r\n\r\n", 400),
        ("{}Content-Length: 5 \t6\r\n\r\n", 400),
        ("{}Content-Length:\r\n\r\n", 400),
        ("{}Content-Length: 18446744073709551617\r\n\r\n", 400),
        ("{}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("{}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
        ("{}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("{}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400),
        ("{}Transfer-Encoding: identity, chunked\r\n\r\n", 501),
        ("{}Transfer-Encoding: chunked, identity\r\n\r\n", 501),
        ("{}Transfer-Encoding: xchunked\r\n\r\n", 501),
        ("{}Transfer-Encoding: \x0bchunked\r\n\r\n", 400),
        ("{}Transfer-Encoding: \"chunked\"\r\n\r\n", 501),
        ("{}Transfer-Encoding:\r\n\r\n", 501),
        ("{}Transfer-Encoding : chunked\r\n\r\n", 400),
        ("{}Transfer-Encoding\t: chunked\r\n\r\n", 400),
        ("{} Transfer-Encoding: chunked\r\n\r\n", 400),
        ("{}X: y\r\n Transfer-Encoding: chunked\r\n\r\n", 400),
        ("{}X: y\r\n\tfolded\r\n\r\n", 400),
        ("{}X: y\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("{}X: y\rTransfer-Encoding: chunked\r\n\r\n", 400),
        ("{}X: y\0\r\n\r\n", 400),
        ("{}Transfer\x7fEncoding: chunked\r\n\r\n", 400),
        ("{}Transfer\u{2010}Encoding: chunked\r\n\r\n", 400),
        ("{}no colon\r\n\r\n", 400),
        ("{}: empty\r\n\r\n", 400),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        // Host.
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("{}Host: a\r\n\r\n", 400),
        ("{}Host: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:70000\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a..b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a%2eb\r\n\r\n", 400),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://a:8080/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        // Request line.
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/0.9\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a/%2E%2e/b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a/. HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ] {
        let head = head.replace("{}", "POST / HTTP/1.1\r\nHost: a\r\n");
        assert_eq!(verdict(head.as_bytes()), Err(status), "{head:?}");
    }
}

#[test]
fn a_head_is_bounded_in_bytes_and_fields() {
    let head = |value: usize| {
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(value)).into_bytes()
    };
    let around = head(0).len();
    assert!(verdict(&head(LIMIT - around)).is_ok());
    assert_eq!(verdict(&head(LIMIT)[..LIMIT]), Err(431));
    let fields = |count| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count));
    assert!(verdict(fields(99).as_bytes()).is_ok());
    assert_eq!(verdict(fields(100).as_bytes()), Err(431));
}

#[test]
fn a_client_that_speaks_something_else_is_told_at_its_first_byte() {
    for bytes in [&b"\x16"[..], b"\0", b"GET /\n"] {
        assert!(Scanner::default().scan(bytes).is_err(), "{bytes:?}");
    }
}

/// Bytes that are nearly a head.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        "GET ",
        "POST ",
        "/",
        "/a",
        "http://a",
        " HTTP/1.1",
        " HTTP/1.0",
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        "Host: a",
        "Host:",
        "Content-Length: 1",
        "Transfer-Encoding: chunked",
        ":",
        " ",
        "\t",
        "x",
        "\0",
        "\u{e9}",
        "[::1]",
        "%2e",
        "?",
        "@",
    ]);
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat().into_bytes())
}

proptest! {
    #[test]
    fn no_bytes_panic_and_what_is_read_does_not_depend_on_their_pieces(
        bytes in prop_oneof![nearly(), prop::collection::vec(any::<u8>(), 0..64)],
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = Scanner::default().scan(&bytes);
        let mut scanner = Scanner::default();
        let cut = cut.index(bytes.len() + 1);
        let pieces = match scanner.scan(&bytes[..cut]) {
            Ok(None) => scanner.scan(&bytes),
            verdict => verdict,
        };
        prop_assert_eq!(&pieces, &whole);
        if let Ok(Some(end)) = whole {
            let _ = parse(&bytes[..end]);
        }
    }
}
