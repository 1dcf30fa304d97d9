//! What is given to other tools: the health checks for Argo CD, run by the Lua that they are
//! written for, against statuses as they are written to routes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use e2e::{Program, output};
use serde_json::{Value, json};

const OURS: &str = "tidegate.dev/gateway-controller";

/// The scripts, by the kind that they are for.
fn scripts() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/argocd/argocd-cm.yaml");
    let text = fs::read_to_string(path).expect("a file");
    let prefix = "  resource.customizations.health.gateway.networking.k8s.io_";
    let mut scripts: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix(prefix) {
            let kind = kind.strip_suffix(": |").expect("a block");
            scripts.push((kind.to_owned(), String::new()));
        } else if let (Some((_, script)), Some(line)) =
            (scripts.last_mut(), line.strip_prefix("    "))
        {
            script.push_str(line);
            script.push('\n');
        }
    }
    scripts
}

/// A JSON value as a Lua expression.
fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Array(items) => {
            format!("{{{}}}", items.iter().map(lua).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(key, value)| format!("[{key:?}] = {}", lua(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        plain => plain.to_string(),
    }
}

/// What Argo CD makes of an object: status and message.
fn judged(script: &str, object: &Value) -> (String, String) {
    let program = format!(
        "obj = {}\nlocal function check()\n{script}\nend\nlocal health = check()\n\
         print(health.status)\nprint(health.message)\n",
        lua(object)
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("check.lua");
    fs::write(&file, program).expect("written");
    let text = output(&Program::new("lua5.1").arg(&file), Duration::from_secs(10));
    let (status, message) = text.split_once('\n').expect("two lines");
    (status.to_owned(), message.trim_end().to_owned())
}

fn condition(r#type: &str, status: &str, reason: &str, generation: u32) -> Value {
    let message = "as it is said";
    json!({"type": r#type, "status": status, "reason": reason, "message": message,
        "observedGeneration": generation})
}

fn route(parents: &[(&str, Vec<Value>)]) -> Value {
    let parents: Vec<_> = parents
        .iter()
        .map(|(controller, conditions)| {
            json!({"controllerName": controller, "parentRef": {"name": "edge"},
                "conditions": conditions})
        })
        .collect();
    json!({"metadata": {"name": "db", "generation": 2}, "status": {"parents": parents}})
}

#[test]
fn argo_cd_tells_routes_that_are_served_from_those_that_are_not() {
    let accepted = condition("Accepted", "True", "Accepted", 2);
    let resolved = condition("ResolvedRefs", "True", "ResolvedRefs", 2);
    let stale = condition("Accepted", "True", "Accepted", 1);
    let not_found = condition("ResolvedRefs", "False", "BackendNotFound", 2);
    let loser = condition("tidegate.dev/Effective", "False", "ListenerAlreadyClaimed", 2);
    let foreign = condition("Accepted", "False", "NoMatchingParent", 2);
    let good = vec![accepted.clone(), resolved.clone()];
    let cases = [
        ("no status", json!({"metadata": {"generation": 2}}), "Progressing"),
        ("another's only", route(&[("other", good.clone())]), "Progressing"),
        ("older", route(&[(OURS, vec![stale, resolved.clone()])]), "Progressing"),
        ("served", route(&[(OURS, good.clone())]), "Healthy"),
        ("another's refusal", route(&[("other", vec![foreign]), (OURS, good.clone())]), "Healthy"),
        ("no backend", route(&[(OURS, vec![accepted.clone(), not_found.clone()])]), "Degraded"),
        (
            "one of two",
            route(&[(OURS, good), (OURS, vec![accepted.clone(), not_found])]),
            "Degraded",
        ),
        ("an older route has it", route(&[(OURS, vec![accepted, resolved, loser])]), "Degraded"),
    ];
    let scripts = scripts();
    let kinds: Vec<&str> = scripts.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["TCPRoute", "UDPRoute", "TLSRoute"]);
    for (kind, script) in &scripts {
        for (name, object, expected) in &cases {
            let (status, message) = judged(script, object);
            assert_eq!(status, *expected, "{kind}, {name}: {message}");
            assert!(!message.is_empty(), "{kind}, {name}");
        }
    }
    let (_, message) = judged(&scripts[0].1, &cases[5].1);
    assert_eq!(message, "BackendNotFound: as it is said");
}
