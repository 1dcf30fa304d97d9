//! The metrics of the control plane; their names are here and below, and nowhere else.
//!
//! What changes with every scrape is read from the last [`View`]; what only counts up is kept in
//! [`Counters`]. What only a leader counts is in [`leading`].

pub mod certificates;
pub mod cluster;
pub mod leading;

pub mod watches;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gwapi::{Kind, Objects};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, LabelSetEncoder};
use prometheus_client::encoding::{EncodeLabel as _, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::watch;
use translate::Statuses;

pub use self::certificates::CertificateTimes;
pub use self::leading::StatusWrites;
use crate::{View, conditions};

/// What the reconcile loop counts.
#[derive(Clone, Debug)]
pub struct Counters {
    translate_duration: Histogram,
    publish: Counter,
    failures: Counter,
}

impl Default for Counters {
    fn default() -> Self {
        // From a hundred objects to twenty thousand.
        let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];
        Self {
            translate_duration: Histogram::new(seconds),
            publish: Counter::default(),
            failures: Counter::default(),
        }
    }
}

impl Counters {
    pub(crate) fn translated(&self, took: Duration) {
        self.translate_duration.observe(took.as_secs_f64());
    }

    pub(crate) fn published(&self) {
        self.publish.inc();
    }

    pub(crate) fn failed(&self) {
        self.failures.inc();
    }
}

/// Registers everything the control plane exports.
pub fn register(registry: &mut Registry, counters: &Counters, view: watch::Receiver<Arc<View>>) {
    register_counters(registry, counters);
    let registry = registry.sub_registry_with_prefix("tidegate");
    registry.register_collector(Box::new(FromView(view)));
}

fn register_counters(registry: &mut Registry, counters: &Counters) {
    let registry = registry.sub_registry_with_prefix("tidegate");
    registry.register_with_unit(
        "translate_duration",
        "Time to translate all objects into a snapshot and statuses",
        Unit::Seconds,
        counters.translate_duration.clone(),
    );
    registry.register("publish", "Snapshots handed to the data plane", counters.publish.clone());
    registry.register(
        "translate_failures",
        "Translations that failed by a defect of the program; the last good snapshot was kept",
        counters.failures.clone(),
    );
}

/// Reads the last view at every scrape.
struct FromView(watch::Receiver<Arc<View>>);

impl fmt::Debug for FromView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromView")
    }
}

impl Collector for FromView {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let view = Arc::clone(&self.0.borrow());
        encode_conditions(&mut encoder, &view.translation.statuses)?;
        encode_objects(&mut encoder, &view.loaded.objects)?;
        let names = &view.names;
        let failing = names.answers.values().filter(|answer| answer.failure.is_some()).count();
        let oldest = names.answers.values().filter_map(|answer| answer.confirmed).min();
        let values = [
            ("config_errors", "Problems in the configuration files", view.loaded.problems.len()),
            (
                "config_objects_kept",
                "Objects served as they were because what stands there now cannot be read",
                view.loaded.kept.len(),
            ),
            ("dns_names", "DNS names that are resolved for backends", names.answers.len()),
            ("dns_names_failing", "DNS names whose last question had no answer", failing),
        ];
        for (name, help, value) in values {
            let gauge = ConstGauge::new(clamp(value));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        if let Some(oldest) = oldest {
            let descriptor = encoder.encode_descriptor(
                "dns_oldest_answer_timestamp",
                "When the longest unconfirmed DNS answer was confirmed",
                Some(&Unit::Seconds),
                MetricType::Gauge,
            )?;
            ConstGauge::new(seconds_since_1970(oldest)).encode(descriptor)?;
        }
        Ok(())
    }
}

fn encode_conditions(
    encoder: &mut DescriptorEncoder<'_>,
    statuses: &Statuses,
) -> Result<(), fmt::Error> {
    let help = "Condition of an object: 1 true, 0 false";
    let mut family = encoder.encode_descriptor("condition", help, None, MetricType::Gauge)?;
    for placed in conditions::all(statuses) {
        let labels = ConditionLabels(&placed);
        ConstGauge::new(i64::from(placed.condition.status))
            .encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn encode_objects(
    encoder: &mut DescriptorEncoder<'_>,
    objects: &Objects,
) -> Result<(), fmt::Error> {
    let help = "Objects in force";
    let mut family = encoder.encode_descriptor("objects", help, None, MetricType::Gauge)?;
    for kind in Kind::ALL {
        let count = objects.count(kind);
        ConstGauge::new(clamp(count)).encode(family.encode_family(&[("kind", kind.as_str())])?)?;
    }
    Ok(())
}

fn clamp(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn seconds_since_1970(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

struct ConditionLabels<'a>(&'a conditions::Placed<'a>);

impl fmt::Debug for ConditionLabels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl EncodeLabelSet for ConditionLabels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        let conditions::Placed { object, section, condition } = self.0;
        let labels = [
            ("kind", object.kind.as_str()),
            ("object_namespace", object.key.namespace.as_str()),
            ("object", object.key.name.as_str()),
            ("section", section.as_str()),
            ("condition", condition.r#type),
            ("reason", condition.reason),
        ];
        for label in labels {
            label.encode(encoder.encode_label())?;
        }
        Ok(())
    }
}
