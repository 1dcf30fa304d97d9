//! Which certificate is shown, what is agreed on, and what becomes of handshakes that fail.

use std::sync::Arc;
use std::time::Duration;

use dataplane::tls::{BuildError, HandshakeError, Offer, Sessions, Terminator, provider};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, NamedGroup, SignatureAlgorithm};
use snapshot::ClientAuth;
use snapshot::tls::PrivateKey;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::pki::{Authority, Leaf, server};
use crate::{connection, deadline, handshake};

#[tokio::test]
async fn the_certificate_follows_the_name_exact_then_wildcard_then_the_first() {
    let authority = Authority::new("ca");
    let first = authority.identity("edge/first", &["first.example.org"]);
    let exact = authority.identity("edge/exact", &["a.example.com"]);
    let wildcard = authority.identity("edge/wildcard", &["*.example.com", "*.deep.example.com"]);
    let settings = server(&[&first, &wildcard, &exact], ClientAuth::None);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
    for (name, secret) in [
        ("a.example.com", "edge/exact"),
        ("A.EXAMPLE.com", "edge/exact"),
        ("b.example.com", "edge/wildcard"),
        ("x.deep.example.com", "edge/wildcard"),
        ("first.example.org", "edge/first"),
        ("unknown.example.org", "edge/first"),
        // A certificate's wildcard stands for one label, so these get what there is.
        ("example.com", "edge/first"),
        ("x.y.example.com", "edge/first"),
    ] {
        let outcome = handshake(&terminator, &anything_goes(), name).await;
        assert_eq!(outcome.established().secret.as_deref(), Some(secret), "{name}");
        let identity = settings.identities.iter().find(|identity| identity.name == secret);
        assert_eq!(outcome.seen().leaf, identity.unwrap().chain[0], "{name}");
    }
}

#[tokio::test]
async fn a_client_without_server_name_gets_the_first_certificate() {
    let authority = Authority::new("ca");
    let first = authority.identity("edge/first", &["first.example.com"]);
    let second = authority.identity("edge/second", &["second.example.com"]);
    let settings = server(&[&first, &second], ClientAuth::None);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
    // For an address rustls sends no server name.
    let outcome = handshake(&terminator, &anything_goes(), "192.0.2.1").await;
    assert_eq!(outcome.established().secret.as_deref(), Some("edge/first"));
}

#[tokio::test]
async fn of_two_certificates_for_a_name_the_client_gets_one_it_can_check() {
    let authority = Authority::new("ca");
    let dns = &["a.example.com"];
    let ecdsa = authority.identity("edge/ecdsa", dns);
    let rsa = authority.sign("edge/rsa", &Leaf { dns, rsa: true, ..Leaf::default() });
    let settings = server(&[&ecdsa, &rsa], ClientAuth::None);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
    for (only, secret) in
        [(SignatureAlgorithm::ECDSA, "edge/ecdsa"), (SignatureAlgorithm::RSA, "edge/rsa")]
    {
        let mut limited = CryptoProvider::clone(&provider());
        let all = limited.signature_verification_algorithms;
        let kept = all.mapping.iter().filter(|(scheme, _)| {
            let ecdsa = format!("{scheme:?}").starts_with("ECDSA");
            ecdsa == (only == SignatureAlgorithm::ECDSA)
        });
        let mapping = Vec::leak(kept.copied().collect());
        limited.signature_verification_algorithms =
            WebPkiSupportedAlgorithms { all: all.all, mapping };
        let client = ClientConfig::builder_with_provider(Arc::new(limited))
            .with_protocol_versions(&[&TLS12, &TLS13])
            .unwrap()
            .with_root_certificates(authority.roots())
            .with_no_client_auth();
        let outcome = handshake(&terminator, &Arc::new(client), "a.example.com").await;
        assert_eq!(outcome.established().secret.as_deref(), Some(secret));
    }
}

#[tokio::test]
async fn version_suite_and_key_exchange_are_reported_by_their_registered_names() {
    let authority = Authority::new("ca");
    let identity = authority.identity("edge/a", &["a.example.com"]);
    let settings = server(&[&identity], ClientAuth::None);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();

    let client = Arc::new(authority.client_of(&[&TLS13], None));
    let outcome = handshake(&terminator, &client, "a.example.com").await;
    let established = outcome.established();
    assert_eq!(established.version, "1.3");
    assert!(established.cipher.starts_with("TLS_AES_"), "{}", established.cipher);
    assert_eq!(established.curve, Some("X25519MLKEM768"));
    assert!(established.client.is_none() && !established.resumed);

    let client = Arc::new(authority.client_of(&[&TLS12], None));
    let outcome = handshake(&terminator, &client, "a.example.com").await;
    let established = outcome.established();
    assert_eq!(established.version, "1.2");
    assert!(established.cipher.starts_with("TLS_ECDHE_ECDSA_WITH_"), "{}", established.cipher);

    let mut classic = CryptoProvider::clone(&provider());
    classic.kx_groups.retain(|group| group.name() == NamedGroup::X25519);
    let client = ClientConfig::builder_with_provider(Arc::new(classic))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(authority.roots())
        .with_no_client_auth();
    let outcome = handshake(&terminator, &Arc::new(client), "a.example.com").await;
    assert_eq!(outcome.established().curve, Some("X25519"));
}

