//! Namespace. Spec: core/v1.

use super::{Schema, list, metadata, object, optional, resource, text};

pub(super) fn schema() -> Schema {
    let spec = object([optional("finalizers", list(text()))]);
    resource(metadata::of_cluster(metadata::label_name()), [optional("spec", spec)])
}
