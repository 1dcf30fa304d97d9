//! Whether a checked object reaches its type whole: with its defaults and without a loss.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::objects::ByKey;
use crate::testing::read_text;

/// Reads one object and compares what its type holds with the expectation.
fn check<T: Serialize>(map: &ByKey<T>, expected: &Json) {
    let object = map.values().next().expect("the object is read");
    let mut found = serde_json::to_value(object).expect("JSON");
    drop_nulls(&mut found);
    assert_eq!(&found, expected, "\n{found:#}");
}

fn drop_nulls(json: &mut Json) {
    match json {
        Json::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Json::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// The object as its text has it and, laid over it, what is filled in.
fn text(kind: &str, spec: &Json) -> String {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "a"},
        "spec": spec,
    })
    .to_string()
}

fn whole(kind: &str, spec: &Json) -> Json {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "a", "namespace": "default", "generation": 1},
        "spec": spec,
    })
}

#[test]
fn every_field_of_a_gateway_reaches_its_type() {
    let ca = json!({"group": "", "kind": "ConfigMap", "name": "ca", "namespace": "b"});
    let validation = json!({"caCertificateRefs": [ca], "mode": "AllowInsecureFallback"});
    let selector = json!({
        "matchLabels": {"a": "b"},
        "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
    });
    let spec = json!({
        "gatewayClassName": "c",
        "addresses": [{"type": "IPAddress", "value": "192.0.2.1"}, {"type": "Hostname", "value": "a"}],
        "allowedListeners": {"namespaces": {"from": "Selector", "selector": selector}},
        "infrastructure": {
            "annotations": {"a.dev/b": "c"},
            "labels": {"d": "e"},
            "parametersRef": {"group": "f.dev", "kind": "G", "name": "h"},
        },
        "listeners": [{
            "name": "a",
            "port": 443,
            "protocol": "TLS",
            "hostname": "*.example.com",
            "tls": {
                "mode": "Terminate",
                "certificateRefs": [{"group": "", "kind": "Secret", "name": "s", "namespace": "t"}],
                "options": {"a.dev/b": "c"},
            },
            "allowedRoutes": {
                "kinds": [{"group": "gateway.networking.k8s.io", "kind": "TLSRoute"}],
                "namespaces": {"from": "Selector", "selector": selector},
            },
        }],
        "tls": {
            "backend": {
                "clientCertificateRef":
                    {"group": "", "kind": "Secret", "name": "s", "namespace": "t"},
            },
            "frontend": {
                "default": {"validation": validation},
                "perPort": [{"port": 443, "tls": {"validation": validation}}],
            },
        },
    });
    let objects = read_text(&text("Gateway", &spec)).objects;
    check(&objects.gateways, &whole("Gateway", &spec));
}

#[test]
fn defaults_of_a_gateway_are_filled_in() {
    let spec = json!({
        "gatewayClassName": "c",
        "addresses": [{"value": "192.0.2.1"}, {}],
        "allowedListeners": {},
        "listeners": [
            {"name": "a", "port": 1, "protocol": "TCP"},
            {"name": "b", "port": 2, "protocol": "TLS", "tls": {"certificateRefs": [{"name": "s"}]},
             "allowedRoutes": {"kinds": [{"kind": "TLSRoute"}]}},
            {"name": "c", "port": 3, "protocol": "TCP", "allowedRoutes": {"namespaces": {}}},
        ],
        "tls": {
            "backend": {"clientCertificateRef": {"name": "s"}},
            "frontend": {"default": {"validation":
                {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "a"}]}}},
        },
    });
    let same = json!({"namespaces": {"from": "Same"}});
    let secret = json!({"group": "", "kind": "Secret", "name": "s"});
    let expected = json!({
        "gatewayClassName": "c",
        "addresses": [{"type": "IPAddress", "value": "192.0.2.1"}, {"type": "IPAddress"}],
        "allowedListeners": {"namespaces": {"from": "None"}},
        "listeners": [
            {"name": "a", "port": 1, "protocol": "TCP", "allowedRoutes": same},
            {"name": "b", "port": 2, "protocol": "TLS",
             "tls": {"mode": "Terminate", "certificateRefs": [secret]},
             "allowedRoutes": {
                "kinds": [{"group": "gateway.networking.k8s.io", "kind": "TLSRoute"}],
                "namespaces": {"from": "Same"},
             }},
            {"name": "c", "port": 3, "protocol": "TCP", "allowedRoutes": same},
        ],
        "tls": {
            "backend": {"clientCertificateRef": secret},
            "frontend": {"default": {"validation": {
                "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "a"}],
                "mode": "AllowValidOnly",
            }}},
        },
    });
    let objects = read_text(&text("Gateway", &spec)).objects;
    check(&objects.gateways, &whole("Gateway", &expected));
}

