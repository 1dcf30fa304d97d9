//! Compares our schemas with the published ones, field by field: with the CRDs of Gateway API
//! v1.7.0 where the Go module cache has them, and for the core kinds with those of `k8s-openapi`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde_json::Value as Json;

use super::{Field, Schema, Shape, of};
use crate::manifest::yaml_documents;
use crate::routes::{RouteSpec, TlsRouteSpec};
use crate::testing::go_module;
use crate::{GATEWAY_GROUP, Kind};

/// What is said of each field, by path.
type Facts = BTreeMap<String, BTreeSet<String>>;

/// Files name their kinds in the plural.
const CRDS: [(Kind, &str); 9] = [
    (Kind::GatewayClass, "gatewayclasses"),
    (Kind::Gateway, "gateways"),
    (Kind::ListenerSet, "listenersets"),
    (Kind::TcpRoute, "tcproutes"),
    (Kind::UdpRoute, "udproutes"),
    (Kind::TlsRoute, "tlsroutes"),
    (Kind::HttpRoute, "httproutes"),
    (Kind::ReferenceGrant, "referencegrants"),
    (Kind::BackendTlsPolicy, "backendtlspolicies"),
];

/// The schema of `v1` in the published CRD of a kind.
fn published(plural: &str) -> Option<Json> {
    let folder = go_module("sigs.k8s.io/gateway-api@v1.7.0/config/crd/standard")?;
    let file = folder.join(format!("{GATEWAY_GROUP}_{plural}.yaml"));
    let text = std::fs::read_to_string(&file).expect("a CRD of the release");
    let documents = yaml_documents(&text);
    let versions = documents.iter().find_map(|crd| crd["spec"]["versions"].as_array());
    let v1 = versions.expect("a CRD").iter().find(|version| version["name"] == "v1");
    Some(v1.expect("served at v1")["schema"]["openAPIV3Schema"].clone())
}

#[test]
fn schemas_say_what_the_published_crds_say() {
    for (kind, plural) in CRDS {
        let Some(crd) = published(plural) else { return };
        let mut ours = Facts::new();
        facts_of_ours(spec(kind), "spec", &mut ours);
        let mut theirs = Facts::new();
        facts_of_crd(&crd["properties"]["spec"], "spec", &mut theirs);
        forget_what_we_do_not_look_at(&mut theirs, &ours);
        assert_eq!(ours, theirs, "{kind}");
    }
}

/// What a field says of us that may be anything.
const ANYTHING: &str = "anything";

