//! HTTPS: the server name chooses the listener and its certificate, the request the route.

use rustls::ClientConfig;
use snapshot::{ClientAuth, Snapshot, Transport};
use tokio::io::AsyncWriteExt;

use super::{adds_up, to_cluster};
use crate::pki::{Authority, server};
use crate::support::tls::{
    TlsWorld, connect, expect, naming, passthrough, serving, shown, verifying,
};
use crate::support::web::{Web, below, reading, reading_tls, send_on};
use crate::support::world::{World, route, to};
use crate::support::{Proxy, key};

fn request(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn offering(config: &ClientConfig, protocols: &[&str]) -> ClientConfig {
    let mut config = config.clone();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

#[tokio::test]
async fn https_and_tls_share_a_port_by_server_name() {
    let authority = Authority::new("ca");
    let identity = authority.identity("edge/web-tls", &["*.example.com"]);
    let own = authority.identity("db/own-tls", &["db.example.com"]);
    let (a, b) = (Web::saying("a").await, Web::saying("b").await);
    let db = naming("db", serving(&own)).await;
    let key = key(Transport::Tcp);
    let rules = vec![
        (None, below("/"), to_cluster("a")),
        (Some("b.example.com"), below("/b"), to_cluster("b")),
    ];
    let https = reading_tls("https", server(&[&identity], ClientAuth::None), rules);
    let tls = passthrough("db", vec![(None, route("TLSRoute", "db", vec![to("db", 1)]))]);
    let snapshot = Snapshot::default()
        .tls(key, vec![(Some("*.example.com"), https), (Some("db.example.com"), tls)])
        .cluster("a", &[a.backend.address])
        .cluster("b", &[b.backend.address])
        .cluster("db", &[db.address]);
    let proxy = Proxy::serving(&snapshot).await;
    let config = authority.client();
    for (name, host, path, status, text) in [
        ("a.example.com", "a.example.com", "/", 200, "a"),
        ("b.example.com", "b.example.com:443", "/b/c", 200, "b"),
        // One listener, so one certificate and one set of routes.
        ("a.example.com", "b.example.com", "/b", 200, "b"),
        ("a.example.com", "other.org", "/", 404, "no route for this host and path\n"),
        ("a.example.com", "db.example.com", "/", 404, "no route for this host and path\n"),
    ] {
        let mut client = connect(&key, &config, name).await.unwrap();
        assert_eq!(shown(&client), identity.chain[0]);
        let answer = send_on(&mut client, request(host, path)).await;
        assert_eq!((answer.status, answer.text()), (status, text), "{name} {host}{path}");
    }
    for asked in a.asked(1).await.iter().chain(&b.asked(2).await) {
        assert_eq!(asked.field("x-forwarded-proto"), Some("https"));
    }
    let mut client = connect(&key, &config, "db.example.com").await.unwrap();
    assert_eq!(shown(&client), own.chain[0]);
    expect(&mut client, "db").await;
    drop(client);
    assert!(adds_up(&proxy).await);
    let lines = proxy.await_lines(6).await;
    let of_https = lines.iter().filter(|line| line["tidegate.listener.name"] == "https");
    assert_eq!(of_https.filter(|line| line["tidegate.tls.mode"] == "terminate").count(), 5);
}

#[tokio::test]
async fn of_protocols_only_http_1_1_is_agreed_on() {
    let authority = Authority::new("ca");
    let identity = authority.identity("edge/web-tls", &["a.example.com"]);
    let web = Web::saying("a").await;
    let key = key(Transport::Tcp);
    let rules = vec![(None, below("/"), to_cluster("a"))];
    let https = reading_tls("https", server(&[&identity], ClientAuth::None), rules);
    let snapshot =
        Snapshot::default().tls(key, vec![(None, https)]).cluster("a", &[web.backend.address]);
    let proxy = Proxy::serving(&snapshot).await;
    let config = authority.client();
    for offer in [&["h2", "http/1.1"][..], &["http/1.1"], &[]] {
        let mut client = connect(&key, &offering(&config, offer), "a.example.com").await.unwrap();
        let agreed = client.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(agreed.as_deref(), (!offer.is_empty()).then_some(&b"http/1.1"[..]));
        let answer = send_on(&mut client, request("a.example.com", "/")).await;
        assert_eq!(answer.status, 200);
    }
    assert!(connect(&key, &offering(&config, &["h2"]), "a.example.com").await.is_err());
    assert!(adds_up(&proxy).await);
}

#[tokio::test]
async fn a_policy_makes_the_way_to_the_backend_tls_too() {
    let authority = Authority::new("ca");
    let identity = authority.identity("web/tls", &["web.internal"]);
    let config = offering_server(serving(&identity));
    let web = crate::support::tls::tls_backend(config, async |mut stream| {
        let asked = crate::support::web::read_request(&mut stream).await.unwrap();
        let agreed = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
        let text = format!("{} {}", asked.line(), String::from_utf8(agreed).unwrap());
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
        stream.write_all((head + &text).as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    })
    .await;
    let key = key(Transport::Tcp);
    let listener = reading("http", vec![(None, below("/"), to_cluster("a"))]);
    let app = snapshot::HttpApp { listeners: crate::support::tls::table(vec![(None, listener)]) };
    let snapshot = Snapshot::default().bind(key, snapshot::App::Http(app)).tls_cluster(
        "a",
        &[web.address],
        verifying("web.internal", &authority),
    );
    let _proxy = Proxy::serving(&snapshot).await;
    let mut client = crate::support::dial(&key).await;
    let answer = send_on(&mut client, request("a", "/x")).await;
    assert_eq!((answer.status, answer.text()), (200, "GET /x HTTP/1.1 http/1.1"));
}

fn offering_server(mut config: rustls::ServerConfig) -> rustls::ServerConfig {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
