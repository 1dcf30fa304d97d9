//! Rules of the listeners of Gateways and ListenerSets.

use std::collections::HashMap;

use crate::manifest::tree::Node;
use crate::schema::Report;

pub(in crate::schema) fn plain_protocols_have_no_tls(listeners: &Node, report: &mut Report) {
    for (index, listener, protocol) in by_protocol(listeners) {
        if matches!(protocol, "HTTP" | "TCP" | "UDP") && listener.get("tls").is_some() {
            let text = format!("found tls, expected none because protocol is {protocol}");
            report.problem(format_args!("[{index}].tls"), text);
        }
    }
}

pub(in crate::schema) fn https_terminates(listeners: &Node, report: &mut Report) {
    for (index, listener, protocol) in by_protocol(listeners) {
        let mode = listener.get("tls").and_then(|tls| tls.text("mode"));
        if protocol == "HTTPS" && mode == Some("Passthrough") {
            let text = "found Passthrough, expected Terminate because protocol is HTTPS";
            report.problem(format_args!("[{index}].tls.mode"), text);
        }
    }
}

/// An empty `tls` will do: the default makes it Terminate.
pub(in crate::schema) fn tls_has_a_mode(listeners: &Node, report: &mut Report) {
    for (index, listener, protocol) in by_protocol(listeners) {
        if protocol == "TLS" && listener.get("tls").is_none() {
            let text = "missing, expected mode Terminate or Passthrough because protocol is TLS";
            report.problem(format_args!("[{index}].tls"), text);
        }
    }
}

pub(in crate::schema) fn l4_protocols_have_no_hostname(listeners: &Node, report: &mut Report) {
    for (index, listener, protocol) in by_protocol(listeners) {
        if matches!(protocol, "TCP" | "UDP")
            && let Some(hostname) = listener.text("hostname")
        {
            let text = format!("found {hostname:?}, expected none because protocol is {protocol}");
            report.problem(format_args!("[{index}].hostname"), text);
        }
    }
}

pub(in crate::schema) fn port_protocol_and_hostname_are_unique(
    listeners: &Node,
    report: &mut Report,
) {
    let mut first = HashMap::new();
    for (index, listener, protocol) in by_protocol(listeners) {
        let port = listener.get("port").and_then(Node::as_int);
        let hostname = listener.text("hostname");
        if let Some(other) = first.get(&(port, protocol, hostname)) {
            let host = hostname.map_or_else(
                || "without hostname".to_owned(),
                |hostname| format!("with hostname {hostname:?}"),
            );
            let port = port.unwrap_or_default();
            let text = format!("found {protocol} port {port} {host}, which [{other}] has already");
            report.problem(format_args!("[{index}].port"), text);
        } else {
            first.insert((port, protocol, hostname), index);
        }
    }
}

/// Options count: they may name a certificate that only the implementation knows.
pub(in crate::schema) fn terminate_has_certificates_or_options(tls: &Node, report: &mut Report) {
    if tls.text("mode") == Some("Terminate")
        && tls.items_of("certificateRefs").is_empty()
        && tls.get("options").is_none_or(|options| options.entries().is_empty())
    {
        let text =
            "found no certificate, expected certificateRefs or options because mode is Terminate";
        report.problem("", text);
    }
}

fn by_protocol(listeners: &Node) -> impl Iterator<Item = (usize, &Node, &str)> {
    listeners
        .items()
        .iter()
        .enumerate()
        .map(|(index, listener)| (index, listener, listener.text("protocol").unwrap_or_default()))
}
