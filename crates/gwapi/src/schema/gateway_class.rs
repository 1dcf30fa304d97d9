//! GatewayClass. Spec: `apis/v1/gatewayclass_types.go`.

use super::patterns::CONTROLLER;
use super::refs::object_ref;
use super::{Schema, metadata, object, optional, required, resource, text};

pub(super) fn schema() -> Schema {
    let spec = object([
        required("controllerName", text().length(1..=253).matching(&CONTROLLER)),
        optional("description", text().at_most(64)),
        optional("parametersRef", object_ref()),
    ]);
    resource(metadata::of_cluster(metadata::subdomain_name()), [required("spec", spec)])
}
