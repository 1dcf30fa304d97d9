//! ListenerSet. Spec: `apis/v1/listenerset_types.go`.

use super::listener::listeners;
use super::refs::parent_ref_fields;
use super::{Schema, metadata, object, required, resource};

pub(super) fn schema() -> Schema {
    let spec = object([
        required("parentRef", object(parent_ref_fields())),
        required("listeners", listeners()),
    ]);
    resource(metadata::namespaced(metadata::subdomain_name()), [required("spec", spec)])
}
