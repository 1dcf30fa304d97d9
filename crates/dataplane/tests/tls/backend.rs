//! Which backends are believed: name, alternative names, authority, date, and that it is TLS.

use std::sync::Arc;
use std::time::Duration;

use dataplane::tls::{BackendConnector, BackendTlsBuildError, BackendTlsError, provider};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use snapshot::{BackendTls, SubjectName, TlsIdentity, TrustRoots};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::pki::{Authority, Leaf, chain, key};
use crate::{connection, deadline};

const NAME: &str = "db.example.com";

fn settings(authority: &Authority) -> BackendTls {
    BackendTls {
        server_name: NAME.to_owned(),
        subject_names: vec![],
        roots: TrustRoots::Certificates(vec![authority.der.clone()]),
        identity: None,
    }
}

fn backend(
    identity: &TlsIdentity,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ServerConfig {
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain(identity), key(identity))
        .unwrap()
}

/// What the backend saw of an established session.
#[derive(Debug)]
struct Seen {
    server_name: Option<String>,
    alpn: Option<Vec<u8>>,
    client: Option<Vec<u8>>,
    resumed: bool,
}

/// A session with a backend, one message each way.
async fn session(
    settings: &BackendTls,
    server: ServerConfig,
    protocol: Option<&[u8]>,
) -> Result<Seen, BackendTlsError> {
    let connector = BackendConnector::new(settings).unwrap();
    session_of(&connector, &Arc::new(server), protocol).await
}

async fn session_of(
    connector: &BackendConnector,
    server: &Arc<ServerConfig>,
    protocol: Option<&[u8]>,
) -> Result<Seen, BackendTlsError> {
    let (near, far) = connection().await;
    let accept = async {
        let mut stream = TlsAcceptor::from(Arc::clone(server)).accept(far).await?;
        let mut question = [0; 4];
        stream.read_exact(&mut question).await?;
        stream.write_all(b"pong").await?;
        let session = stream.get_ref().1;
        std::io::Result::Ok(Seen {
            server_name: session.server_name().map(str::to_owned),
            alpn: session.alpn_protocol().map(<[u8]>::to_vec),
            client: session.peer_certificates().map(|chain| chain[0].to_vec()),
            resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        })
    };
    let connect = async {
        let mut stream = connector.connect(near, protocol, deadline()).await?;
        stream.write_all(b"ping").await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        Ok(())
    };
    let (seen, connected) = tokio::join!(accept, connect);
    connected.map(|()| seen.unwrap())
}

#[tokio::test]
async fn the_server_name_is_sent_and_verified_in_both_versions() {
    let authority = Authority::new("ca");
    let identity = authority.identity("db", &[NAME]);
    for version in [&TLS12, &TLS13] {
        let seen =
            session(&settings(&authority), backend(&identity, &[version]), None).await.unwrap();
        assert_eq!(seen.server_name.as_deref(), Some(NAME));
        assert_eq!((seen.alpn, seen.client), (None, None));
    }
}

#[tokio::test]
async fn a_certificate_counts_only_with_name_authority_and_date_right() {
    let authority = Authority::new("ca");
    let other = Authority::new("other");
    let leaf = Leaf { subject: NAME, dns: &[NAME], ..Leaf::default() };
    for (label, identity, expected) in [
        ("right", authority.sign("db", &leaf), None),
        ("a wildcard", authority.identity("db", &["*.example.com"]), None),
        ("another name", authority.identity("db", &["web.example.com"]), Some("tls_wrong_name")),
        (
            "a deeper wildcard",
            authority.identity("db", &["*.db.example.com"]),
            Some("tls_wrong_name"),
        ),
        // The common name alone is no name (RFC 9525 §2).
        (
            "no alternative name",
            authority.sign("db", &Leaf { dns: &[], ..leaf.clone() }),
            Some("tls_wrong_name"),
        ),
        ("another authority", other.sign("db", &leaf), Some("tls_untrusted")),
        (
            "expired",
            authority.sign("db", &Leaf { expired: true, ..leaf.clone() }),
            Some("tls_expired"),
        ),
    ] {
        let result =
            session(&settings(&authority), backend(&identity, &[&TLS12, &TLS13]), None).await;
        assert_eq!(
            result.as_ref().err().map(BackendTlsError::label),
            expected,
            "{label}: {result:?}"
        );
    }
}

