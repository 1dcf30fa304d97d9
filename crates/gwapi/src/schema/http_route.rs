//! HTTPRoute. Spec: `apis/v1/httproute_types.go`.
//!
//! Only what is served has a shape here. The rest may be anything: a route that has it is not
//! accepted, whatever it says.

use serde_json::json;

use super::patterns::HOSTNAME;
use super::refs::section_name;
use super::route::{backend_ref_fields, parent_refs};
use super::{
    Schema, any, list, metadata, object, one_of, optional, required, resource, rules, text,
};

pub(super) fn schema() -> Schema {
    let every_path = json!([{"path": {"type": "PathPrefix", "value": "/"}}]);
    let rule = object([
        optional("name", section_name()),
        optional("matches", list(request()).at_most(64).default(every_path.clone())),
        optional("filters", any()),
        optional("backendRefs", list(backend_ref()).at_most(16)),
        optional("timeouts", any()),
        optional("retry", any()),
    ]);
    let route_rules = list(rule)
        .length(1..=16)
        .default(json!([{"matches": every_path}]))
        .rule(rules::http_route::names_are_unique)
        .rule(rules::http_route::matches_are_few);
    let spec = object([
        optional("parentRefs", parent_refs()),
        optional("hostnames", list(text().length(1..=253).matching(&HOSTNAME)).at_most(16)),
        optional("rules", route_rules),
    ]);
    resource(metadata::namespaced(metadata::subdomain_name()), [required("spec", spec)])
}

fn request() -> Schema {
    let path = object([
        optional(
            "type",
            one_of(&["Exact", "PathPrefix", "RegularExpression"]).default("PathPrefix"),
        ),
        optional("value", text().at_most(1024).default("/")),
    ])
    .default(json!({"type": "PathPrefix", "value": "/"}))
    .rule(rules::http_route::path_is_normal);
    object([
        optional("path", path),
        optional("headers", any()),
        optional("queryParams", any()),
        optional("method", any()),
    ])
}

fn backend_ref() -> Schema {
    let own = [optional("filters", any())];
    object(backend_ref_fields().into_iter().chain(own)).rule(rules::route::service_has_a_port)
}
