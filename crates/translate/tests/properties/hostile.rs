//! Random objects over a handful of names, values and ports, among them such that no API server
//! would take.

use std::collections::BTreeMap;
use std::sync::Arc;

use gwapi::objects::ByKey;
use gwapi::{ObjectKey, Objects};
use proptest::prelude::*;
use proptest::sample::select;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use translate::ServiceAddresses;

use crate::world::OwnedWorld;

/// The generation of every object.
pub(crate) const GENERATION: i64 = 3;

/// The first is where most things are, so that they meet.
const NAMESPACES: [&str; 5] = ["n0", "n0", "n0", "n1", "n2"];
/// The API group of most kinds.
pub(crate) const GROUP: &str = "gateway.networking.k8s.io";

/// One object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    pub(crate) kind: &'static str,
    pub(crate) key: ObjectKey,
    pub(crate) value: Value,
}

impl Document {
    /// With listeners, sets and grants that admit only the namespaces of this world. It may refer
    /// to objects elsewhere; nothing there lets it.
    pub(crate) fn admitting_only_its_own(mut self) -> Self {
        let allow_own = |listeners: &mut Value| {
            for listener in listeners.as_array_mut().into_iter().flatten() {
                let from = &mut listener["allowedRoutes"]["namespaces"]["from"];
                if *from == "All" {
                    *from = json!("Same");
                }
            }
        };
        allow_own(&mut self.value["spec"]["listeners"]);
        let allowed = &mut self.value["spec"]["allowedListeners"]["namespaces"]["from"];
        if *allowed == "All" {
            *allowed = json!("Same");
        }
        self
    }

    /// In another namespace, whatever it was in. Cluster-scoped objects cannot move, and grants
    /// stay behind: one over there would rightly open what is there.
    pub(crate) fn moved_to(mut self, namespace: &str) -> Option<Self> {
        if self.key.namespace.is_empty() || self.kind == "ReferenceGrant" {
            return None;
        }
        self.key.namespace = namespace.to_owned();
        self.value["metadata"]["namespace"] = json!(namespace);
        Some(self)
    }
}

/// A world of these objects; of two of one name the later is left out.
pub(crate) fn build(documents: &[Document]) -> OwnedWorld {
    let mut objects = Objects::default();
    for document in documents {
        let Document { kind, key, value } = document;
        match *kind {
            "GatewayClass" => add(&mut objects.gateway_classes, key, value),
            "Gateway" => add(&mut objects.gateways, key, value),
            "ListenerSet" => add(&mut objects.listener_sets, key, value),
            "TCPRoute" => add(&mut objects.tcp_routes, key, value),
            "UDPRoute" => add(&mut objects.udp_routes, key, value),
            "TLSRoute" => add(&mut objects.tls_routes, key, value),
            "HTTPRoute" => add(&mut objects.http_routes, key, value),
            "ReferenceGrant" => add(&mut objects.reference_grants, key, value),
            "BackendTLSPolicy" => add(&mut objects.backend_tls_policies, key, value),
            "Service" => add(&mut objects.services, key, value),
            "EndpointSlice" => add(&mut objects.endpoint_slices, key, value),
            "ConfigMap" => add(&mut objects.config_maps, key, value),
            "Secret" => add(&mut objects.secrets, key, value),
            other => panic!("{other} is no kind"),
        }
    }
    OwnedWorld::standalone(objects)
}

impl OwnedWorld {
    /// Every Gateway with proxies and a Service of its own.
    pub(crate) fn in_a_cluster(mut self) -> Self {
        let address = || ServiceAddresses {
            assigned: vec!["198.51.100.7".to_owned()],
            ..ServiceAddresses::default()
        };
        let gateways = self.objects.gateways.keys().cloned();
        self.services = Some(gateways.map(|key| (key, address())).collect::<BTreeMap<_, _>>());
        self.settings.trust_endpoints = false;
        let class = json!({
            "metadata": {"name": "tidegate", "generation": GENERATION},
            "spec": {"controllerName": gwapi::CONTROLLER_NAME},
        });
        let class =
            Document { kind: "GatewayClass", key: ObjectKey::new("", "tidegate"), value: class };
        add(&mut self.objects.gateway_classes, &class.key, &class.value);
        self
    }
}

