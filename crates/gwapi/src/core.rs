//! The core kinds, cut down to what is read of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::{ByteString, ClusterResourceScope, NamespaceResourceScope};
use serde::Deserialize;

use crate::ObjectMeta;

/// A Service: which ports a backendRef may name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Service {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is read of the spec.
    #[serde(default)]
    pub spec: ServiceSpec,
}

/// What is read of a Service's spec.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`; absent is `ClusterIP`.
    #[serde(default)]
    pub r#type: Option<String>,
    /// The ports. Numbers repeat where TCP and UDP share one.
    #[serde(default)]
    pub ports: Vec<ServicePort>,
}

/// One port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ServicePort {
    /// Its name: what EndpointSlice ports and BackendTLSPolicy's `sectionName` refer to.
    #[serde(default)]
    pub name: Option<String>,
    /// Its number: what backendRefs refer to.
    pub port: i32,
    /// `TCP`, `UDP` or `SCTP`; absent is `TCP`.
    #[serde(default)]
    pub protocol: Option<String>,
}

impl ServicePort {
    /// Protocol, with its default.
    pub fn protocol(&self) -> &str {
        self.protocol.as_deref().unwrap_or("TCP")
    }
}

/// The label that ties an EndpointSlice to its Service.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// Addresses behind a Service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSlice {
    /// Metadata; the label [`SERVICE_NAME_LABEL`] names the Service.
    pub metadata: ObjectMeta,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    /// The addresses.
    #[serde(default)]
    pub endpoints: Vec<SliceEndpoint>,
    /// The ports, which hold for every address.
    #[serde(default)]
    pub ports: Vec<SlicePort>,
}

/// One endpoint of a slice.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct SliceEndpoint {
    /// Addresses of one and the same endpoint; the first is used.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Its state.
    #[serde(default)]
    pub conditions: EndpointConditions,
}

/// The state of an endpoint. Absent `ready` and `serving` count as true, absent `terminating` as
/// false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct EndpointConditions {
    /// Takes traffic.
    #[serde(default)]
    pub ready: Option<bool>,
    /// Like `ready`, also while terminating.
    #[serde(default)]
    pub serving: Option<bool>,
    /// Is shutting down.
    #[serde(default)]
    pub terminating: Option<bool>,
}

/// One port of a slice.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct SlicePort {
    /// The name of the Service port it belongs to; absent or empty for the only one.
    #[serde(default)]
    pub name: Option<String>,
    /// The number to connect to; absent is "every port".
    #[serde(default)]
    pub port: Option<i32>,
    /// `TCP`, `UDP` or `SCTP`; absent is `TCP`.
    #[serde(default)]
    pub protocol: Option<String>,
}

/// A Secret. `Debug` prints the names of its keys only.
#[derive(Clone, Default, PartialEq, Deserialize)]
pub struct Secret {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// The type, for example `kubernetes.io/tls`.
    #[serde(default)]
    pub r#type: Option<String>,
    /// The values.
    #[serde(default)]
    pub data: BTreeMap<String, ByteString>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("namespace", &self.metadata.namespace)
            .field("name", &self.metadata.name)
            .field("keys", &self.data.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A ConfigMap: certificate authorities.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ConfigMap {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// The values.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
}

/// A Namespace: its labels, for selectors.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Namespace {
    /// Metadata.
    pub metadata: ObjectMeta,
}

macro_rules! core_kind {
    ($name:ident, $group:literal, $plural:literal, $scope:ty) => {
        impl kube::Resource for $name {
            type DynamicType = ();
            type Scope = $scope;

            fn kind(_: &()) -> Cow<'_, str> {
                stringify!($name).into()
            }

            fn group(_: &()) -> Cow<'_, str> {
                $group.into()
            }

            fn version(_: &()) -> Cow<'_, str> {
                "v1".into()
            }

            fn plural(_: &()) -> Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

core_kind!(Service, "", "services", NamespaceResourceScope);
core_kind!(EndpointSlice, "discovery.k8s.io", "endpointslices", NamespaceResourceScope);
core_kind!(Secret, "", "secrets", NamespaceResourceScope);
core_kind!(ConfigMap, "", "configmaps", NamespaceResourceScope);
core_kind!(Namespace, "", "namespaces", ClusterResourceScope);
