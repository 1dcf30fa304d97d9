//! The Services of a Gateway: how many there are, what each carries, and which address each asks
//! for. Pure.
//!
//! `spec.loadBalancerIP` has room for one address, so each requested address has a Service of its
//! own, and one that cannot be had does not keep the others from being assigned. An address stays
//! with the Service that has it, whatever else is asked for: it is in use.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use gwapi::parameters::{MixedProtocol, PortProtocol, ServiceType};
use serde_json::{Map, Value, json};
use snapshot::{Port, Transport};

use super::desired::{LiveServices, Making};

/// What is known of a Service that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// The address that it asks for.
    pub asks_for: Option<IpAddr>,
    /// The IP address that it was given first.
    pub given: Option<IpAddr>,
    /// Whether it was given anything.
    pub is_given: bool,
}

/// What one Service is for.
struct Front<'a> {
    name: String,
    transport: Option<Transport>,
    asks_for: &'a [IpAddr],
}

/// The Services by name; none without a port.
pub(super) fn services(making: &Making<'_>, live: &LiveServices) -> Vec<(String, Value)> {
    let service = &making.fleet.parameters.service;
    let is_balanced = service.r#type == ServiceType::LoadBalancer;
    let asked: &[IpAddr] = if is_balanced { &making.fleet.addresses } else { &[] };
    let slots: BTreeMap<usize, &[IpAddr]> = if service.address_annotation.is_some() {
        [(0, asked)].into()
    } else {
        slots(asked, |index| live.get(&making.name(&number(index)))?.asks_for)
    };
    let mut services = vec![];
    for (index, asks_for) in slots {
        let front = |suffix: &str, transport, asks_for| {
            let name = making.name(&format!("{}{suffix}", number(index)));
            Front { name, transport, asks_for }
        };
        match service.mixed_protocol {
            MixedProtocol::Single => services.extend(object(making, &front("", None, asks_for))),
            MixedProtocol::Split => {
                let mut tcp = front("", Some(Transport::Tcp), asks_for);
                let mut udp = front("-udp", Some(Transport::Udp), asks_for);
                let (tcp_live, udp_live) = (live.get(&tcp.name), live.get(&udp.name));
                let (tcp_shares, udp_shares) =
                    (shared(tcp_live, udp_live), shared(udp_live, tcp_live));
                let must_share = is_balanced && asks_for.is_empty();
                if must_share {
                    tcp.asks_for = tcp_shares.as_slice();
                    udp.asks_for = udp_shares.as_slice();
                }
                let tcp = object(making, &tcp);
                // Until TCP has an address there is none to share.
                let must_wait = must_share
                    && tcp.is_some()
                    && udp_live.is_none()
                    && !tcp_live.is_some_and(|live| live.is_given);
                services.extend(tcp);
                services.extend(object(making, &udp).filter(|_| !must_wait));
            }
        }
    }
    services
}

/// The address that two Services of one Gateway have together: a new one asks for that which the
/// other was given. One that has another address keeps it, because it is in use.
fn shared(own: Option<&Live>, sibling: Option<&Live>) -> Option<IpAddr> {
    let given = sibling?.given?;
    own.is_none_or(|own| own.asks_for == Some(given)).then_some(given)
}

/// `-1`, `-2`, … for all but the first.
fn number(index: usize) -> String {
    if index == 0 { String::new() } else { format!("-{index}") }
}

