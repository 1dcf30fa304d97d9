//! The endpoints of a Service port, from EndpointSlices: which addresses may be dialled and in what
//! state they are.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use gwapi::core::{SERVICE_NAME_LABEL, SliceEndpoint, SlicePort};
use gwapi::{EndpointSlice, ObjectKey};
use snapshot::{BindKey, Endpoint, EndpointState, Transport};

use crate::backends::{ServicePort, protocol};
use crate::{ResolvedNames, World};

/// All EndpointSlices by Service, and what must not be dialled.
pub(crate) struct Endpoints<'a> {
    by_service: HashMap<(&'a str, &'a str), Vec<&'a EndpointSlice>>,
    names: &'a ResolvedNames,
    trust: Trust,
    own: OwnSockets,
}

/// Whether endpoints were written by the operator or by tenants of a cluster.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// By the operator: loopback addresses and DNS names are meant.
    Operator,
    /// By anybody who may write EndpointSlices (CVE-2021-25737): never into our own host, never
    /// where a name leads.
    Tenants,
}

/// The endpoints of one Service port.
#[derive(Default)]
pub(crate) struct Found {
    /// Those that may be dialled, sorted by address, each address once.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Addresses that a tenant must not name.
    pub(crate) unsafe_addresses: BTreeSet<String>,
    /// Sockets of our own.
    pub(crate) own_sockets: BTreeSet<SocketAddr>,
}

/// The sockets that we listen on. An endpoint among them would make traffic go round in circles.
#[derive(Default)]
pub(crate) struct OwnSockets {
    exact: BTreeSet<(Transport, SocketAddr)>,
    every_ipv4: BTreeSet<(Transport, u16)>,
    every_ipv6: BTreeSet<(Transport, u16)>,
}

impl OwnSockets {
    /// Adds a socket at this address.
    pub(crate) fn add(&mut self, bind: BindKey, address: IpAddr) {
        let port = bind.port.get();
        match address {
            IpAddr::V4(ip) if ip.is_unspecified() => {
                _ = self.every_ipv4.insert((bind.transport, port))
            }
            IpAddr::V6(ip) if ip.is_unspecified() => {
                _ = self.every_ipv6.insert((bind.transport, port))
            }
            _ => _ = self.exact.insert((bind.transport, SocketAddr::new(address, port))),
        }
    }

    /// Whether what is sent there comes back to us. Of a socket on every address only loopback is
    /// known to be this host.
    fn contain(&self, transport: Transport, address: SocketAddr) -> bool {
        let is_local = address.ip().is_loopback() || address.ip().is_unspecified();
        let every = if address.is_ipv4() { &self.every_ipv4 } else { &self.every_ipv6 };
        self.exact.contains(&(transport, address))
            || (is_local && every.contains(&(transport, address.port())))
    }
}

impl<'a> Endpoints<'a> {
    /// Sorts the slices by the Service that their label names.
    pub(crate) fn new(world: &World<'a>, own: OwnSockets) -> Self {
        let mut by_service: HashMap<_, Vec<&EndpointSlice>> = HashMap::new();
        for (key, slice) in &world.objects.endpoint_slices {
            let labels = slice.metadata.labels.as_ref();
            if let Some(service) = labels.and_then(|labels| labels.get(SERVICE_NAME_LABEL)) {
                by_service
                    .entry((key.namespace.as_str(), service.as_str()))
                    .or_default()
                    .push(slice);
            }
        }
        let trust = if world.settings.trust_endpoints { Trust::Operator } else { Trust::Tenants };
        Self { by_service, names: world.names, trust, own }
    }

    /// The endpoints of this port.
    pub(crate) fn of(&self, port: &ServicePort<'_>) -> Found {
        let ObjectKey { namespace, name } = port.service;
        let slices = self.by_service.get(&(namespace.as_str(), name.as_str()));
        let mut found = Found::default();
        for slice in slices.into_iter().flatten() {
            for number in slice.ports.iter().filter_map(|candidate| number(candidate, port)) {
                for endpoint in &slice.endpoints {
                    self.add(slice, endpoint, (port.transport, number), &mut found);
                }
            }
        }
        // An endpoint may stand in two slices while it moves from one to the other: the better
        // state is the newer one or costs one failed attempt.
        found.endpoints.sort_unstable();
        found.endpoints.dedup_by_key(|endpoint| endpoint.address);
        found
    }

    fn add(
        &self,
        slice: &EndpointSlice,
        endpoint: &SliceEndpoint,
        (transport, number): (Transport, u16),
        found: &mut Found,
    ) {
        // Spec: all addresses of an endpoint are one and the same; consumers use the first.
        let Some(text) = endpoint.addresses.first() else { return };
        let is_trusted = self.trust == Trust::Operator;
        let address = text.parse::<IpAddr>().ok().filter(|_| slice.address_type != "FQDN");
        let resolved = match &address {
            Some(address) => std::slice::from_ref(address),
            None if slice.address_type != "FQDN" => &[],
            None if is_trusted => self.names.get(text).map(Vec::as_slice).unwrap_or_default(),
            None => {
                found.unsafe_addresses.insert(text.clone());
                return;
            }
        };
        for address in resolved.iter().map(IpAddr::to_canonical) {
            let socket = SocketAddr::new(address, number);
            if !is_trusted && is_unsafe(address) {
                found.unsafe_addresses.insert(text.clone());
            } else if self.own.contain(transport, socket) {
                found.own_sockets.insert(socket);
            } else {
                found.endpoints.push(Endpoint { address: socket, state: state(endpoint) });
            }
        }
    }
}

/// The number to connect to, if the slice's port belongs to the Service's.
fn number(candidate: &SlicePort, port: &ServicePort<'_>) -> Option<u16> {
    let is_same = candidate.name.as_deref().unwrap_or_default() == port.name
        && candidate.protocol.as_deref().unwrap_or("TCP") == protocol(port.transport);
    let number = candidate.port.map_or(Ok(port.number), u16::try_from);
    number.ok().filter(|number| is_same && *number != 0)
}

/// Spec: `EndpointConditions` (`discovery/v1`): absent `ready` is true, absent `terminating` false.
fn state(endpoint: &SliceEndpoint) -> EndpointState {
    if endpoint.conditions.terminating == Some(true) {
        EndpointState::Draining
    } else if endpoint.conditions.ready == Some(false) {
        EndpointState::Unready
    } else {
        EndpointState::Ready
    }
}

/// Whether a tenant could reach with it what only the proxy's own host can.
fn is_unsafe(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => {
            // 0.0.0.0/8 is "this host" (RFC 1122 §3.2.1.3).
            ip.octets().first() == Some(&0)
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast()
        }
        IpAddr::V6(ip) => {
            // IPv4-compatible addresses (::/96, RFC 4291 §2.5.5.1) cover `::` and `::1`.
            matches!(ip.segments(), [0, 0, 0, 0, 0, 0, _, _])
                || ip.is_unicast_link_local()
                || ip.is_multicast()
        }
    }
}

#[cfg(test)]
mod tests;
