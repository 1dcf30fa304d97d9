//! What a snapshot means for sockets and gauges. Pure functions of the supervisor.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;

use snapshot::{App, BindKey, BindState, ListenerName, Snapshot, Target, TlsMode};

use crate::cluster::Clusters;
use crate::metrics::GatewayCluster;

/// Whether two sockets ask for the same port of one address.
pub(super) fn overlap(one: &BindKey, other: &BindKey) -> bool {
    let same_family = matches!(
        (one.address, other.address),
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_))
    );
    let same_address = one.address == other.address
        || same_family && (one.address.is_unspecified() || other.address.is_unspecified());
    one.transport == other.transport && one.port == other.port && same_address
}

/// The worker that serves a bind with only one socket.
pub(super) fn owner(key: &BindKey, workers: usize) -> usize {
    let hash = foldhash::fast::FixedState::default().hash_one(key);
    usize::try_from(hash % workers.max(1) as u64).unwrap_or(0)
}

/// Whether every socket of each listener is open.
pub(super) fn listeners(
    snapshot: &Snapshot,
    binds: &BTreeMap<BindKey, BindState>,
) -> BTreeMap<Arc<ListenerName>, bool> {
    let mut listeners = BTreeMap::new();
    for (key, bind) in &snapshot.binds {
        let is_bound = binds.get(key).is_some_and(BindState::is_bound);
        for name in bind.listeners() {
            *listeners.entry(name.clone()).or_insert(true) &= is_bound;
        }
    }
    listeners
}

/// What each listener shows to clients: name of the identity, end of validity. Once each, also
/// where a listener has several sockets.
pub(super) fn certificates(snapshot: &Snapshot) -> Vec<(Arc<ListenerName>, String, i64)> {
    let tls = snapshot.binds.values().filter_map(|bind| match &bind.app {
        App::Tls(app) => Some(app),
        App::Tcp(_) | App::Udp(_) | App::Http(_) => None,
    });
    let mut found: Vec<_> = tls
        .flat_map(|app| app.listeners.values())
        .filter_map(|listener| match &listener.mode {
            TlsMode::Terminate(server) => Some((listener, server)),
            TlsMode::Passthrough => None,
        })
        .flat_map(|(listener, server)| {
            let shown = |identity: &Arc<snapshot::TlsIdentity>| {
                (listener.name.clone(), identity.name.clone(), identity.not_after)
            };
            server.identities.iter().map(shown).collect::<Vec<_>>()
        })
        .collect();
    found.sort();
    found.dedup_by(|one, other| (&one.0, &one.1) == (&other.0, &other.1));
    found
}

/// The clusters each gateway uses.
pub(super) fn clusters(snapshot: &Snapshot, clusters: &mut Clusters) -> Vec<GatewayCluster> {
    let mut used = std::collections::BTreeSet::new();
    for bind in snapshot.binds.values() {
        let gateways = bind.listeners();
        for target in bind.routes().iter().flat_map(|route| &route.targets) {
            if let Target::Cluster(key) = &target.target {
                for name in &gateways {
                    used.insert((
                        name.gateway_namespace.clone(),
                        name.gateway.clone(),
                        key.clone(),
                    ));
                }
            }
        }
    }
    used.into_iter()
        .map(|(namespace, gateway, key)| GatewayCluster {
            gateway: (namespace, gateway),
            cluster: clusters.get(&key),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapshot::{Port, Transport};

    fn key(transport: Transport, address: &str, port: u16) -> BindKey {
        BindKey { transport, port: Port::new(port).unwrap(), address: address.parse().unwrap() }
    }

    #[test]
    fn a_wildcard_overlaps_every_address_of_its_family() {
        use Transport::{Tcp, Udp};
        let any = key(Tcp, "0.0.0.0", 80);
        for (other, expected) in [
            (key(Tcp, "127.0.0.1", 80), true),
            (key(Tcp, "0.0.0.0", 80), true),
            (key(Tcp, "127.0.0.1", 81), false),
            (key(Udp, "127.0.0.1", 80), false),
            (key(Tcp, "::", 80), false),
            (key(Tcp, "::1", 80), false),
        ] {
            assert_eq!(overlap(&any, &other), expected, "{other}");
            assert_eq!(overlap(&other, &any), expected, "{other}");
        }
        assert!(!overlap(&key(Tcp, "127.0.0.1", 80), &key(Tcp, "127.0.0.2", 80)));
    }

    #[test]
    fn a_lone_socket_always_has_the_same_owner() {
        let owners: Vec<_> =
            (1..200).map(|port| owner(&key(Transport::Tcp, "::", port), 4)).collect();
        assert!(owners.iter().all(|owner| *owner < 4));
        assert_eq!(owners.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    }
}
