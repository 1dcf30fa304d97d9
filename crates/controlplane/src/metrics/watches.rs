//! The metrics of the watches of a cluster, read from their [`Health`] at every scrape.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::source::kube::health::{Health, Relist};

/// Registers what is exported of the watches of a cluster.
pub fn register(registry: &mut Registry, health: watch::Receiver<Health>) {
    let registry = registry.sub_registry_with_prefix("tidegate");
    registry.register_collector(Box::new(FromHealth(health)));
}

struct FromHealth(watch::Receiver<Health>);

/// All watches of one kind together.
#[derive(Default)]
struct OfKind {
    errors: u64,
    relists: [u64; Relist::ALL.len()],
    /// Of the one that heard nothing for the longest time.
    silent: Duration,
}

impl fmt::Debug for FromHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromHealth")
    }
}

fn by_kind(health: &Health, now: Instant) -> BTreeMap<&'static str, OfKind> {
    let mut kinds: BTreeMap<_, OfKind> = BTreeMap::new();
    let running = now.saturating_duration_since(health.start);
    for (id, watch) in &health.watches {
        let kind = kinds.entry(id.topic.kind()).or_default();
        kind.errors += watch.errors;
        for (sum, count) in kind.relists.iter_mut().zip(watch.relists) {
            *sum += count;
        }
        kind.silent = kind.silent.max(running.saturating_sub(watch.progress));
    }
    kinds
}

impl Collector for FromHealth {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kinds = by_kind(&self.0.borrow(), Instant::now());
        let mut errors = encoder.encode_descriptor(
            "watch_errors",
            "Requests to the API server that failed, were refused or made no sense",
            None,
            MetricType::Counter,
        )?;
        for (kind, of_kind) in &kinds {
            let counter = ConstCounter::new(of_kind.errors);
            counter.encode(errors.encode_family(&[("kind", *kind)])?)?;
        }
        let mut relists = encoder.encode_descriptor(
            "relist",
            "Lists of all objects of a kind",
            None,
            MetricType::Counter,
        )?;
        for (kind, of_kind) in &kinds {
            for (reason, count) in Relist::ALL.into_iter().zip(of_kind.relists) {
                let labels = [("kind", *kind), ("reason", reason.as_str())];
                ConstCounter::new(count).encode(relists.encode_family(&labels)?)?;
            }
        }
        let mut silent = encoder.encode_descriptor(
            "watch_last_progress",
            "Time since the API server last said something useful about a kind",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for (kind, of_kind) in &kinds {
            let gauge = ConstGauge::new(of_kind.silent.as_secs_f64());
            gauge.encode(silent.encode_family(&[("kind", *kind)])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gwapi::Kind;

    use super::*;
    use crate::owned::OwnedKind;
    use crate::source::kube::WatchHealth;
    use crate::source::kube::topic::{Topic, WatchId};

    #[tokio::test(start_paused = true)]
    async fn watches_of_one_kind_are_shown_together() {
        let mut health = Health::default();
        let watch = |topic, namespace: Option<&str>, errors, progress| {
            let id = WatchId { topic, namespace: namespace.map(Arc::from) };
            let progress = Duration::from_secs(progress);
            let mut watch = WatchHealth { errors, progress, ..WatchHealth::default() };
            watch.relists[Relist::Expired as usize] = 1;
            (id, watch)
        };
        health.watches.extend([
            watch(Topic::Read(Kind::Service), Some("a"), 1, 70),
            watch(Topic::Read(Kind::Service), Some("b"), 2, 40),
            watch(Topic::Owned(OwnedKind::Service), None, 4, 80),
            watch(Topic::Read(Kind::TcpRoute), None, 0, 90),
        ]);
        tokio::time::advance(Duration::from_secs(100)).await;
        let (_keep, health) = watch::channel(health);
        let mut registry = Registry::default();
        register(&mut registry, health);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
        for line in [
            r#"tidegate_watch_errors_total{kind="Service"} 7"#,
            r#"tidegate_relist_total{kind="Service",reason="expired"} 3"#,
            r#"tidegate_relist_total{kind="TCPRoute",reason="went_back"} 0"#,
            r#"tidegate_watch_last_progress_seconds{kind="Service"} 60.0"#,
            r#"tidegate_watch_last_progress_seconds{kind="TCPRoute"} 10.0"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
