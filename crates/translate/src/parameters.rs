//! What GatewayParameters mean: which are referred to, how those of class and Gateway merge, which
//! values make no sense together, and what holds where nothing is said. Makes no object.

mod merge;
mod values;

use std::time::Duration;

use gwapi::parameters::{
    AccessLogFormat, AddressFrom, GatewayParametersSpec, IntOrString, LogLevel, MixedProtocol,
    NodePort, Pod, Resources, ServiceParameters, ServiceType, TrafficPolicy,
};
use gwapi::reasons::Reason;
use gwapi::{Kind, ObjectKey, Objects};
use serde::Serialize;
use snapshot::Port;

use crate::status::Cause;

/// Where the admin endpoint of a proxy is, unless its parameters say otherwise.
const ADMIN_PORT: Port = known(19000);
/// Where health and metrics of a proxy are, unless its parameters say otherwise.
const HEALTH_PORT: Port = known(19001);
/// How long connections live on in a proxy that ends (`users.md` M11).
const DRAIN_TIMEOUT: Duration = Duration::from_secs(300);
/// Load balancers take about this long to notice that a pod is not ready (KEP-1669).
const PRE_STOP_DELAY: Duration = Duration::from_secs(15);
/// What a proxy may take to end after the last connection was cut.
const ENDING: Duration = Duration::from_secs(10);

const fn known(number: u16) -> Port {
    match Port::new(number) {
        Some(port) => port,
        None => Port::MIN,
    }
}

/// How the proxies of one Gateway are made: its parameters merged over those of its class, with
/// every default that is ours. What is `None` is left to Kubernetes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// Number of proxies; `None` if others decide it.
    pub replicas: Option<i32>,
    /// Their image; `None` for the controller's choice.
    pub image: Option<String>,
    /// Their resources; `None` for the controller's choice.
    pub resources: Option<Resources>,
    /// Threads that serve traffic; `None` for one for each CPU.
    pub workers: Option<i32>,
    /// The least severe lines to log; `None` for the proxy's default.
    pub log_level: Option<LogLevel>,
    /// The form of the access log.
    pub access_log: AccessLogFormat,
    /// Port of the admin endpoint.
    pub admin_port: Port,
    /// Port of health and metrics.
    pub health_port: Port,
    /// Their pods, as written.
    pub pod: Pod,
    /// How long a pod may take to end, seconds.
    pub termination_grace_period: i64,
    /// The Service in front.
    pub service: Service,
    /// How many proxies may be away at once; `None` if there is no PodDisruptionBudget.
    pub max_unavailable: Option<IntOrString>,
    /// How long connections live on in a proxy that ends.
    pub drain_timeout: Duration,
    /// How long a proxy that ends takes new connections.
    pub pre_stop_delay: Duration,
}

/// How the Service in front of proxies is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Its type.
    pub r#type: ServiceType,
    /// Which load balancer; `None` for the cluster's default one.
    pub load_balancer_class: Option<String>,
    /// Whether traffic may go through another node; `None` where that is no question.
    pub external_traffic_policy: Option<TrafficPolicy>,
    /// Whether UDP has a Service of its own.
    pub mixed_protocol: MixedProtocol,
    /// Whether node ports are allocated.
    pub allocate_node_ports: Option<bool>,
    /// Node ports that are chosen.
    pub node_ports: Vec<NodePort>,
    /// Networks of clients that are let in; empty for all.
    pub source_ranges: Vec<String>,
    /// The annotation that asks for addresses; `None` if `spec.loadBalancerIP` does.
    pub address_annotation: Option<String>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self::complete(&GatewayParametersSpec::default(), PRE_STOP_DELAY, DRAIN_TIMEOUT)
    }
}

/// Something wrong with the fields of parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The field, from the object's root.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) message: String,
}

impl Parameters {
    /// Reads parameters; otherwise everything that is wrong with them.
    pub(crate) fn read(spec: &GatewayParametersSpec) -> Result<Self, Vec<Problem>> {
        let problems = values::problems(spec);
        let duration = |text: &Option<String>, default| {
            text.as_deref().map_or(Some(default), values::duration)
        };
        let delay = duration(&spec.pre_stop_delay, PRE_STOP_DELAY);
        let drain = duration(&spec.drain_timeout, DRAIN_TIMEOUT);
        match (delay, drain) {
            (Some(delay), Some(drain)) if problems.is_empty() => {
                Ok(Self::complete(spec, delay, drain))
            }
            _ => Err(problems),
        }
    }

