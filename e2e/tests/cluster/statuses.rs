//! What statuses say, and what they leave alone.

use std::time::Duration;

use e2e::cluster::{Namespace, PATIENCE, conditions, get, kubectl, try_kubectl};
use e2e::{eventually, eventually_some};
use serde_json::Value;

use crate::manifests::{gateway, route};

const SOON: Duration = Duration::from_secs(20);

fn tcp(name: &str, port: u16) -> (String, &'static str, u16) {
    (name.to_owned(), "TCP", port)
}

/// `status-loser`: two TCPRoutes want one listener.
#[test]
fn the_route_that_lost_its_listener_says_to_whom() {
    let namespace = Namespace::new("loser");
    namespace.apply(&gateway("edge", &[tcp("pg", 5432)]));
    namespace.apply(&route("TCPRoute", "first", "edge", "pg", "nobody"));
    namespace.until_condition("tcproute/first", "Accepted", "True", PATIENCE);
    // Creation timestamps have seconds; of one second, the name decides.
    namespace.apply(&route("TCPRoute", "second", "edge", "pg", "nobody"));
    namespace.until_condition("tcproute/second", "Accepted", "True", SOON);
    let effective =
        namespace.until_condition("tcproute/second", "tidegate.dev/Effective", "False", SOON);
    assert_eq!(effective["reason"], "ListenerAlreadyClaimed");
    let message = effective["message"].as_str().expect("a message");
    assert!(message.contains("first"), "{message}");
    eventually("both are counted", SOON, || {
        let gateway = namespace.get(&["gateway/edge"]).unwrap_or_default();
        gateway["status"]["listeners"][0]["attachedRoutes"] == 2
    });
}

/// What is not ours in a status stays, byte for byte.
#[test]
fn foreign_conditions_and_parents_are_kept() {
    let namespace = Namespace::new("foreign");
    namespace.apply(
        &(gateway("edge", &[tcp("pg", 5432)]) + &route("TCPRoute", "pg", "edge", "pg", "nobody")),
    );
    namespace.until_condition("gateway/edge", "Accepted", "True", PATIENCE);
    namespace.until_condition("tcproute/pg", "Accepted", "True", SOON);

    let condition = r#"{"type":"example.org/Seen","status":"True","reason":"Seen","message":"kept","lastTransitionTime":"2020-01-01T00:00:00Z","observedGeneration":1}"#;
    let parent = format!(
        r#"{{"parentRef":{{"name":"edge"}},"controllerName":"example.org/other","conditions":[{condition}]}}"#
    );
    let add = |object: &str, path: &str, value: &str| {
        let patch = format!(r#"[{{"op":"add","path":"{path}","value":{value}}}]"#);
        kubectl(&[
            "-n",
            namespace.name(),
            "patch",
            object,
            "--subresource=status",
            "--type=json",
            "-p",
            &patch,
        ]);
    };
    add("gateway/edge", "/status/conditions/-", condition);
    add("gateway/edge", "/status/listeners/0/conditions/-", condition);
    add("tcproute/pg", "/status/parents/-", &parent);

    // New generations, so that both statuses are written again.
    namespace.apply(&gateway("edge", &[tcp("pg", 5432), tcp("more", 5433)]));
    namespace.apply(&route("TCPRoute", "pg", "edge", "more", "nobody"));
    let foreign = |object: &Value, generation: i64| -> Option<Vec<Value>> {
        let ours = conditions(object)
            .into_iter()
            .filter(|condition| condition["observedGeneration"].as_i64() == Some(generation));
        (ours.count() > 0).then(|| {
            let all = conditions(object).into_iter();
            all.filter(|condition| condition["type"] == "example.org/Seen").cloned().collect()
        })
    };
    let seeded: Value = serde_json::from_str(condition).expect("JSON");
    for (object, times) in [("gateway/edge", 2), ("tcproute/pg", 1)] {
        let kept = eventually_some("it is written again", SOON, || {
            let object = namespace.get(&[object])?;
            foreign(&object, object["metadata"]["generation"].as_i64()?)
        });
        assert_eq!(kept, vec![seeded.clone(); times], "{object}");
    }
}

/// Two GatewayClasses of ours, and one of somebody else.
#[test]
fn every_class_of_ours_is_served_and_no_other() {
    let namespace = Namespace::new("classes");
    let class = |name: &str, controller: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: NAMESPACE-{name}}}
