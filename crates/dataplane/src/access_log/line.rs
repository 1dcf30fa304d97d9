//! What an access line looks like: JSON for machines, text for people. Pure: a record in, bytes
//! out. Every record becomes exactly one line, whatever bytes a client put into it.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use snapshot::Transport;

use super::{Event, Format, Mode, Record, TlsFacts};
use crate::outcome::By;

/// Appends the line of `record`, line feed included; nothing for [`Format::Off`].
pub(crate) fn render(record: &Record, format: Format, line: &mut Vec<u8>) {
    match format {
        Format::Json => {
            let start = line.len();
            // Fails only if a value refuses to be written, which none of ours does.
            if serde_json::to_writer(&mut *line, &Line::new(record)).is_err() {
                line.truncate(start);
            }
            line.push(b'\n');
        }
        Format::Text => {
            line.extend_from_slice(Text(record).to_string().as_bytes());
            line.push(b'\n');
        }
        Format::Off => {}
    }
}

/// The keys of a JSON line, in the order they are written. Flat, dotted, OpenTelemetry's where it
/// has one; absent means unknown.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: &'static str,
    message: &'static str,
    #[serde(rename = "network.transport")]
    transport: Transport,
    #[serde(rename = "network.type")]
    family: &'static str,
    #[serde(rename = "client.address", serialize_with = "as_text")]
    client_address: std::net::IpAddr,
    #[serde(rename = "client.port")]
    client_port: u16,
    #[serde(rename = "network.local.address", serialize_with = "as_text")]
    local_address: std::net::IpAddr,
    #[serde(rename = "server.address", skip_serializing_if = "Option::is_none")]
    server_address: Option<&'a str>,
    #[serde(rename = "server.port")]
    server_port: u16,
    #[serde(flatten)]
    session: Session<'a>,
    #[serde(rename = "tidegate.tls.mode", skip_serializing_if = "Option::is_none")]
    tls_mode: Option<&'static str>,
    #[serde(rename = "tidegate.tls.offered_alpn", skip_serializing_if = "Vec::is_empty")]
    offered_alpn: Vec<String>,
    #[serde(rename = "tidegate.tls.bad_server_name", skip_serializing_if = "Option::is_none")]
    bad_server_name: Option<&'a str>,
    #[serde(rename = "tidegate.gateway.name", skip_serializing_if = "Option::is_none")]
    gateway: Option<String>,
    #[serde(rename = "tidegate.listener_set.name", skip_serializing_if = "Option::is_none")]
    listener_set: Option<&'a str>,
    #[serde(rename = "tidegate.listener.name", skip_serializing_if = "Option::is_none")]
    listener: Option<&'a str>,
    #[serde(rename = "tidegate.route.name", skip_serializing_if = "Option::is_none")]
    route: Option<String>,
    #[serde(rename = "tidegate.backend.name", skip_serializing_if = "Option::is_none")]
    backend: Option<String>,
    #[serde(rename = "tidegate.backend.address", skip_serializing_if = "Option::is_none")]
    backend_address: Option<String>,
    #[serde(rename = "tidegate.backend.port", skip_serializing_if = "Option::is_none")]
    backend_port: Option<u16>,
    #[serde(rename = "tidegate.backend.attempts", skip_serializing_if = "Option::is_none")]
    attempts: Option<u8>,
    #[serde(rename = "tidegate.backend.connect_seconds", skip_serializing_if = "Option::is_none")]
    connect_seconds: Option<f64>,
    #[serde(rename = "tidegate.connection.id")]
    id: String,
    #[serde(rename = "tidegate.connection.seconds")]
    seconds: f64,
    #[serde(rename = "tidegate.connection.received_bytes")]
    received_bytes: u64,
    #[serde(rename = "tidegate.connection.sent_bytes")]
    sent_bytes: u64,
    #[serde(rename = "tidegate.udp.received_datagrams", skip_serializing_if = "Option::is_none")]
    received_datagrams: Option<u64>,
    #[serde(rename = "tidegate.udp.sent_datagrams", skip_serializing_if = "Option::is_none")]
    sent_datagrams: Option<u64>,
    #[serde(rename = "tidegate.udp.dropped_datagrams", skip_serializing_if = "Option::is_none")]
    dropped_datagrams: Option<u64>,
    #[serde(rename = "tidegate.close.by")]
    by: &'static str,
    #[serde(rename = "tidegate.close.reason")]
    reason: &'static str,
    #[serde(rename = "tidegate.suppressed", skip_serializing_if = "is_zero")]
    suppressed: u64,
    #[serde(rename = "error.type", skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

