//! Every object that is read, by kind and key.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{
    BackendTlsPolicy, ConfigMap, EndpointSlice, Gateway, GatewayClass, ListenerSet, Namespace,
    ObjectKey, ReferenceGrant, Secret, Service, TcpRoute, TlsRoute, UdpRoute,
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
    pub reference_grants: ByKey<ReferenceGrant>,
    pub backend_tls_policies: ByKey<BackendTlsPolicy>,
    pub services: ByKey<Service>,
    pub endpoint_slices: ByKey<EndpointSlice>,
    pub secrets: ByKey<Secret>,
    pub config_maps: ByKey<ConfigMap>,
    pub namespaces: ByKey<Namespace>,
}
