//! ReferenceGrant. Spec: `apis/v1/referencegrant_types.go`.

use super::refs::{group, kind, namespace, object_name};
use super::{Schema, list, metadata, object, optional, required, resource};

pub(super) fn schema() -> Schema {
    let from = object([
        required("group", group()),
        required("kind", kind()),
        required("namespace", namespace()),
    ]);
    let to = object([
        required("group", group()),
        required("kind", kind()),
        optional("name", object_name()),
    ]);
    let spec = object([
        required("from", list(from).length(1..=16)),
        required("to", list(to).length(1..=16)),
    ]);
    resource(metadata::namespaced(metadata::subdomain_name()), [required("spec", spec)])
}
