//! What was provisioned for Gateways, as the API server has it now: the input that repairs drift,
//! finds the addresses of Services and says which proxies there should be.

use std::collections::BTreeMap;
use std::fmt;
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

impl fmt::Display for OwnedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
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

impl Owned {
    /// The Gateway that an object was provisioned for: its controlling owner, in its namespace.
    pub fn gateway_of(object: &DynamicObject) -> Option<ObjectKey> {
        let owners = object.metadata.owner_references.iter().flatten();
        let gateway = owners
            .filter(|owner| owner.controller == Some(true) && owner.kind == "Gateway")
            .find(|owner| owner.api_version.split('/').next() == Some(gwapi::GATEWAY_GROUP))?;
        Some(ObjectKey::new(object.metadata.namespace.clone()?, gateway.name.clone()))
    }

    /// The pods of each Gateway's proxies, known by the ServiceAccount they run as: labels are
    /// shortened, and anyone may set them.
    pub fn proxies(&self) -> BTreeMap<ObjectKey, Vec<&ProxyPod>> {
        let mut proxies: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, pod) in &self.pods {
            let account = ObjectKey::new(key.namespace.clone(), pod.service_account.clone());
            let account = self.objects.get(&(OwnedKind::ServiceAccount, account));
            if let Some(gateway) = account.and_then(|account| Self::gateway_of(account)) {
                proxies.entry(gateway).or_default().push(pod.as_ref());
            }
        }
        proxies
    }
}
