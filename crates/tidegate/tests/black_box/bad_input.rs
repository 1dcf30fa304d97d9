//! What is wrong is named with its place, and everything else goes on.

use std::net::{SocketAddr, TcpListener};

use e2e::peers::tcp_name;
use e2e::{Authority, Gateway, Launch, address, eventually, manifests as m};

use crate::{DEADLINE, condition, exchange, has_finding, problems};

async fn backend() -> SocketAddr {
    let backend = SocketAddr::new(address::fresh(), 7000);
    tcp_name(backend, "backend".to_owned()).await;
    backend
}

fn one_route(backend: SocketAddr) -> String {
    [
        m::gateway(&[m::Listener::tcp("pg", 2000)]),
        m::tcp_route("pg", "pg", "pg"),
        m::service("pg", "TCP", &[backend]),
    ]
    .concat()
}

fn is_served(gateway: &Gateway, port: u16) -> bool {
    exchange(gateway.at(port), b"x").is_ok_and(|answer| answer == b"backend")
}

/// Adds a file to a gateway that serves; expects what is said of it and that nothing else changes.
async fn check_problem(bad: &str, place: &str, words: &[&str]) {
    let gateway = Gateway::start(&one_route(backend().await));
    gateway.folder.write("bad.yaml", bad);
    eventually("the problem is in /status", DEADLINE, || !problems(&gateway).is_empty());
    let found = problems(&gateway);
    let fits = |problem: &String| {
        problem.starts_with(place) && words.iter().all(|word| problem.contains(word))
    };
    assert!(found.iter().any(fits), "{place} {words:?} in {found:?}");
    assert!(is_served(&gateway, 2000));
    let said = |log: &str| log.matches("configuration cannot be read").count();
    let text = gateway.process.log.text();
    assert_eq!(said(&text), found.len(), "each problem is logged once: {text}");
    gateway.folder.remove("bad.yaml");
    eventually("it is gone when the file is", DEADLINE, || problems(&gateway).is_empty());
    assert!(is_served(&gateway, 2000));
    gateway.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_yaml_is_named_with_its_place() {
    check_problem("kind: TCPRoute\nspec: [\n", "bad.yaml:", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_kind_is_named() {
    let bad = "apiVersion: gateway.networking.k8s.io/v1\nkind: TCPRuote\nmetadata: {name: a}\n";
    check_problem(bad, "bad.yaml:2:", &["TCPRuote"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_field_is_named() {
    let bad =
        "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: db}\nspec:\n  prots: []\n";
    check_problem(bad, "bad.yaml:5:", &["Service db/a", "prots"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_word_is_named_with_those_that_are_right() {
    let bad = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: a, namespace: db}
spec:
  gatewayClassName: tidegate
  listeners:
    - {name: a, port: 2001, protocol: TLS, tls: {mode: Passthru}}
";
    check_problem(bad, "bad.yaml:7:", &["Gateway db/a", "Passthru", "Passthrough"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_there_twice_is_named_where_it_is_repeated() {
    let again = m::service("pg", "TCP", &[]).replace("---\n", "");
    check_problem(&again, "bad.yaml:1:", &["Service default/pg", "gateway.yaml"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_breaks_keeps_its_last_good_state() {
    let backend = backend().await;
    let gateway = Gateway::start(&one_route(backend));
    gateway.folder.write("gateway.yaml", "apiVersion: v1\nkind: Service\nspec: {ports: [\n");
    eventually("the problem is in /status", DEADLINE, || {
        problems(&gateway).iter().any(|problem| problem.starts_with("gateway.yaml:"))
    });
    assert!(is_served(&gateway, 2000));
    let status = gateway.status();
    let objects = status["objects"].as_array().expect("objects");
    assert!(objects.iter().any(|it| it["kind"] == "Gateway" && it["kept"] == true), "{status}");
    assert!(gateway.metrics().sum("tidegate_config_errors", &[]) == 1.0);
    assert!(gateway.metrics().sum("tidegate_config_objects_kept", &[]) > 0.0);
    gateway.folder.write("gateway.yaml", &one_route(backend));
    eventually("the repaired file is read", DEADLINE, || problems(&gateway).is_empty());
    gateway.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_said_and_all_others_serve_until_it_is_free() {
    let backend = backend().await;
    let ip = address::fresh();
    let taken = TcpListener::bind((ip, 2001)).expect("ours");
    let mut launch = Launch::new(
        &[
            m::gateway(&[m::Listener::tcp("pg", 2000), m::Listener::tcp("taken", 2001)]),
            m::tcp_route("pg", "pg", "pg"),
            m::tcp_route("taken", "taken", "pg"),
            m::service("pg", "TCP", &[backend]),
        ]
        .concat(),
    );
    // Beside the address of the launch, the one on which we hold the port.
    launch.arguments = ["--address".into(), ip.to_string().into()].into();
    let gateway = launch.start();
    eventually("the listener says so", DEADLINE, || {
        condition(&gateway.status(), "taken", "Programmed").is_some_and(|(status, message)| {
            status == "False" && message.contains(&format!("{ip}:2001"))
        })
    });
    assert!(has_finding(&gateway.status(), "Gateway", "PortUnavailable"));
    assert_eq!(condition(&gateway.status(), "pg", "Programmed").expect("reported").0, "True");
    assert!(is_served(&gateway, 2000));
    assert_eq!(exchange((ip, 2000).into(), b"x").expect("served"), b"backend");
    drop(taken);
    eventually("the freed port is opened", DEADLINE, || {
        condition(&gateway.status(), "taken", "Programmed").is_some_and(|it| it.0 == "True")
    });
    assert_eq!(exchange((ip, 2001).into(), b"x").expect("served"), b"backend");
    gateway.finish();
}

/// A gateway with a terminating listener that uses the Secret `cert`, beside a plain one.
async fn terminating(secret: &str) -> Gateway {
    Gateway::start(
        &[
            m::gateway(&[
                m::Listener::tcp("pg", 2000),
                m::Listener::terminate("tls", 2001, "db.example.com", "cert"),
            ]),
            m::tcp_route("pg", "pg", "pg"),
            m::tls_route("tls", "tls", "db.example.com", "pg"),
            m::service("pg", "TCP", &[backend().await]),
            secret.to_owned(),
        ]
        .concat(),
    )
}

/// A certificate that cannot be used closes its listener, says why, and harms no other.
async fn check_certificate(secret: &str, words: &[&str]) {
    let gateway = terminating(secret).await;
    let status = gateway.status();
    let (resolved, message) = condition(&status, "tls", "ResolvedRefs").expect("reported");
    assert_eq!(resolved, "False");
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
    assert!(has_finding(&status, "Gateway", "InvalidCertificateRef"), "{status}");
    assert!(is_served(&gateway, 2000));
    gateway.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_closes_its_listener_alone() {
    check_certificate("", &["default/cert"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_certificate_closes_its_listener_alone() {
    let authority = Authority::new("test");
    let mut identity = authority.issue(&["db.example.com"]);
    identity.key = authority.issue(&["db.example.com"]).key;
    check_certificate(&m::secret("cert", &identity), &["default/cert"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_comes_later_opens_its_listener() {
    let gateway = terminating("").await;
    let identity = Authority::new("test").issue(&["db.example.com"]);
    gateway.folder.write("secret.yaml", &m::secret("cert", &identity));
    eventually("the listener is programmed", DEADLINE, || {
        condition(&gateway.status(), "tls", "Programmed").is_some_and(|it| it.0 == "True")
    });
    gateway.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_served_with_a_warning() {
    let expired = m::secret("cert", &expired());
    let gateway = terminating(&expired).await;
    let status = gateway.status();
    assert_eq!(condition(&status, "tls", "Programmed").expect("reported").0, "True");
    let warned = status["objects"].as_array().expect("objects").iter().any(|object| {
        object["findings"].as_array().into_iter().flatten().any(|finding| {
            finding["severity"] == "warning"
                && finding["id"].as_str().is_some_and(|id| id.contains("certificate"))
        })
    });
    assert!(warned, "{status:#}");
    let served = gateway.metrics().sum("tidegate_certificate_not_after_timestamp_seconds", &[]);
    assert!(served > 0.0, "the metric tells the end of what is served");
    gateway.finish();
}

/// A certificate of the last century.
fn expired() -> e2e::Identity {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params =
        rcgen::CertificateParams::new(["db.example.com".to_owned()]).expect("a DNS name");
    params.not_before = rcgen::date_time_ymd(1998, 1, 1);
    params.not_after = rcgen::date_time_ymd(1999, 1, 1);
    let certificate = params.self_signed(&key).expect("signed");
    let mut identity = Authority::new("test").issue(&["db.example.com"]);
    identity.certificate = certificate.pem();
    identity.key = key.serialize_pem();
    identity
}

#[tokio::test(flavor = "multi_thread")]
async fn no_endpoints_reset_every_connection_and_are_said() {
    let none = m::service("pg", "TCP", &[]);
    let gateway = Gateway::start(
        &[m::gateway(&[m::Listener::tcp("pg", 2000)]), m::tcp_route("pg", "pg", "pg"), none]
            .concat(),
    );
    let reset = exchange(gateway.at(2000), b"x").expect_err("nothing serves it");
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    let status = gateway.status();
    let warned = status["objects"].as_array().expect("objects").iter().any(|object| {
        object["findings"].as_array().into_iter().flatten().any(|it| it["severity"] == "warning")
    });
    assert!(warned, "{status:#}");
    gateway.finish();
}
