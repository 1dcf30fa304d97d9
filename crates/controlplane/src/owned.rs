//! What was provisioned for Gateways, as the API server has it now: the input that repairs drift,
//! finds the addresses of Services and says which proxies there should be.

use std::collections::BTreeMap;
use std::sync::Arc;

use gwapi::ObjectKey;
use kube::core::DynamicObject;

/// The label on everything that is provisioned; only what carries it is watched.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "tidegate";
/// The label that names the Gateway, shortened to a label value (GEP-1762).
pub const GATEWAY_NAME_LABEL: &str = "gateway.networking.k8s.io/gateway-name";
/// The label that names the GatewayClass, shortened to a label value (GEP-1762).
pub const CLASS_NAME_LABEL: &str = "gateway.networking.k8s.io/gateway-class-name";

/// The kinds that are provisioned for a Gateway, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum OwnedKind {
    ServiceAccount,
    ConfigMap,
    Service,
    Deployment,
    PodDisruptionBudget,
}

/// Everything that carries [`MANAGED_BY_LABEL`], in all namespaces that are watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Owned {
    /// The provisioned objects, whole.
    pub objects: BTreeMap<(OwnedKind, ObjectKey), Arc<DynamicObject>>,
    /// The proxies' pods, cut down.
    pub pods: BTreeMap<ObjectKey, Arc<ProxyPod>>,
}

/// A proxy's pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyPod {
    /// `metadata.uid`: what a proxy is known by.
    pub uid: String,
    /// The controller's `ownerReference` (a ReplicaSet): kind, name and UID.
    pub owner: Option<(String, String, String)>,
    /// The label [`GATEWAY_NAME_LABEL`].
    pub gateway: String,
    /// `spec.serviceAccountName`.
    pub service_account: String,
    /// Whether its condition `Ready` is true.
    pub ready: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
}
