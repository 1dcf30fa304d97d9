//! Until when the controller's own certificates are valid.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Ends of validity, by what the certificate is for.
#[derive(Clone, Debug, Default)]
pub struct CertificateTimes(Family<[(&'static str, &'static str); 1], Gauge>);

impl CertificateTimes {
    pub(crate) fn set(&self, certificate: &'static str, not_after: i64) {
        self.0.get_or_create(&[("certificate", certificate)]).set(not_after);
    }
}

/// Registers them.
pub fn register(registry: &mut Registry, times: &CertificateTimes) {
    registry.sub_registry_with_prefix("tidegate").register_with_unit(
        "controller_certificate_not_after_timestamp",
        "End of validity of the controller's own certificates",
        Unit::Seconds,
        times.0.clone(),
    );
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn the_metric_is_on_the_page() {
        let times = CertificateTimes::default();
        times.set("server", 12);
        let mut registry = Registry::default();
        register(&mut registry, &times);
        let mut text = String::new();
        encode(&mut text, &registry).expect("text");
        let name = "tidegate_controller_certificate_not_after_timestamp_seconds";
        assert!(text.contains(&format!("{name}{{certificate=\"server\"}} 12\n")), "{text}");
        assert!(include_str!("../../../../docs/reference/metrics.md").contains(name));
    }
}
