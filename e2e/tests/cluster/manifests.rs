//! Manifests as a person would write them; `NAMESPACE` stands for the test's own.

use std::fmt::Write as _;

/// A Gateway of class `tidegate` with these listeners: name, protocol, port.
pub(crate) fn gateway(name: &str, listeners: &[(String, &str, u16)]) -> String {
    let mut text = format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: NAMESPACE}}
spec:
  gatewayClassName: tidegate
  listeners:
"
    );
    for (listener, protocol, port) in listeners {
        let _ = writeln!(text, "  - {{name: {listener}, protocol: {protocol}, port: {port}}}");
    }
    text + "---\n"
}

/// A TCPRoute or UDPRoute of a listener to port 80 of a Service.
pub(crate) fn route(
    kind: &str,
    name: &str,
    gateway: &str,
    listener: &str,
    backend: &str,
) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: {kind}
metadata: {{name: {name}, namespace: NAMESPACE}}
spec:
  parentRefs: [{{name: {gateway}, sectionName: {listener}}}]
  rules: [{{backendRefs: [{{name: {backend}, port: 80}}]}}]
---
"
    )
}