#[test]
fn classes_sets_and_grants_reach_their_types() {
    let spec = json!({
        "controllerName": "a.dev/b",
        "description": "c",
        "parametersRef": {"group": "d.dev", "kind": "E", "name": "f", "namespace": "g"},
    });
    let objects = read_text(&text("GatewayClass", &spec)).objects;
    let mut expected = whole("GatewayClass", &spec);
    expected["metadata"] = json!({"name": "a", "generation": 1});
    check(&objects.gateway_classes, &expected);

    let spec = json!({
        "parentRef": {"name": "g"},
        "listeners": [{"name": "a", "port": 1, "protocol": "UDP"}],
    });
    let expected = json!({
        "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"},
        "listeners": [{"name": "a", "port": 1, "protocol": "UDP",
                       "allowedRoutes": {"namespaces": {"from": "Same"}}}],
    });
    let objects = read_text(&text("ListenerSet", &spec)).objects;
    check(&objects.listener_sets, &whole("ListenerSet", &expected));

    let spec = json!({
        "from": [{"group": "a.dev", "kind": "B", "namespace": "c"}],
        "to": [{"group": "", "kind": "Secret"}, {"group": "", "kind": "Service", "name": "d"}],
    });
    let objects = read_text(&text("ReferenceGrant", &spec)).objects;
    check(&objects.reference_grants, &whole("ReferenceGrant", &spec));
}

#[test]
fn routes_reach_their_types_with_their_defaults() {
    let backend = json!({"name": "s", "port": 1});
    let full = json!({"group": "a.dev", "kind": "B", "name": "c", "namespace": "d", "port": 2, "weight": 0});
    let spec = |hostnames: Option<Json>, backends: Json, parents: Json| {
        let mut spec =
            json!({"parentRefs": parents, "rules": [{"name": "r", "backendRefs": backends}]});
        if let Some(hostnames) = hostnames {
            spec["hostnames"] = hostnames;
        }
        spec
    };
    let parent = json!({"group": "a.dev", "kind": "B", "name": "c", "namespace": "d", "port": 2, "sectionName": "e"});
    let written =
        |hostnames| spec(hostnames, json!([backend, full]), json!([{"name": "g"}, parent]));
    let completed = |hostnames| {
        spec(
            hostnames,
            json!([{"group": "", "kind": "Service", "name": "s", "port": 1, "weight": 1}, full]),
            json!([{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}, parent]),
        )
    };
    // Our own types do not repeat apiVersion and kind.
    let without_type = |kind: &str, spec: &Json| {
        let mut expected = whole(kind, spec);
        expected
            .as_object_mut()
            .expect("a map")
            .retain(|key, _| key != "apiVersion" && key != "kind");
        expected
    };
    let objects = read_text(&text("TCPRoute", &written(None))).objects;
    check(&objects.tcp_routes, &without_type("TCPRoute", &completed(None)));
    let objects = read_text(&text("UDPRoute", &written(None))).objects;
    check(&objects.udp_routes, &without_type("UDPRoute", &completed(None)));
    let hostnames = Some(json!(["a.example", "*.example"]));
    let objects = read_text(&text("TLSRoute", &written(hostnames.clone()))).objects;
    check(&objects.tls_routes, &without_type("TLSRoute", &completed(hostnames)));
}

