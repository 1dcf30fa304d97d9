//! The manifests of Gateway API's conformance suite, translated offline and held to what its tests
//! expect: a regression shows in a second and without a cluster.
//!
//! They are read from Go's module cache, where `go mod download` puts them; without Go and without
//! a network the reason is printed and the suite counts as skipped.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/world.rs"]
mod world;

#[path = "upstream/expected.rs"]
mod expected;
#[path = "upstream/module.rs"]
mod module;

use std::fs;
use std::path::Path;

use gwapi::listeners::RouteGroupKind;
use gwapi::{Kind, ObjectKey};
use translate::status::{Condition, ListenerStatus, ParentStatus};
use translate::{ServiceAddresses, Statuses};
use world::OwnedWorld;

const NAMESPACE: &str = "gateway-conformance-infra";

/// Made by the suite's set-up, not by its manifests.
const SET_UP: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: conformance}
spec: {controllerName: tidegate.dev/gateway-controller}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: tls-checks-ca-certificate, namespace: gateway-conformance-infra}
data: {ca.crt: ${text:ca.crt}}
";

/// Secrets that the suite's set-up makes.
const SECRETS: [(&str, &str); 4] = [
    ("gateway-conformance-infra", "tls-terminate-checks-certificate"),
    ("gateway-conformance-infra", "tls-validity-checks-certificate"),
    ("gateway-conformance-web-backend", "certificate"),
    ("gateway-api-listener-sets-test-reference-grant-ns", "certificate"),
];

#[test]
fn manifests_of_1_7_get_the_conditions_that_its_tests_expect() {
    println!("{}", check("v1.7.0"));
}

#[test]
fn manifests_of_1_6_get_the_conditions_that_its_tests_expect() {
    println!("{}", check("v1.6.3"));
}

/// Says what was checked, or why nothing was.
fn check(version: &str) -> String {
    let module = match module::find(version) {
        Ok(module) => module,
        Err(reason) => return format!("skipped: conformance suite {version}: {reason}"),
    };
    let mut wrong = vec![];
    let mut checked = 0;
    for case in expected::cases() {
        if !case.is_in(version) {
            continue;
        }
        let statuses = translate(&module, &case);
        for line in &case.expected {
            checked += 1;
            if let Err(found) = holds(&statuses, line) {
                wrong.push(format!("{}: {line}: found {found}", case.name));
            }
        }
    }
    assert!(checked > 300, "only {checked} expectations");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    format!("{checked} expectations of {version} hold")
}

fn translate(module: &Path, case: &expected::Case) -> Statuses {
    let read = |path: &str| fs::read_to_string(module.join(path)).expect("a manifest");
    let own = read(&format!("tests/{}.yaml", case.name));
    let mut documents =
        documents(&read("base/manifests.yaml"), |kind| matches!(kind, "Service" | "Gateway"));
    documents.extend(self::documents(&own, |kind| {
        Kind::ALL.iter().any(|known| known.as_str() == kind)
            && !(case.without_grants && kind == "ReferenceGrant")
    }));
    documents.push(SET_UP.to_owned());
    documents.push(case.more.clone());
    for (namespace, name) in SECRETS {
        documents.push(format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: \
             {namespace}}}\ntype: kubernetes.io/tls\ndata:\n  tls.crt: ${{base64:star.crt}}\n  \
             tls.key: ${{base64:star.key}}"
        ));
    }
    let text = documents.join("\n---\n").replace("{GATEWAY_CLASS_NAME}", "conformance");
    let mut world = OwnedWorld::standalone(world::objects(&case.name, certificates::fill(&text)));
    // Every Gateway of the suite has an address of its own.
    let gateways = world.objects.gateways.keys().cloned();
    let address = || ServiceAddresses {
        assigned: vec!["198.51.100.7".to_owned()],
        ..ServiceAddresses::default()
    };
    world.services = Some(gateways.map(|key| (key, address())).collect());
    world.settings.trust_endpoints = false;
    world.settings.bundle_version = Some("v1.7.0".to_owned());
    world.translate_bound(&Default::default()).statuses
}

fn documents(text: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        if line.starts_with("---") {
            documents.push(String::new());
        } else if let Some(document) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    let kind = |document: &String| {
        let kind = document.lines().find_map(|line| line.strip_prefix("kind: "));
        kind.is_some_and(&is_wanted)
    };
    documents.into_iter().filter(kind).collect()
}

/// Whether a line of the table holds; what was found if not.
fn holds(statuses: &Statuses, line: &str) -> Result<(), String> {
    let mut words = line.split_whitespace();
    let (Some(kind), Some(name), Some(check)) = (words.next(), words.next(), words.next()) else {
        return Err("a line without kind, name and check".to_owned());
    };
    let (name, listener) = name.split_once('#').unwrap_or((name, ""));
    let (namespace, name) = name.split_once('/').unwrap_or((NAMESPACE, name));
    let key = ObjectKey::new(namespace, name);
    let missing = || "no status".to_owned();
    let (conditions, listeners, sets): (&[Condition], &[ListenerStatus], i32) = match kind {
        "Gateway" => {
            let status = statuses.gateways.get(&key).ok_or_else(missing)?;
            (&status.conditions, &status.listeners, status.attached_listener_sets)
        }
        "ListenerSet" => {
            let status = statuses.listener_sets.get(&key).ok_or_else(missing)?;
            (&status.conditions, &status.listeners, 0)
        }
        "BackendTLSPolicy" => {
            let status = statuses.backend_tls_policies.get(&key).ok_or_else(missing)?;
            let ancestor = status.ancestors.first().ok_or_else(missing)?;
            (&ancestor.conditions, &[], 0)
        }
        route => {
            let routes = match route {
                "TCPRoute" => &statuses.tcp_routes,
                "UDPRoute" => &statuses.udp_routes,
                "HTTPRoute" => &statuses.http_routes,
                _ => &statuses.tls_routes,
            };
            let parents: &[ParentStatus] = &routes.get(&key).ok_or_else(missing)?.parents;
            let parent = parents.first().filter(|_| parents.len() == 1).ok_or_else(missing)?;
            (&parent.conditions, &[], 0)
        }
    };
    let listener = listeners.iter().find(|status| status.name == listener);
    let conditions = listener.map_or(conditions, |listener| &listener.conditions);
    let (what, wanted) = check.split_once('=').ok_or("a check without =")?;
    let found = match what {
        "sets" => sets.to_string(),
        "attached" => listener.ok_or_else(missing)?.attached_routes.to_string(),
        "kinds" => kinds(&listener.ok_or_else(missing)?.supported_kinds),
        r#type => {
            let condition = conditions.iter().find(|condition| condition.r#type == r#type);
            let condition = condition.ok_or("no such condition")?;
            let status = if condition.status { "True" } else { "False" };
            match wanted.contains('/') {
                true => format!("{status}/{}", condition.reason),
                false => status.to_owned(),
            }
        }
    };
    if found == wanted { Ok(()) } else { Err(found) }
}

fn kinds(kinds: &[RouteGroupKind]) -> String {
    kinds.iter().map(|kind| kind.kind.as_str()).collect::<Vec<_>>().join(",")
}
