//! What is made for a Gateway: ServiceAccount, ConfigMap, Services, Deployment and
//! PodDisruptionBudget, in its namespace and owned by it. Pure.
//!
//! `spec.infrastructure` labels and annotations are on every one of them; nothing of the Gateway's
//! own metadata is (it is other people's).

use std::collections::BTreeMap;

use gwapi::parameters::{AccessLogFormat, MixedProtocol, ServiceType};
use gwapi::{Gateway, ObjectKey};
use serde_json::{Map, Value, json};
use snapshot::{Port, Transport};
use translate::Fleet;
use translate::parameters::Parameters;

use super::names;
use crate::owned::{CLASS_NAME_LABEL, GATEWAY_NAME_LABEL, MANAGED_BY, MANAGED_BY_LABEL, OwnedKind};

/// What the controller tells all its proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySettings {
    /// Image of the proxies whose parameters name none.
    pub image: String,
    /// Where the controller is found, `host:port`.
    pub controller: String,
    /// The name in its certificate.
    pub server_name: String,
}

/// Objects by kind and key, as they are applied.
pub type Wanted = BTreeMap<(OwnedKind, ObjectKey), Value>;

/// Who runs in a proxy's container: nobody.
const USER: i64 = 65532;
/// The audience of a proxy's token; the API server takes no token of it.
pub const AUDIENCE: &str = "tidegate.dev/controller";

/// One Gateway and everything that decides what is made for it.
struct Making<'a> {
    key: &'a ObjectKey,
    gateway: &'a Gateway,
    fleet: &'a Fleet,
    settings: &'a ProxySettings,
}

/// What has to be there for a Gateway. `authority` is the PEM that proxies prove the controller by.
///
/// Without a port there is no Service: Kubernetes wants at least one.
pub fn desired(
    key: &ObjectKey,
    gateway: &Gateway,
    fleet: &Fleet,
    settings: &ProxySettings,
    authority: &str,
) -> Wanted {
    let making = Making { key, gateway, fleet, settings };
    let name = making.name("");
    let mut wanted = Wanted::new();
    let mut add = |kind, name: &str, object| {
        wanted.insert((kind, ObjectKey::new(key.namespace.clone(), name)), object);
    };
    add(OwnedKind::ServiceAccount, &name, making.service_account(&name));
    let bundle = making.name("-ca");
    add(OwnedKind::ConfigMap, &bundle, making.config_map(&bundle, authority));
    for (name, service) in making.services() {
        add(OwnedKind::Service, &name, service);
    }
    add(OwnedKind::Deployment, &name, making.deployment(&name, &bundle));
    if let Some(most) = &fleet.parameters.max_unavailable {
        let budget = making.object(
            "policy/v1",
            "PodDisruptionBudget",
            &name,
            json!({"spec": {
                "maxUnavailable": most,
                "selector": {"matchLabels": making.selector()},
                // A proxy that is not ready serves nobody: nothing is lost with it.
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
            }}),
        );
        add(OwnedKind::PodDisruptionBudget, &name, budget);
    }
    wanted
}

