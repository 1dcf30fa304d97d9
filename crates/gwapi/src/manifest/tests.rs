use super::*;
use crate::{Kind, ObjectKey};

fn read_text(text: &str) -> Manifests {
    read(&[Source { path: "a.yaml".into(), text: text.to_owned() }])
}

#[test]
fn one_wrong_object_leaves_the_others() {
    let manifests = read_text(
        "apiVersion: v1
kind: Namespace
metadata: {name: a}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: b}
spec:
  rules:
  - backendRefs:
    - name: c
      port: 70000
---
apiVersion: v1
kind: Namespace
metadata: {name: d}
",
    );
    let errors: Vec<String> = manifests.errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        ["a.yaml:12:13: TCPRoute default/b: spec.rules[0].backendRefs[0].port: \
             found 70000, expected 1 to 65535"]
    );
    let loaded: Vec<String> = manifests.objects.refs().iter().map(ToString::to_string).collect();
    assert_eq!(loaded, ["Namespace a", "Namespace d"]);
    let namespace = ObjectRef::new(Kind::Namespace, ObjectKey::new("", "d"));
    let name = manifests.locations.find(&namespace, Some("metadata.name")).expect("loaded");
    assert_eq!((name.line, name.column), (16, 18));
}