fn add<T: DeserializeOwned>(objects: &mut ByKey<T>, key: &ObjectKey, value: &Value) {
    let object = || {
        let object = serde_json::from_value(value.clone());
        Arc::new(object.unwrap_or_else(|error| panic!("{error}: {value}")))
    };
    objects.entry(key.clone()).or_insert_with(object);
}

/// Objects of all kinds, each name once: most of a world that works, and random ones, of which some
/// take the place of those.
pub(crate) fn documents() -> impl Strategy<Value = Vec<Document>> {
    let random = prop_oneof![
        3 => gateway(),
        3 => listener_set(),
        6 => route(),
        3 => grant(),
        2 => policy(),
        2 => service(),
        2 => slice(),
        2 => secret(),
        1 => config_map(),
        1 => class(),
    ];
    let skeleton = crate::skeleton::documents();
    let places = skeleton.len();
    let kept = prop::sample::subsequence(skeleton, places / 2..=places);
    (prop::collection::vec(random, 0..12), kept, any::<bool>()).prop_map(
        |(random, kept, random_first)| {
            let mut seen = std::collections::BTreeSet::new();
            let all = if random_first { [random, kept] } else { [kept, random] };
            let all = all.concat().into_iter();
            all.filter(|document| seen.insert((document.kind, document.key.clone()))).collect()
        },
    )
}

fn named(
    kind: &'static str,
    names: &'static [&'static str],
    spec: impl Strategy<Value = Value> + 'static,
) -> BoxedStrategy<Document> {
    let age = select(&[None, Some("2026-01-01T00:00:00Z"), Some("2026-02-01T00:00:00Z")][..]);
    (select(&NAMESPACES[..]), select(names), age, spec)
        .prop_map(move |(namespace, name, age, body)| {
            let mut value = body;
            value["metadata"] = json!({
                "namespace": namespace, "name": name, "generation": GENERATION,
                "creationTimestamp": age, "labels": value["labels"].take(),
            });
            if value["metadata"]["labels"].is_null() {
                value["metadata"]["labels"] = json!({});
            }
            Document { kind, key: ObjectKey::new(namespace, name), value }
        })
        .boxed()
}

/// One of these JSON texts; `null` leaves the field out where it may be absent.
fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = Value> {
    select(texts).prop_map(|text| serde_json::from_str(text).expect("JSON"))
}

fn list(
    item: impl Strategy<Value = Value>,
    sizes: std::ops::Range<usize>,
) -> impl Strategy<Value = Value> {
    prop::collection::vec(item, sizes).prop_map(Value::Array)
}

