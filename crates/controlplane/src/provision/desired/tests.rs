//! What is made for a Gateway, seen as the API server will see it.

use gwapi::manifest::{Source, read};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::Serialize;
use serde::de::DeserializeOwned;
use translate::Translation;

use super::*;
use crate::provision::tests::{CLASS, settings, translated};

/// A Gateway `edge/NAME` with this in its spec, and what is wanted for it.
fn wanted_for(name: &str, spec: &str, parameters: &str, live: &LiveServices) -> Wanted {
    let reference = "parametersRef: {group: tidegate.dev, kind: GatewayParameters, name: p}";
    let text = format!(
        "{CLASS}---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: \
         {{name: {name}, namespace: edge, uid: u1, labels: {{of: gateway}}}}\nspec:\n  \
         gatewayClassName: tidegate\n  infrastructure:\n    {reference}\n    labels: {{team: db, \
         app.kubernetes.io/name: theirs}}\n    annotations: {{a.example/b: c}}\n  {spec}\n---\n\
         apiVersion: tidegate.dev/v1alpha1\nkind: GatewayParameters\nmetadata: {{name: p, \
         namespace: edge}}\nspec: {{{parameters}}}\n"
    );
    let manifests = read(&[Source { path: "a.yaml".into(), text }]);
    assert!(manifests.errors.is_empty(), "{:?}", manifests.errors);
    let key = ObjectKey::new("edge", name);
    let gateway = manifests.objects.gateways.get(&key).expect("the Gateway");
    let Translation { fleets, .. } = translated(&manifests.objects, &BTreeMap::new());
    let fleet = fleets.get(&key).cloned().flatten().expect("parameters that are right");
    desired(&key, gateway, &fleet, &settings(), "PEM", live)
}

const TWO: &str =
    "listeners: [{name: pg, protocol: TCP, port: 5432}, {name: dns, protocol: UDP, port: 53}]";

fn wanted(parameters: &str) -> Wanted {
    wanted_for("l4", TWO, parameters, &LiveServices::new())
}

fn names(wanted: &Wanted, kind: OwnedKind) -> Vec<&str> {
    let of_kind = wanted.objects.keys().filter(|(found, _)| *found == kind);
    of_kind.map(|(_, key)| key.name.as_str()).collect()
}

fn object<'a>(wanted: &'a Wanted, kind: OwnedKind, name: &str) -> &'a Value {
    wanted.objects.get(&(kind, ObjectKey::new("edge", name))).expect("it is wanted")
}

fn deployment(wanted: &Wanted) -> &Value {
    object(wanted, OwnedKind::Deployment, "l4-tidegate")
}

/// Reads an object as its type and writes it: a field with a wrong name would be lost.
fn round_trip<T: DeserializeOwned + Serialize>(object: &Value) -> Value {
    let read: T = serde_json::from_value(object.clone()).expect("it fits its type");
    serde_json::to_value(read).expect("JSON")
}

#[test]
fn every_field_is_one_that_kubernetes_knows() {
    let all = "replicas: 2, workers: 3, logging: {level: debug, access: {format: text}}, \
               pod: {annotations: {d: e}, nodeSelector: {a: b}, tolerations: [{key: a}], \
               affinity: {nodeAffinity: {}}, topologySpreadConstraints: [{maxSkew: 1, \
               topologyKey: a, whenUnsatisfiable: DoNotSchedule}], priorityClassName: p}, \
               service: {loadBalancerClass: a.example/b, allocateLoadBalancerNodePorts: false, \
               loadBalancerSourceRanges: [192.0.2.0/24], nodePorts: [{port: 53, protocol: UDP, \
               nodePort: 30053}]}";
    let addresses = format!("addresses: [{{value: 192.0.2.1}}]\n  {TWO}");
    for wanted in [wanted(""), wanted_for("l4", &addresses, all, &LiveServices::new())] {
        for ((kind, _), object) in &wanted.objects {
            let known = match kind {
                OwnedKind::ServiceAccount => round_trip::<ServiceAccount>(object),
                OwnedKind::ConfigMap => round_trip::<ConfigMap>(object),
                OwnedKind::Service => round_trip::<Service>(object),
                OwnedKind::Deployment => round_trip::<Deployment>(object),
                OwnedKind::PodDisruptionBudget => round_trip::<PodDisruptionBudget>(object),
            };
            assert_eq!(&known, object);
        }
    }
}

