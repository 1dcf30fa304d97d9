//! The authority in a Secret, and what a proxy sees of it.

use http::Method;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};
use serde_json::json;

use super::*;
use crate::fake_api::{FakeApi, Fault};

const PATH: &str = "/api/v1/namespaces/tidegate/secrets/tidegate-ca";
const NAME: &str = "tidegate-controller.tidegate.svc";

fn config() -> CaConfig {
    CaConfig {
        namespace: "tidegate".to_owned(),
        secret: "tidegate-ca".to_owned(),
        names: names("tidegate-controller", "tidegate"),
    }
}

async fn started(api: &FakeApi) -> Issued {
    open(api.client(), config(), CertificateTimes::default()).await
}

/// The clock of a proxy.
#[derive(Debug)]
struct At(i64);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.unsigned_abs())))
    }
}

/// Shakes hands in memory, as a proxy that trusts this bundle.
fn dial(issued: &Issued, bundle: &str, name: &str) -> Result<(), rustls::Error> {
    dial_at(unix_now(), issued, bundle, name)
}

fn dial_at(now: i64, issued: &Issued, bundle: &str, name: &str) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.expect("PEM")).expect("an authority");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.time_provider = Arc::new(At(now));
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let tls = Arc::clone(&issued.tls.borrow());
    let mut server = ServerConnection::new(tls).expect("a server");
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("memory");
        server.read_tls(&mut bytes.as_slice()).expect("memory");
        server.process_new_packets()?;
        bytes.clear();
        server.write_tls(&mut bytes).expect("memory");
        client.read_tls(&mut bytes.as_slice()).expect("memory");
        client.process_new_packets()?;
    }
    assert_eq!(client.alpn_protocol(), Some(b"h2".as_slice()));
    assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn proxies_that_know_the_bundle_reach_both_replicas() {
    let api = FakeApi::new();
    let (first, second) = (started(&api).await, started(&api).await);
    assert_eq!(*first.bundle.borrow(), *second.bundle.borrow());
    let bundle = first.bundle.borrow().clone();
    for issued in [&first, &second] {
        dial(issued, &bundle, NAME).expect("trusted");
        dial(issued, &bundle, &format!("{NAME}.cluster.local")).expect("trusted");
        dial(issued, &bundle, "other.tidegate.svc").expect_err("another name");
    }
    let stranger = started(&FakeApi::new()).await;
    dial(&stranger, &bundle, NAME).expect_err("another authority");
    let secret = api.get(PATH).expect("the Secret");
    assert_eq!(secret["type"], "Opaque");
}

#[tokio::test(start_paused = true)]
async fn replicas_that_start_at_once_agree() {
    let api = FakeApi::new();
    api.fault(|_| Fault::Slow(Duration::from_millis(10)));
    let (first, second) = tokio::join!(started(&api), started(&api));
    assert_eq!(*first.bundle.borrow(), *second.bundle.borrow());
    dial(&first, &second.bundle.borrow(), NAME).expect("trusted");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_or_broken_secret_is_made_again_and_nobody_notices() {
    let api = FakeApi::new();
    let Issued { tls, bundle, keeper } = started(&api).await;
    let before = api.get(PATH).expect("the Secret")["data"].clone();
    let (config, text) = (Arc::clone(&tls.borrow()), bundle.borrow().clone());
    tokio::spawn(keeper.keep());
    api.delete(PATH);
    sleep(Duration::from_secs(70)).await;
    assert_eq!(api.get(PATH).expect("made again")["data"], before);
    api.edit(PATH, |secret| secret["data"]["ca.key"] = json!("AAAA"));
    sleep(Duration::from_secs(70)).await;
    assert_eq!(api.get(PATH).expect("repaired")["data"], before);
    api.edit(PATH, |secret| secret["metadata"]["labels"] = json!({ "a": "b" }));
    api.edit(PATH, |secret| {
        secret["data"].as_object_mut().expect("an object").remove("ca.crt");
    });
    sleep(Duration::from_secs(70)).await;
    let repaired = api.get(PATH).expect("repaired");
    assert_eq!((&repaired["data"], &repaired["metadata"]["labels"]["a"]), (&before, &json!("b")));
    assert!(Arc::ptr_eq(&config, &tls.borrow()));
    assert_eq!(*bundle.borrow(), text);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_gone_is_survived_and_certificates_are_renewed_without_it() {
    let api = FakeApi::new();
    let Issued { tls, bundle, mut keeper } = started(&api).await;
    let text = bundle.borrow().clone();
    api.fault(|_| Fault::Hang);
    let before = Arc::clone(&tls.borrow());
    let later = unix_now() + 17 * 3600;
    keeper.look(later).await.expect_err("no answer");
    assert!(!Arc::ptr_eq(&before, &tls.borrow()));
    let issued = Issued { tls, bundle, keeper };
    dial_at(later, &issued, &text, NAME).expect("trusted");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_reaches_the_other_replica() {
    let api = FakeApi::new();
    let (mut first, mut second) = (started(&api).await, started(&api).await);
    let due = unix_now() + 250 * 24 * 3600;
    first.keeper.look(due).await.expect("rotated");
    second.keeper.look(due + 60).await.expect("read");
    assert_eq!(first.bundle.borrow().matches("BEGIN").count(), 2);
    assert_eq!(*first.bundle.borrow(), *second.bundle.borrow());
    assert_eq!(api.calls(&Method::PUT).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_may_not_be_read_is_waited_for() {
    let api = FakeApi::new();
    api.fault(|_| Fault::Refuse(403));
    let waiting = tokio::spawn({
        let api = api.clone();
        async move { started(&api).await }
    });
    sleep(Duration::from_secs(300)).await;
    let asked = api.calls(&Method::GET).len();
    assert!((8..=30).contains(&asked), "{asked} requests in five minutes");
    api.fault(|_| Fault::None);
    timeout(Duration::from_secs(60), waiting).await.expect("in time").expect("no panic");
}
