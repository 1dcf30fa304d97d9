//! One line for every connection and flow, at its end.
//!
//! Workers hand finished [`Record`]s to a bounded queue and never wait; one thread turns them into
//! text and writes them. A full queue drops lines and counts them. What a line looks like is in
//! [`line`].

pub(crate) mod line;

use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, SystemTime};

use snapshot::{BackendName, ListenerName, RouteName, ServerName, Transport};

use crate::clock::Millis;
use crate::metrics::Metrics;
use crate::outcome::{By, Refusal};
use crate::tls::{Established, Offer};

/// Lines that may wait for the writer: at 10,000 closes a second most of a second.
const QUEUE: usize = 8192;
/// How long the last lines may take to be written when the process ends; output may be blocked.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// Where access lines go and what they look like.
pub struct AccessLog {
    /// The form of a line.
    pub format: Format,
    /// Takes whole lines. It may block without harm to traffic.
    pub writer: Box<dyn Write + Send>,
}

/// The form of an access line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object for each line; the schema is `docs/reference/access-log.schema.json`.
    Json,
    /// For people at a terminal.
    Text,
    /// No lines at all.
    Off,
}

impl std::fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessLog").field("format", &self.format).finish_non_exhaustive()
    }
}

/// What is known of a connection or flow at its end.
#[derive(Debug)]
pub(crate) struct Record {
    /// Wall-clock time of the end.
    pub(crate) at: SystemTime,
    /// What ended.
    pub(crate) event: Event,
    /// TCP or UDP.
    pub(crate) transport: Transport,
    /// The client.
    pub(crate) client: SocketAddr,
    /// The address it spoke to.
    pub(crate) local: SocketAddr,
    /// The listener, if it was found.
    pub(crate) listener: Option<Arc<ListenerName>>,
    /// The route, if one was found.
    pub(crate) route: Option<Arc<RouteName>>,
    /// The backend, if one was chosen.
    pub(crate) backend: Option<Backend>,
    /// What the ClientHello and the handshake told.
    pub(crate) tls: Option<Box<TlsFacts>>,
    /// See [`Ids`].
    pub(crate) id: u64,
    /// From accept, or from the first datagram, to the end.
    pub(crate) duration: Duration,
    /// Payload bytes from the client.
    pub(crate) received_bytes: u64,
    /// Payload bytes to the client.
    pub(crate) sent_bytes: u64,
    /// Datagrams, if it was a flow.
    pub(crate) datagrams: Option<Datagrams>,
    /// Who ended it.
    pub(crate) by: By,
    /// Why: the label of a refusal, a close or a flow's end.
    pub(crate) reason: &'static str,
    /// Whether the end is a failure: a reset, a timeout, a limit.
    pub(crate) failure: bool,
    /// Lines of the same kind left out since the one before.
    pub(crate) suppressed: u64,
}

/// What ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A relayed connection.
    ConnectionClosed,
    /// A connection that got no backend.
    ConnectionRefused,
    /// A UDP flow.
    FlowClosed,
}

/// The backend of a connection or flow.
#[derive(Debug)]
pub(crate) struct Backend {
    /// Its name.
    pub(crate) name: Arc<BackendName>,
    /// The endpoint that took it, or the last one tried.
    pub(crate) address: Option<SocketAddr>,
    /// Endpoints tried; `None` for flows.
    pub(crate) attempts: Option<u8>,
    /// How long the successful connect took.
    pub(crate) connect: Option<Duration>,
}

/// Datagrams of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagrams {
    /// From the client.
    pub(crate) received: u64,
    /// To the client.
    pub(crate) sent: u64,
    /// Not sent on, either way.
    pub(crate) dropped: u64,
}

/// What a ClientHello and a handshake told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFacts {
    /// The name asked for.
    pub(crate) server_name: Option<ServerName>,
    /// A name outside the alphabet, as hex.
    pub(crate) bad_server_name: Option<Box<str>>,
    /// Protocols the client offered.
    pub(crate) offer: Offer,
    /// What happens to the session; `None` if no listener was found.
    pub(crate) mode: Option<Mode>,
    /// The handshake with the client, once it is done, and how long it took.
    pub(crate) session: Option<(Established, Duration)>,
}