#[test]
fn everything_is_named_labelled_and_owned_as_the_gateways() {
    let wanted = wanted("replicas: 2, pod: {annotations: {d: e, a.example/b: theirs}}");
    assert_eq!(names(&wanted, OwnedKind::ServiceAccount), ["l4-tidegate"]);
    assert_eq!(names(&wanted, OwnedKind::ConfigMap), ["l4-tidegate-ca"]);
    assert_eq!(names(&wanted, OwnedKind::Service), ["l4-tidegate"]);
    assert_eq!(names(&wanted, OwnedKind::Deployment), ["l4-tidegate"]);
    assert_eq!(names(&wanted, OwnedKind::PodDisruptionBudget), ["l4-tidegate"]);
    let labels = json!({
        "team": "db",
        "app.kubernetes.io/name": "tidegate",
        "app.kubernetes.io/component": "proxy",
        "app.kubernetes.io/managed-by": "tidegate",
        "gateway.networking.k8s.io/gateway-name": "l4",
        "gateway.networking.k8s.io/gateway-class-name": "tidegate",
    });
    for object in wanted.objects.values() {
        assert_eq!(object["metadata"]["labels"], labels);
        assert_eq!(object["metadata"]["annotations"]["a.example/b"], "c");
        assert_eq!(
            object["metadata"]["ownerReferences"],
            json!([{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": "l4",
                "uid": "u1", "controller": true}])
        );
    }
    let template = &deployment(&wanted)["spec"]["template"]["metadata"];
    assert_eq!(template["labels"], labels);
    assert_eq!(template["annotations"], json!({"a.example/b": "c", "d": "e"}));
}

#[test]
fn proxies_pass_the_restricted_pod_security_standard() {
    let wanted = wanted("");
    let pod = &deployment(&wanted)["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    // The list of `baseline`, which `restricted` includes.
    let sysctls = pod["securityContext"]["sysctls"].as_array().expect("sysctls");
    assert!(sysctls.iter().all(|one| one["name"] == "net.ipv4.ip_unprivileged_port_start"));
    for container in pod["containers"].as_array().expect("containers") {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));
        assert!(
            container["ports"].as_array().expect("ports").iter().all(|p| p["hostPort"].is_null())
        );
    }
    for volume in pod["volumes"].as_array().expect("volumes") {
        let allowed = ["configMap", "projected", "emptyDir"];
        assert!(allowed.iter().any(|source| volume[*source].is_object()), "{volume}");
    }
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert!(pod["hostNetwork"].is_null());
}

#[test]
fn the_command_line_says_where_everything_is() {
    let wanted = wanted(
        "ports: {admin: 7000, health: 7001}, drainTimeout: 1m, preStopDelay: 1s500ms, workers: 2, \
         logging: {level: warn, access: {format: none}}",
    );
    let container = &deployment(&wanted)["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["args"],
        json!([
            "proxy",
            "--gateway=edge/l4",
            "--controller=tidegate-controller.tidegate.svc:18000",
            "--server-name=tidegate-controller.tidegate.svc",
            "--ca=/etc/tidegate/ca/ca.crt",
            "--token=/var/run/secrets/tidegate/token",
            "--state=/var/lib/tidegate",
            "--admin=127.0.0.1:7000",
            "--health=0.0.0.0:7001",
            "--pre-stop-delay=1s500ms",
            "--drain-timeout=60s",
            "--access-log=off",
            "--workers=2",
            "--log-level=warn",
        ])
    );
    assert_eq!(container["ports"][0]["containerPort"], 7001);
}

