//! What a scrape says, and for how long.

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::*;
use crate::worker::tests::{connection, opened, worker};

fn text(metrics: &Metrics) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(metrics.clone()));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

fn has(text: &str, line: &str) {
    assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
}

const L: &str =
    r#"gateway_namespace="edge",gateway="l4",listener_set="",listener="pg",protocol="TCP""#;

fn names() -> (Arc<ListenerName>, Arc<RouteName>, Arc<BackendName>) {
    let listener = ListenerName {
        gateway_namespace: "edge".into(),
        gateway: "l4".into(),
        listener: "pg".into(),
        protocol: "TCP".into(),
        ..ListenerName::default()
    };
    let route = RouteName { kind: "TCPRoute".into(), namespace: "db".into(), name: "pg".into() };
    let backend = BackendName { namespace: "db".into(), name: "pg".into(), port: 5432 };
    (Arc::new(listener), Arc::new(route), Arc::new(backend))
}

#[test]
fn series_exist_with_zero_from_the_moment_they_are_named() {
    let metrics = Metrics::new(2);
    let (listener, route, backend) = names();
    let _held = (
        metrics.listener(&listener),
        metrics.route(&listener, &route),
        metrics.backend(&listener, &route, &backend),
    );
    let text = text(&metrics);
    let r = format!(r#"{L},route_kind="TCPRoute",route_namespace="db",route="pg""#);
    let b = format!(r#"{r},backend_namespace="db",backend="pg",backend_port="5432""#);
    for line in [
        format!("tidegate_connections_accepted_total{{{L}}} 0"),
        format!("tidegate_connections_opened_total{{{r}}} 0"),
        format!("tidegate_connections_active{{{r}}} 0"),
        format!("tidegate_received_bytes_total{{{r}}} 0"),
        format!("tidegate_sent_bytes_total{{{r}}} 0"),
        format!("tidegate_backend_connections_active{{{b}}} 0"),
        format!("tidegate_connection_duration_seconds_count{{{L}}} 0"),
        format!("tidegate_backend_connect_duration_seconds_bucket{{le=\"0.0005\",{b}}} 0"),
        "tidegate_proxy_connections 0".into(),
        "tidegate_worker_connections{worker=\"1\"} 0".into(),
        "tidegate_access_log_dropped_total 0".into(),
        "tidegate_snapshot_version 0".into(),
    ] {
        has(&text, &line);
    }
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name}");
    }
    let is_flow = |line: &str| line.starts_with("tidegate_udp_flows");
    assert!(!text.lines().any(is_flow), "no flows at a TCP listener:\n{text}");
}

#[test]
fn workers_are_summed() {
    let metrics = Metrics::new(3);
    let (listener, ..) = names();
    let series = metrics.listener(&listener);
    for worker in 0..3 {
        series.workers.at(worker).accepted.add(worker as u64 + 1);
        series.workers.at(worker).refused.inc(Refusal::NoEndpoint.index());
        let duration = Duration::from_millis(500 * worker as u64);
        series.workers.at(worker).duration.observe(&DURATION_BOUNDS, duration);
    }
    series.handshake(TlsSide::Client, "ok");
    series.workers.at(0).duration.observe(&DURATION_BOUNDS, Duration::from_secs(1_000_000));
    let text = text(&metrics);
    has(&text, &format!("tidegate_connections_accepted_total{{{L}}} 6"));
    has(&text, &format!(r#"tidegate_connections_refused_total{{{L},reason="no_endpoint"}} 3"#));
    has(&text, &format!(r#"tidegate_tls_handshakes_total{{{L},side="client",result="ok"}} 1"#));
    for (bound, count) in [("0.1", 1), ("1.0", 3), ("86400.0", 3), ("+Inf", 4)] {
        let name = "tidegate_connection_duration_seconds_bucket";
        has(&text, &format!(r#"{name}{{le="{bound}",{L}}} {count}"#));
    }
    has(&text, &format!("tidegate_connection_duration_seconds_count{{{L}}} 4"));
}

#[test]
fn what_nothing_holds_is_forgotten_after_ten_minutes() {
    let metrics = Metrics::new(1);
    let (listener, route, _) = names();
    let series = metrics.route(&listener, &route);
    let start = Instant::now();
    let count = || lock(&metrics.inner.series).routes.len();
    metrics.forget_unused(start + FORGET_AFTER * 5);
    assert_eq!(count(), 1, "it is held");
    drop(series);
    metrics.forget_unused(start);
    metrics.forget_unused(start + FORGET_AFTER - Duration::from_secs(1));
    assert_eq!(count(), 1, "its last counts are still to be read");
    drop(metrics.route(&listener, &route));
    metrics.forget_unused(start + FORGET_AFTER);
    assert_eq!(count(), 0);
}

#[test]
fn label_values_cannot_break_out() {
    let metrics = Metrics::new(1);
    let listener = ListenerName { listener: "a\"} 1\nx{y=\"".into(), ..ListenerName::default() };
    let _held = metrics.listener(&Arc::new(listener));
    let text = text(&metrics);
    assert!(!text.lines().any(|line| line.starts_with("x{")), "{text}");
}

#[test]
fn every_accepted_connection_is_refused_opened_or_being_decided() {
    let worker = worker(0);
    let metrics = &worker.shared().metrics;
    let series = metrics.listener(&Arc::default());
    let route = metrics.route(&Arc::default(), &Arc::default());
    let counts = || {
        let refused = |cells: &ListenerCells| {
            Refusal::ALL.iter().map(|reason| cells.refused.get(reason.index())).sum()
        };
        (
            series.workers.total(|cells| cells.accepted.get()),
            series.workers.total(refused),
            route.workers.total(|cells| cells.opened.get()),
            route.workers.level(|cells| cells.active.get()),
        )
    };
    let deciding = connection(&worker);
    assert_eq!(counts(), (1, 0, 0, 0));
    deciding.refuse(Refusal::NoEndpoint);
    assert_eq!(counts(), (1, 1, 0, 0));
    drop(connection(&worker));
    assert_eq!(counts(), (2, 2, 0, 0), "dropped while being decided");
    let mut session = opened(&worker);
    assert_eq!(counts(), (3, 2, 1, 1));
    session.close(crate::outcome::Close::finished(crate::outcome::Side::Client));
    session.close(crate::outcome::Close::ours(CloseReason::Idle));
    drop(session);
    assert_eq!(counts(), (3, 2, 1, 0));
    let closed: u64 = route.workers.total(|cells| {
        cells.closed.iter().flat_map(|by| (0..CloseReason::ALL.len()).map(|i| by.get(i))).sum()
    });
    assert_eq!(closed, 1, "one reason for each opened");
}
