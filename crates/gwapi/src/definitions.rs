//! The CustomResourceDefinitions of our own kinds, as `tidegate crds` prints them.
//!
//! They never carry the annotations `gateway.networking.k8s.io/bundle-version` and `channel`: those
//! belong to Gateway API's own definitions, and who reads them refuses mixed values.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::GatewayParameters;

/// The annotation with the version of Tidegate that a definition comes from.
pub const VERSION_ANNOTATION: &str = "tidegate.dev/crd-version";

/// Every definition, by name.
pub fn all() -> Vec<CustomResourceDefinition> {
    let mut definitions = vec![GatewayParameters::crd()];
    for definition in &mut definitions {
        let annotations = definition.metadata.annotations.get_or_insert_default();
        annotations.insert(VERSION_ANNOTATION.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    }
    definitions.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    definitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_not_taken_for_those_of_gateway_api() {
        for definition in all() {
            let name = definition.metadata.name.expect("a name");
            assert!(name.ends_with(".tidegate.dev"), "{name}");
            let annotations = definition.metadata.annotations.unwrap_or_default();
            assert!(annotations.keys().all(|key| key.starts_with("tidegate.dev/")), "{name}");
        }
    }
}
