//! What a client offers by ALPN, and what to answer. Knows nothing of routes or of who ends the
//! session.
//!
//! A terminating listener carries opaque bytes: which protocol the backend speaks is not written
//! anywhere, so a client is never refused for its offer. With exactly one protocol on offer that
//! one is agreed on, for the client would speak nothing else anyway (`postgresql` of libpq's direct
//! TLS insists on the echo, `mqtt`, h2-only gRPC). With two or more, choosing would be a guess: to
//! pick `h2` from curl's `h2, http/1.1` breaks every HTTP/1.1 backend. Then nothing is agreed on
//! and each client takes what it does without ALPN: curl speaks HTTP/1.1.

use super::client_hello::ClientHello;

/// The protocols a client offered, cut down to what logs and the answer need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    protocols: Vec<Box<[u8]>>,
    count: usize,
}

impl Offer {
    /// Protocols remembered, of a client that may send thousands: they live as long as the
    /// connection, for its access line.
    const KEPT: usize = 8;

    /// What this hello offers.
    pub fn of(hello: &ClientHello<'_>) -> Self {
        Self::from_protocols(hello.alpn())
    }

    /// An offer of these protocols, most preferred first.
    pub fn from_protocols<'a>(protocols: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut offer = Self::default();
        for protocol in protocols {
            offer.count += 1;
            if offer.protocols.len() < Self::KEPT {
                offer.protocols.push(protocol.into());
            }
        }
        offer
    }

    /// What to answer where requests are read: of a client's offer HTTP/1.1, and nothing else. A
    /// client that offers other protocols only is refused by the TLS library (RFC 7301 §3.2).
    pub fn http() -> Self {
        Self::from_protocols(std::iter::once(&b"http/1.1"[..]))
    }

    /// The protocol to agree on: the one offered, if it is the only one.
    pub fn agreed(&self) -> Option<&[u8]> {
        match self.protocols.as_slice() {
            [only] if self.count == 1 => Some(only),
            _ => None,
        }
    }

    /// The first protocols offered, as text; bytes outside printable ASCII are escaped.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.protocols.iter().map(|protocol| printable(protocol))
    }
}

/// A protocol name as text (RFC 7301 §6: opaque bytes, in practice ASCII).
pub(super) fn printable(protocol: &[u8]) -> String {
    protocol.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(protocols: &[&str]) -> Offer {
        Offer::from_protocols(protocols.iter().map(|protocol| protocol.as_bytes()))
    }

    #[test]
    fn a_sole_offer_is_echoed_and_a_choice_is_never_made() {
        assert_eq!(offer(&["postgresql"]).agreed(), Some(&b"postgresql"[..]));
        assert_eq!(offer(&["h2", "http/1.1"]).agreed(), None);
        assert_eq!(offer(&[]).agreed(), None);
    }

    #[test]
    fn a_thousand_offers_are_not_remembered() {
        let offer = offer(&["x"; 1000]);
        assert_eq!(offer.names().count(), Offer::KEPT);
        assert_eq!(offer.agreed(), None);
    }

    #[test]
    fn bytes_outside_ascii_are_escaped() {
        let offer = Offer::from_protocols([&b"a\nb\xff"[..]].into_iter());
        assert_eq!(offer.names().collect::<Vec<_>>(), [r"a\nb\xff"]);
    }
}