impl Making<'_> {
    fn name(&self, suffix: &str) -> String {
        names::object(&self.key.name, &self.fleet.class, suffix)
    }

    /// What finds the proxies of this Gateway and no other.
    fn selector(&self) -> Value {
        json!({
            "app.kubernetes.io/name": "tidegate",
            "app.kubernetes.io/component": "proxy",
            GATEWAY_NAME_LABEL: names::label_value(&self.key.name),
        })
    }

    fn labels(&self) -> Value {
        let mut labels = Map::new();
        let infrastructure = self.gateway.spec.infrastructure.as_ref();
        for (name, value) in infrastructure.iter().flat_map(|one| one.labels.iter().flatten()) {
            labels.insert(name.clone(), json!(value));
        }
        // Ours win: without them proxies would not be found.
        if let Value::Object(selector) = self.selector() {
            labels.extend(selector);
        }
        labels.insert(MANAGED_BY_LABEL.to_owned(), json!(MANAGED_BY));
        let class = names::label_value(&self.fleet.class);
        labels.insert(CLASS_NAME_LABEL.to_owned(), json!(class));
        Value::Object(labels)
    }

    fn annotations(&self) -> Map<String, Value> {
        let infrastructure = self.gateway.spec.infrastructure.as_ref();
        infrastructure
            .iter()
            .flat_map(|one| one.annotations.iter().flatten())
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect()
    }

    /// An object of ours with everything that all have.
    fn object(&self, version: &str, kind: &str, name: &str, rest: Value) -> Value {
        let mut object = json!({
            "apiVersion": version,
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": self.key.namespace,
                "labels": self.labels(),
                "annotations": self.annotations(),
                "ownerReferences": [{
                    "apiVersion": format!("{}/v1", gwapi::GATEWAY_GROUP),
                    "kind": "Gateway",
                    "name": self.key.name,
                    "uid": self.gateway.metadata.uid,
                    "controller": true,
                    "blockOwnerDeletion": true,
                }],
            },
        });
        if let (Value::Object(object), Value::Object(rest)) = (&mut object, rest) {
            object.extend(rest);
        }
        object
    }

    fn service_account(&self, name: &str) -> Value {
        let rest = json!({"automountServiceAccountToken": false});
        self.object("v1", "ServiceAccount", name, rest)
    }

    fn config_map(&self, name: &str, authority: &str) -> Value {
        self.object("v1", "ConfigMap", name, json!({"data": {"ca.crt": authority}}))
    }

    fn parameters(&self) -> &Parameters {
        &self.fleet.parameters
    }

    /// One Service, or one for each requested address where `loadBalancerIP` asks for it (it has
    /// room for one), or one for each transport where the two may not be mixed.
    fn services(&self) -> Vec<(String, Value)> {
        let service = &self.parameters().service;
        let transports: &[(&str, Option<Transport>)] = match service.mixed_protocol {
            MixedProtocol::Single => &[("", None)],
            MixedProtocol::Split => &[("", Some(Transport::Tcp)), ("-udp", Some(Transport::Udp))],
        };
        let by_field = service.r#type == ServiceType::LoadBalancer
            && service.address_annotation.is_none()
            && !self.fleet.addresses.is_empty();
        let addresses: Vec<Option<String>> = if by_field {
            self.fleet.addresses.iter().map(|address| Some(address.to_string())).collect()
        } else {
            vec![None]
        };
        let mut services = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            for (transport_suffix, transport) in transports {
                let ports = self.fleet.ports.iter();
                let ports: Vec<_> = ports
                    .filter(|(of, _)| transport.is_none_or(|only| only == *of))
                    .map(|(transport, port)| self.port(*transport, *port))
                    .collect();
                if ports.is_empty() {
                    continue;
                }
                let number = if index == 0 { String::new() } else { format!("-{index}") };
                let name = self.name(&format!("{transport_suffix}{number}"));
                services.push((name.clone(), self.service(&name, ports, address.as_deref())));
            }
        }
        services
    }

    fn port(&self, transport: Transport, port: Port) -> Value {
        let protocol = match transport {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
        };
        let mut value = json!({
            // TCP and UDP may share a number, never a name.
            "name": format!("{transport}-{port}"),
            "port": port.get(),
            "targetPort": port.get(),
            "protocol": protocol,
        });
        let chosen = self.parameters().service.node_ports.iter().find(|chosen| {
            chosen.port == i32::from(port.get()) && format!("{:?}", chosen.protocol) == protocol
        });
        if let (Some(chosen), Value::Object(value)) = (chosen, &mut value) {
            value.insert("nodePort".to_owned(), json!(chosen.node_port));
        }
        value
    }

    fn service(&self, name: &str, ports: Vec<Value>, address: Option<&str>) -> Value {
        let service = &self.parameters().service;
        let mut spec = Map::new();
        let mut set = |name: &str, value: Value| spec.insert(name.to_owned(), value);
        set("type", json!(service.r#type));
        set("selector", self.selector());
        set("ports", Value::Array(ports));
        if let Some(policy) = &service.external_traffic_policy {
            set("externalTrafficPolicy", json!(policy));
        }
        if let Some(class) = &service.load_balancer_class {
            set("loadBalancerClass", json!(class));
        }
        if let Some(allocate) = service.allocate_node_ports {
            set("allocateLoadBalancerNodePorts", json!(allocate));
        }
        if !service.source_ranges.is_empty() {
            set("loadBalancerSourceRanges", json!(service.source_ranges));
        }
        if let Some(address) = address {
            set("loadBalancerIP", json!(address));
        }
        let mut object = self.object("v1", "Service", name, json!({"spec": spec}));
        if let (Some(annotation), false) =
            (&service.address_annotation, self.fleet.addresses.is_empty())
        {
            let addresses: Vec<_> = self.fleet.addresses.iter().map(ToString::to_string).collect();
            if let Some(annotations) = object.pointer_mut("/metadata/annotations") {
                annotations[annotation.as_str()] = json!(addresses.join(","));
            }
        }
        object
    }

    fn deployment(&self, name: &str, bundle: &str) -> Value {
        let parameters = self.parameters();
        let mut annotations = self.annotations();
        for (name, value) in parameters.pod.annotations.iter().flatten() {
            annotations.insert(name.clone(), json!(value));
        }
        let mut spec = json!({
            "selector": {"matchLabels": self.selector()},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": self.labels(), "annotations": annotations},
                "spec": self.pod(name, bundle),
            },
        });
        // Without a number of ours, somebody else's, such as a HorizontalPodAutoscaler's, stays.
        if let (Some(replicas), Value::Object(spec)) = (parameters.replicas, &mut spec) {
            spec.insert("replicas".to_owned(), json!(replicas));
        }
        self.object("apps/v1", "Deployment", name, json!({"spec": spec}))
    }

    fn pod(&self, account: &str, bundle: &str) -> Value {
        let parameters = self.parameters();
        let pod = &parameters.pod;
        let spread = |topology: &str| {
            json!({
                "maxSkew": 1,
                "topologyKey": topology,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": self.selector()},
            })
        };
        let spread = match &pod.topology_spread_constraints {
            Some(constraints) => json!(constraints),
            None => {
                json!([spread("kubernetes.io/hostname"), spread("topology.kubernetes.io/zone")])
            }
        };
        let mut spec = json!({
            "serviceAccountName": account,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": parameters.termination_grace_period,
            "topologySpreadConstraints": spread,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
                // Ports below 1024 without a capability.
                "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
            },
            "containers": [self.container()],
            "volumes": [
                {"name": "ca", "configMap": {"name": bundle}},
                {"name": "token", "projected": {"sources": [{"serviceAccountToken": {
                    "audience": AUDIENCE, "expirationSeconds": 3600, "path": "token",
                }}]}},
                // In memory: the last good snapshot holds private keys.
                {"name": "state", "emptyDir": {"medium": "Memory", "sizeLimit": "128Mi"}},
            ],
        });
        if let Value::Object(spec) = &mut spec {
            let chosen = [
                ("nodeSelector", json!(pod.node_selector)),
                ("tolerations", json!(pod.tolerations)),
                ("affinity", json!(pod.affinity)),
                ("priorityClassName", json!(pod.priority_class_name)),
            ];
            spec.extend(
                chosen
                    .into_iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(name, value)| (name.to_owned(), value)),
            );
        }
        spec
    }

    fn container(&self) -> Value {
        let parameters = self.parameters();
        let probe = |path: &str, period: u32, failures: u32| {
            json!({
                "httpGet": {"path": path, "port": "health"},
                "periodSeconds": period,
                "failureThreshold": failures,
                "timeoutSeconds": 5,
            })
        };
        let resources = match &parameters.resources {
            Some(resources) => json!(resources),
            // How many connections a proxy takes follows from its memory limit.
            None => json!({
                "requests": {"cpu": "10m", "memory": "32Mi"},
                "limits": {"memory": "512Mi"},
            }),
        };
        json!({
            "name": "proxy",
            "image": parameters.image.as_deref().unwrap_or(&self.settings.image),
            "args": self.arguments(),
            "ports": [{
                "name": "health",
                "containerPort": parameters.health_port.get(),
                "protocol": "TCP",
            }],
            "readinessProbe": probe("/readyz", 2, 2),
            "livenessProbe": probe("/livez", 10, 3),
            "resources": resources,
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [
                {"name": "ca", "mountPath": "/etc/tidegate/ca", "readOnly": true},
                {"name": "token", "mountPath": "/var/run/secrets/tidegate", "readOnly": true},
                {"name": "state", "mountPath": "/var/lib/tidegate"},
            ],
        })
    }

    fn arguments(&self) -> Vec<String> {
        let parameters = self.parameters();
        let access_log = match parameters.access_log {
            AccessLogFormat::Text => "text",
            AccessLogFormat::Json => "json",
            AccessLogFormat::Off => "off",
        };
        let mut arguments = vec![
            "proxy".to_owned(),
            format!("--gateway={}", self.key),
            format!("--controller={}", self.settings.controller),
            format!("--server-name={}", self.settings.server_name),
            format!("--admin=127.0.0.1:{}", parameters.admin_port),
            format!("--health=0.0.0.0:{}", parameters.health_port),
            format!("--pre-stop-delay={}s", parameters.pre_stop_delay.as_secs()),
            format!("--drain-timeout={}s", parameters.drain_timeout.as_secs()),
            format!("--access-log={access_log}"),
        ];
        if let Some(workers) = parameters.workers {
            arguments.push(format!("--workers={workers}"));
        }
        if let Some(level) = parameters.log_level {
            arguments.push(format!("--log-level={}", format!("{level:?}").to_lowercase()));
        }
        arguments
    }
}