#[test]
fn every_field_of_a_backend_policy_reaches_its_type() {
    let spec = json!({
        "targetRefs": [{"group": "", "kind": "Service", "name": "a", "sectionName": "b"}],
        "options": {"a.dev/b": "c"},
        "validation": {
            "hostname": "a.example",
            "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "a"}],
            "subjectAltNames": [{"type": "Hostname", "hostname": "a"}, {"type": "URI", "uri": "a://b"}],
        },
    });
    let objects = read_text(&text("BackendTLSPolicy", &spec)).objects;
    check(&objects.backend_tls_policies, &whole("BackendTLSPolicy", &spec));
    let spec = json!({
        "targetRefs": [{"group": "", "kind": "Service", "name": "a"}],
        "validation": {"hostname": "a.example", "wellKnownCACertificates": "System"},
    });
    let objects = read_text(&text("BackendTLSPolicy", &spec)).objects;
    check(&objects.backend_tls_policies, &whole("BackendTLSPolicy", &spec));
}

#[test]
fn the_status_of_a_file_is_ignored() {
    let text = "apiVersion: gateway.networking.k8s.io/v1\nkind: TCPRoute\nmetadata: {name: a}\n\
                spec: {rules: [{backendRefs: [{name: s, port: 1}]}]}\nstatus: {parents: nonsense}\n";
    let manifests = read_text(text);
    assert_eq!(manifests.errors, []);
    let route = manifests.objects.tcp_routes.values().next().expect("the route");
    assert_eq!(route.status, None);
    assert_eq!(route.metadata.creation_timestamp, None);
}

#[test]
fn older_served_versions_are_read_alike() {
    for (kind, versions) in [
        ("Gateway", &["v1", "v1beta1"][..]),
        ("TCPRoute", &["v1", "v1alpha2"]),
        ("TLSRoute", &["v1", "v1alpha3", "v1alpha2"]),
    ] {
        let spec = match kind {
            "Gateway" => "{gatewayClassName: a, listeners: [{name: a, port: 1, protocol: TCP}]}",
            "TLSRoute" => "{hostnames: [a], rules: [{backendRefs: [{name: s, port: 1}]}]}",
            _ => "{rules: [{backendRefs: [{name: s, port: 1}]}]}",
        };
        for version in versions {
            let text = format!(
                "apiVersion: gateway.networking.k8s.io/{version}\nkind: {kind}\n\
                 metadata: {{name: a}}\nspec: {spec}\n"
            );
            let manifests = read_text(&text);
            assert_eq!(manifests.errors, []);
            assert_eq!(manifests.objects.refs()[0].to_string(), format!("{kind} default/a"));
        }
    }
}

#[test]
fn an_empty_namespace_is_none() {
    for kind in ["Namespace", "ConfigMap"] {
        let manifests = read_text(&format!(
            "apiVersion: v1\nkind: {kind}\nmetadata: {{name: a, namespace: ''}}\n"
        ));
        assert_eq!(manifests.errors, []);
        let namespace = &manifests.objects.refs()[0].key.namespace;
        assert_eq!(namespace, if kind == "Namespace" { "" } else { "default" });
    }
}

#[test]
fn kinds_that_others_read_are_passed_over_and_counted() {
    let kinds = [
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("batch/v1", "Job"),
        ("v1", "ServiceAccount"),
        ("v1", "PersistentVolumeClaim"),
        ("cert-manager.io/v1", "Certificate"),
        ("kustomize.config.k8s.io/v1beta1", "Kustomization"),
        ("policy/v1", "PodDisruptionBudget"),
        ("rbac.authorization.k8s.io/v1", "Role"),
    ];
    let mut text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n".to_owned();
    for (version, kind) in kinds {
        text.push_str(&format!("---\napiVersion: {version}\nkind: {kind}\nspec: {{}}\n"));
    }
    let manifests = read_text(&text);
    assert_eq!(manifests.errors, []);
    assert_eq!(manifests.objects.refs().len(), 1);
    assert_eq!(manifests.foreign, kinds.len());
}
