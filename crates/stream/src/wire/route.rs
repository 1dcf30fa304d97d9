//! Routes and the names of things.

use std::sync::Arc;

use snapshot::{BackendName, ClusterKey, ListenerName, Rejection, RouteName, Target, Weighted};

use super::{Malformed, required};

/// The name of a listener.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Listener {
    #[prost(string, tag = "1")]
    gateway_namespace: String,
    #[prost(string, tag = "2")]
    gateway: String,
    #[prost(string, tag = "3")]
    listener_set: String,
    #[prost(string, tag = "4")]
    listener: String,
    #[prost(string, tag = "5")]
    protocol: String,
}

impl Listener {
    pub(crate) fn of(name: &ListenerName) -> Self {
        Self {
            gateway_namespace: name.gateway_namespace.clone(),
            gateway: name.gateway.clone(),
            listener_set: name.listener_set.clone(),
            listener: name.listener.clone(),
            protocol: name.protocol.clone(),
        }
    }

    pub(crate) fn read(self) -> Arc<ListenerName> {
        Arc::new(ListenerName {
            gateway_namespace: self.gateway_namespace,
            gateway: self.gateway,
            listener_set: self.listener_set,
            listener: self.listener,
            protocol: self.protocol,
        })
    }
}

/// The name of a backend port.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Backend {
    #[prost(string, tag = "1")]
    namespace: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(uint32, tag = "3")]
    port: u32,
}

impl Backend {
    pub(crate) fn of(name: &BackendName) -> Self {
        Self {
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            port: u32::from(name.port),
        }
    }

    pub(crate) fn read(self) -> Result<Arc<BackendName>, Malformed> {
        let port = u16::try_from(self.port).map_err(|_| Malformed::Field("backend.port"))?;
        Ok(Arc::new(BackendName { namespace: self.namespace, name: self.name, port }))
    }
}

/// A route as a listener uses it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Route {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    namespace: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(message, repeated, tag = "4")]
    targets: Vec<Share>,
}

/// A target and its share.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Share {
    #[prost(uint32, tag = "1")]
    weight: u32,
    #[prost(oneof = "To", tags = "2, 3")]
    to: Option<To>,
}

/// Where a share goes.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum To {
    /// The key of a cluster.
    #[prost(string, tag = "2")]
    Cluster(String),
    #[prost(message, tag = "3")]
    Reject(Reject),
}

/// Why a share is refused.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Reject {
    #[prost(message, optional, tag = "1")]
    backend: Option<Backend>,
    #[prost(string, tag = "2")]
    reason: String,
}

impl Route {
    pub(crate) fn of(route: &snapshot::Route) -> Self {
        Self {
            kind: route.name.kind.clone(),
            namespace: route.name.namespace.clone(),
            name: route.name.name.clone(),
            targets: route.targets.iter().map(Share::of).collect(),
        }
    }

    pub(crate) fn read(self) -> Result<snapshot::Route, Malformed> {
        let name = RouteName { kind: self.kind, namespace: self.namespace, name: self.name };
        let targets = self.targets.into_iter().map(Share::read).collect::<Result<_, _>>()?;
        Ok(snapshot::Route { name: Arc::new(name), targets })
    }
}

impl Share {
    pub(crate) fn of(share: &Weighted) -> Self {
        let to = match &share.target {
            Target::Cluster(key) => To::Cluster(key.as_str().to_owned()),
            Target::Reject(rejection) => To::Reject(Reject {
                backend: Some(Backend::of(&rejection.backend)),
                reason: rejection.reason.clone(),
            }),
        };
        Self { weight: share.weight, to: Some(to) }
    }

    pub(crate) fn read(self) -> Result<Weighted, Malformed> {
        // Many of these are added up, in numbers that this bound keeps from overflowing.
        if self.weight > 1_000_000 {
            return Err(Malformed::Field("route.weight"));
        }
        let target = match required(self.to, "route.target")? {
            To::Cluster(key) => Target::Cluster(ClusterKey::new(key)),
            To::Reject(reject) => Target::Reject(Rejection {
                backend: required(reject.backend, "rejection.backend")?.read()?,
                reason: reject.reason,
            }),
        };
        Ok(Weighted { weight: self.weight, target })
    }
}
