//! `least-right`: what the controller and the proxies may do, and where keys are found.

use e2e::Authority;
use e2e::cluster::{Namespace, PATIENCE, SYSTEM, kubectl, state};

/// Proxies have no rights at all, and no token that the API server takes.
#[test]
fn a_proxy_has_no_rights() {
    let namespace = Namespace::new("rights");
    namespace.apply(&crate::manifests::gateway("edge", &[("pg".to_owned(), "TCP", 5432)]));
    namespace.address_of("edge");
    let rights = |account: &str| {
        let account = format!("system:serviceaccount:{}:{account}", namespace.name());
        kubectl(&["auth", "can-i", "--list", "--as", &account, "-n", namespace.name()])
    };
    // What every account has: to ask who it is, and to see versions.
    assert_eq!(rights("edge-tidegate"), rights("default"));

    let pods = namespace.get(&["pods"]).expect("pods");
    let pod = &pods["items"][0];
    let spec = &pod["spec"];
    assert_eq!(spec["automountServiceAccountToken"], false, "{spec}");
    let projected = spec["volumes"].as_array().expect("volumes").iter();
    let audiences: Vec<_> = projected
        .flat_map(|volume| volume["projected"]["sources"].as_array().into_iter().flatten())
        .filter_map(|source| source["serviceAccountToken"]["audience"].as_str())
        .collect();
    assert_eq!(audiences, ["tidegate.dev/controller"]);
}

/// The namespaces of these tests enforce the `restricted` Pod Security Standard; so does the
/// controller's.
#[test]
fn everything_runs_under_the_restricted_standard() {
    let namespace = e2e::cluster::get(&["namespace", SYSTEM]).expect("it is there");
    let label = &namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
    assert_eq!(label, "restricted");
}

/// A private key reaches the proxy that serves it, and no log, status, metric or admin page.
#[test]
fn a_key_is_found_nowhere_else() {
    let namespace = Namespace::new("keys");
    let identity = Authority::new("Keys").issue(&["db.example.com"]);
    // The middle of the key's base64: no header, and one line of it is enough to recognise.
    let lines: Vec<_> = identity.key.lines().filter(|line| !line.starts_with('-')).collect();
    let needle = *lines.get(lines.len() / 2).expect("a key");
    let indent = |pem: &str| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    namespace.apply(&format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: db, namespace: NAMESPACE}}
type: kubernetes.io/tls
stringData:
  tls.crt: |
{}  tls.key: |
{}---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: edge, namespace: NAMESPACE}}
spec:
  gatewayClassName: tidegate
  listeners:
  - {{name: db, protocol: TLS, port: 443, hostname: db.example.com, tls: {{mode: Terminate, certificateRefs: [{{name: db}}]}}}}
",
        indent(&identity.certificate),
        indent(&identity.key)
    ));
    namespace.until_condition("gateway/edge", "Programmed", "True", PATIENCE);

    let mut places = vec![
        kubectl(&[
            "get",
            "gateways,tlsroutes,events,configmaps,deployments,pods",
            "-A",
            "-o",
            "yaml",
        ]),
        kubectl(&[
            "-n",
            SYSTEM,
            "logs",
            "-l",
            "app.kubernetes.io/name=tidegate",
            "--tail=-1",
            "--prefix",
        ]),
        kubectl(&[
            "-n",
            namespace.name(),
            "logs",
            "-l",
            "app.kubernetes.io/name=tidegate",
            "--tail=-1",
        ]),
    ];
    for entry in std::fs::read_dir(state().join("logs")).expect("the cluster's logs") {
        let path = entry.expect("an entry").path();
        places.push(String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned());
    }
    for (index, place) in places.iter().enumerate() {
        assert!(!place.contains(needle), "the key is in place {index}");
    }
}
