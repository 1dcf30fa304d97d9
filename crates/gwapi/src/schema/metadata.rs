//! `metadata` of every kind. Spec: `ObjectMeta` (apimachinery `meta/v1`) and its validation.

use super::patterns::{LABEL, LABEL_VALUE, SUBDOMAIN};
use super::{
    Field, Schema, any, boolean, int64, list, map, object, optional, required, rules, text, time,
};

/// Names of most kinds.
pub(super) fn subdomain_name() -> Schema {
    text().length(1..=253).matching(&SUBDOMAIN)
}

/// Names that become a label of a DNS name.
pub(super) fn label_name() -> Schema {
    text().length(1..=63).matching(&LABEL)
}

/// Metadata of a kind whose objects live in namespaces.
pub(super) fn namespaced(name: Schema) -> Schema {
    let namespace = text().length(1..=63).matching(&LABEL).default("default");
    object(common(name).into_iter().chain([optional("namespace", namespace)]))
}

/// Metadata of a kind whose objects belong to the whole cluster.
pub(super) fn of_cluster(name: Schema) -> Schema {
    object(common(name).into_iter().chain([optional("namespace", text())]))
        .rule(rules::keys::has_no_namespace)
}

/// A cluster numbers the versions of an object; in a file there is only the first.
const FIRST_GENERATION: i64 = 1;

fn common(name: Schema) -> [Field; 14] {
    let owner = object([
        required("apiVersion", text()),
        required("kind", text()),
        required("name", text()),
        required("uid", text()),
        optional("controller", boolean()),
        optional("blockOwnerDeletion", boolean()),
    ]);
    [
        required("name", name),
        optional(
            "labels",
            map(text().at_most(63).matching(&LABEL_VALUE)).rule(rules::keys::are_qualified),
        ),
        optional(
            "annotations",
            map(text())
                .rule(rules::keys::annotations_are_small)
                .rule(rules::keys::are_qualified_in_any_case),
        ),
        optional("generation", int64().default(FIRST_GENERATION)),
        optional("creationTimestamp", time()),
        optional("deletionTimestamp", time()),
        optional("deletionGracePeriodSeconds", int64()),
        optional("finalizers", list(text())),
        optional("generateName", text()),
        optional("managedFields", any()),
        optional("ownerReferences", list(owner)),
        optional("resourceVersion", text()),
        optional("selfLink", text()),
        optional("uid", text()),
    ]
}
