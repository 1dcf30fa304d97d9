//! Rules of routes.

use std::net::IpAddr;

use crate::manifest::tree::Node;
use crate::schema::Report;

pub(in crate::schema) fn service_has_a_port(backend: &Node, report: &mut Report) {
    if backend.text("group") == Some("")
        && backend.text("kind") == Some("Service")
        && backend.get("port").is_none()
    {
        let text = "missing, expected the port number of the Service (1 to 65535)";
        report.problem("port", text);
    }
}

/// Two more CEL rules, on wildcards and on the characters of a host name, say what the pattern of
/// an item says already.
pub(in crate::schema) fn hostnames_are_no_addresses(hostnames: &Node, report: &mut Report) {
    for (index, hostname) in hostnames.items().iter().enumerate() {
        if let Some(hostname) = hostname.as_text()
            && hostname.parse::<IpAddr>().is_ok()
        {
            let text = format!("found the IP address {hostname:?}, expected a host name");
            report.problem(format_args!("[{index}]"), text);
        }
    }
}
