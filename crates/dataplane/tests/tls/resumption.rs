//! Sessions are resumed under the settings they were made under, and nowhere else.

use std::sync::Arc;

use dataplane::tls::{Sessions, Terminator};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use snapshot::{ClientAuth, TlsServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::pki::{Authority, chain, key, server};
use crate::{connection, deadline, handshake};

const NAME: &str = "a.example.com";
const BOTH: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn terminator(settings: &TlsServer, sessions: &Sessions) -> Terminator {
    Terminator::new(settings, sessions).unwrap()
}

#[tokio::test]
async fn a_returning_client_resumes() {
    let authority = Authority::new("ca");
    let settings = server(&[&authority.identity("edge/a", &[NAME])], ClientAuth::None);
    let terminator = terminator(&settings, &Sessions::default());
    for version in BOTH {
        let client = Arc::new(authority.client_of(&[version], None));
        assert!(!handshake(&terminator, &client, NAME).await.seen().resumed);
        let again = handshake(&terminator, &client, NAME).await;
        assert!(again.seen().resumed && again.established().resumed, "{version:?}");
        assert_eq!(again.established().secret.as_deref(), Some("edge/a"));
    }
}

#[tokio::test]
async fn rotation_changes_new_handshakes_only_and_keeps_resumption() {
    let authority = Authority::new("ca");
    let sessions = Sessions::default();
    let old = authority.identity("edge/old", &[NAME]);
    let new = authority.identity("edge/new", &[NAME]);
    let before = terminator(&server(&[&old], ClientAuth::None), &sessions);
    let returning = Arc::new(authority.client());
    assert_eq!(handshake(&before, &returning, NAME).await.seen().leaf, old.chain[0]);

    // A session that is open while the certificate changes goes on.
    let (near, far) = connection().await;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(authority.client()));
    let offer = dataplane::tls::Offer::default();
    let (client, server_end) = tokio::join!(
        connector.connect(NAME.try_into().unwrap(), near),
        before.accept(far, None, &offer, deadline())
    );
    let (mut client, (mut server_end, _)) = (client.unwrap(), server_end.unwrap());
    let after = terminator(&server(&[&new], ClientAuth::None), &sessions);
    drop(before);
    client.write_all(b"still here").await.unwrap();
    let mut read = [0; 10];
    server_end.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"still here");

    let again = handshake(&after, &returning, NAME).await;
    assert!(again.seen().resumed, "the ticket outlives the certificate");
    let newcomer = Arc::new(authority.client());
    assert_eq!(handshake(&after, &newcomer, NAME).await.seen().leaf, new.chain[0]);
}

#[tokio::test]
async fn a_ticket_from_a_listener_without_client_auth_opens_none_that_has_it() {
    let authority = Authority::new("ca");
    let sessions = Sessions::default();
    let identity = authority.identity("edge/a", &[NAME]);
    let lax = terminator(&server(&[&identity], ClientAuth::None), &sessions);
    let required = ClientAuth::Required(vec![authority.der.clone()]);
    let strict = terminator(&server(&[&identity], required), &sessions);
    for version in BOTH {
        let client = Arc::new(authority.client_of(&[version], None));
        handshake(&lax, &client, NAME).await.established();
        assert!(handshake(&lax, &client, NAME).await.seen().resumed, "it has tickets to try");
        let outcome = handshake(&strict, &client, NAME).await;
        assert_eq!(outcome.refusal(), "certificate_required", "{version:?}");
    }
}

#[tokio::test]
async fn after_the_authorities_change_the_certificate_is_asked_for_and_checked_again() {
    let authority = Authority::new("ca");
    let other = Authority::new("other");
    let sessions = Sessions::default();
    let identity = authority.identity("edge/a", &[NAME]);
    let mine = authority.identity("client", &[]);
    let required = |authorities: &[&Authority]| {
        let roots = authorities.iter().map(|authority| authority.der.clone()).collect();
        server(&[&identity], ClientAuth::Required(roots))
    };
    let before = terminator(&required(&[&authority]), &sessions);
    let widened = terminator(&required(&[&authority, &other]), &sessions);
    let replaced = terminator(&required(&[&other]), &sessions);
    for version in BOTH {
        let client = Arc::new(authority.client_of(&[version], Some(&mine)));
        handshake(&before, &client, NAME).await.established();
        assert!(handshake(&before, &client, NAME).await.seen().resumed, "{version:?}");

        let outcome = handshake(&widened, &client, NAME).await;
        assert!(!outcome.seen().resumed, "a full handshake under other authorities");
        assert_eq!(handshake(&replaced, &client, NAME).await.refusal(), "bad_certificate");
    }
}

#[tokio::test]
async fn a_session_of_one_port_or_mode_is_not_resumed_in_another() {
    let authority = Authority::new("ca");
    let sessions = Sessions::default();
    let identity = authority.identity("edge/a", &[NAME]);
    let here = server(&[&identity], ClientAuth::None);
    let there = TlsServer { session_scope: "edge/l4:8443".to_owned(), ..here.clone() };
    let optional = ClientAuth::Optional(vec![authority.der.clone()]);
    let asking = TlsServer { client_auth: optional, ..here.clone() };
    let (here, there, asking) = (
        terminator(&here, &sessions),
        terminator(&there, &sessions),
        terminator(&asking, &sessions),
    );
    for version in BOTH {
        let client = Arc::new(authority.client_of(&[version], None));
        handshake(&here, &client, NAME).await.established();
        assert!(!handshake(&there, &client, NAME).await.seen().resumed);
        assert!(!handshake(&asking, &client, NAME).await.seen().resumed);
    }
}

#[tokio::test]
async fn a_resumed_session_keeps_the_clients_certificate() {
    let authority = Authority::new("ca");
    let settings = server(
        &[&authority.identity("edge/a", &[NAME])],
        ClientAuth::Required(vec![authority.der.clone()]),
    );
    let terminator = terminator(&settings, &Sessions::default());
    let mine = authority.identity("sensor-17", &[]);
    assert_eq!(chain(&mine).len(), 1);
    let _usable = key(&mine);
    for version in BOTH {
        let client = Arc::new(authority.client_of(&[version], Some(&mine)));
        let first = handshake(&terminator, &client, NAME).await;
        let again = handshake(&terminator, &client, NAME).await;
        assert!(again.seen().resumed, "{version:?}");
        assert_eq!(again.established().client, first.established().client);
        assert_eq!(&*again.established().client.as_ref().unwrap().subject, "CN=sensor-17");
    }
}
