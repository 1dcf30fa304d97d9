//! Checks access lines against their schema: the few words of JSON Schema that it uses, and a
//! complaint about any other, so that no word of it goes unchecked.

use regex_lite::Regex;
use serde_json::{Map, Value};

const SCHEMA: &str = include_str!("../../../../docs/reference/access-log.schema.json");

/// The schema itself.
pub(crate) fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// Everything that is wrong with an access line.
pub(crate) fn errors(line: &Value) -> Vec<String> {
    let schema = schema();
    let Some(line) = line.as_object() else { return vec![format!("{line} is no object")] };
    let known = schema["properties"].as_object().unwrap();
    assert_eq!(schema["additionalProperties"], false);
    let required = schema["required"].as_array().unwrap().iter();
    let missing = required
        .filter(|key| !line.contains_key(key.as_str().unwrap()))
        .map(|key| format!("{key} is missing"));
    let wrong = line.iter().flat_map(|(key, value)| match known.get(key) {
        None => vec![format!("{key} is not a known key")],
        Some(rules) => broken(rules.as_object().unwrap(), value)
            .map(|rule| format!("{key}: {value} breaks {rule}"))
            .collect(),
    });
    missing.chain(wrong).collect()
}

/// The rules that `value` breaks.
fn broken<'a>(rules: &'a Map<String, Value>, value: &'a Value) -> impl Iterator<Item = &'a String> {
    let size = |value: &Value| match value {
        Value::Array(items) => items.len() as f64,
        Value::String(text) => text.chars().count() as f64,
        other => other.as_f64().unwrap(),
    };
    let keeps = move |rule: &str, wanted: &Value| match rule {
        "description" => true,
        "type" => match wanted.as_str().unwrap() {
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "number" => value.is_number(),
            "integer" => value.is_u64() || value.is_i64(),
            other => panic!("unknown type {other}"),
        },
        "const" => value == wanted,
        "enum" => wanted.as_array().unwrap().contains(value),
        "pattern" => {
            Regex::new(wanted.as_str().unwrap()).unwrap().is_match(value.as_str().unwrap())
        }
        "minimum" | "minItems" => size(value) >= size(wanted),
        "maximum" | "maxItems" | "maxLength" => size(value) <= size(wanted),
        "items" => {
            let rules = wanted.as_object().unwrap();
            value.as_array().unwrap().iter().all(|item| broken(rules, item).next().is_none())
        }
        other => panic!("the schema uses {other}, which is not checked"),
    };
    rules.iter().filter(move |(rule, wanted)| !keeps(rule, wanted)).map(|(rule, _)| rule)
}
