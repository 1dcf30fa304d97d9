//! Merging, defaults, and what makes no sense.

use serde_json::{Value, json};

use super::*;

fn spec(value: Value) -> GatewayParametersSpec {
    serde_json::from_value(value).expect("parameters")
}

fn problems(value: Value) -> Vec<String> {
    let problems = Parameters::read(&spec(value)).err().unwrap_or_default();
    problems.into_iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect()
}

#[test]
fn without_parameters_there_is_a_load_balancer_that_keeps_client_addresses() {
    let parameters = Parameters::read(&GatewayParametersSpec::default()).expect("valid");
    assert_eq!(parameters, Parameters::default());
    assert_eq!(parameters.service.r#type, ServiceType::LoadBalancer);
    assert_eq!(parameters.service.external_traffic_policy, Some(TrafficPolicy::Local));
    assert_eq!(parameters.reserved_ports(), [19000, 19001]);
    assert_eq!(parameters.termination_grace_period, 15 + 300 + 10);
    assert_eq!((parameters.replicas, parameters.max_unavailable), (None, None));
}

#[test]
fn a_budget_needs_two_proxies_unless_it_is_asked_for() {
    let budget = |value| Parameters::read(&spec(value)).expect("valid").max_unavailable;
    let one = Some(IntOrString::Int(1));
    assert_eq!(budget(json!({"replicas": 1})), None);
    assert_eq!(budget(json!({"replicas": 2})), one);
    assert_eq!(budget(json!({"replicas": 2, "podDisruptionBudget": {"enabled": false}})), None);
    assert_eq!(budget(json!({"podDisruptionBudget": {"enabled": true}})), one);
    let half = json!({"replicas": 4, "podDisruptionBudget": {"maxUnavailable": "50%"}});
    assert_eq!(budget(half), Some(IntOrString::String("50%".to_owned())));
}

#[test]
fn traffic_policy_follows_the_type() {
    let policy = |r#type: &str| {
        let parameters = Parameters::read(&spec(json!({"service": {"type": r#type}})));
        parameters.expect("valid").service.external_traffic_policy
    };
    assert_eq!(policy("LoadBalancer"), Some(TrafficPolicy::Local));
    assert_eq!(policy("NodePort"), Some(TrafficPolicy::Cluster));
    assert_eq!(policy("ClusterIP"), None);
}

#[test]
fn a_field_of_the_gateway_stands_over_that_of_the_class() {
    let class = spec(json!({
        "replicas": 2,
        "drainTimeout": "1m",
        "ports": {"admin": 1900, "health": 1901},
        "pod": {"annotations": {"a": "class", "b": "class"}, "priorityClassName": "high"},
        "service": {"type": "NodePort", "externalTrafficPolicy": "Local"},
    }));
    let gateway = spec(json!({
        "replicas": 3,
        "ports": {"health": 1902},
        "pod": {"annotations": {"a": "gateway"}},
        "service": {"type": "LoadBalancer"},
    }));
    let merged = spec(json!({
        "replicas": 3,
        "drainTimeout": "1m",
        "ports": {"admin": 1900, "health": 1902},
        "pod": {"annotations": {"a": "gateway"}, "priorityClassName": "high"},
        "service": {"type": "LoadBalancer", "externalTrafficPolicy": "Local"},
    }));
    assert_eq!(merge::over(&gateway, &class), merged);
    let nothing = GatewayParametersSpec::default();
    assert_eq!(merge::over(&nothing, &class), class);
    assert_eq!(merge::over(&class, &nothing), class);
}

#[test]
fn what_only_the_sum_gets_wrong_is_told_of_the_sum() {
    let class = spec(json!({"service": {"loadBalancerClass": "a.example/b"}}));
    let gateway = spec(json!({"service": {"type": "ClusterIP"}}));
    assert!(Parameters::read(&class).is_ok() && Parameters::read(&gateway).is_ok());
    let causes = effective(Some(&class), Some(&gateway), "spec.infrastructure.parametersRef")
        .expect_err("a class of load balancer without a load balancer");
    assert_eq!(
        causes[0].message,
        "merged with those of the class: spec.service.loadBalancerClass: has no effect on type \
         ClusterIP: expected none, or type LoadBalancer"
    );
}

#[test]
fn nothing_is_accepted_and_ignored() {
    for (value, expected) in [
        (json!({}), &[][..]),
        (
            json!({"ports": {"admin": 19001}}),
            &["spec.ports.health: 19001 is the admin port too: expected another one"],
        ),
        (json!({"ports": {"admin": 0}}), &["spec.ports.admin: 0 is no port: expected 1 to 65535"]),
        (
            json!({"drainTimeout": "5 min"}),
            &["spec.drainTimeout: \"5 min\" is no duration: expected one such as 30s, 5m or 1h30m"],
        ),
        (
            json!({"drainTimeout": "30s", "pod": {"terminationGracePeriodSeconds": 44}}),
            &["spec.pod.terminationGracePeriodSeconds: 44 is less than preStopDelay and \
               drainTimeout take together: expected at least 45"],
        ),
        (json!({"drainTimeout": "30s", "pod": {"terminationGracePeriodSeconds": 45}}), &[]),
        (
            json!({"resources": {"requests": {"cpu": "much"}, "limits": {"memory": 100}}}),
            &["spec.resources.requests.cpu: \"much\" is no amount: expected one such as 500m or \
               64Mi"],
        ),
        (
            json!({"service": {"type": "ClusterIP", "externalTrafficPolicy": "Local", "nodePorts":
                [{"port": 1, "protocol": "TCP", "nodePort": 30001}]}}),
            &[
                "spec.service.externalTrafficPolicy: has no effect on type ClusterIP: expected none",
                "spec.service.nodePorts: has no effect on type ClusterIP: expected none",
            ],
        ),
        (
            json!({"service": {"type": "NodePort", "allocateLoadBalancerNodePorts": false}}),
            &["spec.service.allocateLoadBalancerNodePorts: has no effect on type NodePort: \
               expected none, or type LoadBalancer"],
        ),
        (
            json!({"service": {"loadBalancerSourceRanges": ["192.0.2.0/24", "192.0.2.0"]}}),
            &[
                "spec.service.loadBalancerSourceRanges[1]: \"192.0.2.0\" is no network: expected one \
               such as 192.0.2.0/24",
            ],
        ),
        (
            json!({"service": {"addressFrom": "Annotation"}}),
            &["spec.service.addressAnnotation: missing, expected one such as \
               metallb.io/loadBalancerIPs because addressFrom is Annotation"],
        ),
        (
            json!({"service": {"addressAnnotation": "a.example/b"}}),
            &["spec.service.addressAnnotation: has no effect unless addressFrom is Annotation"],
        ),
    ] {
        assert_eq!(problems(value.clone()), expected, "{value}");
    }
}

#[test]
fn durations_are_read_as_gateway_api_writes_them() {
    let cases = [
        ("0s", Some(0)),
        ("500ms", Some(500)),
        ("1h5m", Some(3_900_000)),
        ("1h1m1s1ms", Some(3_661_001)),
        ("99999h", Some(359_996_400_000)),
        ("1m1m1m1m1m", None),
        ("100000s", None),
        ("", None),
        ("5", None),
        ("s", None),
        ("-1s", None),
        ("1.5s", None),
        ("1d", None),
    ];
    for (text, millis) in cases {
        assert_eq!(values::duration(text), millis.map(Duration::from_millis), "{text}");
    }
}

#[test]
fn amounts_are_read_as_kubernetes_writes_them() {
    let read = |amount: &str| {
        Parameters::read(&spec(json!({"resources": {"limits": {"memory": amount}}}))).is_ok()
    };
    for amount in ["1", "0.5", ".5", "5.", "500m", "64Mi", "1Ei", "1e3", "1E-3", "+1", "12k"] {
        assert!(read(amount), "{amount}");
    }
    for amount in ["", ".", "-1", "1mi", "1.2.3", "Mi", "1 Gi", "1e", "0x10", "1KB"] {
        assert!(!read(amount), "{amount}");
    }
}
