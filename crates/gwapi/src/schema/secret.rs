//! Secret. Spec: core/v1.

use super::{Schema, boolean, bytes, core_rules, map, metadata, optional, resource, text};

pub(super) fn schema() -> Schema {
    resource(
        metadata::namespaced(metadata::subdomain_name()),
        [
            optional("type", text().default("Opaque")),
            optional("data", map(bytes()).rule(core_rules::data_keys_are_file_names)),
            optional("stringData", map(text()).rule(core_rules::data_keys_are_file_names)),
            optional("immutable", boolean()),
        ],
    )
    .rule(core_rules::tls_secret_has_its_keys)
    .rule(core_rules::data_fits_an_object)
}