fn namespace() -> impl Strategy<Value = Value> {
    one_of(&["null", "null", "null", "null", r#""n0""#, r#""n1""#, r#""n1""#, r#""elsewhere""#])
}

fn hostname() -> impl Strategy<Value = Value> {
    one_of(&[
        "null",
        r#""a.example.com""#,
        r#""a.example.com""#,
        r#""a.example.com""#,
        r#""*.example.com""#,
        r#""*.example.com""#,
        r#""*.com""#,
        r#""b.example.com""#,
        r#""not a name""#,
        r#""*.""#,
        r#""ü.example""#,
    ])
}

fn port() -> impl Strategy<Value = Value> {
    one_of(&[
        "443",
        "443",
        "443",
        "443",
        "443",
        "443",
        "53",
        "53",
        "5432",
        "5432",
        "19000",
        "0",
        "-1",
        "70000",
        "2147483647",
    ])
}

fn class() -> BoxedStrategy<Document> {
    let parameters = one_of(&[
        "null",
        "null",
        "null",
        "null",
        "null",
        r#"{"group": "g", "kind": "k", "name": "n"}"#,
    ]);
    parameters
        .prop_map(|parameters| Document {
            kind: "GatewayClass",
            key: ObjectKey::new("", "tidegate"),
            value: json!({
                "metadata": {"name": "tidegate", "generation": GENERATION},
                "spec": {"controllerName": gwapi::CONTROLLER_NAME, "parametersRef": parameters},
            }),
        })
        .boxed()
}

fn secret_ref() -> impl Strategy<Value = Value> {
    let kind = one_of(&["null", "null", "null", "null", "null", "null", r#""ConfigMap""#]);
    (namespace(), one_of(&[r#""s0""#, r#""s0""#, r#""s0""#, r#""s1""#, r#""absent""#]), kind)
        .prop_map(
            |(namespace, name, kind)| json!({"namespace": namespace, "name": name, "kind": kind}),
        )
}

fn listener() -> impl Strategy<Value = Value> {
    let protocol = one_of(&[
        r#""TLS""#,
        r#""TLS""#,
        r#""TLS""#,
        r#""TLS""#,
        r#""TLS""#,
        r#""TLS""#,
        r#""TCP""#,
        r#""UDP""#,
        r#""HTTP""#,
        r#""HTTP""#,
        r#""HTTPS""#,
        r#""HTTPS""#,
        r#""QUIC""#,
    ]);
    let tls = prop_oneof![
        1 => Just(json!(null)),
        4 => Just(json!({"mode": "Passthrough"})),
        5 => list(secret_ref(), 0..3)
            .prop_map(|refs| json!({"mode": "Terminate", "certificateRefs": refs})),
    ];
    let kinds = one_of(&[
        "null",
        "null",
        "null",
        "null",
        r#"[{"kind": "TLSRoute"}, {"kind": "TCPRoute"}]"#,
        r#"[{"kind": "UDPRoute"}]"#,
    ]);
    let from = one_of(&[r#""All""#, r#""All""#, r#""Same""#, r#""Selector""#]);
    let name = one_of(&[r#""l0""#, r#""l1""#, r#""l2""#]);
    (name, protocol, port(), hostname(), tls, kinds, from).prop_map(
        |(name, protocol, port, hostname, tls, kinds, from)| {
            json!({
                "name": name, "protocol": protocol, "port": port, "hostname": hostname, "tls": tls,
                "allowedRoutes": {"kinds": kinds, "namespaces": {"from": from}},
            })
        },
    )
}

fn authority_ref() -> impl Strategy<Value = Value> {
    let kind = one_of(&[r#""ConfigMap""#, r#""ConfigMap""#, r#""Secret""#]);
    (kind, one_of(&[r#""c0""#, r#""absent""#]), namespace()).prop_map(|(kind, name, namespace)| {
        json!({"group": "", "kind": kind, "name": name, "namespace": namespace})
    })
}

fn gateway() -> BoxedStrategy<Document> {
    let validation = prop_oneof![
        9 => Just(json!(null)),
        2 => (list(authority_ref(), 0..3), one_of(&["null", r#""AllowInsecureFallback""#])).prop_map(
            |(refs, mode)| json!({"default": {"validation": {"caCertificateRefs": refs, "mode": mode}}})
        ),
    ];
    let backend = prop_oneof![
        5 => Just(json!(null)),
        1 => secret_ref().prop_map(|secret| json!({"clientCertificateRef": secret})),
    ];
    let addresses = one_of(&[
        "null",
        "null",
        "null",
        "null",
        "null",
        "null",
        "null",
        r#"[{"value": "127.0.0.1"}]"#,
        r#"[{"type": "Hostname", "value": "h"}]"#,
        r#"[{"value": "no address"}, {}]"#,
    ]);
    let allowed = one_of(&[r#""All""#, r#""Same""#, r#""None""#, r#""Selector""#]);
    let class = prop_oneof![9 => Just(json!("tidegate")), 1 => Just(json!("other"))];
    let spec = (class, list(listener(), 0..5), addresses, allowed, validation, backend).prop_map(
        |(class, listeners, addresses, allowed, frontend, backend)| {
            json!({"spec": {
                "gatewayClassName": class, "listeners": listeners, "addresses": addresses,
                "allowedListeners": {"namespaces": {"from": allowed}},
                "tls": {"frontend": frontend, "backend": backend},
            }})
        },
    );
    named("Gateway", &["g0", "g0", "g1"], spec)
}

fn listener_set() -> BoxedStrategy<Document> {
    let parent = (one_of(&[r#""g0""#, r#""g1""#]), one_of(&["null", r#""n0""#]));
    let spec = (parent, list(listener(), 0..4)).prop_map(|((name, namespace), listeners)| {
        json!({"spec": {"parentRef": {"name": name, "namespace": namespace}, "listeners": listeners}})
    });
    named("ListenerSet", &["x0", "x1"], spec)
}

fn route() -> BoxedStrategy<Document> {
    let parent = (
        one_of(&["null", "null", "null", r#""ListenerSet""#, r#""Service""#]),
        one_of(&[r#""g0""#, r#""g0""#, r#""g0""#, r#""g1""#, r#""x0""#]),
        one_of(&["null", r#""n0""#, r#""n0""#, r#""n0""#, r#""n1""#]),
        one_of(&["null", "null", "null", "null", r#""l0""#, r#""l1""#]),
        one_of(&["null", "null", "null", "null", "null", "null", "443", "-5"]),
    );
    let parent = parent.prop_map(|(kind, name, namespace, section, port)| {
        json!({"kind": kind, "name": name, "namespace": namespace, "sectionName": section, "port": port})
    });
    let backend = (
        one_of(&["null", "null", "null", "null", "null", "null", "null", r#""Database""#]),
        namespace(),
        one_of(&[r#""v0""#, r#""v0""#, r#""v0""#, r#""v1""#, r#""absent""#]),
        one_of(&["80", "80", "80", "80", "80", "80", "80", "81", "null", "-1", "100000"]),
        one_of(&["null", "0", "1", "1000000", "-7", "2147483647"]),
    );
    let backend = backend.prop_map(|(kind, namespace, name, port, weight)| {
        json!({"kind": kind, "namespace": namespace, "name": name, "port": port, "weight": weight})
    });
    let requests = one_of(&[
        "[]",
        "[{}]",
        r#"[{"path": {"value": "/a/"}}, {"path": {"type": "Exact", "value": "/a"}}]"#,
        r#"[{"path": {"type": "Exact", "value": "/a"}}]"#,
        r#"[{"path": {"type": "RegularExpression", "value": "a+"}}]"#,
        r#"[{"path": {"value": "no path"}}, {"headers": [{"name": "a", "value": "b"}]}]"#,
    ]);
    let rule = (list(backend, 0..3), requests);
    let rule = rule
        .prop_map(|(backends, requests)| json!({"backendRefs": backends, "matches": requests}))
        .boxed();
    let hostnames = list(hostname().prop_filter("a name", |name| !name.is_null()), 0..3);
    let kind = select(&["TCPRoute", "UDPRoute", "TLSRoute", "TLSRoute", "HTTPRoute"][..]);
    let rules = prop_oneof![9 => list(rule.clone(), 1..2), 1 => list(rule, 0..3)];
    (kind, list(parent, 0..3), rules, hostnames)
        .prop_flat_map(|(kind, parents, rules, hostnames)| {
            let mut spec = json!({"parentRefs": parents, "rules": rules});
            if matches!(kind, "TLSRoute" | "HTTPRoute") {
                spec["hostnames"] = hostnames;
            }
            named(kind, &["r0", "r1", "r2"], Just(json!({"spec": spec})))
        })
        .boxed()
}

fn grant() -> BoxedStrategy<Document> {
    let from = (
        one_of(&[
            r#""TCPRoute""#,
            r#""TLSRoute""#,
            r#""HTTPRoute""#,
            r#""Gateway""#,
            r#""Gateway""#,
            r#""ListenerSet""#,
        ]),
        one_of(&[r#""n0""#, r#""n1""#, r#""n2""#]),
    );
    let from = from.prop_map(
        |(kind, namespace)| json!({"group": GROUP, "kind": kind, "namespace": namespace}),
    );
    let to = (
        one_of(&[r#""Service""#, r#""Secret""#, r#""Secret""#, r#""ConfigMap""#]),
        one_of(&["null", "null", r#""s0""#, r#""v0""#]),
    );
    let to = to.prop_map(|(kind, name)| json!({"group": "", "kind": kind, "name": name}));
    let spec = (list(from, 1..4), list(to, 1..3));
    named(
        "ReferenceGrant",
        &["a", "b"],
        spec.prop_map(|(from, to)| json!({"spec": {"from": from, "to": to}})),
    )
}

fn policy() -> BoxedStrategy<Document> {
    let target =
        (one_of(&[r#""v0""#, r#""v1""#]), one_of(&["null", "null", r#""web""#, r#""absent""#]));
    let target = target.prop_map(|(name, section)| {
        json!({"group": "", "kind": "Service", "name": name, "sectionName": section})
    });
    let validation = (
        list(authority_ref(), 0..3),
        one_of(&["null", r#""System""#, r#""Mine""#]),
        one_of(&[r#""db.internal""#, r#""*.internal""#, r#""""#]),
        one_of(&["null", r#"[{"type": "URI", "uri": "spiffe://a"}]"#, r#"[{"type": "Hostname"}]"#]),
    );
    let spec =
        (list(target, 0..3), validation).prop_map(|(targets, (refs, known, hostname, names))| {
            json!({"spec": {"targetRefs": targets, "validation": {
                "caCertificateRefs": refs, "wellKnownCACertificates": known, "hostname": hostname,
                "subjectAltNames": names,
            }}})
        });
    named("BackendTLSPolicy", &["p0", "p1"], spec)
}

fn service() -> BoxedStrategy<Document> {
    let ports = one_of(&[
        r#"[{"port": 80}]"#,
        r#"[{"port": 80}]"#,
        r#"[{"port": 80}]"#,
        r#"[{"port": 80}]"#,
        r#"[{"port": 80}]"#,
        r#"[{"port": 80, "name": "web"}, {"port": 80, "protocol": "UDP", "name": "dns"}]"#,
        r#"[{"port": 81, "protocol": "UDP"}]"#,
        r#"[{"port": -80}]"#,
        "[]",
    ]);
    let r#type = one_of(&["null", "null", "null", "null", "null", "null", r#""ExternalName""#]);
    let spec = (ports, r#type)
        .prop_map(|(ports, r#type)| json!({"spec": {"ports": ports, "type": r#type}}));
    named("Service", &["v0", "v0", "v1"], spec)
}

fn slice() -> BoxedStrategy<Document> {
    let endpoints = one_of(&[
        r#"[{"addresses": ["10.0.0.7"]}, {"addresses": ["10.0.0.8"], "conditions": {"ready": false}}]"#,
        r#"[{"addresses": ["10.0.0.7"], "conditions": {"terminating": true}}]"#,
        r#"[{"addresses": ["127.0.0.1", "::1"]}, {"addresses": []}, {"addresses": ["198.51.100.7"]}]"#,
        r#"[{"addresses": ["not an address"]}]"#,
    ]);
    let ports = one_of(&[
        r#"[{"port": 8080}]"#,
        r#"[{"port": 8080}]"#,
        r#"[{"port": 8080}]"#,
        r#"[{"port": 443}]"#,
        r#"[{"port": 8080, "name": "web"}, {"port": 5353, "name": "dns", "protocol": "UDP"}]"#,
        r#"[{}]"#,
        r#"[{"port": 0}, {"port": -1}, {"port": 99999}]"#,
    ]);
    let service = one_of(&[r#""v0""#, r#""v0""#, r#""v1""#]);
    let r#type = one_of(&[r#""IPv4""#, r#""IPv4""#, r#""IPv4""#, r#""IPv6""#, r#""FQDN""#]);
    let body =
        (service, endpoints, ports, r#type).prop_map(|(service, endpoints, ports, r#type)| {
            json!({
                "labels": {"kubernetes.io/service-name": service},
                "addressType": r#type, "endpoints": endpoints, "ports": ports,
            })
        });
    named("EndpointSlice", &["e0", "e1"], body)
}

/// The values of a Secret with this certificate and key of the golden tests.
pub(crate) fn secret_data(certificate: &str, key: &str) -> Value {
    let text = format!(
        "{{\"tls.crt\": \"${{base64:{certificate}.crt}}\", \"tls.key\": \"${{base64:{key}.key}}\"}}"
    );
    serde_json::from_str(&crate::certificates::fill(&text)).expect("JSON")
}

fn secret() -> BoxedStrategy<Document> {
    let data = [
        secret_data("wildcard", "wildcard"),
        secret_data("db", "db"),
        secret_data("db", "wildcard"),
        json!({"tls.crt": "AAAA"}),
        json!({}),
    ];
    let data = prop::sample::select(data.to_vec()).prop_map(|data| json!({"data": data}));
    named("Secret", &["s0", "s1"], data)
}

fn config_map() -> BoxedStrategy<Document> {
    let texts = [
        crate::certificates::fill(r#"{"ca.crt": ${text:ca.crt}}"#),
        r#"{"ca.crt": "no certificate"}"#.to_owned(),
        "{}".to_owned(),
    ];
    let data = prop::sample::select(texts.to_vec());
    let data =
        data.prop_map(|text| json!({"data": serde_json::from_str::<Value>(&text).expect("JSON")}));
    named("ConfigMap", &["c0"], data)
}
