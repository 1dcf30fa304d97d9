//! The election over one Lease, as a state machine: answers and times go in, the next request
//! comes out. No input, no output, no clock.
//!
//! Two rules keep two replicas from leading at once. A record is respected for its duration from
//! when *this* replica saw it change, by its own monotonic clock: what time another clock wrote
//! into it means nothing. And a leader counts its own, shorter term from when it *asked* for the
//! renewal that was granted, so it ends before anybody else may take over, whatever was in between.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

/// See [`super::LeaseConfig`].
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// For how long a record that nobody renews is respected.
    pub duration: Duration,
    /// For how long a granted renewal lets this replica lead.
    pub deadline: Duration,
    /// How often the leader renews and the others look.
    pub renew: Duration,
    /// How long to wait after a request that failed.
    pub retry: Duration,
}

/// A Lease as the API server has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record(Box<Lease>);

impl Record {
    /// A Lease that was read or written.
    pub fn new(lease: Lease) -> Self {
        Self(Box::new(lease))
    }

    /// The Lease.
    pub fn lease(&self) -> &Lease {
        &self.0
    }

    /// Who holds it; empty if nobody does.
    pub fn holder(&self) -> &str {
        let spec = self.0.spec.as_ref();
        spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
    }

    /// Changes with every write, whoever makes it.
    fn version(&self) -> &str {
        self.0.metadata.resource_version.as_deref().unwrap_or_default()
    }

    /// What its holder asks others to wait.
    fn duration(&self) -> Duration {
        let seconds = self.0.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        Duration::from_secs(seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0))
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing until then.
    Wait(Instant),
    /// Read the Lease.
    Read,
    /// Create it, held by us.
    Create,
    /// Put us into this record in place of its holder.
    Take(Record),
    /// Renew this record, which is ours.
    Renew(Record),
}

/// What is known of the Lease.
#[derive(Clone, Debug)]
enum Known {
    /// Nothing, or nothing certain.
    Unread,
    /// There is none.
    Absent,
    /// It was so when last seen.
    Seen(Record),
}

/// The election as one replica sees it.
#[derive(Debug)]
pub struct Election {
    identity: String,
    timing: Timing,
    known: Known,
    /// The version that was seen last, until when it is respected, if others hold it.
    respected: Option<(String, Instant)>,
    /// What is known was read just now: on this alone a lease may be taken over.
    is_fresh: bool,
    /// Not before then.
    due: Instant,
    /// This replica leads until then.
    until: Option<Instant>,
    /// Refusals in a row.
    refusals: u32,
}

impl Election {
    /// One that nothing is known of.
    pub fn new(identity: String, timing: Timing, now: Instant) -> Self {
        Self {
            identity,
            timing,
            known: Known::Unread,
            respected: None,
            is_fresh: false,
            due: now,
            until: None,
            refusals: 0,
        }
    }

    /// Until when this replica leads; `None` if it does not.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| now < *until)
    }

    /// The record to give back, if it is ours as far as is known.
    pub fn held(&self) -> Option<&Record> {
        match &self.known {
            Known::Seen(record) if record.holder() == self.identity => Some(record),
            _ => None,
        }
    }

    /// What to do now.
    pub fn next(&self, now: Instant) -> Step {
        if now < self.due {
            return Step::Wait(self.due);
        }
        match &self.known {
            Known::Unread => Step::Read,
            Known::Absent if self.is_fresh => Step::Create,
            Known::Absent => Step::Read,
            Known::Seen(record) if record.holder() == self.identity => Step::Renew(record.clone()),
            Known::Seen(record) if self.is_fresh => Step::Take(record.clone()),
            Known::Seen(_) => Step::Read,
        }
    }

    /// The Lease was read.
    pub fn read(&mut self, found: Option<Record>, now: Instant) {
        let Some(record) = found else {
            // A Lease that vanished may have a holder who does not know yet.
            self.until = None;
            self.known = Known::Absent;
            self.wait_for_respected(now);
            return;
        };
        if record.holder() == self.identity {
            self.known = Known::Seen(record);
            self.due = now;
            return;
        }
        self.until = None;
        let is_seen =
            self.respected.as_ref().is_some_and(|(version, _)| version == record.version());
        if record.holder().is_empty() {
            self.respected = None;
        } else if !is_seen {
            let duration = record.duration().max(self.timing.duration);
            self.respected = Some((record.version().to_owned(), now + duration));
        }
        self.known = Known::Seen(record);
        self.wait_for_respected(now);
    }

    /// Our write, begun at `asked`, was accepted and left this record.
    pub fn written(&mut self, record: Record, asked: Instant) {
        self.until = Some(asked + self.timing.deadline);
        self.due = asked + self.timing.renew;
        self.respected = None;
        self.known = Known::Seen(record);
        self.is_fresh = false;
        self.refusals = 0;
    }

    /// Our write was refused because the Lease is another one by now.
    pub fn refused(&mut self, now: Instant) {
        self.known = Known::Unread;
        self.is_fresh = false;
        // Looked at again at once, but not in a loop.
        self.due = if self.refusals == 0 { now } else { now + self.timing.retry };
        self.refusals = self.refusals.saturating_add(1);
    }

    /// A request failed; whether it had an effect is not known.
    pub fn failed(&mut self, now: Instant) {
        self.is_fresh = false;
        self.due = now + self.timing.retry;
    }

    /// Takes over at once what nobody holds; else when it need not be respected any longer.
    fn wait_for_respected(&mut self, now: Instant) {
        let end = self.respected.as_ref().map(|(_, end)| *end).filter(|end| now < *end);
        self.is_fresh = end.is_none();
        self.due = end.map_or(now, |end| end.min(now + self.timing.renew));
    }
}

#[cfg(test)]
mod tests;
