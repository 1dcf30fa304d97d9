//! ConfigMap. Spec: core/v1.

use super::{Schema, boolean, bytes, core_rules, map, metadata, optional, resource, text};

pub(super) fn schema() -> Schema {
    resource(
        metadata::namespaced(metadata::subdomain_name()),
        [
            optional("data", map(text()).rule(core_rules::data_keys_are_file_names)),
            optional("binaryData", map(bytes()).rule(core_rules::data_keys_are_file_names)),
            optional("immutable", boolean()),
        ],
    )
    .rule(core_rules::config_map_keys_are_unique)
    .rule(core_rules::data_fits_an_object)
}