#[tokio::test]
async fn with_subject_names_one_of_them_counts_and_the_server_name_no_more() {
    let authority = Authority::new("ca");
    let dns = |name: &str| SubjectName::Dns(name.to_owned());
    let uri = |name: &str| SubjectName::Uri(name.to_owned());
    let spiffe = "spiffe://example.com/ns/db/sa/postgres";
    let identity = authority.sign(
        "db",
        &Leaf { dns: &["pod-0.db.svc", "*.wild.svc"], uris: &[spiffe], ..Leaf::default() },
    );
    let only_hostname = authority.identity("db", &[NAME]);
    for (label, identity, names, right) in [
        ("its DNS name", &identity, vec![dns("pod-0.db.svc")], true),
        ("its DNS name in capitals", &identity, vec![dns("POD-0.DB.SVC")], true),
        ("its URI", &identity, vec![uri(spiffe)], true),
        ("one of several", &identity, vec![dns("x.svc"), uri(spiffe)], true),
        ("covered by its wildcard", &identity, vec![dns("a.wild.svc")], true),
        ("a wildcard wanted", &identity, vec![dns("*.db.svc")], true),
        ("another DNS name", &identity, vec![dns("pod-1.db.svc")], false),
        ("another URI", &identity, vec![uri("spiffe://example.com/ns/db/sa/other")], false),
        (
            "a URI in other case",
            &identity,
            vec![uri("SPIFFE://example.com/ns/db/sa/postgres")],
            false,
        ),
        ("a prefix of its URI", &identity, vec![uri("spiffe://example.com/ns/db")], false),
        ("its DNS name as URI", &identity, vec![uri("pod-0.db.svc")], false),
        ("its URI as DNS name", &identity, vec![dns(spiffe)], false),
        ("the server name alone", &only_hostname, vec![uri(spiffe)], false),
    ] {
        let settings = BackendTls { subject_names: names, ..settings(&authority) };
        let result = session(&settings, backend(identity, &[&TLS12, &TLS13]), None).await;
        let expected = (!right).then_some("tls_wrong_name");
        assert_eq!(
            result.as_ref().err().map(BackendTlsError::label),
            expected,
            "{label}: {result:?}"
        );
        if let Ok(seen) = result {
            assert_eq!(seen.server_name.as_deref(), Some(NAME), "sent all the same");
        }
    }
    let stranger = Authority::new("other").sign("db", &Leaf { uris: &[spiffe], ..Leaf::default() });
    let settings = BackendTls { subject_names: vec![uri(spiffe)], ..settings(&authority) };
    let error = session(&settings, backend(&stranger, &[&TLS13]), None).await.unwrap_err();
    assert_eq!(error.label(), "tls_untrusted", "the right name from the wrong authority");
}

#[tokio::test]
async fn the_client_certificate_is_shown_when_asked_for() {
    let authority = Authority::new("ca");
    let identity = authority.identity("db", &[NAME]);
    let mine = authority.identity("gateway", &[]);
    let asking = || {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(authority.roots()), provider());
        ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS12])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain(&identity), key(&identity))
            .unwrap()
    };
    let with = BackendTls { identity: Some(Arc::clone(&mine)), ..settings(&authority) };
    let seen = session(&with, asking(), None).await.unwrap();
    assert_eq!(seen.client.as_ref(), Some(&mine.chain[0]));
    let error = session(&settings(&authority), asking(), None).await.unwrap_err();
    assert_eq!(error.label(), "tls_alert");
}