    fn complete(spec: &GatewayParametersSpec, delay: Duration, drain: Duration) -> Self {
        let ports = spec.ports.clone().unwrap_or_default();
        let logging = spec.logging.clone().unwrap_or_default();
        let budget = spec.pod_disruption_budget.clone().unwrap_or_default();
        let pod = spec.pod.clone().unwrap_or_default();
        // A proxy that is the only one would keep its node from being drained.
        let has_budget = budget.enabled.unwrap_or(spec.replicas.is_some_and(|count| count >= 2));
        let ending = delay.saturating_add(drain).saturating_add(ENDING);
        Self {
            replicas: spec.replicas,
            image: spec.image.clone(),
            resources: spec.resources.clone(),
            workers: spec.workers,
            log_level: logging.level,
            access_log: logging
                .access
                .and_then(|access| access.format)
                .unwrap_or(AccessLogFormat::Json),
            admin_port: ports.admin.and_then(values::port).unwrap_or(ADMIN_PORT),
            health_port: ports.health.and_then(values::port).unwrap_or(HEALTH_PORT),
            termination_grace_period: pod
                .termination_grace_period_seconds
                .unwrap_or_else(|| i64::try_from(ending.as_secs()).unwrap_or(i64::MAX)),
            pod,
            service: Service::complete(&spec.service.clone().unwrap_or_default()),
            max_unavailable: has_budget
                .then(|| budget.max_unavailable.unwrap_or(IntOrString::Int(1))),
            drain_timeout: drain,
            pre_stop_delay: delay,
        }
    }

    /// The ports that no listener can have.
    pub(crate) fn reserved_ports(&self) -> [u16; 2] {
        [self.admin_port.get(), self.health_port.get()]
    }
}

impl Service {
    fn complete(service: &ServiceParameters) -> Self {
        let r#type = service.r#type.unwrap_or_default();
        // A load balancer finds the nodes that have proxies by its health check, and the client's
        // address is kept. Who addresses a node himself has no such check.
        let policy = match r#type {
            ServiceType::LoadBalancer => Some(TrafficPolicy::Local),
            ServiceType::NodePort => Some(TrafficPolicy::Cluster),
            ServiceType::ClusterIP => None,
        };
        let by_annotation = service.address_from == Some(AddressFrom::Annotation);
        Self {
            r#type,
            load_balancer_class: service.load_balancer_class.clone(),
            external_traffic_policy: service.external_traffic_policy.or(policy),
            mixed_protocol: service.mixed_protocol.unwrap_or_default(),
            allocate_node_ports: service.allocate_load_balancer_node_ports,
            node_ports: service.node_ports.clone().unwrap_or_default(),
            source_ranges: service.load_balancer_source_ranges.clone().unwrap_or_default(),
            address_annotation: service.address_annotation.clone().filter(|_| by_annotation),
        }
    }
}

/// A reference to parameters, from a GatewayClass or a Gateway.
pub(crate) struct ParametersRef<'a> {
    /// Its path in the referring object.
    pub(crate) field: &'static str,
    /// API group.
    pub(crate) group: &'a str,
    /// Kind.
    pub(crate) kind: &'a str,
    /// Namespace; for a Gateway its own.
    pub(crate) namespace: Option<&'a str>,
    /// Name.
    pub(crate) name: &'a str,
}

/// The parameters that a reference leads to, or why they cannot be used.
///
/// Spec: `GatewayClass.spec.parametersRef`, `Gateway.spec.infrastructure.parametersRef`: a referent
/// that is not there, not supported or malformed must be refused.
pub(crate) fn resolve<'a>(
    reference: &ParametersRef<'_>,
    objects: &'a Objects,
) -> Result<&'a GatewayParametersSpec, Vec<Cause>> {
    let refuse =
        |message: String| vec![Cause::new(Reason::InvalidParameters, reference.field, message)];
    let ParametersRef { group, kind, name, .. } = reference;
    let expected = Kind::GatewayParameters;
    if (*group, *kind) != (expected.group(), expected.as_str()) {
        return Err(refuse(format!(
            "parameters of kind {kind} and group {group} are not supported: expected {expected} of \
             group {}",
            expected.group()
        )));
    }
    let Some(namespace) = reference.namespace.filter(|namespace| !namespace.is_empty()) else {
        return Err(refuse(format!("namespace: missing, expected that of {expected} {name}")));
    };
    let key = ObjectKey::new(namespace, *name);
    let Some(parameters) = objects.gateway_parameters.get(&key) else {
        return Err(refuse(format!("{expected} {key} does not exist")));
    };
    match Parameters::read(&parameters.spec) {
        Ok(_) => Ok(&parameters.spec),
        Err(problems) => {
            let problems = problems.into_iter();
            let cause = |problem: Problem| {
                let Problem { field, message } = problem;
                Cause::new(
                    Reason::InvalidParameters,
                    reference.field,
                    format!("{expected} {key}: {field}: {message}"),
                )
            };
            Err(problems.map(cause).collect())
        }
    }
}

/// The parameters of a Gateway merged over those of its class, or what of the sum makes no sense.
pub(crate) fn effective(
    class: Option<&GatewayParametersSpec>,
    gateway: Option<&GatewayParametersSpec>,
    field: &'static str,
) -> Result<Parameters, Vec<Cause>> {
    let nothing = GatewayParametersSpec::default();
    let merged = merge::over(gateway.unwrap_or(&nothing), class.unwrap_or(&nothing));
    Parameters::read(&merged).map_err(|problems| {
        let cause = |problem: Problem| {
            let Problem { field: inner, message } = problem;
            let message = format!("merged with those of the class: {inner}: {message}");
            Cause::new(Reason::InvalidParameters, field, message)
        };
        problems.into_iter().map(cause).collect()
    })
}

#[cfg(test)]
mod tests;
