//! What is wrong with a file or an object, and exactly what is said about it and where.

//! The loader, against everything that people write by mistake.

use serde_json::json;

use super::*;
use crate::testing::{errors_of, read_text};
use crate::{Kind, ObjectKey};

fn check(text: &str, expected: &[&str]) {
    assert_eq!(errors_of(text), expected, "\n{text}");
}

fn loaded(text: &str) -> Vec<String> {
    read_text(text).objects.refs().iter().map(ToString::to_string).collect()
}

fn object(kind: Kind, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(kind, ObjectKey::new(namespace, name))
}

const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";

const GATEWAY: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: l4
  namespace: edge
  labels:
    app.kubernetes.io/name: gateway
spec:
  gatewayClassName: tidegate
  listeners:
  - name: pg
    protocol: TCP
    port: 5432
  - name: sni
    protocol: TLS
    port: 443
    tls:
      certificateRefs:
      - name: wild
";

#[test]
fn text_that_is_not_yaml_makes_the_file_unreadable() {
    for (text, expected) in [
        ("a: [", "1:4: not YAML: unclosed bracket '['"),
        ("a: b: c", "1:5: not YAML: mapping values are not allowed in this context"),
        ("a: \"b", "1:4: not YAML: unclosed quote"),
        ("a:\n\t- b\n", "2:2: not YAML: tabs disallowed within this context (block indentation)"),
        ("a: *b\n", "1:4: not YAML: while parsing node, found unknown anchor"),
        ("a: &x [*x]\n", "1:8: an alias stands inside its own anchor"),
        ("{\"a\": 1", "1:1: not YAML: unclosed bracket '{'"),
        (
            "a: 1\n%",
            "2:2: not YAML: while scanning a directive, could not find expected directive name",
        ),
    ] {
        let manifests = read_text(text);
        assert!(manifests.errors.iter().all(|error| error.unreadable), "{text}");
        check(text, &[expected]);
    }
}

#[test]
fn nothing_of_an_unreadable_file_is_used() {
    let text = format!("{NAMESPACE}---\na: [\n");
    assert_eq!(loaded(&text), [""; 0]);
    let sources = [
        Source { path: "b.yaml".into(), text },
        Source { path: "a.yaml".into(), text: NAMESPACE.to_owned() },
    ];
    let manifests = read(&sources);
    assert_eq!(manifests.objects.refs(), [object(Kind::Namespace, "", "a")]);
    assert_eq!(manifests.errors.len(), 1);
}

#[test]
fn bytes_that_are_not_text_are_located() {
    let error = Source::from_bytes("a.yaml".into(), b"a: \xc3\xa4\nb: \xc3\xa4\xff".to_vec())
        .expect_err("not UTF-8");
    assert_eq!(error.to_string(), "a.yaml:2:5: not UTF-8");
    assert!(error.unreadable);
    let source = Source::from_bytes("a.yaml".into(), b"\xef\xbb\xbfa: 1".to_vec()).expect("text");
    assert_eq!(read(&[source]).errors[0].location.line, 1);
}

#[test]
fn a_document_that_is_no_object_is_refused() {
    let no_map = "not an object, expected a map with apiVersion, kind and metadata";
    for text in ["hello\n", "- a\n- b\n", "5\n", "\"\"\n"] {
        check(text, &[&format!("1:1: {no_map}")]);
    }
    check(
        "kind: Gateway\n",
        &["1:1: apiVersion: missing, expected a map with apiVersion, kind and metadata"],
    );
    check(
        "apiVersion: v1\n",
        &["1:1: kind: missing, expected a map with apiVersion, kind and metadata"],
    );
    check("apiVersion: 1\nkind: Gateway\n", &["1:13: apiVersion: expected a string"]);
    check(
        "apiVersion: v1\nkind: Namespace\n",
        &["1:1: Namespace without a name: metadata: missing, expected a map with name"],
    );
}

#[test]
fn empty_documents_are_skipped() {
    for text in ["", "\n", "# nothing\n", "---\n", "---\n---\n# a\n---\n", "null\n", "--- ~\n...\n"]
    {
        check(text, &[]);
        assert_eq!(loaded(text), [""; 0]);
    }
    assert_eq!(loaded(&format!("---\n---\n{NAMESPACE}---\n")), ["Namespace a"]);
}

