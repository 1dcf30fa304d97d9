//! The metrics of a proxy's stream; their names are here and nowhere else.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use stream::LinkState;
use stream::client::Rejected;
use tokio::sync::watch;

/// Registers everything that is known of the stream.
pub(super) fn register(registry: &mut Registry, link: watch::Receiver<LinkState>) {
    registry.sub_registry_with_prefix("tidegate").register_collector(Box::new(FromLink(link)));
}

/// Reads the state of the stream at every scrape.
struct FromLink(watch::Receiver<LinkState>);

impl fmt::Debug for FromLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromLink")
    }
}

impl Collector for FromLink {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let link = self.0.borrow().clone();
        let gauges = [
            ("controller_connected", "Whether a controller is heard", link.connected),
            (
                "last_good_in_use",
                "Whether what is served is from a file that no controller has confirmed",
                link.last_good_in_use,
            ),
        ];
        for (name, help, value) in gauges {
            let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::from(value)).encode(descriptor)?;
        }
        let times = [
            (
                "controller_last_contact_timestamp",
                "When a controller was heard last",
                link.last_contact,
            ),
            (
                "snapshot_confirmed_timestamp",
                "When a controller sent or confirmed what is served",
                link.snapshot_at,
            ),
        ];
        for (name, help, time) in times {
            let unit = Some(&Unit::Seconds);
            let descriptor = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            ConstGauge::new(time.map_or(0.0, seconds_since_1970)).encode(descriptor)?;
        }
        let mut family = encoder.encode_descriptor(
            "snapshot_rejected",
            "Snapshots of the controller, or binds of them, that were not taken",
            None,
            MetricType::Counter,
        )?;
        for reason in Rejected::ALL {
            let count = link.rejected.get(&reason).copied().unwrap_or_default();
            let labels = [("reason", reason.as_str())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        let descriptor = encoder.encode_descriptor(
            "last_good_write_failures",
            "Times that the last good snapshot could not be written",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(link.last_good_write_failures).encode(descriptor)
    }
}

fn seconds_since_1970(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
