//! What is exported of the replica that leads: that it does, and what it writes.

use std::fmt;
use std::time::Duration;

use gwapi::Kind;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::leader::Term;

/// What the writer of statuses counts.
#[derive(Clone, Debug)]
pub struct StatusWrites {
    writes: Family<[(&'static str, &'static str); 2], Counter>,
    lag: Histogram,
    pending: Gauge,
}

impl Default for StatusWrites {
    fn default() -> Self {
        // Somebody waits for a second; ten thousand routes take minutes.
        let seconds = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
        Self { writes: Family::default(), lag: Histogram::new(seconds), pending: Gauge::default() }
    }
}

impl StatusWrites {
    pub(crate) fn done(&self, kind: Kind, result: &'static str, waited: Duration) {
        self.writes.get_or_create(&[("kind", kind.as_str()), ("result", result)]).inc();
        if result == "written" {
            self.lag.observe(waited.as_secs_f64());
        }
    }

    pub(crate) fn pending(&self, count: usize) {
        self.pending.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// Registers what is exported of leading and of status writes.
pub fn register(registry: &mut Registry, writes: &StatusWrites, term: Term) {
    let registry = registry.sub_registry_with_prefix("tidegate");
    registry.register(
        "status_writes",
        "Objects whose status was looked at, and what came of it",
        writes.writes.clone(),
    );
    registry.register_with_unit(
        "status_write_lag",
        "From the decision about a status to its being written",
        Unit::Seconds,
        writes.lag.clone(),
    );
    registry.register(
        "status_writes_pending",
        "Objects whose status has to be looked at",
        writes.pending.clone(),
    );
    registry.register_collector(Box::new(Leader(term)));
}

/// Asks the clock at every scrape.
struct Leader(Term);

impl fmt::Debug for Leader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leader")
    }
}

impl Collector for Leader {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Whether this replica leads: it writes statuses and provisions proxies";
        let encoder = encoder.encode_descriptor("leader", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(self.0.leads())).encode(encoder)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::leader::term;

    #[test]
    fn everything_that_is_exported_is_on_the_page() {
        let (_office, term) = term();
        let writes = StatusWrites::default();
        writes.done(Kind::Gateway, "written", Duration::from_millis(20));
        let mut registry = Registry::default();
        register(&mut registry, &writes, term);
        let mut text = String::new();
        encode(&mut text, &registry).expect("text");
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let names: Vec<_> = names.collect();
        assert_eq!(names.len(), 4, "{text}");
        let page = include_str!("../../../../docs/reference/metrics.md");
        for name in names {
            assert!(page.contains(name), "docs/reference/metrics.md does not name {name}");
        }
        assert!(text.contains("tidegate_leader 0\n"), "{text}");
    }
}
