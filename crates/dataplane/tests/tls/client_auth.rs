//! Who is let in, by mode and by what is shown.

use std::sync::Arc;

use dataplane::tls::{Sessions, Terminator, provider};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SignatureScheme};
use snapshot::ClientAuth;

use crate::handshake;
use crate::pki::{Authority, Leaf, fingerprint, key, server};

const NAME: &str = "a.example.com";

/// Shows what it is told to, whoever asks.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// What a client may show.
struct Shown {
    label: &'static str,
    certified: Option<Arc<CertifiedKey>>,
    /// What a listener that requires a certificate says; `None` lets it in.
    required: Option<&'static str>,
    /// What a listener that only asks says: `Err` refuses, `Ok` is validity, `None` without one.
    optional: Result<Option<bool>, &'static str>,
}

fn everything_one_may_show(authority: &Authority) -> Vec<Shown> {
    let leaf = Leaf { subject: "sensor-17", ..Leaf::default() };
    let valid = authority.sign("valid", &leaf);
    let expired = authority.sign("expired", &Leaf { expired: true, ..leaf.clone() });
    let stranger = Authority::new("other").sign("stranger", &leaf);
    let with_key = |der: &[u8], key_of: &snapshot::TlsIdentity| {
        let key = provider().key_provider.load_private_key(key(key_of)).unwrap();
        Some(Arc::new(CertifiedKey::new(vec![CertificateDer::from(der.to_vec())], key)))
    };
    let own = |identity: &snapshot::TlsIdentity| with_key(&identity.chain[0], identity);
    let shown =
        |label, certified, required, optional| Shown { label, certified, required, optional };
    vec![
        shown("nothing", None, Some("certificate_required"), Ok(None)),
        shown("a valid one", own(&valid), None, Ok(Some(true))),
        shown("an expired one", own(&expired), Some("bad_certificate"), Ok(Some(false))),
        shown("a stranger's", own(&stranger), Some("bad_certificate"), Ok(Some(false))),
        shown(
            "bytes that are none",
            with_key(b"not a certificate", &valid),
            Some("bad_certificate"),
            Ok(Some(false)),
        ),
        // A certificate is public: who shows one without its key is not who it names.
        shown(
            "someone else's without its key",
            with_key(&valid.chain[0], &stranger),
            Some("bad_certificate"),
            Err("bad_certificate"),
        ),
    ]
}

fn client(
    authority: &Authority,
    shown: &Shown,
    version: &'static rustls::SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(authority.roots());
    Arc::new(match &shown.certified {
        None => builder.with_no_client_auth(),
        Some(certified) => {
            builder.with_client_cert_resolver(Arc::new(Shows(Arc::clone(certified))))
        }
    })
}

#[tokio::test]
async fn required_lets_in_valid_certificates_only() {
    let authority = Authority::new("ca");
    let auth = ClientAuth::Required(vec![authority.der.clone()]);
    let settings = server(&[&authority.identity("edge/a", &[NAME])], auth);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
    for shown in everything_one_may_show(&authority) {
        for version in [&TLS12, &TLS13] {
            let outcome = handshake(&terminator, &client(&authority, &shown, version), NAME).await;
            match shown.required {
                Some(refusal) => assert_eq!(outcome.refusal(), refusal, "{}", shown.label),
                None => assert!(outcome.established().client.as_ref().unwrap().valid),
            }
        }
    }
}

#[tokio::test]
async fn optional_lets_in_anyone_and_says_whose_certificate_is_valid() {
    let authority = Authority::new("ca");
    let auth = ClientAuth::Optional(vec![authority.der.clone()]);
    let settings = server(&[&authority.identity("edge/a", &[NAME])], auth);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
    for shown in everything_one_may_show(&authority) {
        for version in [&TLS12, &TLS13] {
            let client = client(&authority, &shown, version);
            let outcome = handshake(&terminator, &client, NAME).await;
            match shown.optional {
                Err(refusal) => assert_eq!(outcome.refusal(), refusal, "{}", shown.label),
                Ok(validity) => {
                    let read = outcome.established().client.as_ref().map(|client| client.valid);
                    assert_eq!(read, validity, "{} in {version:?}", shown.label);
                    let resumed = handshake(&terminator, &client, NAME).await;
                    assert!(resumed.seen().resumed, "{} in {version:?}", shown.label);
                    let read = resumed.established().client.as_ref().map(|client| client.valid);
                    assert_eq!(read, validity, "{} resumed", shown.label);
                }
            }
        }
    }
}

#[tokio::test]
async fn authorities_that_cannot_be_used_refuse_everyone_instead_of_asking_no_one() {
    let authority = Authority::new("ca");
    let identity = authority.identity("edge/a", &[NAME]);
    for roots in [vec![], vec![b"no certificate".to_vec()], vec![vec![]]] {
        let settings = server(&[&identity], ClientAuth::Required(roots));
        let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
        for shown in everything_one_may_show(&authority) {
            for version in [&TLS12, &TLS13] {
                let client = client(&authority, &shown, version);
                let refusal = handshake(&terminator, &client, NAME).await.refusal();
                let expected = if shown.certified.is_some() {
                    "bad_certificate"
                } else {
                    "certificate_required"
                };
                assert_eq!(refusal, expected, "{}", shown.label);
            }
        }
    }
}

#[tokio::test]
async fn without_client_auth_nobody_is_asked() {
    let authority = Authority::new("ca");
    let settings = server(&[&authority.identity("edge/a", &[NAME])], ClientAuth::None);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
    for shown in everything_one_may_show(&authority) {
        let outcome = handshake(&terminator, &client(&authority, &shown, &TLS13), NAME).await;
        assert_eq!(outcome.established().client, None, "{}", shown.label);
    }
}

#[tokio::test]
async fn a_client_is_named_by_subject_and_fingerprint() {
    let authority = Authority::new("ca");
    let auth = ClientAuth::Required(vec![authority.der.clone()]);
    let settings = server(&[&authority.identity("edge/a", &[NAME])], auth);
    let terminator = Terminator::new(&settings, &Sessions::default()).unwrap();
    let long = "x".repeat(5000);
    for (subject, expected) in [
        ("sensor-17", "CN=sensor-17"),
        ("two\nlines\u{1b}[2J", "CN=two\\nlines\\u{1b}[2J"),
        ("émile", "CN=émile"),
        (long.as_str(), &format!("CN={}", &long[..253])),
    ] {
        let identity = authority.sign("client", &Leaf { subject, ..Leaf::default() });
        let client = Arc::new(authority.client_of(&[&TLS13], Some(&identity)));
        let outcome = handshake(&terminator, &client, NAME).await;
        let named = outcome.established().client.as_ref().unwrap();
        assert_eq!(&*named.subject, expected);
        assert_eq!(*named.sha256, fingerprint(&identity.chain[0]).to_ascii_uppercase());
    }
}
