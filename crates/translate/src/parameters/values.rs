//! What is wrong with the values of parameters that their definition cannot say: fields that
//! contradict each other, amounts and networks that are none.

use std::net::IpAddr;
use std::time::Duration;

use gwapi::parameters::{AddressFrom, GatewayParametersSpec, ServiceParameters, ServiceType};
use snapshot::Port;

use super::{DRAIN_TIMEOUT, PRE_STOP_DELAY, Problem};

/// Everything that is wrong.
pub(super) fn problems(spec: &GatewayParametersSpec) -> Vec<Problem> {
    let mut found = Found(vec![]);
    found.ports(spec);
    found.durations(spec);
    found.amounts(spec);
    if let Some(service) = &spec.service {
        found.service(service);
    }
    found.0
}

struct Found(Vec<Problem>);

impl Found {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { field: field.into(), message: message.into() });
    }

    fn ports(&mut self, spec: &GatewayParametersSpec) {
        let ports = spec.ports.clone().unwrap_or_default();
        for (field, number) in [("admin", ports.admin), ("health", ports.health)] {
            if let Some(number) = number.filter(|number| port(*number).is_none()) {
                let message = format!("{number} is no port: expected 1 to 65535");
                self.add(format!("spec.ports.{field}"), message);
            }
        }
        let admin = ports.admin.unwrap_or_else(|| super::ADMIN_PORT.get().into());
        let health = ports.health.unwrap_or_else(|| super::HEALTH_PORT.get().into());
        if admin == health {
            self.add(
                "spec.ports.health",
                format!("{health} is the admin port too: expected another one"),
            );
        }
    }

    fn durations(&mut self, spec: &GatewayParametersSpec) {
        let mut read = |field: &str, text: &Option<String>, default| match text {
            None => default,
            Some(text) => duration(text).unwrap_or_else(|| {
                self.add(
                    field,
                    format!("{text:?} is no duration: expected one such as 30s, 5m or 1h30m"),
                );
                Duration::ZERO
            }),
        };
        let delay = read("spec.preStopDelay", &spec.pre_stop_delay, PRE_STOP_DELAY);
        let drain = read("spec.drainTimeout", &spec.drain_timeout, DRAIN_TIMEOUT);
        let grace = spec.pod.as_ref().and_then(|pod| pod.termination_grace_period_seconds);
        let least = delay.saturating_add(drain).as_secs();
        if let Some(grace) = grace
            && u64::try_from(grace).map_or(true, |grace| grace < least)
        {
            self.add(
                "spec.pod.terminationGracePeriodSeconds",
                format!(
                    "{grace} is less than preStopDelay and drainTimeout take together: expected at \
                     least {least}"
                ),
            );
        }
    }

    fn amounts(&mut self, spec: &GatewayParametersSpec) {
        let Some(resources) = &spec.resources else { return };
        for (group, amounts) in [("limits", &resources.limits), ("requests", &resources.requests)] {
            for (name, amount) in amounts.iter().flatten() {
                if !is_quantity(&amount.0) {
                    self.add(
                        format!("spec.resources.{group}.{name}"),
                        format!("{:?} is no amount: expected one such as 500m or 64Mi", amount.0),
                    );
                }
            }
        }
    }

    /// A field that the Service of this type does not have would be accepted and ignored.
    fn service(&mut self, service: &ServiceParameters) {
        let r#type = service.r#type.unwrap_or_default();
        let is_balanced = r#type == ServiceType::LoadBalancer;
        let has_nodes = r#type != ServiceType::ClusterIP;
        let needs_node = [
            ("externalTrafficPolicy", service.external_traffic_policy.is_some()),
            ("nodePorts", service.node_ports.as_ref().is_some_and(|ports| !ports.is_empty())),
        ];
        let ranges = service.load_balancer_source_ranges.as_deref().unwrap_or_default();
        let needs_balancer = [
            ("loadBalancerClass", service.load_balancer_class.is_some()),
            ("allocateLoadBalancerNodePorts", service.allocate_load_balancer_node_ports.is_some()),
            ("loadBalancerSourceRanges", !ranges.is_empty()),
            ("addressFrom", service.address_from.is_some()),
        ];
        for (field, is_set) in needs_node {
            if is_set && !has_nodes {
                let message = format!("has no effect on type {type:?}: expected none");
                self.add(format!("spec.service.{field}"), message);
            }
        }
        for (field, is_set) in needs_balancer {
            if is_set && !is_balanced {
                let message =
                    format!("has no effect on type {type:?}: expected none, or type LoadBalancer");
                self.add(format!("spec.service.{field}"), message);
            }
        }
        for (index, range) in ranges.iter().enumerate() {
            if !is_network(range) {
                self.add(
                    format!("spec.service.loadBalancerSourceRanges[{index}]"),
                    format!("{range:?} is no network: expected one such as 192.0.2.0/24"),
                );
            }
        }
        let by_annotation = service.address_from == Some(AddressFrom::Annotation);
        match &service.address_annotation {
            None if by_annotation => self.add(
                "spec.service.addressAnnotation",
                "missing, expected one such as metallb.io/loadBalancerIPs because addressFrom is \
                 Annotation",
            ),
            Some(_) if !by_annotation => self.add(
                "spec.service.addressAnnotation",
                "has no effect unless addressFrom is Annotation",
            ),
            _ => {}
        }
    }
}

/// A port from the number of a definition.
pub(super) fn port(number: i32) -> Option<Port> {
    u16::try_from(number).ok().and_then(Port::new)
}

/// Reads a duration.
///
/// Spec: GEP-2257: `^([0-9]{1,5}(h|m|s|ms)){1,4}$`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    for _ in 0..4 {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (digits, after) = rest.split_at_checked(end)?;
        if digits.len() > 5 {
            return None;
        }
        let number: u64 = digits.parse().ok()?;
        let units = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
        let (unit, millis) = units.into_iter().find(|(unit, _)| after.starts_with(unit))?;
        let part = Duration::from_millis(number.checked_mul(millis)?);
        total = total.checked_add(part)?;
        rest = after.strip_prefix(unit)?;
        if rest.is_empty() {
            return Some(total);
        }
    }
    None
}

/// Whether a text is an amount that is not negative.
///
/// Spec: `Quantity` (apimachinery `api/resource`).
fn is_quantity(text: &str) -> bool {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let Some((number, suffix)) = text.split_at_checked(end) else { return false };
    let is_number = number.contains(|c: char| c.is_ascii_digit())
        && number.bytes().filter(|byte| *byte == b'.').count() <= 1;
    const SUFFIXES: [&str; 15] =
        ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi"];
    let is_exponent = || {
        let exponent = suffix.strip_prefix(['e', 'E'])?;
        exponent.strip_prefix(['+', '-']).unwrap_or(exponent).parse::<u8>().ok()
    };
    is_number && (SUFFIXES.contains(&suffix) || suffix == "Ei" || is_exponent().is_some())
}

/// Whether a text is a network in the form address/length.
fn is_network(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    length.bytes().all(|byte| byte.is_ascii_digit())
        && length.parse::<u8>().is_ok_and(|length| length <= most)
}
