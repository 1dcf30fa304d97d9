//! EndpointSlice. Spec: discovery/v1.
//!
//! Unlike a cluster, a file may name loopback addresses: a gateway on the same machine as its
//! backends is what standalone mode is for.

use super::patterns::LABEL;
use super::refs::port;
use super::{
    Schema, boolean, core_rules, list, map, metadata, object, one_of, optional, required, resource,
    text,
};

pub(super) fn schema() -> Schema {
    resource(
        metadata::namespaced(metadata::subdomain_name()),
        [
            required("addressType", one_of(&["IPv4", "IPv6", "FQDN"])),
            // A slice that has none yet may leave them out.
            optional("endpoints", list(endpoint()).at_most(1000)),
            optional("ports", list(slice_port()).at_most(20_000)),
        ],
    )
    .rule(core_rules::addresses_are_of_their_type)
    .rule(core_rules::slice_ports_are_unique)
}

fn endpoint() -> Schema {
    let conditions = object([
        optional("ready", boolean()),
        optional("serving", boolean()),
        optional("terminating", boolean()),
    ]);
    let hint = || list(object([required("name", text())])).at_most(8);
    let target = object(
        ["apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid"]
            .map(|name| optional(name, text())),
    );
    object([
        required("addresses", list(text()).length(1..=100)),
        optional("conditions", conditions),
        optional("deprecatedTopology", map(text())),
        optional("hints", object([optional("forZones", hint()), optional("forNodes", hint())])),
        optional("hostname", text().length(1..=63).matching(&LABEL)),
        optional("nodeName", text()),
        optional("targetRef", target),
        optional("zone", text()),
    ])
}

fn slice_port() -> Schema {
    object([
        // Empty for the only port.
        optional("name", text().at_most(63).default("")),
        optional("port", port()),
        optional("protocol", one_of(&["TCP", "UDP", "SCTP"]).default("TCP")),
        optional("appProtocol", text()),
    ])
}
