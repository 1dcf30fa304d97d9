//! Which GatewayClasses are ours and whether they are accepted. Knows no Gateway.

use std::collections::BTreeMap;

use gwapi::parameters::GatewayParametersSpec;
use gwapi::reasons::Reason;
use gwapi::{DEFAULT_CLASS, GatewayClass, ObjectKey, Objects};

use crate::parameters::{self, ParametersRef};
use crate::status::Cause;
use crate::{Addresses, World};

/// What the GatewayClass says we support, sorted.
///
/// Spec: GEP-2162. Only what own tests prove is claimed.
pub(crate) const SUPPORTED_FEATURES: [&str; 14] = [
    "BackendTLSPolicy",
    "Gateway",
    "GatewayAddressEmpty",
    "GatewayInfrastructure",
    "GatewayPort8080",
    "GatewayRouteHostnameIntersectionPrecedence",
    "GatewayStaticAddresses",
    "ListenerSet",
    "ReferenceGrant",
    "TCPRoute",
    "TLSRoute",
    "TLSRouteModeMixed",
    "TLSRouteModeTerminate",
    "UDPRoute",
];

/// The minor versions of Gateway API whose CRDs we are tested with.
const SUPPORTED_VERSIONS: [&str; 2] = ["v1.6.", "v1.7."];

/// The GatewayClasses that are ours, by name.
pub(crate) struct Classes<'a>(BTreeMap<&'a str, Class<'a>>);

/// A GatewayClass that is ours.
pub(crate) struct Class<'a> {
    /// Its key and the object; `None` for the implicit class, which has no status.
    pub(crate) object: Option<(&'a ObjectKey, &'a GatewayClass)>,
    /// The parameters it refers to.
    pub(crate) parameters: Option<&'a GatewayParametersSpec>,
    /// Why it is not accepted.
    pub(crate) refusals: Vec<Cause>,
}

/// Finds our classes. Standalone, a class of the default name is there without a manifest.
pub(crate) fn ours<'a>(world: &World<'a>) -> Classes<'a> {
    let mut classes = BTreeMap::new();
    for (key, class) in &world.objects.gateway_classes {
        if class.spec.controller_name == world.settings.controller_name {
            let object = Some((key, class.as_ref()));
            let (parameters, refusals) = match parameters(class, world.objects) {
                Ok(parameters) => (parameters, vec![]),
                Err(refusals) => (None, refusals),
            };
            classes.insert(key.name.as_str(), Class { object, parameters, refusals });
        }
    }
    let default_key = ObjectKey::new("", DEFAULT_CLASS);
    let is_standalone = matches!(world.addresses, Addresses::Own(_));
    if is_standalone && !world.objects.gateway_classes.contains_key(&default_key) {
        let implicit = Class { object: None, parameters: None, refusals: vec![] };
        classes.insert(DEFAULT_CLASS, implicit);
    }
    Classes(classes)
}

impl<'a> Classes<'a> {
    /// The class of this name, if it is ours.
    pub(crate) fn get(&self, name: &str) -> Option<&Class<'a>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Class<'a>> {
        self.0.values()
    }
}

fn parameters<'a>(
    class: &GatewayClass,
    objects: &'a Objects,
) -> Result<Option<&'a GatewayParametersSpec>, Vec<Cause>> {
    let Some(reference) = &class.spec.parameters_ref else { return Ok(None) };
    let reference = ParametersRef {
        field: "spec.parametersRef",
        group: &reference.group,
        kind: &reference.kind,
        namespace: reference.namespace.as_deref(),
        name: &reference.name,
    };
    parameters::resolve(&reference, objects).map(Some)
}

/// Whether the CRDs are of a version that we are tested with; otherwise what is wrong with it.
pub(crate) fn supported_version(world: &World<'_>) -> Result<String, Cause> {
    let expected = "expected v1.6 or v1.7";
    match (&world.settings.bundle_version, world.addresses) {
        (Some(version), _) if SUPPORTED_VERSIONS.iter().any(|known| version.starts_with(known)) => {
            Ok(format!("the CRDs are of version {version}"))
        }
        (Some(version), _) => Err(Cause::of_object(
            Reason::UnsupportedVersion,
            format!("the CRDs are of version {version}: {expected}"),
        )),
        (None, Addresses::Own(_)) => Ok("manifests are read by the rules of v1.7".to_owned()),
        (None, Addresses::Services(_)) => Err(Cause::of_object(
            Reason::UnsupportedVersion,
            format!("the CRDs carry no version: {expected}"),
        )),
    }
}