spec: {{controllerName: {controller}}}
---
"
        )
    };
    let classes =
        class("ours", "tidegate.dev/gateway-controller") + &class("theirs", "example.org/other");
    let of = |name: &str| {
        gateway(name, &[tcp("pg", 5432)])
            .replace("gatewayClassName: tidegate", &format!("gatewayClassName: NAMESPACE-{name}"))
    };
    namespace.apply(&(classes.clone() + &of("ours") + &of("theirs")));
    namespace.until_condition("gateway/ours", "Accepted", "True", PATIENCE);
    let theirs = namespace.get(&["gateway/theirs"]).expect("it is there");
    let reasons: Vec<_> = conditions(&theirs).iter().map(|c| c["reason"].clone()).collect();
    assert!(reasons.iter().all(|reason| reason == "Pending"), "{reasons:?}");
    assert_eq!(namespace.proxies_of("theirs"), Vec::<String>::new());
    namespace.delete(&of("ours"));
    namespace.delete(&classes);
    let class = format!("gatewayclass/{}-ours", namespace.name());
    eventually("the finalizer lets the class go", SOON, || get(&[&class]).is_none());
}

/// The longest name there can be.
#[test]
fn a_gateway_with_a_name_of_253_characters_is_provisioned_and_goes() {
    let namespace = Namespace::new("long");
    let label = "n".repeat(62);
    let name = format!("{label}.{label}.{label}.{}", "n".repeat(64));
    let name = &name[..253];
    namespace.apply(&gateway(name, &[tcp("pg", 5432)]));
    namespace.until_condition(&format!("gateway/{name}"), "Programmed", "True", PATIENCE);
    namespace.delete(&gateway(name, &[]).replace("listeners:", "listeners: []"));
    eventually("nothing that was made for it is left", PATIENCE, || {
        let kinds = "service,deployment,serviceaccount,poddisruptionbudget";
        let managed = "app.kubernetes.io/managed-by=tidegate";
        let left = namespace.get(&[kinds, "-l", managed]).unwrap_or_default();
        left["items"].as_array().is_some_and(Vec::is_empty)
    });
}

/// What was made by hand-editing is put right; what was made by others is left alone.
#[test]
fn drift_is_repaired() {
    let namespace = Namespace::new("drift");
    namespace.apply(&gateway("edge", &[tcp("pg", 5432), ("dns".to_owned(), "UDP", 53)]));
    namespace.address_of("edge");
    let ports = || {
        let service = namespace.get(&["service/edge-tidegate"])?;
        let ports = service["spec"]["ports"].as_array()?.iter();
        let mut ports: Vec<_> =
            ports.map(|port| format!("{}/{}", port["port"], port["protocol"])).collect();
        ports.sort();
        Some(ports)
    };
    let wanted = ["53/\"UDP\"", "5432/\"TCP\""].map(str::to_owned).to_vec();
    assert_eq!(ports(), Some(wanted.clone()));
    let patch = r#"[{"op":"remove","path":"/spec/ports/0"}]"#;
    kubectl(&[
        "-n",
        namespace.name(),
        "patch",
        "service/edge-tidegate",
        "--type=json",
        "-p",
        patch,
    ]);
    eventually("the removed port is back", SOON, || ports().as_ref() == Some(&wanted));
    kubectl(&["-n", namespace.name(), "delete", "deployment/edge-tidegate", "--wait=true"]);
    eventually("the deleted Deployment is back", SOON, || {
        namespace.get(&["deployment/edge-tidegate"]).is_some()
    });
    let refused = try_kubectl(&["-n", namespace.name(), "get", "deployment/edge-tidegate"], "");
    assert!(refused.is_ok(), "{refused:?}");
}
