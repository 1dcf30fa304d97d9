//! The listeners of Gateways and ListenerSets, and the choice of namespaces.
//!
//! Spec: `Listener` (`apis/v1/gateway_types.go`), `ListenerEntry` (`apis/v1/listenerset_types.go`).

use serde_json::json;

use super::patterns::{HOSTNAME, PROTOCOL, SUBDOMAIN};
use super::refs::{group, kind, port, secret_ref};
use super::{Schema, list, map, object, one_of, optional, required, rules, text};

pub(super) fn listeners() -> Schema {
    let listener = object([
        required("name", text().length(1..=253).matching(&SUBDOMAIN)),
        required("port", port()),
        required("protocol", text().length(1..=255).matching(&PROTOCOL)),
        optional("hostname", text().length(1..=253).matching(&HOSTNAME)),
        optional("tls", tls()),
        optional(
            "allowedRoutes",
            allowed_routes().default(json!({"namespaces": {"from": "Same"}})),
        ),
    ]);
    // The names being unique is a CEL rule too; the key of the list says the same.
    list(listener)
        .length(1..=64)
        .keyed_by(&["name"])
        .rule(rules::listener::plain_protocols_have_no_tls)
        .rule(rules::listener::https_terminates)
        .rule(rules::listener::tls_has_a_mode)
        .rule(rules::listener::l4_protocols_have_no_hostname)
        .rule(rules::listener::port_protocol_and_hostname_are_unique)
}

fn tls() -> Schema {
    object([
        optional("mode", one_of(&["Terminate", "Passthrough"]).default("Terminate")),
        optional("certificateRefs", list(secret_ref()).at_most(64)),
        optional("options", map(text().at_most(4096)).at_most(16)),
    ])
    .rule(rules::listener::terminate_has_certificates_or_options)
}

fn allowed_routes() -> Schema {
    let route_kind = object([
        optional("group", group().default(crate::GATEWAY_GROUP)),
        required("kind", kind()),
    ]);
    object([
        optional("kinds", list(route_kind).at_most(8)),
        optional(
            "namespaces",
            namespaces(&["All", "Selector", "Same"], "Same").default(json!({"from": "Same"})),
        ),
    ])
}

/// Namespaces that routes or ListenerSets may come from.
pub(super) fn namespaces(from: &'static [&'static str], default: &'static str) -> Schema {
    let requirement = object([
        required("key", text()),
        required("operator", text()),
        optional("values", list(text())),
    ]);
    let selector = object([
        optional("matchExpressions", list(requirement)),
        optional("matchLabels", map(text())),
    ]);
    object([optional("from", one_of(from).default(default)), optional("selector", selector)])
}
