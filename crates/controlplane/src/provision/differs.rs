//! Whether a live object still is what was applied. Pure.
//!
//! The API server fills in defaults and others add fields: what was asked for must be in the live
//! object, and only that. What was asked for once and is not any more shows by the hash in
//! [`super::desired::APPLIED_ANNOTATION`].

use kube::core::DynamicObject;
use serde_json::{Map, Value};

/// Fields that tell the items of a list apart, by the list's name. Others may add items there, as a
/// sidecar is added to containers; other lists are taken as a whole.
const KEYS: [(&str, &[&str]); 5] = [
    ("ports", &["port", "containerPort", "protocol"]),
    ("containers", &["name"]),
    ("volumes", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("sysctls", &["name"]),
];

/// The path of the first thing that is asked for and is not there; `None` if all is there.
pub(super) fn differs(wanted: &Value, live: &DynamicObject) -> Option<String> {
    let metadata = wanted.get("metadata")?;
    let has = |name: &str, live: &std::collections::BTreeMap<String, String>| {
        let asked = metadata.get(name)?.as_object()?;
        let lost =
            asked.iter().find(|(key, value)| live.get(*key).map(String::as_str) != value.as_str());
        lost.map(|(key, _)| format!("metadata.{name}[{key}]"))
    };
    let nothing = std::collections::BTreeMap::new();
    has("labels", live.metadata.labels.as_ref().unwrap_or(&nothing))
        .or_else(|| has("annotations", live.metadata.annotations.as_ref().unwrap_or(&nothing)))
        .or_else(|| {
            let fields = wanted.as_object()?;
            let own = |name: &str| !matches!(name, "apiVersion" | "kind" | "metadata");
            let found = live.data.as_object();
            let found = |name: &str| found.and_then(|data| data.get(name));
            fields
                .iter()
                .filter(|(name, _)| own(name))
                .find_map(|(name, wanted)| lost(name, name, wanted, found(name)))
        })
}

/// What of `wanted` is not in `live`; `name` is the field, `path` where it is.
fn lost(name: &str, path: &str, wanted: &Value, live: Option<&Value>) -> Option<String> {
    let here = || Some(path.to_owned());
    match (wanted, live) {
        (wanted, None) => {
            if is_empty(wanted) {
                None
            } else {
                here()
            }
        }
        (Value::Object(wanted), Some(Value::Object(live))) => lost_field(path, wanted, live),
        (Value::Array(wanted), Some(Value::Array(live))) => {
            match KEYS.iter().find(|(list, _)| *list == name) {
                Some((_, keys)) => wanted.iter().find_map(|wanted| {
                    let is_it = |live: &&Value| keys.iter().all(|key| live[*key] == wanted[*key]);
                    let word = keys
                        .iter()
                        .find_map(|key| Some(wanted[*key].to_string()).filter(|w| w != "null"));
                    let path = format!("{path}[{}]", word.unwrap_or_default());
                    lost("", &path, wanted, live.iter().find(is_it))
                }),
                None if wanted.len() != live.len() => here(),
                None => wanted.iter().zip(live).enumerate().find_map(|(index, (wanted, live))| {
                    lost("", &format!("{path}[{index}]"), wanted, Some(live))
                }),
            }
        }
        (wanted, Some(live)) => {
            if wanted == live {
                None
            } else {
                here()
            }
        }
    }
}

fn lost_field(
    path: &str,
    wanted: &Map<String, Value>,
    live: &Map<String, Value>,
) -> Option<String> {
    wanted
        .iter()
        .find_map(|(name, wanted)| lost(name, &format!("{path}.{name}"), wanted, live.get(name)))
}

/// What the API server leaves out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        _ => false,
    }
}

