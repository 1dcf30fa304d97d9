//! The Kubernetes objects that Tidegate reads and writes, and the manifests they come from.
//!
//! No decision is made here. GatewayClass, Gateway, ListenerSet, ReferenceGrant and
//! BackendTLSPolicy are those of the `gateway-api` crate. The four routes are our own types: the
//! crate has TCPRoute and UDPRoute at `v1alpha2` only and repeats every reference struct for every
//! kind, while ours share one [`ParentRef`] and one [`BackendRef`] and can be read at each version
//! a cluster serves. The core kinds are slim: they hold what we read and drop the rest.
//!
//! Reading order: [`meta`] → [`refs`] → [`routes`] → [`listeners`] → [`parameters`] →
//! [`definitions`] → [`core`] → [`objects`] → [`reasons`] → [`manifest`] → `schema`.

pub mod core;
pub mod definitions;
pub mod listeners;
pub mod manifest;
pub mod meta;
pub mod objects;
pub mod parameters;
pub mod reasons;
pub mod refs;
pub mod routes;
mod schema;
#[cfg(test)]
mod testing;

pub use gateway_api::apis::standard::backendtlspolicies::{self, BackendTlsPolicy};
pub use gateway_api::apis::standard::gatewayclasses::{self, GatewayClass};
pub use gateway_api::apis::standard::gateways::{self, Gateway};
pub use gateway_api::apis::standard::listenersets::{self, ListenerSet};
pub use gateway_api::apis::standard::referencegrants::{self, ReferenceGrant};
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

pub use crate::core::{ConfigMap, EndpointSlice, Namespace, Secret, Service};
pub use crate::listeners::Listener;
pub use crate::meta::{Kind, ObjectKey, ObjectRef};
pub use crate::objects::Objects;
pub use crate::parameters::GatewayParameters;
pub use crate::refs::{BackendRef, ParentRef};
pub use crate::routes::{HttpRoute, TcpRoute, TlsRoute, UdpRoute};

/// The API group of our own kinds.
pub const TIDEGATE_GROUP: &str = "tidegate.dev";
/// The API group of Gateway API.
pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";
/// The `controllerName` of the GatewayClasses that are ours.
pub const CONTROLLER_NAME: &str = "tidegate.dev/gateway-controller";
/// The name of the default GatewayClass.
pub const DEFAULT_CLASS: &str = "tidegate";