#[test]
fn unknown_kinds_are_refused_with_the_nearest_one() {
    let known = "GatewayClass, Gateway, ListenerSet, TCPRoute, UDPRoute, TLSRoute, HTTPRoute, \
                 ReferenceGrant, BackendTLSPolicy, GatewayParameters, Service, EndpointSlice, \
                 Secret, ConfigMap, Namespace";
    let calls = "is not supported: Tidegate routes connections, not calls; \
                 use TCPRoute or TLSRoute";
    for (version, kind, expected) in [
        ("v1", "Potato", format!("2:7: unknown kind \"Potato\" of \"v1\"; known kinds: {known}")),
        (
            "gateway.networking.k8s.io/v1",
            "Deployment",
            format!(
                "2:7: unknown kind \"Deployment\" of \"gateway.networking.k8s.io/v1\"; \
                 known kinds: {known}"
            ),
        ),
        (
            "gateway.networking.k8.io/v1",
            "UDPRuote",
            "2:7: unknown kind \"UDPRuote\" of \"gateway.networking.k8.io/v1\"; \
             did you mean UDPRoute?"
                .to_owned(),
        ),
        (
            "gateway.networking.k8s.io/v1",
            "TCPRout",
            "2:7: unknown kind \"TCPRout\" of \"gateway.networking.k8s.io/v1\"; \
             did you mean TCPRoute?"
                .to_owned(),
        ),
        (
            "v1",
            "Configmap",
            "2:7: unknown kind \"Configmap\" of \"v1\"; did you mean ConfigMap?".to_owned(),
        ),
        ("gateway.networking.k8s.io/v1", "GRPCRoute", format!("2:7: GRPCRoute {calls}")),
        (
            "networking.istio.io/v1",
            "Gateway",
            "1:13: Gateway: apiVersion: found \"networking.istio.io/v1\", expected \
             gateway.networking.k8s.io/v1 or gateway.networking.k8s.io/v1beta1"
                .to_owned(),
        ),
        (
            "gateway.networking.k8s.io/v2",
            "TCPRoute",
            "1:13: TCPRoute: apiVersion: found \"gateway.networking.k8s.io/v2\", expected \
             gateway.networking.k8s.io/v1 or gateway.networking.k8s.io/v1alpha2"
                .to_owned(),
        ),
        (
            "core/v1",
            "Secret",
            "1:13: Secret: apiVersion: found \"core/v1\", expected v1".to_owned(),
        ),
    ] {
        check(
            &format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n"),
            &[&expected],
        );
    }
}

