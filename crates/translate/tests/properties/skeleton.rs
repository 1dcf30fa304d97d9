//! A world in which everything works, so that random objects thrown into it have something to
//! break: listeners of every kind, sets that contend for a name, references that grants open.

use gwapi::ObjectKey;
use serde_json::{Value, json};

use crate::hostile::{Document, GENERATION, GROUP, secret_data};

fn document(kind: &'static str, namespace: &str, name: &str, mut value: Value) -> Document {
    let labels = value["labels"].take();
    value["metadata"] = json!({"namespace": namespace, "name": name, "generation": GENERATION});
    if !labels.is_null() {
        value["metadata"]["labels"] = labels;
    }
    Document { kind, key: ObjectKey::new(namespace, name), value }
}

fn grant(name: &str, kind: &str, to: &str) -> Document {
    let spec = json!({
        "from": [{"group": GROUP, "kind": kind, "namespace": "n0"}],
        "to": [{"group": "", "kind": to}],
    });
    document("ReferenceGrant", "n1", name, json!({"spec": spec}))
}

fn route(kind: &'static str, name: &str, parents: &Value, backend: &Value) -> Document {
    let spec = json!({"parentRefs": parents, "rules": [{"backendRefs": [backend]}]});
    document(kind, "n0", name, json!({"spec": spec}))
}

fn tls_route(name: &str, hostname: &str, parents: &Value, backend: &Value) -> Document {
    let mut route = route("TLSRoute", name, parents, backend);
    route.value["spec"]["hostnames"] = json!([hostname]);
    route
}

fn terminated(name: &str, hostname: Option<&str>, secret_namespace: &str) -> Value {
    json!({
        "name": name, "protocol": "TLS", "port": 443, "hostname": hostname,
        "tls": {"certificateRefs": [{"name": "s0", "namespace": secret_namespace}]},
    })
}

/// All of it.
pub(crate) fn documents() -> Vec<Document> {
    let passthrough = |name: &str, hostname: Option<&str>| {
        json!({
            "name": name, "protocol": "TLS", "port": 443, "hostname": hostname,
            "tls": {"mode": "Passthrough"},
        })
    };
    let set =
        |listeners: Value| json!({"spec": {"parentRef": {"name": "g0"}, "listeners": listeners}});
    let gateway = json!({"spec": {
        "gatewayClassName": "tidegate",
        "allowedListeners": {"namespaces": {"from": "Same"}},
        "listeners": [
            {"name": "l0", "protocol": "TCP", "port": 5432},
            {"name": "l1", "protocol": "UDP", "port": 53},
            terminated("l2", Some("*.example.com"), "n1"),
            passthrough("l3", None),
        ],
    }});
    let here = json!({"name": "v0", "port": 80});
    let there = json!({"name": "v0", "namespace": "n1", "port": 80});
    let dns = json!({"name": "v1", "port": 81});
    let in_gateway = json!([{"name": "g0"}]);
    let in_sets =
        json!([{"kind": "ListenerSet", "name": "x0"}, {"kind": "ListenerSet", "name": "x1"}]);
    let slice = |service: &str, protocol: &str| {
        json!({
            "labels": {"kubernetes.io/service-name": service}, "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.7"]}],
            "ports": [{"port": 8080, "protocol": protocol}],
        })
    };
    let service = json!({"spec": {"ports": [{"port": 80}]}});
    let udp_service = json!({"spec": {"ports": [{"port": 81, "protocol": "UDP"}]}});
    vec![
        document("Gateway", "n0", "g0", gateway),
        document(
            "ListenerSet",
            "n0",
            "x0",
            set(json!([terminated("l0", Some("a.example.com"), "n1")])),
        ),
        document("ListenerSet", "n0", "x1", set(json!([passthrough("l0", Some("a.example.com"))]))),
        route("TCPRoute", "r0", &in_gateway, &here),
        route("TCPRoute", "r1", &in_gateway, &there),
        route("UDPRoute", "r0", &in_gateway, &dns),
        tls_route("r0", "a.example.com", &in_sets, &here),
        tls_route("r1", "*.com", &in_gateway, &here),
        tls_route("r2", "b.example.com", &in_gateway, &there),
        grant("gateways", "Gateway", "Secret"),
        grant("sets", "ListenerSet", "Secret"),
        grant("routes", "TLSRoute", "Service"),
        document("Service", "n0", "v0", service.clone()),
        document("Service", "n1", "v0", service),
        document("Service", "n0", "v1", udp_service),
        document("EndpointSlice", "n0", "e0", slice("v0", "TCP")),
        document("EndpointSlice", "n1", "e0", slice("v0", "TCP")),
        document("EndpointSlice", "n0", "e1", slice("v1", "UDP")),
        document("Secret", "n1", "s0", json!({"data": secret_data("wildcard", "wildcard")})),
    ]
}
