//! BackendTLSPolicy. Spec: `apis/v1/backendtlspolicy_types.go`.

use super::patterns::{HOSTNAME, SUBDOMAIN, URI, WELL_KNOWN_CAS};
use super::refs::{group, kind, local_ref, object_name, section_name};
use super::{
    Schema, list, map, metadata, object, one_of, optional, required, resource, rules, text,
};

pub(super) fn schema() -> Schema {
    let target = object([
        required("group", group()),
        required("kind", kind()),
        required("name", object_name()),
        optional("sectionName", section_name()),
    ]);
    let targets = list(target)
        .length(1..=16)
        .rule(rules::refs::sections_are_all_or_none)
        .rule(rules::refs::sections_are_unique);
    let spec = object([
        required("targetRefs", targets),
        required("validation", validation()),
        optional("options", map(text().at_most(4096)).at_most(16)),
    ]);
    resource(metadata::namespaced(metadata::subdomain_name()), [required("spec", spec)])
}

fn validation() -> Schema {
    let alt_name = object([
        required("type", one_of(&["Hostname", "URI"])),
        optional("hostname", text().length(1..=253).matching(&HOSTNAME)),
        optional("uri", text().length(1..=253).matching(&URI)),
    ])
    .rule(rules::backend_tls::hostname_is_of_its_type)
    .rule(rules::backend_tls::uri_is_of_its_type);
    object([
        required("hostname", text().length(1..=253).matching(&SUBDOMAIN)),
        optional("caCertificateRefs", list(local_ref()).at_most(8)),
        optional("wellKnownCACertificates", text().length(1..=253).matching(&WELL_KNOWN_CAS)),
        optional("subjectAltNames", list(alt_name).at_most(5)),
    ])
    .rule(rules::backend_tls::one_source_of_authorities)
}