#[test]
fn a_mistake_is_told_with_place_object_field_and_expectation() {
    for (from, to, expected) in [
        (
            "port: 5432",
            "prot: 5432",
            &[
                "13:5: Gateway edge/l4: spec.listeners[0].prot: unknown field; \
                 did you mean \"port\"?",
                "11:5: Gateway edge/l4: spec.listeners[0].port: missing, expected 1 to 65535",
            ][..],
        ),
        (
            "port: 5432",
            "port: 5432\n    colour: red",
            &["14:5: Gateway edge/l4: spec.listeners[0].colour: unknown field; known fields: \
               name, port, protocol, hostname, tls, allowedRoutes"],
        ),
        (
            "port: 5432",
            "port: 70000",
            &["13:11: Gateway edge/l4: spec.listeners[0].port: found 70000, expected 1 to 65535"],
        ),
        (
            "port: 5432",
            "port: \"5432\"",
            &["13:11: Gateway edge/l4: spec.listeners[0].port: found the string \"5432\", \
               expected an integer"],
        ),
        (
            "name: pg",
            "name: 5432",
            &["11:11: Gateway edge/l4: spec.listeners[0].name: found the number 5432, \
               expected a string (put it in quotes)"],
        ),
        (
            "name: pg",
            "name: on",
            &["11:11: Gateway edge/l4: spec.listeners[0].name: found the boolean true, \
               expected a string (put it in quotes: unquoted on, off, yes, no, y and n are \
               booleans)"],
        ),
        (
            "name: pg",
            "name: Pg",
            &["11:11: Gateway edge/l4: spec.listeners[0].name: found \"Pg\", \
               expected a lower-case DNS name such as db.example.com"],
        ),
        (
            "name: pg",
            "name: ''",
            &["11:11: Gateway edge/l4: spec.listeners[0].name: found an empty string, \
               expected a lower-case DNS name such as db.example.com"],
        ),
        (
            "name: pg",
            "name: null",
            &["11:11: Gateway edge/l4: spec.listeners[0].name: missing, \
               expected a lower-case DNS name such as db.example.com"],
        ),
        (
            "name: pg",
            "name: sni",
            &[
                "14:11: Gateway edge/l4: spec.listeners[1].name: found \"sni\", which [0] has already",
            ],
        ),
        (
            "    tls:\n",
            "    tls:\n      mode: passthrough\n",
            &["18:13: Gateway edge/l4: spec.listeners[1].tls.mode: found \"passthrough\", \
               expected one of Terminate, Passthrough (did you mean \"Passthrough\"?)"],
        ),
        (
            "certificateRefs:\n      - name: wild",
            "certificateRefs: wild",
            &["18:24: Gateway edge/l4: spec.listeners[1].tls.certificateRefs: \
               found the string \"wild\", expected a list"],
        ),
        (
            "certificateRefs:\n      - name: wild",
            "certificateRefs:\n      - wild",
            &["19:9: Gateway edge/l4: spec.listeners[1].tls.certificateRefs[0]: \
               found the string \"wild\", expected a map"],
        ),
        (
            "  gatewayClassName: tidegate\n",
            "",
            &["8:1: Gateway edge/l4: spec.gatewayClassName: missing, expected a string"],
        ),
        (
            "app.kubernetes.io/name: gateway",
            "app.kubernetes.io/name: 1",
            &["7:29: Gateway edge/l4: metadata.labels[app.kubernetes.io/name]: \
               found the number 1, expected a string (put it in quotes)"],
        ),
        (
            "app.kubernetes.io/name: gateway",
            "a/b/c: gateway",
            &["7:5: Gateway edge/l4: metadata.labels: found key \"a/b/c\", expected a name of at \
               most 63 characters, with or without a DNS name and a slash before it"],
        ),
        (
            "name: l4",
            "name: L4",
            &["4:9: Gateway edge/L4: metadata.name: found \"L4\", \
               expected a lower-case DNS name such as db.example.com"],
        ),
        (
            "namespace: edge",
            "namespace: edge.x",
            &["5:14: Gateway edge.x/l4: metadata.namespace: found \"edge.x\", expected a DNS \
               label: lower-case letters, digits and dashes, such as my-name"],
        ),
        (
            "  name: l4\n",
            "  generateName: l4-\n",
            &["3:1: Gateway without a name: metadata.name: missing, \
               expected a lower-case DNS name such as db.example.com"],
        ),
        (
            "namespace: edge",
            "namespace: edge\n  creationTimestamp: yesterday",
            &["6:22: Gateway edge/l4: metadata.creationTimestamp: found \"yesterday\", \
               expected a time such as 2026-01-31T12:00:00Z"],
        ),
        (
            "namespace: edge",
            "name: l5",
            &["5:3: Gateway default/l4: key \"name\" stands twice, first on line 4"],
        ),
        (
            "name: l4",
            "name: !secret l4",
            &["4:17: Gateway edge/l4: tag \"!secret\" is not for this value"],
        ),
        (
            "  namespace: edge",
            "  [1, 2]: edge",
            &["5:3: Gateway default/l4: a key is not a string"],
        ),
    ] {
        assert!(GATEWAY.contains(from), "{from}");
        check(&GATEWAY.replacen(from, to, 1), expected);
    }
    let (head, _) = GATEWAY.split_once("\n  - name: pg").expect("the first listener");
    check(
        &format!("{head} []\n"),
        &["10:3: Gateway edge/l4: spec.listeners: found an empty list, expected 1 to 64 items"],
    );
    check(GATEWAY, &[]);
}

#[test]
fn one_wrong_object_leaves_the_others() {
    let broken = GATEWAY.replace("port: 443", "port: 0");
    let text = format!("{broken}---\n{NAMESPACE}");
    assert_eq!(loaded(&text), ["Namespace a"]);
    check(&text, &["16:11: Gateway edge/l4: spec.listeners[1].port: found 0, expected 1 to 65535"]);
    let error = &read_text(&text).errors[0];
    assert_eq!(error.object, Some(object(Kind::Gateway, "edge", "l4")));
    assert_eq!(error.field.as_deref(), Some("spec.listeners[1].port"));
    assert!(!error.unreadable);
}

#[test]
fn the_first_of_two_objects_with_one_name_stays() {
    let service = |port: u16| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {{ports: [{{port: {port}}}]}}\n"
        )
    };
    let sources = [
        Source { path: "b.yaml".into(), text: format!("---\n{}---\n{}", service(2), service(3)) },
        Source { path: "a.yaml".into(), text: format!("\n{}", service(1)) },
    ];
    let manifests = read(&sources);
    let errors: Vec<String> = manifests.errors.iter().map(ToString::to_string).collect();
    let problem = "Service default/a: stands in the files twice, first in a.yaml:2";
    assert_eq!(errors, [format!("b.yaml:2:1: {problem}"), format!("b.yaml:7:1: {problem}")]);
    let kept = &manifests.objects.services[&ObjectKey::new("default", "a")];
    assert_eq!(kept.spec.ports[0].port, 1);
    let explicit = service(4).replace("{name: a}", "{name: a, namespace: default}");
    let error = &errors_of(&format!("{}---\n{explicit}", service(1)))[0];
    assert!(error.contains("twice"), "the default namespace is a namespace: {error}");
}