/// The keys of a TLS session that ended here.
#[derive(Default, Serialize)]
struct Session<'a> {
    #[serde(rename = "tls.established", skip_serializing_if = "Option::is_none")]
    established: Option<bool>,
    #[serde(rename = "tls.protocol.name", skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    #[serde(rename = "tls.protocol.version", skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(rename = "tls.cipher", skip_serializing_if = "Option::is_none")]
    cipher: Option<&'a str>,
    #[serde(rename = "tls.curve", skip_serializing_if = "Option::is_none")]
    curve: Option<&'a str>,
    #[serde(rename = "tls.next_protocol", skip_serializing_if = "Option::is_none")]
    alpn: Option<&'a str>,
    #[serde(rename = "tls.resumed", skip_serializing_if = "Option::is_none")]
    resumed: Option<bool>,
    #[serde(rename = "tls.client.subject", skip_serializing_if = "Option::is_none")]
    client_subject: Option<&'a str>,
    #[serde(rename = "tls.client.hash.sha256", skip_serializing_if = "Option::is_none")]
    client_fingerprint: Option<&'a str>,
    #[serde(rename = "tidegate.tls.secret", skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    #[serde(rename = "tidegate.tls.handshake_seconds", skip_serializing_if = "Option::is_none")]
    handshake_seconds: Option<f64>,
}

impl<'a> Session<'a> {
    fn new(tls: Option<&'a TlsFacts>) -> Self {
        let Some(tls) = tls.filter(|tls| tls.mode == Some(Mode::Terminate)) else {
            return Self::default();
        };
        let Some((session, took)) = &tls.session else {
            return Self { established: Some(false), ..Self::default() };
        };
        Self {
            established: Some(true),
            protocol: Some("tls"),
            version: Some(session.version),
            cipher: Some(session.cipher),
            curve: session.curve,
            alpn: session.next_protocol.as_deref(),
            resumed: Some(session.resumed),
            client_subject: session.client.as_ref().map(|client| &*client.subject),
            client_fingerprint: session.client.as_ref().map(|client| &*client.sha256),
            secret: session.secret.as_deref(),
            handshake_seconds: Some(seconds(*took)),
        }
    }
}

impl<'a> Line<'a> {
    fn new(record: &'a Record) -> Self {
        let tls = record.tls.as_deref();
        let listener = record.listener.as_deref();
        let backend = record.backend.as_ref();
        let endpoint = backend.and_then(|backend| backend.address);
        let server_name = tls.and_then(|tls| tls.server_name.as_ref());
        Self {
            time: timestamp(record),
            level: "info",
            message: match record.event {
                Event::ConnectionClosed => "connection closed",
                Event::ConnectionRefused => "connection refused",
                Event::FlowClosed => "flow closed",
            },
            transport: record.transport,
            family: if record.client.is_ipv4() { "ipv4" } else { "ipv6" },
            client_address: record.client.ip(),
            client_port: record.client.port(),
            local_address: record.local.ip(),
            server_address: server_name.map(|name| name.as_str()),
            server_port: record.local.port(),
            session: Session::new(tls),
            tls_mode: tls.and_then(|tls| tls.mode).map(|mode| match mode {
                Mode::Passthrough => "passthrough",
                Mode::Terminate => "terminate",
            }),
            offered_alpn: tls.map(|tls| tls.offer.names().collect()).unwrap_or_default(),
            bad_server_name: tls.and_then(|tls| tls.bad_server_name.as_deref()),
            gateway: listener.map(|name| format!("{}/{}", name.gateway_namespace, name.gateway)),
            listener_set: listener
                .map(|name| name.listener_set.as_str())
                .filter(|name| !name.is_empty()),
            listener: listener.map(|name| name.listener.as_str()),
            route: record.route.as_ref().map(|name| name.to_string()),
            backend: backend.map(|backend| backend.name.to_string()),
            backend_address: endpoint.map(|address| address.ip().to_string()),
            backend_port: endpoint.map(|address| address.port()),
            attempts: backend.and_then(|backend| backend.attempts),
            connect_seconds: backend.and_then(|backend| backend.connect).map(seconds),
            id: id_text(record.id),
            seconds: seconds(record.duration),
            received_bytes: record.received_bytes,
            sent_bytes: record.sent_bytes,
            received_datagrams: record.datagrams.map(|datagrams| datagrams.received),
            sent_datagrams: record.datagrams.map(|datagrams| datagrams.sent),
            dropped_datagrams: record.datagrams.map(|datagrams| datagrams.dropped),
            by: record.by.as_str(),
            reason: record.reason,
            suppressed: record.suppressed,
            error: record.failure.then_some(record.reason),
        }
    }
}

fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// RFC 3339, UTC, microseconds.
fn timestamp(record: &Record) -> String {
    match jiff::Timestamp::try_from(record.at) {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        // A clock before year -9999 or after 9999: the line matters more than its time.
        Err(_) => "1970-01-01T00:00:00.000000Z".to_owned(),
    }
}

/// Seconds to a tenth of a millisecond: enough to compare, short to read.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10_000.0
}

/// Twelve characters of Crockford's base 32, which sort as the number does.
pub(crate) fn id_text(id: u64) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    (0..12)
        .rev()
        .filter_map(|place| ALPHABET.get((id >> (place * 5)) as usize & 31))
        .map(|byte| char::from(*byte))
        .collect()
}

/// A record for people: `12:00:04 tcp 203.0.113.7:51344 → edge/l4 pg → db/pg 10.0.7.21:5432  ↑86
/// KiB ↓1.1 MiB 4m12s  client closed`.
struct Text<'a>(&'a Record);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.0;
        let clock = timestamp(record);
        let clock = clock.get(11..19).unwrap_or("--:--:--");
        write!(f, "{clock} {} {}", record.transport, record.client)?;
        if let Some(name) = record.listener.as_deref() {
            write!(f, " → {}/{} {}", name.gateway_namespace, name.gateway, name.listener)?;
        } else {
            write!(f, " → {}", record.local)?;
        }
        if let Some(name) = record.tls.as_ref().and_then(|tls| tls.server_name.as_ref()) {
            write!(f, " {name}")?;
        }
        if let Some(backend) = &record.backend {
            write!(f, " → {}/{}", backend.name.namespace, backend.name.name)?;
            if let Some(address) = backend.address {
                write!(f, " {address}")?;
            }
        }
        let (received, sent) = (Size(record.received_bytes), Size(record.sent_bytes));
        write!(f, "  ↑{received} ↓{sent} {}", Span(record.duration))?;
        let reason = record.reason.replace('_', " ");
        match record.event {
            Event::ConnectionRefused => write!(f, "  refused: {reason}")?,
            _ if record.by == By::Tidegate => write!(f, "  closed: {reason}")?,
            _ => write!(f, "  {reason}")?,
        }
        if record.suppressed > 0 {
            write!(f, " (and {} more)", record.suppressed)?;
        }
        Ok(())
    }
}

/// Bytes for people.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0 as f64;
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        for unit in ["KiB", "MiB", "GiB"] {
            value /= 1024.0;
            if value < 1024.0 {
                let digits = usize::from(value < 10.0);
                return write!(f, "{value:.digits$} {unit}");
            }
        }
        write!(f, "{:.1} TiB", value / 1024.0)
    }
}

/// A duration for people.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..10 => write!(f, "{:.1}s", self.0.as_secs_f64()),
            10..60 => write!(f, "{seconds}s"),
            60..3600 => write!(f, "{}m{:02}s", seconds / 60, seconds % 60),
            _ => write!(f, "{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        }
    }
}