#[test]
fn what_comes_over_the_stream_restarts_no_proxy() {
    let key = ObjectKey::new("edge", "l4");
    let before = wanted("");
    let more = TWO.replace("[{name: pg", "[{name: web, protocol: TCP, port: 80}, {name: pg");
    let after = wanted_for("l4", &more, "", &LiveServices::new());
    assert_eq!(deployment(&before), deployment(&after));
    let bundle = (OwnedKind::ConfigMap, ObjectKey::new("edge", "l4-tidegate-ca"));
    assert_eq!(before.objects.get(&bundle).expect("a bundle")["data"], json!({"ca.crt": "PEM"}));
    assert_ne!(
        before.objects.get(&(OwnedKind::Service, ObjectKey::new("edge", "l4-tidegate"))),
        after.objects.get(&(OwnedKind::Service, ObjectKey::new("edge", "l4-tidegate"))),
        "{key}"
    );
}

#[test]
fn the_number_of_proxies_is_others_unless_it_is_set() {
    let (free, set) = (wanted(""), wanted("replicas: 1"));
    assert!(deployment(&free)["spec"].get("replicas").is_none());
    assert_eq!(deployment(&set)["spec"]["replicas"], 1);
    assert_eq!(names(&free, OwnedKind::PodDisruptionBudget), [""; 0]);
    assert_eq!(names(&set, OwnedKind::PodDisruptionBudget), [""; 0]);
}

#[test]
fn a_constraint_without_selector_counts_the_pods_of_the_gateway() {
    let usual = wanted("");
    let pod = &deployment(&usual)["spec"]["template"]["spec"];
    let keys: Vec<_> = pod["topologySpreadConstraints"]
        .as_array()
        .expect("constraints")
        .iter()
        .map(|one| one["topologyKey"].as_str().expect("a key"))
        .collect();
    assert_eq!(keys, ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]);
    let own = wanted(
        "pod: {topologySpreadConstraints: [{maxSkew: 2, topologyKey: a, whenUnsatisfiable: \
         DoNotSchedule}, {maxSkew: 1, topologyKey: b, whenUnsatisfiable: DoNotSchedule, \
         labelSelector: {matchLabels: {c: d}}}]}",
    );
    let pod = &deployment(&own)["spec"]["template"]["spec"];
    let selector = deployment(&own)["spec"]["selector"].clone();
    assert_eq!(pod["topologySpreadConstraints"][0]["labelSelector"], selector);
    assert_eq!(
        pod["topologySpreadConstraints"][1]["labelSelector"],
        json!({"matchLabels": {"c": "d"}})
    );
}

fn service<'a>(wanted: &'a Wanted, name: &str) -> &'a Value {
    &object(wanted, OwnedKind::Service, name)["spec"]
}

fn ports(service: &Value) -> Vec<&str> {
    let ports = service["ports"].as_array().expect("ports").iter();
    ports.map(|port| port["name"].as_str().expect("a name")).collect()
}

#[test]
fn tcp_and_udp_of_one_number_are_two_ports() {
    let both =
        "listeners: [{name: a, protocol: TCP, port: 53}, {name: b, protocol: UDP, port: 53}]";
    let parameters = "service: {nodePorts: [{port: 53, protocol: UDP, nodePort: 30053}]}";
    let wanted = wanted_for("l4", both, parameters, &LiveServices::new());
    assert_eq!(
        service(&wanted, "l4-tidegate")["ports"],
        json!([
            {"name": "tcp-53", "port": 53, "targetPort": 53, "protocol": "TCP"},
            {"name": "udp-53", "port": 53, "targetPort": 53, "protocol": "UDP", "nodePort": 30053},
        ])
    );
}

#[test]
fn a_service_of_each_type_has_the_fields_of_its_type() {
    let balanced = wanted("");
    assert_eq!(service(&balanced, "l4-tidegate")["type"], "LoadBalancer");
    assert_eq!(service(&balanced, "l4-tidegate")["externalTrafficPolicy"], "Local");
    let inside = wanted("service: {type: ClusterIP}");
    assert!(service(&inside, "l4-tidegate").get("externalTrafficPolicy").is_none());
    let nodes = wanted("service: {type: NodePort}");
    assert_eq!(service(&nodes, "l4-tidegate")["externalTrafficPolicy"], "Cluster");
}

