//! Access lines against their schema, whatever bytes clients send.

#[path = "../../tests/support/schema.rs"]
mod schema;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use proptest::prelude::*;
use serde_json::Value;

use super::line::{id_text, render};
use super::*;
use crate::outcome::{Close, CloseReason, FlowClose};
use crate::tls::client_hello::{Bad, Hello, parse};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A closed connection with everything known.
fn record() -> Record {
    let listener = ListenerName {
        gateway_namespace: "edge".into(),
        gateway: "l4".into(),
        listener: "pg".into(),
        protocol: "TCP".into(),
        ..ListenerName::default()
    };
    let route = RouteName { kind: "TCPRoute".into(), namespace: "db".into(), name: "pg".into() };
    let backend = BackendName { namespace: "db".into(), name: "pg".into(), port: 5432 };
    Record {
        at: SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_435_204_518_233),
        event: Event::ConnectionClosed,
        transport: Transport::Tcp,
        client: "203.0.113.7:51344".parse().unwrap(),
        local: "10.0.1.17:5432".parse().unwrap(),
        listener: Some(Arc::new(listener)),
        route: Some(Arc::new(route)),
        backend: Some(Backend {
            name: Arc::new(backend),
            address: Some("10.0.7.21:5432".parse().unwrap()),
            attempts: Some(1),
            connect: Some(Duration::from_micros(1_234)),
        }),
        tls: None,
        id: 1 << 57,
        duration: Duration::from_millis(252_310),
        received_bytes: 88_213,
        sent_bytes: 1_204_411,
        datagrams: None,
        by: By::Client,
        reason: CloseReason::ClientClosed.as_str(),
        failure: false,
        suppressed: 0,
    }
}

fn line(record: &Record, format: Format) -> String {
    let mut line = Vec::new();
    render(record, format, &mut line);
    String::from_utf8(line).unwrap()
}

/// The JSON line of a record, checked against the schema.
fn valid(record: &Record) -> Value {
    let line = line(record, Format::Json);
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    let value = json(&line);
    let errors = schema::errors(&value);
    assert!(errors.is_empty(), "{errors:?} in {line}");
    value
}

#[test]
fn a_closed_connection_reads_as_documented() {
    assert_eq!(
        line(&record(), Format::Json),
        concat!(
            r#"{"time":"2026-11-23T12:00:04.518233Z","level":"info","message":"connection closed","#,
            r#""network.transport":"tcp","network.type":"ipv4","client.address":"203.0.113.7","#,
            r#""client.port":51344,"network.local.address":"10.0.1.17","server.port":5432,"#,
            r#""tidegate.gateway.name":"edge/l4","tidegate.listener.name":"pg","#,
            r#""tidegate.route.name":"TCPRoute/db/pg","tidegate.backend.name":"db/pg:5432","#,
            r#""tidegate.backend.address":"10.0.7.21","tidegate.backend.port":5432,"#,
            r#""tidegate.backend.attempts":1,"tidegate.backend.connect_seconds":0.0012,"#,
            r#""tidegate.connection.id":"400000000000","tidegate.connection.seconds":252.31,"#,
            r#""tidegate.connection.received_bytes":88213,"#,
            r#""tidegate.connection.sent_bytes":1204411,"tidegate.close.by":"client","#,
            r#""tidegate.close.reason":"client_closed"}"#,
            "\n"
        )
    );
    valid(&record());
}

#[test]
fn a_line_for_people_is_short() {
    assert_eq!(
        line(&record(), Format::Text),
        "12:00:04 tcp 203.0.113.7:51344 → edge/l4 pg → db/pg 10.0.7.21:5432  ↑86 KiB ↓1.1 MiB \
         4m12s  client closed\n"
    );
    let refused = Record {
        event: Event::ConnectionRefused,
        listener: None,
        backend: None,
        by: By::Tidegate,
        reason: Refusal::FdBudget.as_str(),
        duration: Duration::from_millis(300),
        received_bytes: 0,
        sent_bytes: 0,
        suppressed: 7,
        ..record()
    };
    assert_eq!(
        line(&refused, Format::Text),
        "12:00:04 tcp 203.0.113.7:51344 → 10.0.1.17:5432  ↑0 B ↓0 B 0.3s  refused: fd budget \
         (and 7 more)\n"
    );
}

#[test]
fn a_terminated_session_and_a_flow_validate() {
    let session = Established {
        version: "1.3",
        cipher: "TLS_AES_128_GCM_SHA256",
        curve: Some("X25519MLKEM768"),
        next_protocol: Some("mqtt".into()),
        resumed: false,
        secret: Some("edge/mqtt-tls".into()),
        client: Some(Box::new(crate::tls::ClientCertificate {
            subject: "CN=sensor-17".into(),
            sha256: "9F".repeat(32).into(),
            valid: true,
        })),
    };
    let facts = TlsFacts {
        server_name: ServerName::parse(b"mqtt.example.com"),
        offer: Offer::from_protocols([&b"mqtt"[..]].into_iter()),
        mode: Some(Mode::Terminate),
        session: Some((session, Duration::from_millis(4))),
        ..TlsFacts::default()
    };
    let terminated = valid(&Record { tls: Some(Box::new(facts)), ..record() });
    assert_eq!(terminated["server.address"], "mqtt.example.com");
    assert_eq!(terminated["tls.cipher"], "TLS_AES_128_GCM_SHA256");
    assert_eq!(terminated["tidegate.tls.handshake_seconds"], 0.004);

    let flow = Record {
        event: Event::FlowClosed,
        transport: Transport::Udp,
        datagrams: Some(Datagrams { received: 3, sent: 4, dropped: 1 }),
        by: By::Tidegate,
        reason: FlowClose::Idle.as_str(),
        ..record()
    };
    assert_eq!(valid(&flow)["tidegate.udp.sent_datagrams"], 4);
}