#[test]
fn json_is_read_like_yaml() {
    let text = "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Service\",\n\t\"metadata\": {\"name\": \"a\"},\n\
                \t\"spec\": {\n\t\t\"ports\": [\n\t\t\t{\"port\": 80, \"name\": \"\\u00e4\\/\"}\n\t\t]\n\t}\n}\n";
    check(
        text,
        &["7:25: Service default/a: spec.ports[0].name: found \"ä/\", expected a DNS label: \
           lower-case letters, digits and dashes, such as my-name"],
    );
    assert_eq!(loaded(&text.replace("\\u00e4\\/", "http")), ["Service default/a"]);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x".repeat(63)}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"},
         "data": {"ca.crt": "line\n".repeat(2000)}},
    ]});
    for text in [list.to_string(), serde_json::to_string_pretty(&list).expect("JSON")] {
        check(&text, &[]);
        assert_eq!(loaded(&text).len(), 2);
    }
}

#[test]
fn a_list_is_its_items() {
    let text = "apiVersion: v1
kind: List
metadata: {resourceVersion: ''}
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: a}}
- {apiVersion: v1, kind: Namespace, metadata: {name: B}}
- {apiVersion: v1, kind: Namespace, metadata: {name: c}}
-
- text
";
    assert_eq!(loaded(text), ["Namespace a", "Namespace c"]);
    check(
        text,
        &[
            "6:54: Namespace B: metadata.name: found \"B\", expected a DNS label: lower-case \
             letters, digits and dashes, such as my-name",
            "9:3: not an object, expected a map with apiVersion, kind and metadata",
        ],
    );
    check(
        "apiVersion: v1\nkind: List\nitems: 5\n",
        &["3:8: List: items: expected a list of objects"],
    );
    check(
        "apiVersion: v1\nkind: List\nitem: []\n",
        &["3:1: List: \"item\": unknown field; known fields: items"],
    );
    check("apiVersion: v1\nkind: List\nitems: []\n", &[]);
}

#[test]
fn anchors_and_merges_are_expanded() {
    let text = "apiVersion: v1
kind: Service
metadata: {name: a, labels: &labels {app: x, tier: b}}
spec:
  selector: *labels
  ports:
  - &port {name: a, port: 1, protocol: UDP}
  - {<<: *port, name: b, port: 2}
  - {<<: [{name: c}, *port], port: 3}
";
    check(text, &[]);
    let manifests = read_text(text);
    let service = &manifests.objects.services[&ObjectKey::new("default", "a")];
    let ports: Vec<_> =
        service.spec.ports.iter().map(|p| (p.name.as_deref(), p.port, p.protocol())).collect();
    assert_eq!(ports, [(Some("a"), 1, "UDP"), (Some("b"), 2, "UDP"), (Some("c"), 3, "UDP")]);
    check(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, <<: 5}\n",
        &["3:25: Namespace a: << takes a map or a list of maps"],
    );
}

#[test]
fn hostile_text_ends_in_an_error_and_not_in_memory() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(1000));
    let mut tower =
        "a0: &a0 [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n".to_owned();
    for level in 1..100 {
        tower.push_str(&format!("a{level}: &a{level} [[[[[[[[[[*a{}]]]]]]]]]]\n", level - 1));
    }
    for (text, expected) in [
        (bomb, "more than 500000 values in one file, aliases included; split it"),
        (long, "aliases repeat more than 16777216 bytes"),
        (tower, "nested deeper than 64 levels"),
        ("[".repeat(100_000), "not YAML: "),
        ("- ".repeat(100_000), "not YAML: "),
        ("{a: ".repeat(100_000), "not YAML: "),
        ("? ".repeat(100_000), "not YAML: "),
        ("- a\n".repeat(600_000), "more than 500000 values in one file"),
        ("x".repeat(MAX_FILE_BYTES + 1), "the file has 16777217 bytes, expected at most 16777216"),
    ] {
        let manifests = read_text(&text);
        let error = &manifests.errors[0];
        assert!(error.unreadable && error.problem.starts_with(expected), "{error}");
        assert_eq!(manifests.errors.len(), 1);
    }
}

