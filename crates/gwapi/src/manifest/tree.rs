//! A document as a tree of values that know where they stand.
//!
//! Nothing here knows YAML or any kind of object: the parser builds these nodes, the schemas check
//! and complete them, and at the end they become JSON for serde.

use serde_json::Value as Json;

/// A place within one file. Line and column count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Mark,
    pub(crate) value: Value,
}

/// What JSON can say, with maps in the order they were written.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// Also integers beyond 64 bits.
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One entry of a map. Keys are unique within their map.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) at: Mark,
    pub(crate) node: Node,
}

impl Node {
    /// The value of a key. Nothing for anything but a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The string under a key.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text()
    }

    /// The items under a key; none if it is absent.
    pub(crate) fn items_of(&self, key: &str) -> &[Self] {
        self.get(key).map_or(&[], Self::items)
    }

    /// The node as a string.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The node as a whole number. `80.0` is one, as in JSON Schema.
    pub(crate) fn as_int(&self) -> Option<i64> {
        match self.value {
            Value::Int(number) => Some(number),
            // Within 2^53 every whole number is exact, so the cast loses nothing.
            #[allow(clippy::cast_possible_truncation)]
            Value::Float(number) if number.fract() == 0.0 && number.abs() <= 9e15 => {
                Some(number as i64)
            }
            _ => None,
        }
    }

    /// The items of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entries of a map; none for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Whether it holds other nodes.
    pub(crate) fn is_collection(&self) -> bool {
        matches!(self.value, Value::List(_) | Value::Map(_))
    }

    /// A value that is not written down, placed where its parent stands.
    pub(crate) fn implied(json: &Json, at: Mark) -> Self {
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Value::Int(number),
                None => Value::Float(number.as_f64().unwrap_or_default()),
            },
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => {
                Value::List(items.iter().map(|item| Self::implied(item, at)).collect())
            }
            Json::Object(fields) => Value::Map(
                fields
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        at,
                        node: Self::implied(value, at),
                    })
                    .collect(),
            ),
        };
        Self { at, value }
    }

    /// The node as JSON, for serde.
    pub(crate) fn into_json(self) -> Json {
        match self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => value.into(),
            Value::Int(number) => number.into(),
            Value::Float(number) => number.into(),
            Value::Text(text) => text.into(),
            Value::List(items) => items.into_iter().map(Self::into_json).collect(),
            Value::Map(entries) => entries
                .into_iter()
                .map(|entry| (entry.key, entry.node.into_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}
