//! What the manifest loader and today's CRDs refuse, but the CRDs of an older cluster let through.

use serde_json::{Value, json};

use crate::hostile::build;
use crate::references::object;

/// The findings of a Gateway with this listener and a TCPRoute with these rules.
fn findings(listener: Value, rules: Value) -> Vec<String> {
    let spec = json!({"gatewayClassName": "tidegate", "listeners": [listener]});
    let route = json!({"parentRefs": [{"name": "g"}], "rules": rules});
    let service = json!({"ports": [{"port": 80}]});
    let documents = [
        object("Gateway", "n0", "g", spec),
        object("TCPRoute", "n0", "r", route),
        object("Service", "n0", "v", service),
    ];
    let findings = build(&documents).translate().findings.into_iter();
    findings
        .map(|finding| {
            let field = finding.field.unwrap_or_default();
            format!("{:?} {} {field}: {}", finding.severity, finding.id, finding.message)
        })
        .filter(|line| !line.contains("no-ready-endpoints"))
        .collect()
}

fn check(listener: Value, rules: Value, expected: &[&str]) {
    assert_eq!(findings(listener, rules), expected);
}

fn rules() -> Value {
    json!([{"backendRefs": [{"name": "v", "port": 80}]}])
}

#[test]
fn a_port_out_of_range_is_refused() {
    for port in [0, -1, 65_536] {
        let listener = json!({"name": "l", "protocol": "TCP", "port": port});
        let message = format!(
            "Error UnsupportedValue spec.listeners[0].port: {port} is no port: expected 1 to 65535"
        );
        check(listener, rules(), &[&message]);
    }
}

#[test]
fn a_host_name_on_a_tcp_listener_is_told() {
    check(
        json!({"name": "l", "protocol": "TCP", "port": 5432, "hostname": "db.example.com"}),
        rules(),
        &[
            "Warning host-on-tcp spec.listeners[0].hostname: hostname db.example.com is ignored: TCP \
           knows no host names; expected protocol TLS, or no hostname",
        ],
    );
}

#[test]
fn tls_on_a_tcp_listener_is_refused() {
    check(
        json!({"name": "l", "protocol": "TCP", "port": 5432, "tls": {"mode": "Passthrough"}}),
        rules(),
        &[
            "Error UnsupportedValue spec.listeners[0].tls: protocol TCP has no TLS: expected protocol TLS",
        ],
    );
}

#[test]
fn a_route_without_exactly_one_rule_is_refused() {
    for (number, rules) in [(0, json!([])), (2, json!([{"backendRefs": []}, {"backendRefs": []}]))]
    {
        let message =
            format!("Error UnsupportedValue spec.rules: {number} rules: expected exactly 1");
        let listener = json!({"name": "l", "protocol": "TCP", "port": 5432});
        check(listener, rules, &[&message]);
    }
}

#[test]
fn a_backend_without_port_is_not_found() {
    check(
        json!({"name": "l", "protocol": "TCP", "port": 5432}),
        json!([{"backendRefs": [{"name": "v"}]}]),
        &[
            "Error BackendNotFound spec.rules[0].backendRefs[0].port: no port: expected one of Service \
           n0/v, which has 80/TCP",
        ],
    );
}

#[test]
fn what_is_no_hostname_is_refused() {
    check(
        json!({
            "name": "l", "protocol": "TLS", "port": 443, "hostname": "no name",
            "tls": {"mode": "Passthrough"}, "allowedRoutes": {"kinds": []},
        }),
        json!([{"backendRefs": []}]),
        &[
            "Error UnsupportedValue spec.listeners[0].hostname: \"no name\" is no hostname: expected \
             one like db.example.com or *.example.com",
            "Error NotAllowedByListeners spec.parentRefs[0]: listener l (TLS) takes TLSRoute: \
             expected one that takes TCPRoute",
        ],
    );
}
