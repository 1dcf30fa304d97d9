//! Gateway. Spec: `apis/v1/gateway_types.go`.

use serde_json::json;

use super::listener::{listeners, namespaces};
use super::patterns::{ADDRESS_TYPE, LABEL_VALUE};
use super::refs::{local_ref, object_ref, port, secret_ref};
use super::{
    Schema, list, map, metadata, object, one_of, optional, required, resource, rules, text,
};

pub(super) fn schema() -> Schema {
    let spec = object([
        required("gatewayClassName", text().length(1..=253)),
        required("listeners", listeners()),
        optional("addresses", addresses()),
        optional("allowedListeners", allowed_listeners()),
        optional("infrastructure", infrastructure()),
        optional("tls", tls()),
    ]);
    resource(metadata::namespaced(metadata::subdomain_name()), [required("spec", spec)])
}

fn addresses() -> Schema {
    let address = object([
        optional("type", text().length(1..=253).matching(&ADDRESS_TYPE).default("IPAddress")),
        optional("value", text().at_most(253)),
    ])
    .rule(rules::address::ip_address_is_one)
    .rule(rules::address::hostname_is_one);
    list(address)
        .at_most(16)
        .rule(rules::address::ip_addresses_are_unique)
        .rule(rules::address::hostnames_are_unique)
}

fn allowed_listeners() -> Schema {
    object([optional(
        "namespaces",
        namespaces(&["All", "Selector", "Same", "None"], "None").default(json!({"from": "None"})),
    )])
}

fn infrastructure() -> Schema {
    object([
        optional(
            "annotations",
            map(text().at_most(4096))
                .at_most(16)
                .rule(rules::keys::are_qualified)
                .rule(rules::keys::prefixes_are_short),
        ),
        optional(
            "labels",
            map(text().at_most(63).matching(&LABEL_VALUE))
                .at_most(8)
                .rule(rules::keys::are_qualified)
                .rule(rules::keys::prefixes_are_short),
        ),
        optional("parametersRef", local_ref()),
    ])
}

fn tls() -> Schema {
    let port_config = object([required("port", port()), required("tls", frontend_validation())]);
    object([
        optional("backend", object([optional("clientCertificateRef", secret_ref())])),
        optional(
            "frontend",
            object([
                required("default", frontend_validation()),
                // Their CEL rule and the key of the list say the same: one entry for a port.
                optional("perPort", list(port_config).at_most(64).keyed_by(&["port"])),
            ]),
        ),
    ])
}

fn frontend_validation() -> Schema {
    object([optional(
        "validation",
        object([
            required("caCertificateRefs", list(object_ref()).length(1..=16)),
            optional(
                "mode",
                one_of(&["AllowValidOnly", "AllowInsecureFallback"]).default("AllowValidOnly"),
            ),
        ]),
    )])
}