/// Fields of any shape need only exist.
fn forget_what_we_do_not_look_at(theirs: &mut Facts, ours: &Facts) {
    for (path, _) in ours.iter().filter(|(_, said)| said.contains(ANYTHING)) {
        let is_below = |other: &String| {
            other.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        theirs.retain(|other, _| !is_below(other));
        if let Some(said) = theirs.get_mut(path) {
            *said = [ANYTHING.to_owned()].into();
        }
    }
}

#[test]
fn route_types_have_the_fields_of_the_published_crds() {
    fn check<T: JsonSchema>(plural: &str) {
        let Some(crd) = published(plural) else { return };
        let mut theirs = BTreeSet::new();
        let schema = &crd["properties"]["spec"];
        paths_of_json_schema(schema, schema, "spec", &mut theirs);
        let ours = paths_of_type::<T>("spec");
        assert_eq!(ours, theirs, "{plural}");
    }
    check::<RouteSpec>("tcproutes");
    check::<RouteSpec>("udproutes");
    check::<TlsRouteSpec>("tlsroutes");
}

#[test]
fn core_kinds_have_the_fields_of_kubernetes() {
    fn check<T: JsonSchema>(kind: Kind) {
        let mut ours = BTreeSet::new();
        paths_of_ours(of(kind), "", &mut ours);
        let mut theirs = paths_of_type::<T>("");
        theirs.retain(|path| path != "status" && !path.starts_with("status."));
        // Our metadata is one for all kinds and does not look into this one.
        theirs.retain(|path| !path.starts_with("metadata.managedFields["));
        // Gone from Kubernetes, yet still written by old tools.
        theirs.insert("metadata.selfLink".to_owned());
        assert_eq!(ours, theirs, "{kind}");
    }
    use k8s_openapi::api::{core::v1 as core, discovery::v1 as discovery};
    check::<core::Service>(Kind::Service);
    check::<core::Secret>(Kind::Secret);
    check::<core::ConfigMap>(Kind::ConfigMap);
    check::<core::Namespace>(Kind::Namespace);
    check::<discovery::EndpointSlice>(Kind::EndpointSlice);
}

/// Every rule of the CRDs that is written in CEL, by field, and how often it stands there. Each of
/// them is a function in [`super::rules`], except for those marked.
const CEL: [(&str, &str, usize); 26] = [
    // Between an object and its former version: a file has none.
    ("GatewayClass", "spec.controllerName", 1),
    ("Gateway", "spec.addresses", 2),
    ("Gateway", "spec.addresses[]", 1),
    ("Gateway", "spec.infrastructure.annotations", 2),
    ("Gateway", "spec.infrastructure.labels", 2),
    // One of the six is the key of the list.
    ("Gateway", "spec.listeners", 6),
    ("Gateway", "spec.listeners[].tls", 1),
    // The key of the list.
    ("Gateway", "spec.tls.frontend.perPort", 1),
    // One of the six is the key of the list.
    ("ListenerSet", "spec.listeners", 6),
    ("ListenerSet", "spec.listeners[].tls", 1),
    ("TCPRoute", "spec.parentRefs", 2),
    ("TCPRoute", "spec.rules[].backendRefs[]", 1),
    ("UDPRoute", "spec.parentRefs", 2),
    ("UDPRoute", "spec.rules[].backendRefs[]", 1),
    // Two of the three repeat the pattern of the items.
    ("TLSRoute", "spec.hostnames", 3),
    ("TLSRoute", "spec.parentRefs", 2),
    ("TLSRoute", "spec.rules[].backendRefs[]", 1),
    ("HTTPRoute", "spec.parentRefs", 2),
    ("HTTPRoute", "spec.rules", 2),
    // All of them about filters, which are refused whole.
    ("HTTPRoute", "spec.rules[]", 5),
    ("HTTPRoute", "spec.rules[].backendRefs[]", 1),
    // One of the eleven repeats the choices of the type.
    ("HTTPRoute", "spec.rules[].matches[].path", 11),
    ("BackendTLSPolicy", "spec.targetRefs", 2),
    ("BackendTLSPolicy", "spec.validation", 2),
    ("BackendTLSPolicy", "spec.validation.subjectAltNames[]", 4),
    // Not CEL but `oneOf`: an address of type IPAddress is one.
    ("Gateway", "spec.addresses[] oneOf", 1),
];

#[test]
fn every_cel_rule_of_the_published_crds_is_known() {
    let mut theirs = Vec::new();
    for (kind, plural) in CRDS {
        let Some(crd) = published(plural) else { return };
        let mut rules = BTreeMap::new();
        cel_of_crd(&crd["properties"]["spec"], "spec", &mut rules);
        let mut ours = Facts::new();
        facts_of_ours(spec(kind), "spec", &mut ours);
        let is_looked_at = |path: &str| ours.get(path).is_some_and(|said| !said.contains(ANYTHING));
        rules.retain(|path, _| is_looked_at(path.split(' ').next().unwrap_or_default()));
        theirs.extend(rules.into_iter().map(|(path, count)| (kind.to_string(), path, count)));
    }
    theirs.sort();
    let mut ours: Vec<_> =
        CEL.map(|(kind, path, count)| (kind.to_owned(), path.to_owned(), count)).to_vec();
    ours.sort();
    assert_eq!(ours, theirs);
}

fn cel_of_crd(schema: &Json, path: &str, rules: &mut BTreeMap<String, usize>) {
    if let Some(found) = schema["x-kubernetes-validations"].as_array() {
        rules.insert(path.to_owned(), found.len());
    }
    for other in ["oneOf", "anyOf", "allOf", "not"] {
        if !schema[other].is_null() {
            rules.insert(format!("{path} {other}"), 1);
        }
    }
    each_part(schema, path, &mut |schema, path, _| cel_of_crd(schema, &path, rules));
}

/// Calls back with every part of a JSON schema, its path, and whether it must be there.
fn each_part(schema: &Json, path: &str, visit: &mut dyn FnMut(&Json, String, bool)) {
    let required = |name: &str| {
        schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name))
    };
    for (name, part) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        visit(part, path, required(name));
    }
    if schema["items"].is_object() {
        visit(&schema["items"], format!("{path}[]"), false);
    }
    if schema["additionalProperties"].is_object() {
        visit(&schema["additionalProperties"], format!("{path}{{}}"), false);
    }
}

fn facts_of_crd(schema: &Json, path: &str, facts: &mut Facts) {
    let mut said = BTreeSet::new();
    for (word, value) in schema.as_object().into_iter().flatten() {
        match word.as_str() {
            "type"
            | "default"
            | "pattern"
            | "maxLength"
            | "maxItems"
            | "maxProperties"
            | "minimum"
            | "maximum"
            | "format"
            | "enum"
            | "x-kubernetes-list-map-keys" => {
                said.insert(format!("{word} {value}"));
            }
            // Zero is what it is without being said.
            "minLength" | "minItems" if value != 0 => drop(said.insert(format!("{word} {value}"))),
            "minLength" | "minItems" => {}
            // Shape, prose, merging of patches, and what the other test counts.
            "properties"
            | "items"
            | "additionalProperties"
            | "required"
            | "description"
            | "x-kubernetes-list-type"
            | "x-kubernetes-map-type"
            | "x-kubernetes-validations"
            | "oneOf" => {}
            word => panic!("{path}: {word} is not known here"),
        }
    }
    facts.entry(path.to_owned()).or_default().extend(said);
    each_part(schema, path, &mut |part, path, required| {
        if required {
            facts.entry(path.clone()).or_default().insert("required".to_owned());
        }
        facts_of_crd(part, &path, facts);
    });
}

