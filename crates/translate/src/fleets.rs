//! What each Gateway's proxies are made of in a cluster: which ports lead to them, which addresses
//! are wanted, and their parameters. Makes no object and knows no Kubernetes API.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use gwapi::ObjectKey;
use snapshot::{Port, Transport};

use crate::acceptance::{Acceptance, Role};
use crate::gateways::Gateway;
use crate::listeners::Listener;
use crate::parameters::Parameters;
use crate::{Addresses, World};

/// The proxies of one Gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// The name of its GatewayClass.
    pub class: String,
    /// How they are made.
    pub parameters: Parameters,
    /// The ports that lead to them: of every listener that is accepted, also of one that cannot
    /// serve for the moment, so that a missing certificate does not change a load balancer.
    pub ports: BTreeSet<(Transport, Port)>,
    /// The IP addresses that `spec.addresses` asks for, in its order.
    pub addresses: Vec<IpAddr>,
}

/// Tells how the proxies of each Gateway are made. Empty for a standalone process.
pub(crate) fn tell(
    world: &World<'_>,
    gateways: &[Gateway<'_>],
    listeners: &[Listener<'_>],
    acceptance: &Acceptance,
) -> BTreeMap<ObjectKey, Option<Fleet>> {
    if matches!(world.addresses, Addresses::Own(_)) {
        return BTreeMap::new();
    }
    let mut ports: BTreeMap<usize, BTreeSet<_>> = BTreeMap::new();
    for listener in listeners {
        if let (Some(protocol), Some(port)) = (listener.protocol, listener.port)
            && is_let_in(listener, acceptance)
        {
            let of_gateway = ports.entry(listener.gateway.ordinal).or_default();
            of_gateway.insert((protocol.transport(), port));
        }
    }
    let fleet = |gateway: &Gateway<'_>| {
        Some(Fleet {
            class: gateway.object.spec.gateway_class_name.clone(),
            parameters: gateway.parameters.clone()?,
            ports: ports.get(&gateway.ordinal).cloned().unwrap_or_default(),
            addresses: requested(gateway),
        })
    };
    gateways.iter().map(|gateway| (gateway.key.clone(), fleet(gateway))).collect()
}

/// Whether a listener's port leads to the proxies.
fn is_let_in(listener: &Listener<'_>, acceptance: &Acceptance) -> bool {
    let is_owner_accepted = match listener.set {
        None => acceptance.is_gateway_accepted(listener.gateway),
        Some(set) => {
            acceptance.is_gateway_accepted(listener.gateway) && acceptance.is_set_accepted(set)
        }
    };
    acceptance.role(listener) != Role::Absent
        || (is_owner_accepted && acceptance.is_listener_accepted(listener))
}

/// Each address once: a repeated one would be two Services that want the same.
fn requested(gateway: &Gateway<'_>) -> Vec<IpAddr> {
    let mut addresses = vec![];
    for address in gateway.addresses.requested.iter().filter_map(|requested| requested.address) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}
