//! What the controller exports of the world and of the fleets.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::{Counters, clamp, encode_conditions, encode_objects, register_counters};
use crate::cluster::ClusterView;
use crate::leader::Term;

/// Registers what is exported of the loop of a cluster. Conditions are told by the leader alone, so
/// that a sum over replicas stays meaningful.
pub fn register(
    registry: &mut Registry,
    counters: &Counters,
    views: watch::Receiver<Arc<ClusterView>>,
    term: Term,
) {
    register_counters(registry, counters);
    let registry = registry.sub_registry_with_prefix("tidegate");
    registry.register_collector(Box::new(FromView { views, term }));
}

/// Reads the last view at every scrape.
struct FromView {
    views: watch::Receiver<Arc<ClusterView>>,
    term: Term,
}

impl fmt::Debug for FromView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromView")
    }
}

impl Collector for FromView {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let view = Arc::clone(&self.views.borrow());
        encode_objects(&mut encoder, &view.loaded.objects)?;
        if !self.term.leads() {
            return Ok(());
        }
        encode_conditions(&mut encoder, &view.translation.statuses)?;
        let mut family = encoder.encode_descriptor(
            "proxies",
            "Ready proxies: current serve what was published last, stale are not heard",
            None,
            MetricType::Gauge,
        )?;
        for (gateway, verdict) in &view.fleets {
            let states = [
                ("current", verdict.current),
                ("behind", verdict.behind),
                ("stale", verdict.stale),
            ];
            for (state, count) in states {
                let labels = [
                    ("gateway_namespace", gateway.namespace.as_str()),
                    ("gateway", gateway.name.as_str()),
                    ("state", state),
                ];
                ConstGauge::new(clamp(count)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