fn spec(kind: Kind) -> &'static Schema {
    let Shape::Object(fields) = &of(kind).shape else { panic!("{kind} is no object") };
    &fields.iter().find(|field| field.name == "spec").expect("every kind has a spec").schema
}

fn facts_of_ours(schema: &Schema, path: &str, facts: &mut Facts) {
    let mut said = Vec::new();
    if matches!(schema.shape, Shape::Any) {
        facts.entry(path.to_owned()).or_default().insert(ANYTHING.to_owned());
        return;
    }
    let r#type = match &schema.shape {
        Shape::Object(_) | Shape::Map { .. } => "object",
        Shape::List { .. } => "array",
        Shape::Text(_) => "string",
        Shape::Integer { .. } => "integer",
        _ => panic!("{path}: not a shape of the CRDs"),
    };
    said.push(format!("type {}", Json::from(r#type)));
    said.extend(schema.default.as_ref().map(|default| format!("default {default}")));
    match &schema.shape {
        Shape::Map { most: Some(most), .. } => said.push(format!("maxProperties {most}")),
        Shape::List { length, keys, .. } => {
            let (least, most) = (*length.start(), *length.end());
            said.extend((least > 0).then(|| format!("minItems {least}")));
            said.extend((most < usize::MAX).then(|| format!("maxItems {most}")));
            let keys = Json::from(keys.to_vec());
            said.extend(
                (keys != Json::from(Vec::<Json>::new()))
                    .then(|| format!("x-kubernetes-list-map-keys {keys}")),
            );
        }
        Shape::Text(text) => {
            said.extend((text.shortest > 0).then(|| format!("minLength {}", text.shortest)));
            said.extend(text.longest.map(|longest| format!("maxLength {longest}")));
            said.extend(text.pattern.map(|p| format!("pattern {}", Json::from(p.regex))));
            let choices = Json::from(text.one_of.to_vec());
            said.extend((!text.one_of.is_empty()).then(|| format!("enum {choices}")));
        }
        Shape::Integer { range } => {
            said.push(r#"format "int32""#.to_owned());
            said.push(format!("minimum {}", range.start()));
            said.push(format!("maximum {}", range.end()));
        }
        _ => {}
    }
    facts.entry(path.to_owned()).or_default().extend(said);
    each_own_part(schema, path, &mut |part, path, required| {
        if required {
            facts.entry(path.clone()).or_default().insert("required".to_owned());
        }
        facts_of_ours(part, &path, facts);
    });
}

fn each_own_part(schema: &Schema, path: &str, visit: &mut dyn FnMut(&Schema, String, bool)) {
    match &schema.shape {
        Shape::Object(fields) => {
            for Field { name, required, schema } in fields {
                let path = if path.is_empty() { (*name).into() } else { format!("{path}.{name}") };
                visit(schema, path, *required);
            }
        }
        Shape::Map { value, .. } => visit(value, format!("{path}{{}}"), false),
        Shape::List { item, .. } => visit(item, format!("{path}[]"), false),
        _ => {}
    }
}

fn paths_of_ours(schema: &Schema, path: &str, paths: &mut BTreeSet<String>) {
    each_own_part(schema, path, &mut |part, path, _| {
        paths.insert(path.clone());
        paths_of_ours(part, &path, paths);
    });
}

fn paths_of_type<T: JsonSchema>(root: &str) -> BTreeSet<String> {
    let schema = schemars::schema_for!(T).to_value();
    let mut paths = BTreeSet::new();
    paths_of_json_schema(&schema, &schema, root, &mut paths);
    paths
}

fn paths_of_json_schema(whole: &Json, schema: &Json, path: &str, paths: &mut BTreeSet<String>) {
    // A reference stands alone, or is one of "this or null", or carries a description beside it.
    let alternatives = ["anyOf", "allOf"].into_iter().filter_map(|word| schema[word].as_array());
    for schema in alternatives.flatten() {
        paths_of_json_schema(whole, schema, path, paths);
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        return paths_of_json_schema(whole, &whole["$defs"][name], path, paths);
    }
    each_part(schema, path, &mut |part, path, _| {
        paths.insert(path.clone());
        paths_of_json_schema(whole, part, &path, paths);
    });
}
