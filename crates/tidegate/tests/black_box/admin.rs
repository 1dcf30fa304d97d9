//! The admin endpoint: exact paths, GET only, hosts that DNS cannot fake, deadlines, and what it
//! answers.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use e2e::peers::tcp_echo;
use e2e::{Gateway, Launch, address, eventually, manifests as m};
use serde_json::Value;

use crate::{exchange, raw};

async fn gateway() -> Gateway {
    let backend = SocketAddr::new(address::fresh(), 7000);
    tcp_echo(backend).await;
    let mut launch = Launch::new(
        &[
            m::gateway(&[m::Listener::tcp("pg", 2000)]),
            m::tcp_route("pg", "pg", "pg"),
            m::service("pg", "TCP", &[backend]),
        ]
        .concat(),
    );
    launch.arguments = ["--admin-host".into(), "tidegate.internal".into()].into();
    launch.start()
}

fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

fn get(gateway: &Gateway, path: &str, host: &str) -> String {
    raw(gateway.admin, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_exact_paths_methods_and_hosts_are_answered() {
    let gateway = gateway().await;
    for path in include_str!("../admin/path-tricks.txt").lines() {
        let answer = get(&gateway, path, "localhost");
        assert_eq!(code(&answer), "404", "{path}: {answer}");
        assert!(!answer.contains("binds"), "{path} leaks the snapshot");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"] {
        let request = format!("{method} /snapshot HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = raw(gateway.admin, &request);
        assert!(!answer.contains("binds") && !answer.contains(" 200 "), "{method}: {answer}");
    }
    let hosts = [
        ("localhost", "200"),
        ("localhost:19000", "200"),
        ("127.0.0.1:19000", "200"),
        ("[::1]:19000", "200"),
        ("tidegate.internal", "200"),
        (&gateway.admin.to_string(), "200"),
        ("evil.example", "403"),
        ("evil.example:19000", "403"),
        ("127.0.0.2", "403"),
        ("", "403"),
    ];
    for (host, expected) in hosts {
        for path in ["/livez", "/readyz", "/metrics", "/snapshot", "/status"] {
            assert_eq!(code(&get(&gateway, path, host)), expected, "{host} {path}");
        }
    }
    let nameless = raw(gateway.admin, "GET /status HTTP/1.0\r\n\r\n");
    assert_eq!(code(&nameless), "403");
    gateway.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_not_cached_nor_guessed_nor_shared() {
    let gateway = gateway().await;
    for (path, kind) in [
        ("/livez", "text/plain; charset=utf-8"),
        ("/metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("/snapshot", "application/json"),
        ("/status", "application/json"),
    ] {
        let answer = get(&gateway, path, "localhost").to_ascii_lowercase();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        for line in [
            format!("content-type: {kind}"),
            "cache-control: no-store".to_owned(),
            "x-content-type-options: nosniff".to_owned(),
            "content-security-policy: default-src 'none'; frame-ancestors 'none'".to_owned(),
        ] {
            assert!(head.contains(&line), "{path}: {line} in {head}");
        }
        assert!(!head.contains("access-control"), "{head}");
        assert!(!body.is_empty());
        let head_only =
            raw(gateway.admin, &format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(code(&head_only), "200");
        assert!(head_only.ends_with("\r\n\r\n"), "HEAD has no body: {head_only}");
    }
    gateway.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_is_ended() {
    let gateway = gateway().await;
    let begun = Instant::now();
    let mut slow: Vec<_> =
        (0..80).map(|_| TcpStream::connect(gateway.admin).expect("the queue takes them")).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /status HTTP/1.1\r\nX-Slow: ").expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(15))).expect("an option");
    }
    // 64 are held, so this one waits until the first are ended: about 5 s.
    assert_eq!(code(&get(&gateway, "/livez", "localhost")), "200");
    for mut stream in slow {
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(14), "two rounds of 5 s took {took:?}");
    gateway.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_end_is_refused() {
    let gateway = gateway().await;
    let long =
        format!("GET /status HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let answer = raw(gateway.admin, &long);
    assert!(!answer.contains(" 200 "), "{}", &answer[..answer.len().min(200)]);
    assert_eq!(code(&get(&gateway, "/livez", "localhost")), "200");
    gateway.finish();
}

/// What scrapers add themselves: a label of that name would be renamed or overwritten.
const TARGET_LABELS: [&str; 7] =
    ["namespace", "pod", "container", "service", "endpoint", "job", "instance"];

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_of_objects_conditions_and_the_program() {
    let gateway = gateway().await;
    exchange(gateway.at(2000), b"x").expect("served");
    eventually("the connection is counted", crate::DEADLINE, || {
        gateway.metrics().sum("tidegate_connections_closed_total", &[]) == 1.0
    });
    let metrics = gateway.metrics();
    for sample in metrics.samples() {
        let ours = sample.name.starts_with("tidegate_") || sample.name.starts_with("process_");
        assert!(ours, "{}", sample.name);
        for label in TARGET_LABELS {
            assert!(!sample.labels.contains_key(label), "{} has label {label}", sample.name);
        }
    }
    let programmed = [
        ("kind", "Gateway"),
        ("object_namespace", m::NAMESPACE),
        ("object", m::GATEWAY),
        ("section", "pg"),
        ("condition", "Programmed"),
        ("reason", "Programmed"),
    ];
    assert_eq!(metrics.sum("tidegate_condition", &programmed), 1.0);
    let route = [("kind", "TCPRoute"), ("section", "default/edge#pg"), ("condition", "Accepted")];
    assert_eq!(metrics.sum("tidegate_condition", &route), 1.0);
    assert_eq!(metrics.sum("tidegate_objects", &[("kind", "Service")]), 1.0);
    assert_eq!(metrics.sum("tidegate_objects", &[("kind", "Secret")]), 0.0);
    assert_eq!(metrics.matching("tidegate_objects", &[]).count(), 15);
    assert!(metrics.sum("tidegate_publish_total", &[]) >= 1.0);
    assert!(metrics.sum("tidegate_translate_duration_seconds_count", &[]) >= 2.0);
    assert_eq!(metrics.sum("tidegate_config_errors", &[]), 0.0);
    let build = [("version", env!("CARGO_PKG_VERSION")), ("role", "standalone")];
    assert_eq!(metrics.sum("tidegate_build_info", &build), 1.0);
    let accepted = metrics.sum("tidegate_connections_accepted_total", &[]);
    let decided = metrics.sum("tidegate_connections_refused_total", &[])
        + metrics.sum("tidegate_connections_opened_total", &[]);
    assert_eq!(accepted, decided);
    let (_, text) = gateway.get("/metrics").expect("it answers");
    assert_eq!(text.matches("# EOF").count(), 1);
    assert!(text.ends_with("# EOF\n"));
    let families: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let mut once = families.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), families.len(), "a family is there twice");
    gateway.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshot_and_status_tell_what_is_served() {
    let gateway = gateway().await;
    let (_, text) = gateway.get("/snapshot").expect("it answers");
    let snapshot: Value = serde_json::from_str(&text).expect("JSON");
    let bind = format!("tcp/{}", gateway.at(2000));
    assert!(snapshot["binds"][&bind]["app"]["tcp"]["route"].is_object(), "{text}");
    assert!(snapshot["version"].as_u64() >= Some(1));
    eventually("what was applied is in /status", crate::DEADLINE, || {
        gateway.status()["applied"]["binds"][&bind] == "bound"
    });
    let status = gateway.status();
    assert_eq!(status["apiVersion"], "cli.tidegate.dev/v1");
    assert_eq!(status["ready"], true);
    assert_eq!(status["summary"]["errors"], 0);
    let objects = status["objects"].as_array().expect("objects");
    let gateway_object = objects.iter().find(|it| it["kind"] == "Gateway").expect("a Gateway");
    assert!(gateway_object["place"]["file"].as_str().expect("a file").ends_with("gateway.yaml"));
    assert_eq!(gateway_object["listeners"][0]["routes"][0]["backends"][0]["endpoints"], 1);
    gateway.finish();
}
