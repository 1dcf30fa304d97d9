//! The manifests of `config/` fit together: what one names, another is. That they build and that an
//! API server takes them is seen in the cluster; what is said here holds without one.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};
use tidy::config::{self, Document, words};
use tidy::tree;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn find(kind: &str, name: &str) -> Document {
    let mut documents = config::documents("config").into_iter();
    let found = documents.find(|document| (document.kind(), document.name()) == (kind, name));
    found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

fn kustomizations() -> Vec<Document> {
    let mut documents = config::documents("config");
    documents.extend(config::documents("crds"));
    documents.retain(|document| matches!(document.kind(), "Kustomization" | "Component"));
    documents
}

#[test]
fn every_kustomization_names_what_is_there() {
    let root = tree::root();
    let known = [
        "apiVersion",
        "components",
        "images",
        "kind",
        "labels",
        "namespace",
        "patches",
        "replacements",
        "resources",
    ];
    for document in kustomizations() {
        let folder = root.join(document.folder());
        for field in document.value.as_object().expect("an object").keys() {
            assert!(known.contains(&field.as_str()), "{}: {field}", document.path);
        }
        let lists = ["resources", "components"].map(|field| words(&document.value[field])).concat();
        let patches = document.value["patches"].as_array().into_iter().flatten();
        let patches = patches.filter_map(|patch| patch["path"].as_str());
        for name in lists.into_iter().chain(patches) {
            let path = folder.join(name);
            let is_there = match path.is_dir() {
                true => path.join("kustomization.yaml").exists(),
                false => path.exists(),
            };
            assert!(is_there, "{}: {name} is not there", document.path);
        }
    }
}

#[test]
fn every_manifest_is_named_by_its_kustomization() {
    let kustomizations = kustomizations();
    for file in config::files("config") {
        let (folder, name) = file.path.rsplit_once('/').expect("a folder");
        // A folder of manifests for a process without a cluster.
        if name == "kustomization.yaml" || folder.starts_with("config/standalone") {
            continue;
        }
        let beside = kustomizations.iter().find(|document| document.folder() == folder);
        let beside = beside.unwrap_or_else(|| panic!("{folder} has no kustomization.yaml"));
        let patches = beside.value["patches"].as_array().into_iter().flatten();
        let mut named = words(&beside.value["resources"]);
        named.extend(patches.filter_map(|patch| patch["path"].as_str()));
        assert!(named.contains(&name), "{}: {name} is not named", beside.path);
    }
}

/// The labels of the controller's pods.
fn labels_of_the_controller() -> Map<String, Value> {
    let deployment = find("Deployment", "tidegate-controller");
    let labels = &deployment.value["spec"]["template"]["metadata"]["labels"];
    labels.as_object().expect("labels").clone()
}

#[test]
fn what_selects_the_controller_selects_its_pods() {
    let labels = labels_of_the_controller();
    let selects = |selector: &Value, of: &str| {
        let selector = selector.as_object().unwrap_or_else(|| panic!("{of} selects nothing"));
        assert!(!selector.is_empty(), "{of} selects everything");
        for (key, value) in selector {
            assert_eq!(labels.get(key), Some(value), "{of}: {key}");
        }
    };
    let deployment = find("Deployment", "tidegate-controller").value;
    let budget = find("PodDisruptionBudget", "tidegate-controller").value;
    let policy = find("NetworkPolicy", "tidegate-controller").value;
    let service = find("Service", "tidegate-controller").value;
    selects(&deployment["spec"]["selector"]["matchLabels"], "the Deployment");
    selects(&budget["spec"]["selector"]["matchLabels"], "the PodDisruptionBudget");
    selects(&policy["spec"]["podSelector"]["matchLabels"], "the NetworkPolicy");
    selects(&service["spec"]["selector"], "the Service");
    let spread = &deployment["spec"]["template"]["spec"]["topologySpreadConstraints"];
    for constraint in spread.as_array().expect("constraints") {
        selects(&constraint["labelSelector"]["matchLabels"], "a spread");
    }
}

#[test]
fn ports_go_by_names_that_the_controller_has() {
    let deployment = find("Deployment", "tidegate-controller").value;
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let port = |name: &str| {
        let mut ports = container["ports"].as_array().expect("ports").iter();
        let port = ports.find(|port| port["name"] == name);
        port.unwrap_or_else(|| panic!("no port {name}"))["containerPort"].as_i64().expect("a port")
    };
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], "health", "{probe}");
    }
    let service = find("Service", "tidegate-controller").value;
    let grpc = &service["spec"]["ports"][0];
    assert_eq!(grpc["targetPort"], "grpc");
    assert_eq!(grpc["port"].as_i64(), Some(port("grpc")));
    let arguments = words(&container["args"]);
    let argument = |name: &str| {
        let prefix = format!("--{name}=");
        let mut found = arguments.iter().filter_map(|argument| argument.strip_prefix(&*prefix));
        found.next().unwrap_or_else(|| panic!("no argument --{name}"))
    };
    assert_eq!(argument("stream-address"), format!("0.0.0.0:{}", port("grpc")));
    assert_eq!(argument("health"), format!("0.0.0.0:{}", port("health")));
    let name = format!("tidegate-controller.tidegate.svc:{}", port("grpc"));
    assert_eq!(argument("advertise"), name, "it is the name in the certificate");
    assert_eq!(argument("namespace"), "tidegate");
    let policy = find("NetworkPolicy", "tidegate-controller").value;
    for rule in policy["spec"]["ingress"].as_array().expect("rules") {
        port(rule["ports"][0]["port"].as_str().expect("a name"));
    }
}

