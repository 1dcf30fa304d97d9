//! TCPRoute, UDPRoute and TLSRoute. Spec: `apis/v1/{tcp,udp,tls}route_types.go`.

use super::patterns::HOSTNAME;
use super::refs::{group, kind, namespace, object_name, parent_ref_fields, port, section_name};
use super::{
    Field, Schema, int32, list, metadata, object, optional, required, resource, rules, text,
};

pub(super) fn l4_schema() -> Schema {
    of_spec([])
}

pub(super) fn tls_schema() -> Schema {
    let hostnames = list(text().length(1..=253).matching(&HOSTNAME))
        .length(1..=1024)
        .rule(rules::route::hostnames_are_no_addresses);
    of_spec([required("hostnames", hostnames)])
}

fn of_spec(own: impl IntoIterator<Item = Field>) -> Schema {
    let common = [optional("parentRefs", parent_refs()), required("rules", route_rules())];
    let spec = object(common.into_iter().chain(own));
    resource(metadata::namespaced(metadata::subdomain_name()), [required("spec", spec)])
}

pub(super) fn parent_refs() -> Schema {
    let own = [optional("sectionName", section_name()), optional("port", port())];
    list(object(parent_ref_fields().into_iter().chain(own)))
        .at_most(32)
        .rule(rules::refs::sections_are_all_or_none)
        .rule(rules::refs::sections_are_unique)
}

/// Spec: `BackendRef` (`apis/v1/shared_types.go`).
pub(super) fn backend_ref_fields() -> [Field; 6] {
    [
        optional("group", group().default("")),
        optional("kind", kind().default("Service")),
        required("name", object_name()),
        optional("namespace", namespace()),
        optional("port", port()),
        optional("weight", int32().range(0..=1_000_000).default(1)),
    ]
}

fn route_rules() -> Schema {
    let backend_ref = object(backend_ref_fields()).rule(rules::route::service_has_a_port);
    let rule = object([
        optional("name", section_name()),
        required("backendRefs", list(backend_ref).length(1..=16)),
    ]);
    list(rule).length(1..=1)
}
