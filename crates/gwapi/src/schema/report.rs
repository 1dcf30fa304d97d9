//! The problems found in one object, each with its field.

use std::fmt::Display;

use crate::manifest::quote;
use crate::manifest::tree::{Mark, Node, Value};

/// Whether messages may repeat values of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    Shown,
    /// For objects that hold secrets.
    Hidden,
}

/// Something wrong with a field.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// The path of the field from the root of the object.
    pub(crate) field: String,
    /// Where it stands, if not where the field does.
    pub(crate) at: Option<Mark>,
    pub(crate) text: String,
}

/// Collects problems while a tree is walked.
#[derive(Debug)]
pub(crate) struct Report {
    /// The path to the value being looked at.
    path: String,
    pub(crate) problems: Vec<Problem>,
    values: Values,
}

/// The most problems that are looked for in one object. Whoever has more has made one mistake many
/// times, and a hostile file gets no more of our time.
const MAX_PROBLEMS: usize = 20;

impl Report {
    pub(crate) fn new(values: Values) -> Self {
        Self { path: String::new(), problems: Vec::new(), values }
    }

    /// Looks at a part: `inside` runs with its segment (`name` or `[0]`) on the path.
    pub(super) fn within(&mut self, segment: impl Display, inside: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path = join(&self.path, &segment.to_string());
        inside(self);
        self.path.truncate(length);
    }

    /// A problem of the value being looked at, or of a part of it: `field` is relative.
    pub(super) fn problem(&mut self, field: impl Display, text: impl Into<String>) {
        self.push(join(&self.path, &field.to_string()), None, text.into());
    }

    /// A problem with a value of its own place.
    pub(super) fn problem_at(&mut self, at: Mark, field: impl Display, text: impl Into<String>) {
        self.push(join(&self.path, &field.to_string()), Some(at), text.into());
    }

    fn push(&mut self, field: String, at: Option<Mark>, text: String) {
        if !self.is_full() {
            self.problems.push(Problem { field, at, text });
        }
    }

    /// Whether looking further is of no use.
    pub(crate) fn is_full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    /// A value as it stands in messages, with its type.
    pub(super) fn describe(&self, node: &Node) -> String {
        let hidden = self.values == Values::Hidden;
        match &node.value {
            Value::Null => "nothing".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Bool(_) if hidden => "a boolean".to_owned(),
            Value::Int(_) | Value::Float(_) if hidden => "a number".to_owned(),
            Value::Text(_) if hidden => "a string".to_owned(),
            Value::Bool(value) => format!("the boolean {value}"),
            Value::Int(number) => format!("the number {number}"),
            Value::Float(number) => format!("the number {number}"),
            Value::Text(text) => format!("the string {}", quote(text)),
        }
    }

    /// A value as it stands in messages where its type is the right one.
    pub(super) fn show(&self, node: &Node) -> String {
        match (&node.value, self.values) {
            (Value::Text(text), Values::Shown) => quote(text),
            (Value::Int(number), Values::Shown) => number.to_string(),
            _ => self.describe(node),
        }
    }
}

/// A path and a further segment. Map keys that are no plain names come in brackets.
fn join(path: &str, segment: &str) -> String {
    if path.is_empty() || segment.is_empty() || segment.starts_with('[') {
        format!("{path}{segment}")
    } else {
        format!("{path}.{segment}")
    }
}

/// The name in `known` that is likely meant by `found`.
pub(crate) fn nearest<'a>(
    found: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let furthest = |name: &str| (name.len() / 3).max(1);
    let lower = found.to_lowercase();
    known
        .into_iter()
        // A distance is at least the difference in length, and far more work to find.
        .filter(|name| name.len().abs_diff(found.len()) <= furthest(name))
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= furthest(name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