#[test]
fn a_failure_is_an_error_of_its_reason_and_an_orderly_end_is_none() {
    let close = Close { by: By::Backend, reason: CloseReason::BackendReset };
    let failed = Record {
        by: close.by,
        reason: close.reason.as_str(),
        failure: close.is_failure(),
        ..record()
    };
    assert_eq!(valid(&failed)["error.type"], "backend_reset");
    assert_eq!(valid(&record()).get("error.type"), None);
}

#[test]
fn the_schema_names_every_reason_and_no_other() {
    let schema = schema::schema();
    let named = schema["properties"]["tidegate.close.reason"]["enum"].as_array().unwrap();
    let named: BTreeSet<_> = named.iter().map(|reason| reason.as_str().unwrap()).collect();
    let refusals = Refusal::ALL.iter().filter(|reason| **reason != Refusal::Probe);
    let all = refusals
        .map(|reason| reason.as_str())
        .chain(CloseReason::ALL.iter().map(|reason| reason.as_str()))
        .chain(FlowClose::ALL.iter().map(|reason| reason.as_str()));
    assert_eq!(named, all.collect());
}

/// A ClientHello with these bytes as server name and as offered protocol.
fn hello(name: &[u8], protocol: &[u8]) -> Vec<u8> {
    let block = |length: usize, bytes: &[u8]| {
        let size = (bytes.len() as u32).to_be_bytes();
        [&size[4 - length..], bytes].concat()
    };
    let entry = [&[0_u8][..], &block(2, name)].concat();
    let names = [&[0_u8, 0][..], &block(2, &block(2, &entry))].concat();
    let protocols = [&[0_u8, 16][..], &block(2, &block(2, &block(1, protocol)))].concat();
    let extensions = block(2, &[names, protocols].concat());
    let fixed = [&[3_u8, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0]].concat();
    let message = [&[1_u8][..], &block(3, &[fixed, extensions].concat())].concat();
    [&[22_u8, 3, 1][..], &block(2, &message)].concat()
}

proptest! {
    #[test]
    fn whatever_a_client_sends_is_one_line_of_known_keys(
        name in prop::collection::vec(any::<u8>(), 0..300),
        protocol in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let hello = hello(&name, &protocol);
        let mut facts = TlsFacts::default();
        match parse(&hello) {
            Hello::Complete(hello) => {
                facts.server_name = hello.server_name().cloned();
                facts.offer = Offer::of(&hello);
            }
            Hello::Bad(Bad::Name(name)) => facts.bad_server_name = Some(name.to_string().into()),
            Hello::Bad(_) | Hello::Incomplete => {}
        }
        let record = Record { tls: Some(Box::new(facts)), ..record() };
        valid(&record);
        prop_assert_eq!(line(&record, Format::Text).matches('\n').count(), 1);
        prop_assert!(!line(&record, Format::Text).trim_end().chars().any(char::is_control));
    }

    #[test]
    fn ids_sort_as_they_were_given(first in 0_u64..1 << 60, second in 0_u64..1 << 60) {
        prop_assert_eq!(first.cmp(&second), id_text(first).cmp(&id_text(second)));
    }
}

#[test]
fn ids_grow_even_when_the_clock_stands_still_or_goes_back() {
    let ids = Ids::default();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut last = 0;
    for step in 0..5000 {
        let next = ids.next(if step == 2500 { SystemTime::UNIX_EPOCH } else { now });
        assert!(next > last);
        last = next;
    }
    let later = ids.next(now + Duration::from_millis(100));
    assert_eq!(later >> 10, 1_700_000_000_100, "a pause lets the time catch up");
}

#[test]
fn refusals_by_limits_are_one_line_a_second_and_probes_none() {
    let lines = RefusalLines::default();
    assert_eq!(lines.allow(Refusal::FdBudget, 10), Some(0));
    assert_eq!(lines.allow(Refusal::FdBudget, 20), None);
    assert_eq!(lines.allow(Refusal::FdBudget, 1009), None);
    assert_eq!(lines.allow(Refusal::ListenerLimit, 1009), Some(0), "reasons do not share");
    assert_eq!(lines.allow(Refusal::FdBudget, 1010), Some(2));
    assert_eq!(lines.allow(Refusal::Probe, 5000), None);
    for now in 0..3 {
        assert_eq!(lines.allow(Refusal::NoEndpoint, now), Some(0), "not a limit");
    }
}

/// Output that blocks until it is let go.
struct Blocked(Arc<Mutex<Receiver<()>>>);

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.lock().unwrap().recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn blocked_output_drops_lines_and_counts_them() {
    let (release, blocked) = channel();
    let metrics = Metrics::new(1);
    let writer = Box::new(Blocked(Arc::new(Mutex::new(blocked))));
    let log = AccessLog { format: Format::Json, writer };
    let (sender, mut writer) = start(log, metrics.clone()).unwrap();
    let begun = std::time::Instant::now();
    let sent = 2 * QUEUE as u64 + 100;
    for _ in 0..sent {
        sender.send(record());
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "nothing waits for the output");
    let dropped = metrics.access_log_dropped().get();
    assert!(dropped > 0 && dropped <= sent - QUEUE as u64, "{dropped}");
    drop((release, sender));
    writer.finish();
}
