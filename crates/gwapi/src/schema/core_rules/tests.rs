//! The rules of the core kinds, and manifests as a cluster prints them.

use crate::testing::{errors_of, read_text};

/// Reads an object of core/v1 with these fields on line 4.
fn check(kind: &str, fields: &str, expected: &[&str]) {
    check_text(
        &format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: a}}\n{fields}\n"),
        expected,
    );
}

fn check_slice(fields: &str, expected: &[&str]) {
    let head = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}";
    check_text(&format!("{head}\n{fields}\n"), expected);
}

fn check_text(text: &str, expected: &[&str]) {
    assert_eq!(errors_of(text), expected, "\n{text}");
}

#[test]
fn a_service_has_ports_unless_it_needs_none() {
    let missing = "Service default/a: spec.ports: missing, expected at least 1 item";
    check("Service", "spec: {}", &[&format!("4:1: {missing}")]);
    check("Service", "spec: {ports: []}", &[&format!("4:8: {missing}")]);
    check("Service", "spec: {clusterIP: None}", &[]);
    check("Service", "spec: {type: ExternalName, externalName: db.example.com.}", &[]);
    check(
        "Service",
        "spec: {type: ExternalName, externalName: db_1}",
        &["4:42: Service default/a: spec.externalName: found \"db_1\", expected a lower-case DNS \
           name such as db.example.com"],
    );
    check(
        "Service",
        "spec: {type: ExternalName}",
        &["4:1: Service default/a: spec.externalName: found \"\", expected a lower-case DNS name \
           such as db.example.com"],
    );
}

#[test]
fn ports_of_a_service_differ_in_name_and_in_protocol_and_number() {
    check(
        "Service",
        "spec: {ports: [{port: 53, name: a}, {port: 53, name: b, protocol: UDP}]}",
        &[],
    );
    check(
        "Service",
        "spec: {ports: [{port: 53, name: a}, {port: 53, name: b, protocol: TCP}]}",
        &["4:44: Service default/a: spec.ports[1].port: found TCP 53, which ports[0] has already"],
    );
    check(
        "Service",
        "spec: {ports: [{port: 53, name: a}, {port: 54, name: a}]}",
        &["4:54: Service default/a: spec.ports[1].name: found \"a\", which ports[0] has already"],
    );
    check(
        "Service",
        "spec: {ports: [{port: 53, name: a}, {port: 54}]}",
        &[
            "4:37: Service default/a: spec.ports[1].name: missing, expected a name because there are \
           several ports",
        ],
    );
    check(
        "Service",
        "spec: {ports: [{port: 53, protocol: tcp, targetPort: [1]}]}",
        &[
            "4:37: Service default/a: spec.ports[0].protocol: found \"tcp\", expected one of TCP, \
             UDP, SCTP (did you mean \"TCP\"?)",
            "4:42: Service default/a: spec.ports[0].targetPort: found a list, expected an integer \
             or a string",
        ],
    );
}

#[test]
fn addresses_of_a_slice_are_of_its_type() {
    for (kind, right, wrong, expected) in [
        ("IPv4", "127.0.0.1", "::1", "an IPv4 address"),
        ("IPv6", "::1", "127.0.0.1", "an IPv6 address"),
        ("FQDN", "db-1.example", "db_1", "a lower-case DNS name such as db.example.com"),
    ] {
        let slice =
            |address: &str| format!("addressType: {kind}\nendpoints:\n- addresses: ['{address}']");
        check_slice(&slice(right), &[]);
        check_slice(
            &slice(wrong),
            &[&format!(
                "6:15: EndpointSlice default/a: endpoints[0].addresses[0]: found {wrong:?}, \
                 expected {expected} because addressType is {kind}"
            )],
        );
    }
    check_slice(
        "addressType: IPv4\nendpoints: [{addresses: []}]",
        &["5:14: EndpointSlice default/a: endpoints[0].addresses: found an empty list, expected \
           1 to 100 items"],
    );
    check_slice(
        "endpoints: []",
        &["1:1: EndpointSlice default/a: addressType: missing, expected one of IPv4, IPv6, FQDN"],
    );
}

#[test]
fn ports_of_a_slice_differ_in_name() {
    check_slice("addressType: IPv4\nports: [{port: 1}, {port: 2, name: a}]", &[]);
    check_slice(
        "addressType: IPv4\nports: [{port: 1}, {port: 2}]",
        &["5:20: EndpointSlice default/a: ports[1].name: found \"\", which ports[0] has already"],
    );
}

#[test]
fn a_tls_secret_has_certificate_and_key() {
    check("Secret", "type: kubernetes.io/tls\ndata: {tls.crt: '', tls.key: ''}", &[]);
    check("Secret", "type: kubernetes.io/tls\ndata: {tls.crt: ''}\nstringData: {tls.key: a}", &[]);
    check("Secret", "type: Opaque", &[]);
    let missing = "missing, expected a value because type is kubernetes.io/tls";
    check(
        "Secret",
        "type: kubernetes.io/tls\ndata: {tls.crt: ''}",
        &[&format!("5:1: Secret default/a: data[tls.key]: {missing}")],
    );
    check(
        "Secret",
        "type: kubernetes.io/tls",
        &[
            &format!("1:1: Secret default/a: data[tls.crt]: {missing}"),
            &format!("1:1: Secret default/a: data[tls.key]: {missing}"),
        ],
    );
}

