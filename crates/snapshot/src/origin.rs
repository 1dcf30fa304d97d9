//! Names for logs and metrics: which listener, route and backend something belongs to.

use std::fmt;

use serde::Serialize;

/// A listener: the labels that every metric of it carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ListenerName {
    /// Namespace of the gateway.
    pub gateway_namespace: String,
    /// Name of the gateway.
    pub gateway: String,
    /// `namespace/name` of the set that the listener is from; empty for the gateway's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub listener_set: String,
    /// Name of the listener.
    pub listener: String,
    /// `TCP`, `UDP` or `TLS`.
    pub protocol: String,
}

impl fmt::Display for ListenerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}#{}", self.gateway_namespace, self.gateway, self.listener)
    }
}

/// A route.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RouteName {
    /// `TCPRoute`, `UDPRoute` or `TLSRoute`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for RouteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
    }
}

/// A backend port.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BackendName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The port as the route names it; 0 if it names none.
    pub port: u16,
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.namespace, self.name, self.port)
    }
}
