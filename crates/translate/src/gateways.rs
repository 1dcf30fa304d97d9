//! Which Gateways are ours and what holds for a Gateway as a whole: its parameters, its addresses,
//! its client certificate towards backends, and whether clients must show one. Knows no listener.

use std::sync::Arc;

use gwapi::listeners::SecretRef;
use gwapi::reasons::Reason;
use gwapi::{Kind, ObjectKey, Objects};
use snapshot::TlsIdentity;

use crate::addresses::GatewayAddresses;
use crate::certs::Certificates;
use crate::classes::{Class, Classes};
use crate::frontend_tls::FrontendTls;
use crate::grants::Grants;
use crate::parameters::{self, Parameters, ParametersRef};
use crate::precedence::Age;
use crate::status::Cause;
use crate::{Addresses, Proxy, World};

/// A Gateway that is ours.
pub(crate) struct Gateway<'a> {
    /// Its place among all of them, the oldest first.
    pub(crate) ordinal: usize,
    /// Its key.
    pub(crate) key: &'a ObjectKey,
    /// The object.
    pub(crate) object: &'a gwapi::Gateway,
    /// Who serves it.
    pub(crate) proxy: Proxy,
    /// Its addresses.
    pub(crate) addresses: GatewayAddresses,
    /// How its proxies are made; `None` if that cannot be told.
    pub(crate) parameters: Option<Parameters>,
    /// TCP ports that Tidegate's own endpoints have where it is served.
    pub(crate) reserved_ports: Vec<u16>,
    /// Whether clients must show certificates.
    pub(crate) frontend_tls: FrontendTls,
    /// The certificate shown to backends, or why there is none to show.
    pub(crate) client_identity: Result<Option<Arc<TlsIdentity>>, Cause>,
    /// Why nothing of it is served.
    pub(crate) refusals: Vec<Cause>,
}

/// Finds our Gateways, the oldest first.
pub(crate) fn ours<'a>(
    world: &World<'a>,
    classes: &Classes<'a>,
    grants: &Grants<'_>,
    certificates: &mut Certificates<'_>,
) -> Vec<Gateway<'a>> {
    let mut found: Vec<_> = world
        .objects
        .gateways
        .iter()
        .filter_map(|(key, object)| {
            let class = classes.get(&object.spec.gateway_class_name)?;
            Some((Age::of(key, &object.metadata), key, object.as_ref(), class))
        })
        .collect();
    found.sort_by_key(|(age, ..)| *age);
    found
        .into_iter()
        .enumerate()
        .map(|(ordinal, (_, key, object, class))| {
            let addresses = GatewayAddresses::of(key, object, world.addresses);
            let (parameters, invalid) = match parameters(key, object, class, world.objects) {
                Ok(parameters) => (Some(parameters), vec![]),
                Err(causes) => (None, causes),
            };
            Gateway {
                ordinal,
                key,
                object,
                proxy: match world.addresses {
                    Addresses::Own(_) => Proxy::Standalone,
                    Addresses::Services(_) => Proxy::Gateway(key.clone()),
                },
                frontend_tls: FrontendTls::of(key, object, grants, certificates),
                client_identity: client_identity(key, object, grants, certificates),
                refusals: refusals(object, class, invalid, &addresses),
                reserved_ports: match (world.addresses, &parameters) {
                    (Addresses::Own(_), _) => world.settings.reserved_ports.clone(),
                    (Addresses::Services(_), Some(parameters)) => {
                        parameters.reserved_ports().to_vec()
                    }
                    (Addresses::Services(_), None) => vec![],
                },
                // A class that is refused says nothing of how proxies are made.
                parameters: parameters.filter(|_| class.refusals.is_empty()),
                addresses,
            }
        })
        .collect()
}

/// Spec: `Gateway.spec.infrastructure.parametersRef`: in the Gateway's namespace; its fields win
/// over those of the class.
fn parameters(
    key: &ObjectKey,
    gateway: &gwapi::Gateway,
    class: &Class<'_>,
    objects: &Objects,
) -> Result<Parameters, Vec<Cause>> {
    let field = "spec.infrastructure.parametersRef";
    let infrastructure = gateway.spec.infrastructure.as_ref();
    let reference =
        infrastructure.and_then(|infrastructure| infrastructure.parameters_ref.as_ref());
    let own = match reference {
        None => None,
        Some(reference) => {
            let reference = ParametersRef {
                field,
                group: &reference.group,
                kind: &reference.kind,
                namespace: Some(&key.namespace),
                name: &reference.name,
            };
            Some(parameters::resolve(&reference, objects)?)
        }
    };
    parameters::effective(class.parameters, own, field)
}

fn refusals(
    gateway: &gwapi::Gateway,
    class: &Class<'_>,
    invalid_parameters: Vec<Cause>,
    addresses: &GatewayAddresses,
) -> Vec<Cause> {
    let refused_class = (!class.refusals.is_empty()).then(|| {
        Cause::new(
            Reason::InvalidParameters,
            "spec.gatewayClassName",
            format!("GatewayClass {} is not accepted", gateway.spec.gateway_class_name),
        )
    });
    let unsupported_addresses = addresses.unsupported.iter().cloned();
    invalid_parameters.into_iter().chain(refused_class).chain(unsupported_addresses).collect()
}

/// Spec: `Gateway.spec.tls.backend.clientCertificateRef`: shown on every TLS connection to a
/// backend; does not by itself cause one.
fn client_identity(
    key: &ObjectKey,
    gateway: &gwapi::Gateway,
    grants: &Grants<'_>,
    certificates: &mut Certificates<'_>,
) -> Result<Option<Arc<TlsIdentity>>, Cause> {
    let backend = gateway.spec.tls.as_ref().and_then(|tls| tls.backend.as_ref());
    let Some(secret) = backend.and_then(|backend| backend.client_certificate_ref.as_ref()) else {
        return Ok(None);
    };
    let secret = SecretRef {
        group: secret.group.clone(),
        kind: secret.kind.clone(),
        namespace: secret.namespace.clone(),
        name: secret.name.clone(),
    };
    let field = "spec.tls.backend.clientCertificateRef";
    let referrer = (Kind::Gateway, key.namespace.as_str());
    let invalid = Reason::InvalidClientCertificateRef;
    certificates.identity(grants, referrer, &secret, field, invalid).map(Some)
}