/// Which number the Service of each address has. Those that have a Service keep it, the others
/// take the first free numbers.
fn slots(asked: &[IpAddr], live: impl Fn(usize) -> Option<IpAddr>) -> BTreeMap<usize, &[IpAddr]> {
    if asked.is_empty() {
        return [(0, asked)].into();
    }
    let mut slots: BTreeMap<usize, &[IpAddr]> = BTreeMap::new();
    let mut settled = BTreeSet::new();
    for index in 0..super::MOST_ADDRESSES {
        let has = live(index);
        let place = asked.iter().position(|address| Some(*address) == has);
        if let Some(place) = place
            && settled.insert(place)
        {
            slots.insert(index, asked.get(place..=place).unwrap_or_default());
        }
    }
    for (place, address) in asked.chunks(1).enumerate() {
        if settled.insert(place)
            && let Some(free) = (0..super::MOST_ADDRESSES).find(|index| !slots.contains_key(index))
        {
            slots.insert(free, address);
        }
    }
    slots
}

/// A Service, unless it would have no port.
fn object(making: &Making<'_>, front: &Front<'_>) -> Option<(String, Value)> {
    let service = &making.fleet.parameters.service;
    let ports: Vec<_> = making
        .fleet
        .ports
        .iter()
        .filter(|(transport, _)| front.transport.is_none_or(|only| only == *transport))
        .map(|(transport, number)| port(making, *transport, *number))
        .collect();
    if ports.is_empty() {
        return None;
    }
    let mut spec = Map::new();
    let mut set = |name: &str, value: Value| drop(spec.insert(name.to_owned(), value));
    set("type", json!(service.r#type));
    // The same pods for TCP and UDP: MetalLB lets two Services share an address only then.
    set("selector", making.selector());
    set("ports", Value::Array(ports));
    if let Some(policy) = service.external_traffic_policy {
        set("externalTrafficPolicy", json!(policy));
    }
    if let Some(class) = &service.load_balancer_class {
        set("loadBalancerClass", json!(class));
    }
    if let Some(allocate) = service.allocate_node_ports {
        set("allocateLoadBalancerNodePorts", json!(allocate));
    }
    if !service.source_ranges.is_empty() {
        set("loadBalancerSourceRanges", json!(service.source_ranges));
    }
    for (name, value) in families(front.asks_for) {
        set(name, value);
    }
    if let ([address], None) = (front.asks_for, &service.address_annotation) {
        set("loadBalancerIP", json!(address));
    }
    let mut object = making.object("v1", "Service", &front.name, json!({"spec": spec}));
    if let (Some(annotation), false) = (&service.address_annotation, front.asks_for.is_empty())
        && let Some(annotations) = object.pointer_mut("/metadata/annotations")
    {
        let addresses: Vec<_> = front.asks_for.iter().map(ToString::to_string).collect();
        annotations[annotation.as_str()] = json!(addresses.join(","));
    }
    Some((front.name.clone(), object))
}

/// A Service has addresses of its families only, and a cluster's default is often IPv4 alone.
fn families(asks_for: &[IpAddr]) -> Vec<(&'static str, Value)> {
    let one = |family: &str| {
        vec![("ipFamilyPolicy", json!("SingleStack")), ("ipFamilies", json!([family]))]
    };
    match (asks_for.iter().any(IpAddr::is_ipv4), asks_for.iter().any(IpAddr::is_ipv6)) {
        (false, false) => vec![],
        (true, false) => one("IPv4"),
        (false, true) => one("IPv6"),
        (true, true) => vec![("ipFamilyPolicy", json!("PreferDualStack"))],
    }
}

fn port(making: &Making<'_>, transport: Transport, number: Port) -> Value {
    let (protocol, word) = match transport {
        Transport::Tcp => (PortProtocol::TCP, "TCP"),
        Transport::Udp => (PortProtocol::UDP, "UDP"),
    };
    let mut value = json!({
        // TCP and UDP may share a number, never a name.
        "name": format!("{transport}-{number}"),
        "port": number,
        "targetPort": number,
        "protocol": word,
    });
    let chosen = making
        .fleet
        .parameters
        .service
        .node_ports
        .iter()
        .find(|chosen| chosen.protocol == protocol && chosen.port == i32::from(number.get()));
    if let Some(chosen) = chosen {
        value["nodePort"] = json!(chosen.node_port);
    }
    value
}
