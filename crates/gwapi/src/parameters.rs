//! GatewayParameters: how the proxies of a Gateway and the Service in front of them are made.
//!
//! A Gateway names one in `spec.infrastructure.parametersRef`, a GatewayClass in
//! `spec.parametersRef`. Every field is optional, so that the two can be merged; what holds for a
//! field that neither sets stands at the field. There is no field that is accepted and ignored.

mod core_types;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Toleration, TopologySpreadConstraint};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
pub use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A duration as Gateway API writes it (GEP-2257).
pub(crate) const DURATION: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

/// Says how the proxies of a Gateway and the Service in front of them are made.
///
/// Named by spec.infrastructure.parametersRef of a Gateway (same namespace) or by
/// spec.parametersRef of a GatewayClass. Where both name one, a field that the Gateway's sets wins;
/// maps, lists and Kubernetes' own types are replaced as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "tidegate.dev",
    version = "v1alpha1",
    kind = "GatewayParameters",
    doc = "How the proxies of a Gateway and the Service in front of them are made.",
    plural = "gatewayparameters",
    singular = "gatewayparameters",
    namespaced,
    shortname = "tgp",
    category = "gateway-api",
    category = "tidegate",
    derive = "Default",
    derive = "PartialEq",
    status = "GatewayParametersStatus",
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Accepted")].status"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct GatewayParametersSpec {
    /// Number of proxies. While it is absent the number is left to others, such as a
    /// HorizontalPodAutoscaler; without one there is 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,
    /// Image of the proxies. Absent: that of the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
    /// Processor time and memory of a proxy. Absent: requests of 10m and 32Mi, and a memory limit
    /// of 512Mi. How many connections a proxy takes follows from its memory limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Threads that serve traffic. Absent: one for each CPU that the proxy may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub workers: Option<i32>,
    /// What proxies log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Ports of the proxies' own endpoints. No listener can have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Ports>,
    /// The proxies' pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
    /// The Service in front of the proxies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceParameters>,
    /// The PodDisruptionBudget of the proxies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_disruption_budget: Option<DisruptionBudget>,
    /// How long connections live on in a proxy that ends, once it takes no new ones. Absent: 5m.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DURATION))]
    pub drain_timeout: Option<String>,
    /// How long a proxy that ends takes new connections while it already says that it is not
    /// ready, so that load balancers can notice. Absent: 15s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DURATION))]
    pub pre_stop_delay: Option<String>,
}

/// Processor time and memory, in the forms of a container's resources.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// The most that it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "core_types::quantities")]
    pub limits: Option<BTreeMap<String, Quantity>>,
    /// What is set aside for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "core_types::quantities")]
    pub requests: Option<BTreeMap<String, Quantity>>,
}

/// What proxies log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logging {
    /// The least severe lines to write. Absent: info.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<LogLevel>,
    /// The lines about finished connections and flows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessLog>,
}

/// How severe a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// The lines about finished connections and flows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessLog {
    /// Their form; none for no lines. Absent: json.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<AccessLogFormat>,
}

/// The form of the access log. Not `off`, as on the command line: unquoted YAML reads a boolean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum AccessLogFormat {
    Text,
    Json,
    None,
}

/// Ports of the proxies' own endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ports {
    /// Of the admin endpoint, which answers on the loopback address only. Absent: 19000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub admin: Option<i32>,
    /// Of health and metrics, on the pod's address. Absent: 19001.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub health: Option<i32>,
}

/// The proxies' pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Annotations of the pods. Those of the Gateway's spec.infrastructure win.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Labels that a node must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Taints of nodes that do not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "core_types::list_of::<Toleration>")]
    pub tolerations: Option<Vec<Toleration>>,
    /// Which nodes and neighbours are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "core_types::one::<Affinity>")]
    pub affinity: Option<Affinity>,
    /// How pods spread. Absent: evenly over nodes and zones where that is possible. A constraint
    /// without labelSelector counts the pods of this Gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "core_types::list_of::<TopologySpreadConstraint>")]
    pub topology_spread_constraints: Option<Vec<TopologySpreadConstraint>>,
    /// How important the pods are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// How long a pod that ends may take. Absent: 10 seconds more than preStopDelay and
    /// drainTimeout together; it cannot be less than both.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub termination_grace_period_seconds: Option<i64>,
}

/// The Service in front of the proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceParameters {
    /// Its type. Absent: LoadBalancer.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub r#type: Option<ServiceType>,
    /// Which load balancer; only for type LoadBalancer. Absent: the cluster's default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub load_balancer_class: Option<String>,
    /// Whether traffic may go through another node, which hides the client's address; not for
    /// type ClusterIP. Absent: Local for type LoadBalancer, Cluster for type NodePort.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_traffic_policy: Option<TrafficPolicy>,
    /// Whether TCP and UDP ports share one Service, or the UDP ports have one of their own, named
    /// with the suffix -udp, for load balancers that refuse a Service with both. Absent: Single.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mixed_protocol: Option<MixedProtocol>,
    /// Whether node ports are allocated; only for type LoadBalancer. Absent: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocate_load_balancer_node_ports: Option<bool>,
    /// Node ports of listeners' ports; not for type ClusterIP. Ports that are not named here get
    /// one from the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["port", "protocol"]
    ))]
    pub node_ports: Option<Vec<NodePort>>,
    /// Networks of clients that are let in; only for type LoadBalancer. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub load_balancer_source_ranges: Option<Vec<String>>,
    /// How the IP addresses of the Gateway's spec.addresses are asked for; only for type
    /// LoadBalancer. LoadBalancerIP makes one Service for each address with it in
    /// spec.loadBalancerIP; Annotation writes them, joined by commas, into one annotation.
    /// Absent: LoadBalancerIP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_from: Option<AddressFrom>,
    /// The annotation for addressFrom Annotation, such as metallb.io/loadBalancerIPs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 317))]
    pub address_annotation: Option<String>,
}

/// The type of a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum ServiceType {
    #[default]
    LoadBalancer,
    NodePort,
    ClusterIP,
}

/// Whether traffic may go through another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum TrafficPolicy {
    Local,
    Cluster,
}

/// Whether TCP and UDP ports share one Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum MixedProtocol {
    #[default]
    Single,
    Split,
}

/// How addresses are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum AddressFrom {
    #[default]
    LoadBalancerIP,
    Annotation,
}

/// What carries a port.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[allow(missing_docs)]
pub enum PortProtocol {
    TCP,
    UDP,
}

/// The node port of one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePort {
    /// The listener's port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// What carries it.
    pub protocol: PortProtocol,
    /// The port on every node.
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: i32,
}

/// The PodDisruptionBudget of the proxies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisruptionBudget {
    /// Whether there is one. Absent: if replicas is 2 or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How many proxies may be away at once, as number or percentage. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "core_types::one::<IntOrString>")]
    pub max_unavailable: Option<IntOrString>,
}

/// What the controller says of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayParametersStatus {
    /// Accepted: whether it can be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,
}
