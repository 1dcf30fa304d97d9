//! `docs/reference/gateway-parameters.md` names exactly the fields of the definition in `crds/`.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use tidy::{config, tree};

/// Fields whose type is Kubernetes' own: what is below them is said there.
const KUBERNETES: [&str; 3] = ["affinity", "tolerations", "topologySpreadConstraints"];

#[test]
fn the_page_of_parameters_names_exactly_the_fields_there_are() {
    let path = tree::root().join("docs/reference/gateway-parameters.md");
    let page = fs::read_to_string(&path).expect("a page");
    let documented: BTreeSet<String> = page
        .lines()
        .skip_while(|line| !line.starts_with("| Field"))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|names| names.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    let mut there = BTreeSet::new();
    for document in config::documents("crds") {
        if document.value["spec"]["names"]["kind"] == "GatewayParameters" {
            let schema = &document.value["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            fields(&schema["properties"]["spec"], "", &mut there);
        }
    }
    assert!(there.len() > 20, "the definition is read: {there:?}");
    assert_eq!(documented, there);
}

/// The paths of the fields that have a value of their own. Lists are one.
fn fields(schema: &Value, above: &str, found: &mut BTreeSet<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{above}{name}");
        if field["properties"].is_object() && !KUBERNETES.contains(&name.as_str()) {
            fields(field, &format!("{path}."), found);
        } else {
            found.insert(path);
        }
    }
}