#[test]
fn without_a_port_there_is_no_service_and_one_that_is_there_stays() {
    let refused = "listeners: [{name: a, protocol: SCTP, port: 53}]";
    let wanted = wanted_for("l4", refused, "", &LiveServices::new());
    assert_eq!(names(&wanted, OwnedKind::Service), [""; 0]);
    assert!(wanted.keeps_services);
    assert_eq!(names(&wanted, OwnedKind::Deployment), ["l4-tidegate"]);
}

fn live(services: &[(&str, &str, Option<&str>)]) -> LiveServices {
    let service = |(name, asks_for, given): &(&str, &str, Option<&str>)| {
        let live = service::Live {
            asks_for: asks_for.parse().ok(),
            given: given.and_then(|given| given.parse().ok()),
            is_given: given.is_some(),
        };
        ((*name).to_owned(), live)
    };
    services.iter().map(service).collect()
}

/// The Services and the address that each asks for.
fn asked(wanted: &Wanted) -> Vec<(String, String)> {
    let of_kind = wanted.objects.iter().filter(|((kind, _), _)| *kind == OwnedKind::Service);
    let address =
        |object: &Value| object["spec"]["loadBalancerIP"].as_str().unwrap_or("").to_owned();
    of_kind.map(|((_, key), object)| (key.name.clone(), address(object))).collect()
}

#[track_caller]
fn check_asked(addresses: &str, parameters: &str, there: &LiveServices, expected: &[(&str, &str)]) {
    let spec = format!("addresses: [{addresses}]\n  {TWO}");
    let wanted = wanted_for("l4", &spec, parameters, there);
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, address)| ((*name).to_owned(), (*address).to_owned()))
        .collect();
    assert_eq!(asked(&wanted), expected);
}

#[test]
fn each_requested_address_has_a_service_and_keeps_it() {
    let two = "{value: 192.0.2.1}, {value: 192.0.2.2}";
    let none = LiveServices::new();
    check_asked("", "", &none, &[("l4-tidegate", "")]);
    check_asked("{type: Hostname, value: a.example}", "", &none, &[("l4-tidegate", "")]);
    check_asked(two, "", &none, &[("l4-tidegate", "192.0.2.1"), ("l4-tidegate-1", "192.0.2.2")]);
    let second = live(&[("l4-tidegate", "192.0.2.2", Some("192.0.2.2"))]);
    check_asked(two, "", &second, &[("l4-tidegate", "192.0.2.2"), ("l4-tidegate-1", "192.0.2.1")]);
    let both = live(&[
        ("l4-tidegate", "192.0.2.1", Some("192.0.2.1")),
        ("l4-tidegate-1", "192.0.2.2", Some("192.0.2.2")),
    ]);
    check_asked("{value: 192.0.2.2}", "", &both, &[("l4-tidegate-1", "192.0.2.2")]);
    check_asked("{value: 192.0.2.3}", "", &both, &[("l4-tidegate", "192.0.2.3")]);
}

#[test]
fn an_annotation_asks_for_all_addresses_at_once() {
    let parameters =
        "service: {addressFrom: Annotation, addressAnnotation: metallb.io/loadBalancerIPs}";
    let spec = format!("addresses: [{{value: 192.0.2.1}}, {{value: '2001:db8::1'}}]\n  {TWO}");
    let wanted = wanted_for("l4", &spec, parameters, &LiveServices::new());
    assert_eq!(names(&wanted, OwnedKind::Service), ["l4-tidegate"]);
    let object = object(&wanted, OwnedKind::Service, "l4-tidegate");
    let annotation = &object["metadata"]["annotations"]["metallb.io/loadBalancerIPs"];
    assert_eq!(annotation, "192.0.2.1,2001:db8::1");
    assert!(object["spec"].get("loadBalancerIP").is_none());
    assert_eq!(object["spec"]["ipFamilyPolicy"], "PreferDualStack");
}

