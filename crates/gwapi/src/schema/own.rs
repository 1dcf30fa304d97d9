//! Our own kinds: their definitions already say what a valid object looks like, so the schema is
//! read from the definition and the two cannot differ.

use kube::{CustomResourceExt, Resource};
use serde_json::Value as Json;

use super::{
    Field, Schema, Shape, TextShape, any, metadata, object, of_shape, patterns, required, resource,
};

/// The schema of a kind that has a definition.
///
/// The words of the definition are leaked: there is one schema for each kind and process.
pub(super) fn schema<K: CustomResourceExt + Resource<DynamicType = ()>>() -> Schema {
    let definition = serde_json::to_value(K::crd()).unwrap_or_default();
    let published = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let name = metadata::subdomain_name();
    let spec = from_published(&published["properties"]["spec"]);
    resource(metadata::namespaced(name), [required("spec", spec)])
}

/// A schema from its published form. A word that this does not know would be a check that files
/// go without, so it panics, and the tests build every schema.
fn from_published(published: &Json) -> Schema {
    let number = |word: &str| published[word].as_u64().and_then(|n| usize::try_from(n).ok());
    for word in published.as_object().into_iter().flat_map(|fields| fields.keys()) {
        assert!(KNOWN_WORDS.contains(&word.as_str()), "the definition says {word}");
    }
    if published["x-kubernetes-int-or-string"] == true {
        return super::int_or_text();
    }
    let mut schema = match published["type"].as_str() {
        Some("object") if published["additionalProperties"].is_object() => of_shape(Shape::Map {
            value: Box::new(from_published(&published["additionalProperties"])),
            most: number("maxProperties"),
        }),
        Some("object") => object(fields(published)),
        Some("array") => of_shape(Shape::List {
            item: Box::new(from_published(&published["items"])),
            length: number("minItems").unwrap_or(0)..=number("maxItems").unwrap_or(usize::MAX),
            keys: words(&published["x-kubernetes-list-map-keys"]),
        }),
        Some("string") => of_shape(Shape::Text(TextShape {
            shortest: number("minLength").unwrap_or(0),
            longest: number("maxLength"),
            pattern: published["pattern"].as_str().map(patterns::of_definitions),
            one_of: words(&published["enum"]),
            is_time: published["format"] == "date-time",
        })),
        Some("integer") => {
            let bound = |word: &str| published[word].as_f64();
            let (least, most) = match published["format"].as_str() {
                Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
                _ => (i64::MIN, i64::MAX),
            };
            // Bounds are written by us: small whole numbers.
            #[allow(clippy::cast_possible_truncation)]
            let range = bound("minimum").map_or(least, |bound| bound as i64)
                ..=bound("maximum").map_or(most, |bound| bound as i64);
            of_shape(Shape::Integer { range })
        }
        Some("boolean") => super::boolean(),
        None if published["x-kubernetes-preserve-unknown-fields"] == true => any(),
        other => unreachable!("{other:?} is no type of a definition"),
    };
    schema.default = Some(published["default"].clone()).filter(|default| !default.is_null());
    schema
}

const KNOWN_WORDS: [&str; 21] = [
    "additionalProperties",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "nullable",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
];

fn fields(published: &Json) -> Vec<Field> {
    let is_required = |name: &str| {
        published["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name))
    };
    let properties = published["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, schema)| Field {
            name: name.clone().leak(),
            required: is_required(name),
            schema: from_published(schema),
        })
        .collect()
}

/// A list of texts; a null in it means that the field may be absent.
fn words(list: &Json) -> &'static [&'static str] {
    let texts = list.as_array().into_iter().flatten().filter_map(Json::as_str);
    texts.map(|text| &*text.to_owned().leak()).collect::<Vec<_>>().leak()
}

#[cfg(test)]
mod tests {
    use crate::testing::errors_of;

    fn check(spec: &str, expected: &[&str]) {
        let text = format!(
            "apiVersion: tidegate.dev/v1alpha1\nkind: GatewayParameters\nmetadata: {{name: a}}\n\
             spec: {spec}\n"
        );
        let errors = errors_of(&text);
        let found: Vec<_> = errors
            .iter()
            .map(|error| error.split_once("GatewayParameters default/a: ").map_or("", |e| e.1))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn files_are_checked_as_the_definition_says() {
        check("{}", &[]);
        check("{replicas: null, service: {type: ClusterIP}, drainTimeout: 1h30m}", &[]);
        check("{resources: {limits: {cpu: 2, memory: 1Gi}}}", &[]);
        check("{replica: 1}", &[r#"spec.replica: unknown field; did you mean "replicas"?"#]);
        check("{workers: 0}", &["spec.workers: found 0, expected 1 to 1024"]);
        check("{ports: {health: 70000}}", &["spec.ports.health: found 70000, expected 1 to 65535"]);
        check(
            "{service: {type: Loadbalancer}}",
            &[
                "spec.service.type: found \"Loadbalancer\", expected one of LoadBalancer, NodePort, \
               ClusterIP (did you mean \"LoadBalancer\"?)",
            ],
        );
        check(
            "{drainTimeout: 5}",
            &["spec.drainTimeout: found the number 5, expected a string (put it in quotes)"],
        );
        check(
            "{drainTimeout: 5 minutes}",
            &["spec.drainTimeout: found \"5 minutes\", expected a duration such as 30s, 5m or \
               1h30m"],
        );
        check(
            "{pod: {tolerations: [{key: a, operater: Exists}]}}",
            &["spec.pod.tolerations[0].operater: unknown field; did you mean \"operator\"?"],
        );
        let port = "port: 53, protocol: UDP";
        check(
            &format!(
                "{{service: {{nodePorts: [{{{port}, nodePort: 1}}, {{{port}, nodePort: 2}}]}}}}"
            ),
            &["spec.service.nodePorts[1].port: found 53 \"UDP\", which [0] has already"],
        );
    }
}
