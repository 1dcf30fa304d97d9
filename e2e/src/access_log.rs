//! Access lines, each checked against the schema that the documents publish.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use regex_lite::Regex;
use serde_json::{Map, Value};

/// The published schema.
const SCHEMA: &str = include_str!("../../docs/reference/access-log.schema.json");

/// One line: a TCP connection or UDP flow that has ended.
#[derive(Clone, Debug)]
pub struct AccessLine(Map<String, Value>);

impl AccessLine {
    /// Reads a line of the gateway's log; `None` if it is not an access line.
    ///
    /// # Panics
    /// When it is one and breaks the schema.
    pub fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let message = value.get("message").and_then(Value::as_str).unwrap_or_default();
        if !matches!(message, "connection closed" | "flow closed" | "connection refused") {
            return None;
        }
        let mistakes = mistakes(schema(), &value, "");
        assert!(mistakes.is_empty(), "access line breaks the schema: {mistakes:?}\n{line}");
        match value {
            Value::Object(fields) => Some(Self(fields)),
            _ => None,
        }
    }

    /// A field that is text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field)?.as_str()
    }

    /// A field that is a number.
    pub fn number(&self, field: &str) -> Option<f64> {
        self.0.get(field)?.as_f64()
    }

    /// Checks fields that are text; fails with the whole line.
    ///
    /// # Panics
    /// When one differs.
    pub fn expect(&self, fields: &[(&str, &str)]) {
        for (field, value) in fields {
            assert_eq!(self.text(field), Some(*value), "{field} of {:#?}", self.0);
        }
    }
}

fn schema() -> &'static Value {
    static PARSED: OnceLock<Value> = OnceLock::new();
    PARSED.get_or_init(|| serde_json::from_str(SCHEMA).expect("the schema is JSON"))
}

/// What is wrong with `value`, by the keywords that the schema uses; any other keyword is a
/// mistake of the schema.
fn mistakes(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().into_iter().flatten() {
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "title" | "description" | "examples" | "properties" => true,
            "type" => is_of_type(value, rule.as_str().unwrap_or_default()),
            "enum" => rule.as_array().is_some_and(|values| values.contains(value)),
            "const" => value == rule,
            "pattern" => value.as_str().is_some_and(|text| pattern(rule).is_match(text)),
            "minimum" | "minItems" => size(value) >= size(rule),
            "maximum" | "maxItems" | "maxLength" => size(value) <= size(rule),
            "required" => rule.as_array().into_iter().flatten().all(|name| {
                let present = name.as_str().is_some_and(|name| value.get(name).is_some());
                if !present {
                    found.push(format!("{name} is missing"));
                }
                true
            }),
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
                    if !known.is_some_and(|known| known.contains_key(name)) {
                        found.push(format!("{name} is unknown"));
                    }
                }
                true
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    found.extend(mistakes(rule, item, at));
                }
                true
            }
            other => panic!("the schema uses {other}, which this does not check"),
        };
        if !holds {
            found.push(format!("{at} is {value}, not {keyword} {rule}"));
        }
    }
    for (name, rule) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let Some(value) = value.get(name) {
            found.extend(mistakes(rule, value, name));
        }
    }
    found
}

/// What bounds are about: a number's value, a text's characters, a list's items.
fn size(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => Some(text.chars().count() as f64),
        Value::Array(items) => Some(items.len() as f64),
        other => other.as_f64(),
    }
}

/// A compiled pattern of the schema, kept: there are lines by the hundred thousand.
fn pattern(rule: &Value) -> Regex {
    static COMPILED: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let text = rule.as_str().unwrap_or_default();
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let new = || Regex::new(text).unwrap_or_else(|error| panic!("pattern {text}: {error}"));
    compiled.entry(text.to_owned()).or_insert_with(new).clone()
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_the_schema_is_named() {
        let schema = serde_json::json!({
            "type": "object", "required": ["a"], "additionalProperties": false,
            "properties": {"a": {"type": "integer", "minimum": 0}, "b": {"enum": ["x"]},
                "c": {"pattern": "^[0-9]+$", "maxLength": 3}},
        });
        let count = |value| mistakes(&schema, &value, "").len();
        assert_eq!(count(serde_json::json!({"a": 1, "b": "x"})), 0);
        assert_eq!(count(serde_json::json!({"a": -1})), 1);
        assert_eq!(count(serde_json::json!({"a": 1.5})), 1);
        assert_eq!(count(serde_json::json!({"b": "y", "d": 1})), 3);
        assert_eq!(count(serde_json::json!({"a": 1, "c": "12"})), 0);
        assert_eq!(count(serde_json::json!({"a": 1, "c": "1x34"})), 2);
        assert_eq!(count(serde_json::json!([])), 2);
    }
}