#[tokio::test]
async fn the_protocol_agreed_on_with_the_client_is_offered_to_the_backend() {
    let authority = Authority::new("ca");
    let identity = authority.identity("db", &[NAME]);
    let mut server = backend(&identity, &[&TLS13]);
    server.alpn_protocols = vec![b"postgresql".to_vec()];
    let seen = session(&settings(&authority), server, Some(b"postgresql")).await.unwrap();
    assert_eq!(seen.alpn.as_deref(), Some(&b"postgresql"[..]));
}

#[tokio::test]
async fn the_second_session_is_resumed() {
    let authority = Authority::new("ca");
    let server = Arc::new(backend(&authority.identity("db", &[NAME]), &[&TLS13]));
    let connector = BackendConnector::new(&settings(&authority)).unwrap();
    assert!(!session_of(&connector, &server, None).await.unwrap().resumed);
    assert!(session_of(&connector, &server, None).await.unwrap().resumed);
}

#[tokio::test]
async fn a_backend_without_tls_is_never_spoken_to_in_plain() {
    let authority = Authority::new("ca");
    let connector = BackendConnector::new(&settings(&authority)).unwrap();
    let (near, mut far) = connection().await;
    far.write_all(b"220 smtp.example.com ESMTP\r\n").await.unwrap();
    let error = connector.connect(near, None, deadline()).await.unwrap_err();
    assert_eq!(error.label(), "tls_not_tls", "{error:?}");
    let mut received = Vec::new();
    far.read_to_end(&mut received).await.unwrap();
    assert_eq!(&received[..2], [22, 3], "a handshake, and nothing before it");
}

#[tokio::test]
async fn a_backend_that_is_silent_or_closes_is_told_apart() {
    let authority = Authority::new("ca");
    let connector = BackendConnector::new(&settings(&authority)).unwrap();
    let (near, _silent) = connection().await;
    let soon = Instant::now() + Duration::from_millis(50);
    let error = connector.connect(near, None, soon).await.unwrap_err();
    assert_eq!(error.label(), "tls_timeout");
    let (near, far) = connection().await;
    drop(far);
    let error = connector.connect(near, None, deadline()).await.unwrap_err();
    assert_eq!(error.label(), "tls_closed", "{error:?}");
}

#[tokio::test]
async fn settings_that_cannot_be_met_are_refused_before_any_connection() {
    let authority = Authority::new("ca");
    let good = settings(&authority);
    let mut broken = (*authority.identity("gateway", &[])).clone();
    broken.key = authority.identity("other", &[]).key.clone();
    for (settings, expected) in [
        (BackendTls { server_name: "not a name".to_owned(), ..good.clone() }, "is not a host name"),
        (
            BackendTls { roots: TrustRoots::Certificates(vec![]), ..good.clone() },
            "no certificate authority",
        ),
        (
            BackendTls { roots: TrustRoots::Certificates(vec![b"junk".to_vec()]), ..good.clone() },
            "no certificate authority",
        ),
        (BackendTls { identity: Some(Arc::new(broken)), ..good.clone() }, "client certificate"),
    ] {
        let error = BackendConnector::new(&settings).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn the_systems_authorities_do_not_vouch_for_a_stranger() {
    let authority = Authority::new("ca");
    let identity = authority.identity("db", &[NAME]);
    let settings = BackendTls { roots: TrustRoots::System, ..settings(&authority) };
    match BackendConnector::new(&settings) {
        Ok(connector) => {
            let server = Arc::new(backend(&identity, &[&TLS13]));
            let error = session_of(&connector, &server, None).await.unwrap_err();
            assert_eq!(error.label(), "tls_untrusted");
        }
        // A machine without a bundle refuses too, only earlier.
        Err(error) => assert!(matches!(error, BackendTlsBuildError::NoRoots), "{error:?}"),
    }
}