#[test]
fn an_ipv6_address_is_asked_for_by_an_ipv6_service() {
    let spec = format!("addresses: [{{value: '2001:db8::1'}}]\n  {TWO}");
    let wanted = wanted_for("l4", &spec, "", &LiveServices::new());
    assert_eq!(service(&wanted, "l4-tidegate")["ipFamilies"], json!(["IPv6"]));
    assert_eq!(service(&wanted, "l4-tidegate")["ipFamilyPolicy"], "SingleStack");
}

const SPLIT: &str = "service: {mixedProtocol: Split}";

#[test]
fn split_services_share_one_address() {
    let of = |there: &[(&str, &str, Option<&str>)]| wanted_for("l4", TWO, SPLIT, &live(there));
    // UDP waits until there is an address to share.
    assert_eq!(names(&of(&[]), OwnedKind::Service), ["l4-tidegate"]);
    assert_eq!(names(&of(&[("l4-tidegate", "", None)]), OwnedKind::Service), ["l4-tidegate"]);
    let given = of(&[("l4-tidegate", "", Some("192.0.2.7"))]);
    let expected = [("l4-tidegate", ""), ("l4-tidegate-udp", "192.0.2.7")];
    assert_eq!(asked(&given), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(ports(service(&given, "l4-tidegate")), ["tcp-5432"]);
    assert_eq!(ports(service(&given, "l4-tidegate-udp")), ["udp-53"]);
    assert_eq!(
        service(&given, "l4-tidegate")["selector"],
        service(&given, "l4-tidegate-udp")["selector"]
    );
    // A name cannot be asked for.
    let named = of(&[("l4-tidegate", "", Some("lb.example"))]);
    let expected = [("l4-tidegate", ""), ("l4-tidegate-udp", "")];
    assert_eq!(asked(&named), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

#[test]
fn a_service_that_has_an_address_does_not_move_for_its_sibling() {
    let first = live(&[("l4-tidegate-udp", "", Some("192.0.2.7"))]);
    check_asked("", SPLIT, &first, &[("l4-tidegate", "192.0.2.7"), ("l4-tidegate-udp", "")]);
    let apart =
        live(&[("l4-tidegate", "", Some("192.0.2.8")), ("l4-tidegate-udp", "", Some("192.0.2.7"))]);
    check_asked("", SPLIT, &apart, &[("l4-tidegate", ""), ("l4-tidegate-udp", "")]);
    let shared = live(&[
        ("l4-tidegate", "", Some("192.0.2.8")),
        ("l4-tidegate-udp", "192.0.2.8", Some("192.0.2.8")),
    ]);
    check_asked("", SPLIT, &shared, &[("l4-tidegate", ""), ("l4-tidegate-udp", "192.0.2.8")]);
}

#[test]
fn split_services_of_requested_addresses_ask_for_them_alike() {
    check_asked(
        "{value: 192.0.2.1}, {value: 192.0.2.2}",
        SPLIT,
        &LiveServices::new(),
        &[
            ("l4-tidegate", "192.0.2.1"),
            ("l4-tidegate-1", "192.0.2.2"),
            ("l4-tidegate-1-udp", "192.0.2.2"),
            ("l4-tidegate-udp", "192.0.2.1"),
        ],
    );
}

#[test]
fn the_longest_name_of_a_gateway_gives_names_that_kubernetes_takes() {
    let long = format!("1{}.{}", "a".repeat(199), "b".repeat(52));
    assert_eq!(long.len(), 253);
    let wanted = wanted_for(&long, TWO, "replicas: 2", &LiveServices::new());
    for ((kind, key), object) in &wanted.objects {
        assert!(key.name.len() <= 63, "{kind} {}", key.name);
        assert!(key.name.starts_with(|c: char| c.is_ascii_lowercase()), "{kind} {}", key.name);
        assert!(!key.name.contains('.'), "{kind} {}", key.name);
        let labels = object["metadata"]["labels"].as_object().expect("labels");
        assert!(labels.values().all(|value| value.as_str().is_some_and(|text| text.len() <= 63)));
    }
    assert_eq!(wanted.objects.len(), 5);
}