#[test]
fn keys_of_data_are_file_names() {
    let expected = "expected letters, digits, dashes, dots and underscores";
    for (kind, field) in [
        ("Secret", "data"),
        ("Secret", "stringData"),
        ("ConfigMap", "data"),
        ("ConfigMap", "binaryData"),
    ] {
        check(kind, &format!("{field}: {{a.b-c_D: ''}}"), &[]);
        for key in ["a/b", "..", ".", "a b"] {
            check(
                kind,
                &format!("{field}: {{'{key}': ''}}"),
                &[&format!(
                    "4:{}: {kind} default/a: {field}: found key {key:?}, {expected}",
                    field.len() + 4
                )],
            );
        }
    }
    check(
        "ConfigMap",
        "data: {a: b}\nbinaryData: {a: ''}",
        &["5:14: ConfigMap default/a: binaryData: found key \"a\", which data has already"],
    );
}

#[test]
fn data_fits_into_an_object() {
    let megabyte = "x".repeat(1 << 20);
    check("ConfigMap", &format!("data: {{a: {megabyte}}}"), &[]);
    check(
        "ConfigMap",
        &format!("data: {{a: {megabyte}, b: x}}"),
        &["4:1: ConfigMap default/a: data: found 1048577 bytes of data, expected at most 1048576"],
    );
    check(
        "Secret",
        &format!("data: {{a: {}}}", "AAAA".repeat(350_000)),
        &["4:1: Secret default/a: data: found 1050000 bytes of data, expected at most 1048576"],
    );
}

#[test]
fn manifests_as_a_cluster_prints_them_are_read() {
    let text = r#"
apiVersion: v1
kind: List
metadata:
  resourceVersion: ""
items:
- apiVersion: v1
  kind: Service
  metadata:
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: |
        {"apiVersion":"v1","kind":"Service"}
    creationTimestamp: "2026-01-31T12:00:00Z"
    finalizers: [service.kubernetes.io/load-balancer-cleanup]
    generation: 3
    labels: {app: db}
    managedFields:
    - {apiVersion: v1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {}}, manager: kubectl,
       operation: Update, time: "2026-01-31T12:00:00Z"}
    name: db
    namespace: prod
    ownerReferences:
    - {apiVersion: apps/v1, blockOwnerDeletion: true, controller: true, kind: Deployment, name: db,
       uid: 1b4e28ba-2fa1-11d2-883f-0016d3cca427}
    resourceVersion: "812"
    uid: 1b4e28ba-2fa1-11d2-883f-0016d3cca427
  spec:
    allocateLoadBalancerNodePorts: true
    clusterIP: 10.0.0.5
    clusterIPs: [10.0.0.5]
    externalTrafficPolicy: Local
    healthCheckNodePort: 30999
    internalTrafficPolicy: Cluster
    ipFamilies: [IPv4]
    ipFamilyPolicy: SingleStack
    loadBalancerSourceRanges: [10.0.0.0/8]
    ports:
    - {appProtocol: postgresql, name: pg, nodePort: 31543, port: 5432, protocol: TCP, targetPort: pg}
    publishNotReadyAddresses: false
    selector: {app: db}
    sessionAffinity: ClientIP
    sessionAffinityConfig: {clientIP: {timeoutSeconds: 10800}}
    trafficDistribution: PreferClose
    type: LoadBalancer
  status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}
- addressType: IPv4
  apiVersion: discovery.k8s.io/v1
  endpoints:
  - addresses: [10.0.1.7]
    conditions: {ready: true, serving: true, terminating: false}
    hints: {forNodes: [{name: n1}], forZones: [{name: z1}]}
    nodeName: n1
    targetRef: {kind: Pod, name: db-0, namespace: prod, uid: 1b4e28ba-2fa1-11d2-883f-0016d3cca427}
    zone: z1
  kind: EndpointSlice
  metadata:
    generateName: db-
    labels: {endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io,
             kubernetes.io/service-name: db}
    name: db-x2x8k
    namespace: prod
  ports:
  - {appProtocol: postgresql, name: pg, port: 5432, protocol: TCP}
- apiVersion: v1
  kind: Namespace
  metadata: {creationTimestamp: null, labels: {kubernetes.io/metadata.name: prod}, name: prod}
  spec: {finalizers: [kubernetes]}
  status: {phase: Active}
- apiVersion: v1
  data: {password: aHVudGVyMg==}
  immutable: true
  kind: Secret
  metadata: {name: db, namespace: prod}
  type: Opaque
- apiVersion: v1
  binaryData: {truststore: AAEC}
  data: {ca.crt: ''}
  immutable: false
  kind: ConfigMap
  metadata: {name: db, namespace: prod}
"#;
    check_text(text, &[]);
    let objects = read_text(text).objects;
    assert_eq!(objects.refs().len(), 5);
    let service = objects.services.values().next().expect("a Service");
    assert_eq!(service.metadata.generation, Some(3));
    assert_eq!(service.spec.ports[0].port, 5432);
    assert!(service.metadata.creation_timestamp.is_some());
    let slice = objects.endpoint_slices.values().next().expect("an EndpointSlice");
    assert_eq!(slice.endpoints[0].conditions.ready, Some(true));
}