#[tokio::test]
async fn a_client_asked_for_another_key_share_keeps_its_certificate() {
    let authority = Authority::new("ca");
    let first = authority.identity("edge/first", &["first.example.com"]);
    let second = authority.identity("edge/second", &["second.example.com"]);
    let settings = server(&[&first, &second], ClientAuth::None);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
    let mut unusual = CryptoProvider::clone(&provider());
    // The share it sends is of a group that we do not speak.
    unusual.kx_groups.retain(|group| group.name() == NamedGroup::X25519);
    unusual.kx_groups.insert(0, rustls::crypto::aws_lc_rs::kx_group::MLKEM768);
    let client = ClientConfig::builder_with_provider(Arc::new(unusual))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(authority.roots())
        .with_no_client_auth();
    let outcome = handshake(&terminator, &Arc::new(client), "second.example.com").await;
    assert!(outcome.seen().retried);
    assert_eq!(outcome.established().curve, Some("X25519"));
    assert_eq!(outcome.established().secret.as_deref(), Some("edge/second"));
    assert_eq!(outcome.seen().leaf, second.chain[0]);
}

#[tokio::test]
async fn a_sole_alpn_offer_is_echoed_and_no_offer_is_ever_refused() {
    let authority = Authority::new("ca");
    let identity = authority.identity("edge/a", &["a.example.com"]);
    let settings = server(&[&identity], ClientAuth::None);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
    for versions in [[&TLS12], [&TLS13]] {
        for (offer, agreed) in [
            (&[][..], None),
            (&["postgresql"], Some("postgresql")),
            (&["h2"], Some("h2")),
            (&["made-up-yesterday"], Some("made-up-yesterday")),
            (&["h2", "http/1.1"], None),
            (&["postgresql", "postgresql"], None),
        ] {
            let mut client = authority.client_of(&versions, None);
            client.alpn_protocols = offer.iter().map(|name| name.as_bytes().to_vec()).collect();
            let outcome = handshake(&terminator, &Arc::new(client), "a.example.com").await;
            assert_eq!(outcome.established().next_protocol.as_deref(), agreed, "{offer:?}");
            assert_eq!(outcome.seen().alpn.as_deref(), agreed.map(str::as_bytes), "{offer:?}");
        }
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_served_hurts_only_itself() {
    let authority = Authority::new("ca");
    let good = authority.identity("edge/good", &["a.example.com"]);
    let mut mismatched = (*authority.identity("edge/mismatched", &["b.example.com"])).clone();
    mismatched.key = good.key.clone();
    let mut keyless = (*good).clone();
    keyless.name = "edge/keyless".to_owned();
    keyless.key = PrivateKey::from_der(b"no key".to_vec());
    let mut empty = (*good).clone();
    empty.name = "edge/empty".to_owned();
    empty.chain.clear();
    let (mismatched, keyless, empty) = (Arc::new(mismatched), Arc::new(keyless), Arc::new(empty));

    let settings = server(&[&mismatched, &keyless, &empty, &good], ClientAuth::None);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
    let unusable: Vec<_> = terminator.unusable().iter().map(|bad| bad.name.as_str()).collect();
    assert_eq!(unusable, ["edge/mismatched", "edge/keyless", "edge/empty"]);
    let outcome = handshake(&terminator, &anything_goes(), "b.example.com").await;
    assert_eq!(outcome.established().secret.as_deref(), Some("edge/good"));

    let settings = server(&[&mismatched, &keyless, &empty], ClientAuth::None);
    let error = Terminator::new(&settings, &Sessions::default()).unwrap_err();
    assert!(matches!(error, BuildError::NoCertificate(reasons) if reasons.len() == 3));
}

#[tokio::test]
async fn an_expired_certificate_is_served() {
    let authority = Authority::new("ca");
    let dns = &["a.example.com"];
    let expired = authority.sign("edge/old", &Leaf { dns, expired: true, ..Leaf::default() });
    let settings = server(&[&expired], ClientAuth::None);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
    let outcome = handshake(&terminator, &anything_goes(), "a.example.com").await;
    assert_eq!(outcome.established().secret.as_deref(), Some("edge/old"));
}

#[tokio::test]
async fn a_client_that_distrusts_the_certificate_is_reported_by_its_alert() {
    let identity = Authority::new("ca").identity("edge/a", &["a.example.com"]);
    let settings = server(&[&identity], ClientAuth::None);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
    let stranger = Arc::new(Authority::new("other").client());
    let outcome = handshake(&terminator, &stranger, "a.example.com").await;
    assert_eq!(outcome.refusal(), "unknown_ca");
}

#[tokio::test]
async fn failed_handshakes_say_why() {
    let identity = Authority::new("ca").identity("edge/a", &["a.example.com"]);
    let settings = server(&[&identity], ClientAuth::None);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
    let offer = Offer::default();

    let (_silent, far) = connection().await;
    let soon = Instant::now() + Duration::from_millis(50);
    let error = terminator.accept(far, None, &offer, soon).await.unwrap_err();
    assert!(matches!(error, HandshakeError::Timeout), "{error:?}");

    let (near, far) = connection().await;
    drop(near);
    let error = terminator.accept(far, None, &offer, deadline()).await.unwrap_err();
    assert!(matches!(error, HandshakeError::Closed), "{error:?}");

    let (mut near, far) = connection().await;
    near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let error = terminator.accept(far, None, &offer, deadline()).await.unwrap_err();
    assert!(matches!(error, HandshakeError::Refused(_)), "{error:?}");
}

/// A client that believes any certificate, for tests of which one is shown.
pub(crate) fn anything_goes() -> Arc<ClientConfig> {
    Arc::new(
        ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS12, &TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Believer))
            .with_no_client_auth(),
    )
}

#[derive(Debug)]
struct Believer;

impl rustls::client::danger::ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
