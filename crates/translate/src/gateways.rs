//! Which Gateways are ours and what holds for a Gateway as a whole: its parameters, its addresses,
//! its client certificate towards backends, and whether clients must show one. Knows no listener.

use std::sync::Arc;

use gwapi::listeners::SecretRef;
use gwapi::reasons::Reason;
use gwapi::{Kind, ObjectKey};
use snapshot::TlsIdentity;

use crate::addresses::GatewayAddresses;
use crate::certs::Certificates;
use crate::classes::{Class, Classes};
use crate::frontend_tls::FrontendTls;
use crate::grants::Grants;
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
                refusals: refusals(object, class, &addresses),
                addresses,
            }
        })
        .collect()
}

fn refusals(
    gateway: &gwapi::Gateway,
    class: &Class<'_>,
    addresses: &GatewayAddresses,
) -> Vec<Cause> {
    let infrastructure = gateway.spec.infrastructure.as_ref();
    let parameters =
        infrastructure.and_then(|infrastructure| infrastructure.parameters_ref.as_ref());
    let unsupported_parameters = parameters.map(|parameters| {
        Cause::new(
            Reason::InvalidParameters,
            "spec.infrastructure.parametersRef",
            format!(
                "parameters of kind {} and group {} are not supported: expected none",
                parameters.kind, parameters.group
            ),
        )
    });
    let refused_class = class.refusal.as_ref().map(|_| {
        Cause::new(
            Reason::InvalidParameters,
            "spec.gatewayClassName",
            format!("GatewayClass {} is not accepted", gateway.spec.gateway_class_name),
        )
    });
    let unsupported_addresses = addresses.unsupported.iter().cloned();
    unsupported_parameters.into_iter().chain(refused_class).chain(unsupported_addresses).collect()
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