/// What happens to a TLS session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Relayed as it is.
    Passthrough,
    /// Ended here.
    Terminate,
}

/// The sending half, cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    queue: Option<SyncSender<Box<Record>>>,
    metrics: Metrics,
}

impl Sender {
    /// Whether anybody reads lines; if not, facts that cost a system call need not be gathered.
    pub(crate) fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Queues a line; never waits.
    pub(crate) fn send(&self, record: Record) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(Box::new(record)) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => self.metrics.access_log_dropped().inc(),
        }
    }
}

/// The writing half; ends when every [`Sender`] is gone.
#[derive(Debug)]
pub(crate) struct Writer {
    done: Option<Receiver<()>>,
}

impl Writer {
    /// Waits until every queued line is written, unless the output is blocked. Every [`Sender`]
    /// must be gone.
    pub(crate) fn finish(&mut self) {
        if let Some(done) = self.done.take() {
            let blocked = done.recv_timeout(FLUSH_DEADLINE) == Err(RecvTimeoutError::Timeout);
            if blocked {
                tracing::warn!("the last access lines could not be written in time");
            }
        }
    }
}

/// Starts the writer thread, unless the format is [`Format::Off`].
pub(crate) fn start(log: AccessLog, metrics: Metrics) -> std::io::Result<(Sender, Writer)> {
    let AccessLog { format, writer } = log;
    if format == Format::Off {
        return Ok((Sender { queue: None, metrics }, Writer { done: None }));
    }
    let (queue, lines) = sync_channel(QUEUE);
    let (finished, done) = sync_channel(0);
    std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
        // Dropped at the end of this thread, whatever ends it.
        let _finished: SyncSender<()> = finished;
        write_lines(&lines, format, writer);
    })?;
    Ok((Sender { queue: Some(queue), metrics }, Writer { done: Some(done) }))
}

fn write_lines(lines: &Receiver<Box<Record>>, format: Format, writer: Box<dyn Write + Send>) {
    let mut writer = BufWriter::with_capacity(64 * 1024, writer);
    let mut line = Vec::with_capacity(1024);
    while let Ok(first) = lines.recv() {
        let mut next = Some(first);
        while let Some(record) = next {
            line.clear();
            line::render(&record, format, &mut line);
            // Output that fails today may work tomorrow (a rotated file, a restarted reader).
            let _ = writer.write_all(&line);
            next = lines.try_recv().ok();
        }
        let _ = writer.flush();
    }
}

/// Bounds the lines of refusals that are limits at work to one a second for each reason.
#[derive(Debug, Default)]
pub(crate) struct RefusalLines {
    reasons: [Allowance; Refusal::ALL.len()],
}

#[derive(Debug, Default)]
struct Allowance {
    /// When the next line may be written.
    next: AtomicU64,
    suppressed: AtomicU64,
}

impl RefusalLines {
    /// Whether a line may be written at `now`, and how many were left out before it.
    pub(crate) fn allow(&self, reason: Refusal, now: Millis) -> Option<u64> {
        if reason == Refusal::Probe {
            return None;
        }
        if !reason.is_limit() {
            return Some(0);
        }
        let allowance = self.reasons.get(reason.index())?;
        let next = allowance.next.load(Relaxed);
        let taken = now >= next
            && allowance.next.compare_exchange(next, now + 1000, Relaxed, Relaxed).is_ok();
        if taken {
            return Some(allowance.suppressed.swap(0, Relaxed));
        }
        allowance.suppressed.fetch_add(1, Relaxed);
        None
    }
}

/// Connection ids: twelve characters that sort by time, no two alike in one process.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    last: AtomicU64,
}

impl Ids {
    /// Milliseconds since 1970 and a count of up to 1,024 within one; a busier millisecond borrows
    /// from the next.
    pub(crate) fn next(&self, now: SystemTime) -> u64 {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let floor = u64::try_from(since.as_millis()).unwrap_or(0) << 10;
        let last = self.last.fetch_update(Relaxed, Relaxed, |last| Some(floor.max(last + 1)));
        floor.max(last.unwrap_or(0) + 1)
    }
}

#[cfg(test)]
mod tests;
