//! TCPRoute, UDPRoute, TLSRoute and HTTPRoute at `v1`, and at the older versions a cluster may still
//! serve.

mod http;

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::http::{
    HttpBackendRef, HttpMatch, HttpPathMatch, HttpRouteRule, HttpRouteSpec, Unsupported,
};
use crate::{BackendRef, GATEWAY_GROUP, ObjectMeta, ParentRef};

/// The version a cluster serves a route kind at. Every version has the same fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Served {
    /// `v1`, since Gateway API 1.6.
    #[default]
    V1,
    /// `v1beta1`, HTTPRoute.
    V1Beta1,
    /// `v1alpha3`, TLSRoute of Gateway API 1.3 to 1.5.
    V1Alpha3,
    /// `v1alpha2`.
    V1Alpha2,
}

impl Served {
    /// The version as it stands in `apiVersion`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1Beta1 => "v1beta1",
            Self::V1Alpha3 => "v1alpha3",
            Self::V1Alpha2 => "v1alpha2",
        }
    }
}

/// `spec` of TCPRoute and UDPRoute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteSpec {
    /// Where to attach, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parent_refs: Vec<ParentRef>,
    /// Exactly one rule.
    #[serde(default)]
    pub rules: Vec<RouteRule>,
}

/// `spec` of TLSRoute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsRouteSpec {
    /// Where to attach, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parent_refs: Vec<ParentRef>,
    /// The server names to match, 1 to 1024; a leading `*.` matches one or more labels.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// Exactly one rule.
    #[serde(default)]
    pub rules: Vec<RouteRule>,
}

/// What to do with the traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteRule {
    /// Name of the rule; nothing refers to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The backends, 1 to 16.
    #[serde(default)]
    pub backend_refs: Vec<BackendRef>,
}

/// `status` of every route kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// One entry for every parent and controller. Tolerant of `status: {}`.
    #[serde(default)]
    pub parents: Vec<RouteParentStatus>,
}

/// What one controller says of one parent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// The parent, as the route's spec has it.
    pub parent_ref: ParentRef,
    /// Who says it.
    pub controller_name: String,
    /// What is said.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

macro_rules! route_kind {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $plural:literal, $spec:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct $name {
            /// Metadata.
            pub metadata: ObjectMeta,
            /// What is wanted.
            pub spec: $spec,
            /// What controllers say of it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub status: Option<RouteStatus>,
        }

        impl kube::Resource for $name {
            type DynamicType = Served;
            type Scope = NamespaceResourceScope;

            fn kind(_: &Served) -> Cow<'_, str> {
                $kind.into()
            }

            fn group(_: &Served) -> Cow<'_, str> {
                GATEWAY_GROUP.into()
            }

            fn version(served: &Served) -> Cow<'_, str> {
                served.as_str().into()
            }

            fn plural(_: &Served) -> Cow<'_, str> {
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

route_kind! {
    /// Every connection of a TCP listener to weighted backends. Spec: GEP-2644.
    TcpRoute, "TCPRoute", "tcproutes", RouteSpec
}
route_kind! {
    /// Every flow of a UDP listener to weighted backends. Spec: GEP-2645.
    UdpRoute, "UDPRoute", "udproutes", RouteSpec
}
route_kind! {
    /// TLS connections to weighted backends by server name. Spec: GEP-2643.
    TlsRoute, "TLSRoute", "tlsroutes", TlsRouteSpec
}

route_kind! {
    /// HTTP requests to weighted backends by host and path. Spec: `apis/v1/httproute_types.go`.
    HttpRoute, "HTTPRoute", "httproutes", HttpRouteSpec
}

#[cfg(test)]
mod tests {
    use kube::Resource;

    use super::*;

    #[test]
    fn routes_are_read_at_v1_and_at_what_an_older_cluster_serves() {
        assert_eq!(
            TcpRoute::url_path(&Served::V1, Some("db")),
            "/apis/gateway.networking.k8s.io/v1/namespaces/db/tcproutes"
        );
        assert_eq!(
            UdpRoute::url_path(&Served::V1Alpha2, None),
            "/apis/gateway.networking.k8s.io/v1alpha2/udproutes"
        );
        assert_eq!(
            TlsRoute::url_path(&Served::V1Alpha3, None),
            "/apis/gateway.networking.k8s.io/v1alpha3/tlsroutes"
        );
    }

    #[test]
    fn an_empty_status_is_read() {
        let route: TcpRoute =
            serde_json::from_str(r#"{"metadata":{"name":"a"},"spec":{},"status":{}}"#)
                .expect("valid");
        assert_eq!(route.status.expect("status").parents, []);
    }
}
