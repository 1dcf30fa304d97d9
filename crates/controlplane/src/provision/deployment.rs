//! The Deployment of a Gateway's proxies. Pure.
//!
//! Its pods pass the `restricted` Pod Security Standard. What may change without a restart is not in
//! the pod template: listeners, routes and certificates come over the stream, the certificate
//! authorities by a mounted ConfigMap. Labels and annotations of `spec.infrastructure` are in it,
//! because they belong on the pods too: changing them rolls the proxies, one after the other.

use std::time::Duration;

use gwapi::parameters::{AccessLogFormat, LogLevel};
use serde_json::{Value, json};

use super::desired::Making;

/// Who runs in a proxy's container: nobody.
const USER: i64 = 65532;
/// The audience of a proxy's token; the API server takes no token of it.
pub const AUDIENCE: &str = "tidegate.dev/controller";
/// Kubelet renews the token long before.
const TOKEN_SECONDS: i64 = 3600;

/// The Deployment; `bundle` is the ConfigMap with the certificate authorities.
pub(super) fn deployment(making: &Making<'_>, name: &str, bundle: &str) -> Value {
    let pod = &making.fleet.parameters.pod;
    let mut annotations = making.annotations();
    for (name, value) in pod.annotations.iter().flatten() {
        annotations.entry(name.clone()).or_insert_with(|| json!(value));
    }
    let mut spec = json!({
        "selector": {"matchLabels": making.selector()},
        // The new proxy is there before the old one goes.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {
            "metadata": {"labels": making.labels(), "annotations": annotations},
            "spec": pod_spec(making, name, bundle),
        },
    });
    // Without a number of ours that of others, such as a HorizontalPodAutoscaler's, stays.
    if let Some(replicas) = making.fleet.parameters.replicas {
        spec["replicas"] = json!(replicas);
    }
    making.object("apps/v1", "Deployment", name, json!({"spec": spec}))
}

fn pod_spec(making: &Making<'_>, account: &str, bundle: &str) -> Value {
    let parameters = &making.fleet.parameters;
    let pod = &parameters.pod;
    let mut spec = json!({
        "serviceAccountName": account,
        "automountServiceAccountToken": false,
        // Services of the namespace as environment variables: hundreds, and none is used.
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": parameters.termination_grace_period,
        "topologySpreadConstraints": spread(making),
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
            // Ports below 1024 without a capability.
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
        },
        "containers": [container(making)],
        "volumes": [
            {"name": "ca", "configMap": {"name": bundle}},
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": {
                "audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token",
            }}]}},
            // In memory: the last good snapshot holds private keys.
            {"name": "state", "emptyDir": {"medium": "Memory"}},
        ],
    });
    let chosen = [
        ("nodeSelector", json!(pod.node_selector)),
        ("tolerations", json!(pod.tolerations)),
        ("affinity", json!(pod.affinity)),
        ("priorityClassName", json!(pod.priority_class_name)),
    ];
    for (name, value) in chosen.into_iter().filter(|(_, value)| !value.is_null()) {
        spec[name] = value;
    }
    spec
}

/// How pods spread. A constraint that does not say which pods count would count none.
fn spread(making: &Making<'_>) -> Value {
    let labels = json!({"matchLabels": making.selector()});
    let Some(constraints) = &making.fleet.parameters.pod.topology_spread_constraints else {
        let evenly = |topology: &str| {
            json!({
                "maxSkew": 1,
                "topologyKey": topology,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": labels,
            })
        };
        return json!([evenly("kubernetes.io/hostname"), evenly("topology.kubernetes.io/zone")]);
    };
    let mut constraints = json!(constraints);
    for constraint in constraints.as_array_mut().into_iter().flatten() {
        if constraint["labelSelector"].is_null() {
            constraint["labelSelector"] = labels.clone();
        }
    }
    constraints
}

fn container(making: &Making<'_>) -> Value {
    let parameters = &making.fleet.parameters;
    let probe = |path: &str, period: u32, failures: u32| {
        json!({
            "httpGet": {"path": path, "port": "health"},
            "periodSeconds": period,
            "timeoutSeconds": 5,
            "failureThreshold": failures,
        })
    };
    let resources = match &parameters.resources {
        Some(resources) => json!(resources),
        None => json!({
            "requests": {"cpu": "10m", "memory": "32Mi"},
            // A proxy derives from it how much it takes on; without one it could only guess.
            "limits": {"memory": "512Mi"},
        }),
    };
    json!({
        "name": "proxy",
        "image": parameters.image.as_deref().unwrap_or(&making.settings.image),
        "imagePullPolicy": "IfNotPresent",
        "args": arguments(making),
        "ports": [{
            "name": "health", "containerPort": parameters.health_port, "protocol": "TCP",
        }],
        // A new proxy is waited for, so the first is asked often; a minute without life is none.
        "readinessProbe": probe("/readyz", 2, 2),
        "livenessProbe": probe("/livez", 10, 6),
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

fn arguments(making: &Making<'_>) -> Vec<String> {
    let parameters = &making.fleet.parameters;
    let settings = making.settings;
    let access_log = match parameters.access_log {
        AccessLogFormat::Text => "text",
        AccessLogFormat::Json => "json",
        AccessLogFormat::None => "off",
    };
    let mut arguments = vec![
        "proxy".to_owned(),
        format!("--gateway={}", making.key),
        format!("--controller={}", settings.controller),
        format!("--server-name={}", settings.server_name),
        "--ca=/etc/tidegate/ca/ca.crt".to_owned(),
        "--token=/var/run/secrets/tidegate/token".to_owned(),
        "--state=/var/lib/tidegate".to_owned(),
        format!("--admin=127.0.0.1:{}", parameters.admin_port),
        format!("--health=0.0.0.0:{}", parameters.health_port),
        format!("--pre-stop-delay={}", duration(parameters.pre_stop_delay)),
        format!("--drain-timeout={}", duration(parameters.drain_timeout)),
        format!("--access-log={access_log}"),
    ];
    if let Some(workers) = parameters.workers {
        arguments.push(format!("--workers={workers}"));
    }
    if let Some(level) = parameters.log_level {
        let level = match level {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        };
        arguments.push(format!("--log-level={level}"));
    }
    arguments
}

/// A duration as the command line reads it.
fn duration(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        millis => format!("{}s{millis}ms", duration.as_secs()),
    }
}