/// Whether a live object has to be made anew, because Kubernetes lets nobody change a field of it.
pub(super) fn needs_replacing(wanted: &Value, live: &DynamicObject) -> bool {
    let asked = |path: &str| wanted.pointer(path);
    let found = |path: &str| live.data.pointer(path);
    let balanced = Some("LoadBalancer");
    let was_balanced = found("/spec/type").and_then(Value::as_str) == balanced;
    let is_balanced = asked("/spec/type").and_then(Value::as_str) == balanced;
    // Service: "may not change once set", and can only be set with the type.
    let class = "/spec/loadBalancerClass";
    let other_class = was_balanced && is_balanced && asked(class) != found(class);
    // Service: the first family is that of the cluster IP.
    let family = "/spec/ipFamilies/0";
    let other_family = asked(family).is_some() && asked(family) != found(family);
    // Deployment.
    let selector = "/spec/selector/matchLabels";
    let other_selector = asked(selector).is_some() && asked(selector) != found(selector);
    let is_budget = wanted["kind"] == "PodDisruptionBudget";
    other_class || other_family || (other_selector && !is_budget)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live(value: Value) -> DynamicObject {
        serde_json::from_value(value).expect("an object")
    }

    fn service(spec: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {
            "name": "a", "labels": {"a": "b"}, "annotations": {"c": "d"}
        }, "spec": spec})
    }

    #[test]
    fn defaults_of_the_api_server_and_additions_of_others_are_no_drift() {
        let wanted = service(json!({
            "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
            "loadBalancerSourceRanges": [],
        }));
        let found = live(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "a", "uid": "1", "labels": {"a": "b", "x": "y"},
                "annotations": {"c": "d", "cloud.example/id": "7"}},
            "spec": {"clusterIP": "10.0.0.1", "ports": [
                {"port": 53, "protocol": "TCP", "nodePort": 31000},
                {"port": 53, "protocol": "UDP", "nodePort": 31000},
                {"port": 99, "protocol": "UDP"},
            ]},
            "status": {"loadBalancer": {}},
        }));
        assert_eq!(differs(&wanted, &found), None);
    }

    #[test]
    fn what_is_lost_or_changed_is_named() {
        let spec = json!({
            "type": "LoadBalancer",
            "ports": [{"port": 53, "protocol": "UDP", "targetPort": 53}],
            "selector": {"a": "b"},
            "list": [1, 2],
        });
        let wanted = service(spec.clone());
        assert_eq!(differs(&wanted, &live(wanted.clone())), None);
        let changes: [(&str, Value, &str); 7] = [
            ("/metadata/labels/a", json!("x"), "metadata.labels[a]"),
            ("/metadata/annotations", json!({}), "metadata.annotations[c]"),
            ("/spec/type", json!("NodePort"), "spec.type"),
            ("/spec/ports/0/targetPort", json!(54), "spec.ports[53].targetPort"),
            ("/spec/ports", json!([]), "spec.ports[53]"),
            ("/spec/selector", json!({}), "spec.selector.a"),
            ("/spec/list", json!([2, 1]), "spec.list[0]"),
        ];
        for (path, value, expected) in changes {
            let mut changed = wanted.clone();
            *changed.pointer_mut(path).expect("it is there") = value;
            assert_eq!(differs(&wanted, &live(changed)).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_kubernetes_does_not_let_change_is_made_anew() {
        let balanced = |rest: Value| {
            let mut spec = json!({"type": "LoadBalancer", "ipFamilies": ["IPv4"]});
            spec.as_object_mut().expect("one").extend(rest.as_object().expect("one").clone());
            service(spec)
        };
        let plain = live(balanced(json!({})));
        assert!(!needs_replacing(&balanced(json!({})), &plain));
        assert!(needs_replacing(&balanced(json!({"loadBalancerClass": "a/b"})), &plain));
        assert!(needs_replacing(&balanced(json!({"ipFamilies": ["IPv6"]})), &plain));
        let inside = service(json!({"type": "ClusterIP"}));
        assert!(!needs_replacing(&inside, &live(balanced(json!({"loadBalancerClass": "a/b"})))));
        let selects = |kind: &str, label: &str| {
            json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "a"},
                "spec": {"selector": {"matchLabels": {"a": label}}}})
        };
        assert!(needs_replacing(&selects("Deployment", "b"), &live(selects("Deployment", "c"))));
        let budget = "PodDisruptionBudget";
        assert!(!needs_replacing(&selects(budget, "b"), &live(selects(budget, "c"))));
    }
}
