//! Rules of the core kinds, as an API server has them in code.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::Report;
use super::patterns::{DATA_KEY, SUBDOMAIN};
use crate::manifest::quote;
use crate::manifest::tree::Node;

/// What all values of a Secret or ConfigMap may take together, in bytes.
const MAX_DATA_BYTES: usize = 1 << 20;

/// Keys become file names where a pod mounts them.
pub(super) fn data_keys_are_file_names(data: &Node, report: &mut Report) {
    for entry in data.entries() {
        let key = entry.key.as_str();
        if key.len() > 253 || key == "." || key.starts_with("..") || !DATA_KEY.matches(key) {
            let text = format!("found key {}, expected {}", quote(key), DATA_KEY.says);
            report.problem_at(entry.at, "", text);
        }
    }
}

pub(super) fn config_map_keys_are_unique(config_map: &Node, report: &mut Report) {
    let data = config_map.get("data");
    for entry in config_map.get("binaryData").map_or(&[][..], Node::entries) {
        if data.is_some_and(|data| data.get(&entry.key).is_some()) {
            let text = format!("found key {}, which data has already", quote(&entry.key));
            report.problem_at(entry.at, "binaryData", text);
        }
    }
}

pub(super) fn data_fits_an_object(object: &Node, report: &mut Report) {
    let length = |field: &str| -> usize {
        let entries = object.get(field).map_or(&[][..], Node::entries);
        entries.iter().map(|entry| entry.node.as_text().map_or(0, str::len)).sum()
    };
    // Three bytes are four characters in base64.
    let is_secret = object.text("kind") == Some("Secret");
    let plain = if is_secret { length("stringData") } else { length("data") };
    let encoded = if is_secret { length("data") } else { length("binaryData") };
    let bytes = plain + encoded / 4 * 3;
    if bytes > MAX_DATA_BYTES {
        let text = format!("found {bytes} bytes of data, expected at most {MAX_DATA_BYTES}");
        report.problem("data", text);
    }
}

pub(super) fn tls_secret_has_its_keys(secret: &Node, report: &mut Report) {
    if secret.text("type") != Some("kubernetes.io/tls") {
        return;
    }
    for key in ["tls.crt", "tls.key"] {
        let has = |field: &str| secret.get(field).is_some_and(|data| data.get(key).is_some());
        if !has("data") && !has("stringData") {
            let text = "missing, expected a value because type is kubernetes.io/tls";
            report.problem(format_args!("data[{key}]"), text);
        }
    }
}

pub(super) fn service_has_ports(spec: &Node, report: &mut Report) {
    let headless = spec.text("clusterIP") == Some("None");
    let external = spec.text("type") == Some("ExternalName");
    if spec.items_of("ports").is_empty() && !headless && !external {
        report.problem("ports", "missing, expected at least 1 item");
    }
}

/// Names tell ports apart, and so do number and protocol.
pub(super) fn service_ports_are_unique(spec: &Node, report: &mut Report) {
    let ports = spec.items_of("ports");
    let mut names = HashMap::new();
    let mut numbers = HashMap::new();
    for (index, port) in ports.iter().enumerate() {
        match port.text("name") {
            None if ports.len() > 1 => {
                let text = "missing, expected a name because there are several ports";
                report.problem(format_args!("ports[{index}].name"), text);
            }
            None => {}
            Some(name) => {
                if let Some(other) = names.insert(name, index) {
                    let text = format!("found {name:?}, which ports[{other}] has already");
                    report.problem(format_args!("ports[{index}].name"), text);
                }
            }
        }
        let protocol = port.text("protocol").unwrap_or_default();
        let number = port.get("port").and_then(Node::as_int).unwrap_or_default();
        if let Some(other) = numbers.insert((protocol, number), index) {
            let text = format!("found {protocol} {number}, which ports[{other}] has already");
            report.problem(format_args!("ports[{index}].port"), text);
        }
    }
}

pub(super) fn external_name_is_one(spec: &Node, report: &mut Report) {
    if spec.text("type") != Some("ExternalName") {
        return;
    }
    // A trailing dot is legal there and nowhere else.
    let name = spec.text("externalName").unwrap_or_default();
    let bare = name.strip_suffix('.').unwrap_or(name);
    if bare.len() > 253 || !SUBDOMAIN.matches(bare) {
        let text = format!("found {}, expected {}", quote(name), SUBDOMAIN.says);
        report.problem("externalName", text);
    }
}

pub(super) fn addresses_are_of_their_type(slice: &Node, report: &mut Report) {
    let kind = slice.text("addressType").unwrap_or_default();
    let (is_valid, expected): (fn(&str) -> bool, _) = match kind {
        "IPv4" => (|address| address.parse::<Ipv4Addr>().is_ok(), "an IPv4 address"),
        "IPv6" => (|address| address.parse::<Ipv6Addr>().is_ok(), "an IPv6 address"),
        _ => (|name| name.len() <= 253 && SUBDOMAIN.matches(name), SUBDOMAIN.says),
    };
    for (index, endpoint) in slice.items_of("endpoints").iter().enumerate() {
        for (position, address) in endpoint.items_of("addresses").iter().enumerate() {
            if !address.as_text().is_some_and(is_valid) {
                let found = report.show(address);
                let text =
                    format!("found {found}, expected {expected} because addressType is {kind}");
                report.problem(format_args!("endpoints[{index}].addresses[{position}]"), text);
            }
        }
    }
}

pub(super) fn slice_ports_are_unique(slice: &Node, report: &mut Report) {
    let mut names = HashMap::new();
    for (index, port) in slice.items_of("ports").iter().enumerate() {
        let name = port.text("name").unwrap_or_default();
        if let Some(other) = names.insert(name, index) {
            let text = format!("found {name:?}, which ports[{other}] has already");
            report.problem(format_args!("ports[{index}].name"), text);
        }
    }
}

#[cfg(test)]
mod tests;
