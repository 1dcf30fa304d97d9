//! Every object that is read, by kind and key.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{
    BackendTlsPolicy, ConfigMap, EndpointSlice, Gateway, GatewayClass, GatewayParameters,
    HttpRoute, Kind, ListenerSet, Namespace, ObjectKey, ObjectRef, ReferenceGrant, Secret, Service,
    TcpRoute, TlsRoute, UdpRoute,
};

/// Objects of one kind. Sorted, so that no result depends on the order in which they came.
pub type ByKey<T> = BTreeMap<ObjectKey, Arc<T>>;

/// Every object that is read. Cloning copies pointers.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Objects {
    pub gateway_classes: ByKey<GatewayClass>,
    pub gateways: ByKey<Gateway>,
    pub listener_sets: ByKey<ListenerSet>,
    pub tcp_routes: ByKey<TcpRoute>,
    pub udp_routes: ByKey<UdpRoute>,
    pub tls_routes: ByKey<TlsRoute>,
    pub http_routes: ByKey<HttpRoute>,
    pub reference_grants: ByKey<ReferenceGrant>,
    pub backend_tls_policies: ByKey<BackendTlsPolicy>,
    pub gateway_parameters: ByKey<GatewayParameters>,
    pub services: ByKey<Service>,
    pub endpoint_slices: ByKey<EndpointSlice>,
    pub secrets: ByKey<Secret>,
    pub config_maps: ByKey<ConfigMap>,
    pub namespaces: ByKey<Namespace>,
}

/// Evaluates an expression with the map of one kind, given by value of [`Kind`].
macro_rules! with_kind {
    ($kind:expr, |$field:ident| $do:expr) => {
        with_kind!(@arms $kind, $field, $do,
            GatewayClass gateway_classes, Gateway gateways, ListenerSet listener_sets,
            TcpRoute tcp_routes, UdpRoute udp_routes, TlsRoute tls_routes,
            HttpRoute http_routes, ReferenceGrant reference_grants,
            BackendTlsPolicy backend_tls_policies, GatewayParameters gateway_parameters,
            Service services, EndpointSlice endpoint_slices, Secret secrets,
            ConfigMap config_maps, Namespace namespaces)
    };
    (@arms $kind:expr, $field:ident, $do:expr, $($variant:ident $map:ident),*) => {
        match $kind {
            $(Kind::$variant => {
                macro_rules! $field { ($objects:expr) => { $objects.$map } }
                $do
            })*
        }
    };
}

impl Objects {
    /// Every object, by kind and then by key.
    pub fn refs(&self) -> Vec<ObjectRef> {
        let of = |kind: Kind| -> Vec<ObjectRef> {
            with_kind!(kind, |of_kind| of_kind!(self)
                .keys()
                .map(|key| ObjectRef::new(kind, key.clone()))
                .collect())
        };
        Kind::ALL.into_iter().flat_map(of).collect()
    }

    /// How many objects of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        with_kind!(kind, |of_kind| of_kind!(self).len())
    }

    /// Whether there is an object of this name.
    pub fn contains(&self, object: &ObjectRef) -> bool {
        with_kind!(object.kind, |of_kind| of_kind!(self).contains_key(&object.key))
    }

    /// Puts the object of this name in `other` here, in place of the one that is here. Without one
    /// in `other` nothing changes.
    pub fn copy_from(&mut self, other: &Self, object: &ObjectRef) {
        with_kind!(object.kind, |of_kind| {
            if let Some(found) = of_kind!(other).get(&object.key) {
                of_kind!(self).insert(object.key.clone(), Arc::clone(found));
            }
        });
    }

    /// Whether both have an object of this name and the two are equal.
    pub fn agrees_on(&self, other: &Self, object: &ObjectRef) -> bool {
        with_kind!(object.kind, |of_kind| {
            let found = of_kind!(self).get(&object.key);
            found.is_some() && found == of_kind!(other).get(&object.key)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_service(name: &str, port: i32) -> Objects {
        let mut service = Service::default();
        service.spec.ports.push(crate::core::ServicePort { port, ..Default::default() });
        let mut objects = Objects::default();
        objects.services.insert(ObjectKey::new("db", name), Arc::new(service));
        objects
    }

    #[test]
    fn objects_are_found_copied_and_compared_by_name() {
        let (mut here, there) = (with_service("pg", 5432), with_service("pg", 5433));
        let pg = ObjectRef::new(Kind::Service, ObjectKey::new("db", "pg"));
        let absent = ObjectRef::new(Kind::Secret, ObjectKey::new("db", "pg"));
        assert_eq!(here.refs(), std::slice::from_ref(&pg));
        assert_eq!((here.count(Kind::Service), here.count(Kind::Secret)), (1, 0));
        assert!(here.contains(&pg) && !here.contains(&absent));
        assert!(!here.agrees_on(&there, &pg));
        here.copy_from(&there, &absent);
        here.copy_from(&there, &pg);
        assert!(here.agrees_on(&there, &pg) && !here.agrees_on(&there, &absent));
        assert_eq!(here, there);
    }
}