#[test]
fn endless_mistakes_are_cut_short() {
    let many = (0..1000).map(|i| format!("x{i}: 1\n")).collect::<String>();
    let errors = errors_of(&format!("{NAMESPACE}{many}"));
    assert_eq!(errors.len(), 20);
    assert!(
        errors[19].ends_with("(further problems of this object are not listed)"),
        "{}",
        errors[19]
    );
    let errors = errors_of(&"---\na: 1\n".repeat(1000));
    assert_eq!(errors.len(), 201);
    assert!(errors[200].ends_with("800 further errors in this file are not listed"));
    let long = format!("apiVersion: v1\nkind: {}\n", "x".repeat(100_000));
    assert!(errors_of(&long)[0].len() < 500);
}

#[test]
fn every_field_is_found_or_else_its_parent() {
    let manifests = read_text(GATEWAY);
    let gateway = object(Kind::Gateway, "edge", "l4");
    for (field, line, column) in [
        ("", 1, 1),
        ("kind", 2, 7),
        ("metadata", 3, 1),
        ("metadata.name", 4, 9),
        ("metadata.labels[app.kubernetes.io/name]", 7, 29),
        ("metadata.labels.app.kubernetes.io/name", 7, 29),
        ("metadata.labels.other", 6, 3),
        ("spec", 8, 1),
        ("spec.listeners", 10, 3),
        ("spec.listeners[0]", 11, 5),
        ("spec.listeners[0].port", 13, 11),
        ("spec.listeners[1].tls", 17, 5),
        ("spec.listeners[1].tls.certificateRefs[0].name", 19, 15),
        // Not written down.
        ("spec.listeners[1].tls.mode", 17, 5),
        ("spec.listeners[0].allowedRoutes.namespaces.from", 11, 5),
        ("spec.listeners[7].port", 10, 3),
        ("spec.listeners[x", 10, 3),
        ("spec.addresses[0].value", 8, 1),
        ("nonsense", 1, 1),
        ("..", 1, 1),
    ] {
        let found = manifests.locations.find(&gateway, Some(field)).expect("the gateway");
        assert_eq!((found.line, found.column), (line, column), "{field}");
    }
    assert_eq!(manifests.locations.find(&object(Kind::Gateway, "edge", "l5"), None), None);
}

#[test]
fn secrets_show_in_no_message() {
    let secret =
        |body: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\n{body}\n");
    for (body, expected) in [
        (
            "data: {a: hunter2!}",
            "4:11: Secret default/a: data.a: found a string, expected base64 \
          (plain text goes into stringData or, in a ConfigMap, into data)",
        ),
        (
            "stringData: {a: 2049}",
            "4:17: Secret default/a: stringData.a: found a number, \
          expected a string (put it in quotes)",
        ),
        ("type: [hunter2]", "4:1: Secret default/a: type: found a list, expected a string"),
        ("data: hunter2", "4:7: Secret default/a: data: found a string, expected a map"),
        (
            "stringData: {a: on}",
            "4:17: Secret default/a: stringData.a: found a boolean, \
          expected a string (put it in quotes: unquoted on, off, yes, no, y and n are booleans)",
        ),
    ] {
        check(&secret(body), &[expected]);
    }
    let manifests = read_text(&secret("stringData: {password: hunter2}"));
    let shown = format!("{manifests:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{shown}");
    assert!(shown.contains("\"password\""), "{shown}");
}

#[test]
fn string_data_of_a_secret_becomes_data() {
    let text = "apiVersion: v1
kind: Secret
metadata: {name: a}
data:
  a: b25l
  b: |
    dH
    dv
stringData: {a: plain, c: ''}
";
    check(text, &[]);
    let manifests = read_text(text);
    let secret = &manifests.objects.secrets[&ObjectKey::new("default", "a")];
    let data: Vec<_> =
        secret.data.iter().map(|(key, value)| (key.as_str(), value.0.as_slice())).collect();
    assert_eq!(data, [("a", &b"plain"[..]), ("b", b"two"), ("c", b"")]);
    assert_eq!(secret.r#type.as_deref(), Some("Opaque"));
}

#[test]
fn line_ends_of_windows_count_once() {
    let text = GATEWAY.replace("port: 443", "port: 0").replace('\n', "\r\n");
    check(&text, &["16:11: Gateway edge/l4: spec.listeners[1].port: found 0, expected 1 to 65535"]);
    assert_eq!(loaded(&GATEWAY.replace('\n', "\r\n")), ["Gateway edge/l4"]);
}