#[test]
fn the_image_is_of_this_version() {
    let deployment = find("Deployment", "tidegate-controller").value;
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let image = format!("tidegate/tidegate:{VERSION}");
    assert_eq!(container["image"], image);
    // The guide says which argument to replace.
    assert_eq!(words(&container["args"])[2], format!("--proxy-image={image}"));
}

/// Pod Security's `restricted`, which the namespace of the controller enforces and every sample
/// meets: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>.
#[test]
fn pods_meet_the_restricted_profile() {
    let mut checked = 0;
    for document in config::documents("config") {
        let pod = match document.kind() {
            "Deployment" | "StatefulSet" => &document.value["spec"]["template"]["spec"],
            _ => continue,
        };
        // A patch of a Deployment has no containers.
        let Some(containers) = pod["containers"].as_array() else { continue };
        let context = &pod["securityContext"];
        assert_eq!(context["runAsNonRoot"], true, "{}", document.path);
        assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{}", document.path);
        for container in containers {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{}", document.path);
            assert_eq!(words(&context["capabilities"]["drop"]), ["ALL"], "{}", document.path);
            let mut added = words(&context["capabilities"]["add"]);
            added.retain(|added| *added != "NET_BIND_SERVICE");
            assert!(added.is_empty(), "{}: {added:?}", document.path);
        }
        for volume in pod["volumes"].as_array().into_iter().flatten() {
            assert!(volume["hostPath"].is_null(), "{}", document.path);
        }
        for forbidden in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(pod[forbidden].is_null(), "{}: {forbidden}", document.path);
        }
        checked += 1;
    }
    assert!(checked > 0, "no Deployment was found");
    for namespace in config::documents("config") {
        if namespace.kind() == "Namespace" {
            let labels = &namespace.value["metadata"]["labels"];
            let enforced = &labels["pod-security.kubernetes.io/enforce"];
            assert_eq!(enforced, "restricted", "{}", namespace.path);
        }
    }
}

/// The controller takes what carries this label for something that it has made itself, and deletes
/// it when no Gateway asks for it.
#[test]
fn nothing_claims_to_be_provisioned() {
    for document in config::documents("config") {
        let mut labels = vec![&document.value["metadata"]["labels"]];
        let pairs = document.value["labels"].as_array().into_iter().flatten();
        labels.extend(pairs.map(|entry| &entry["pairs"]));
        for labels in labels {
            assert_ne!(labels["app.kubernetes.io/managed-by"], "tidegate", "{}", document.path);
        }
    }
}

#[test]
fn classes_name_the_controller_that_there_is() {
    let mut classes = 0;
    for document in config::documents("config") {
        let controller = &document.value["spec"]["controllerName"];
        if document.kind() == "GatewayClass" && !controller.is_null() {
            assert_eq!(controller, "tidegate.dev/gateway-controller", "{}", document.path);
            classes += 1;
        }
    }
    assert!(classes > 0, "no GatewayClass was found");
}

#[test]
fn the_ways_to_install_differ_in_what_they_may_see() {
    let resources = |folder: &str| -> BTreeSet<String> {
        let path = format!("{folder}/kustomization.yaml");
        let found = kustomizations().into_iter().find(|document| document.path == path);
        let found = found.unwrap_or_else(|| panic!("there is no {path}"));
        words(&found.value["resources"]).into_iter().map(str::to_owned).collect()
    };
    let everywhere = resources("config/default");
    let listed = resources("config/namespaced");
    assert!(everywhere.contains("../rbac/cluster") && !listed.contains("../rbac/cluster"));
    assert!(listed.contains("../rbac/namespaced"));
    // Every namespace with rights is one that the controller is told to watch, and no other.
    let folders: BTreeSet<_> =
        listed.iter().filter_map(|name| name.strip_prefix("namespaces/")).collect();
    let path = tree::root().join("config/namespaced/kustomization.yaml");
    let text = std::fs::read_to_string(Path::new(&path)).expect("a file");
    let watched: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.split_once("--watch-namespace="))
        .map(|(_, n)| n)
        .collect();
    assert_eq!(folders, watched);
    assert!(!watched.is_empty(), "without one the controller would ask for every namespace");
}
