//! Checks a value against its schema and fills in its defaults, in the order of an API server:
//! unknown fields, nulls, types and bounds, defaults, and the rules once all of that holds.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::report::nearest;
use super::{Field, Report, Rule, Schema, Shape, TextShape};
use crate::manifest::quote;
use crate::manifest::tree::{Entry, Node, Value};

/// Checks `node` and completes it. What is wrong is in the report.
pub(crate) fn check(schema: &Schema, node: &mut Node, report: &mut Report) {
    if report.is_full() {
        return;
    }
    let before = report.problems.len();
    check_shape(&schema.shape, node, report);
    if report.problems.len() == before {
        schema.rules.iter().for_each(|rule: &Rule| rule(node, report));
    }
}

fn check_shape(shape: &Shape, node: &mut Node, report: &mut Report) {
    match shape {
        Shape::Any => {}
        Shape::Object(fields) => check_object(fields, node, report),
        Shape::Map { value, most } => check_map(value, *most, node, report),
        Shape::List { item, length, keys } => {
            let Value::List(items) = &mut node.value else {
                return wrong_type("a list", node, report);
            };
            if !length.contains(&items.len()) {
                let text = format!("found {}, expected {}", count(items.len()), span(length));
                return report.problem("", text);
            }
            for (index, node) in items.iter_mut().enumerate() {
                report.within(format_args!("[{index}]"), |report| check(item, node, report));
            }
            if !keys.is_empty() {
                refuse_repeated_items(items, keys, report);
            }
        }
        Shape::Text(wanted) => check_text(wanted, node, report),
        Shape::Integer { range } => match node.as_int() {
            None => wrong_type("an integer", node, report),
            Some(number) if !range.contains(&number) => {
                let (least, most) = (range.start(), range.end());
                report.problem("", format!("found {number}, expected {least} to {most}"));
            }
            Some(number) => node.value = Value::Int(number),
        },
        Shape::Boolean if matches!(node.value, Value::Bool(_)) => {}
        Shape::Boolean => wrong_type("a boolean", node, report),
        Shape::Bytes => check_bytes(node, report),
        Shape::IntOrText if matches!(node.value, Value::Text(_)) => {}
        Shape::IntOrText => match node.as_int() {
            Some(number) => node.value = Value::Int(number),
            None => wrong_type("an integer or a string", node, report),
        },
    }
}

fn check_object(fields: &[Field], node: &mut Node, report: &mut Report) {
    let at = node.at;
    let Value::Map(entries) = &mut node.value else {
        return wrong_type("a map", node, report);
    };
    for entry in entries.iter() {
        if !report.is_full() && !fields.iter().any(|field| field.name == entry.key) {
            unknown_field(fields, entry, report);
        }
    }
    // An API server takes a null for a field that is not there.
    entries.retain(|entry| !matches!(entry.node.value, Value::Null));
    for Field { name, required, schema } in fields {
        match entries.iter_mut().find(|entry| entry.key == *name) {
            Some(entry) => {
                report.within(name, |report| check(schema, &mut entry.node, report));
            }
            None if *required => {
                report.problem(name, format!("missing, expected {}", schema.shape.expectation()));
            }
            None => {
                if let Some(default) = &schema.default {
                    let node = Node::implied(default, at);
                    entries.push(Entry { key: (*name).to_owned(), at, node });
                }
            }
        }
    }
}

fn unknown_field(fields: &[Field], entry: &Entry, report: &mut Report) {
    let known = || fields.iter().map(|field| field.name);
    let hint = match nearest(&entry.key, known()) {
        Some(name) => format!("did you mean {name:?}?"),
        None => format!("known fields: {}", known().collect::<Vec<_>>().join(", ")),
    };
    report.problem_at(entry.at, segment(&entry.key), format!("unknown field; {hint}"));
}

fn check_map(value: &Schema, most: Option<usize>, node: &mut Node, report: &mut Report) {
    let Value::Map(entries) = &mut node.value else {
        return wrong_type("a map", node, report);
    };
    if let Some(most) = most.filter(|most| entries.len() > *most) {
        let text = format!("found {} entries, expected at most {most}", entries.len());
        return report.problem("", text);
    }
    for Entry { key, node, .. } in entries {
        if report.is_full() {
            return;
        }
        report.within(segment(key), |report| check(value, node, report));
    }
}

/// A key of the file as a segment of a path.
fn segment(key: &str) -> String {
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    match (key, plain) {
        ("", _) => "[]".to_owned(),
        (_, true) => key.to_owned(),
        _ => {
            let shown = quote(key);
            let bare = shown.strip_prefix('"').and_then(|shown| shown.strip_suffix('"'));
            format!("[{}]", bare.unwrap_or(&shown))
        }
    }
}

fn check_text(wanted: &TextShape, node: &Node, report: &mut Report) {
    let Some(text) = node.as_text() else {
        return wrong_type("a string", node, report);
    };
    if !wanted.one_of.is_empty() {
        if !wanted.one_of.contains(&text) {
            let hint = match nearest(text, wanted.one_of.iter().copied()) {
                Some(choice) => format!(" (did you mean {choice:?}?)"),
                None => String::new(),
            };
            let (found, choices) = (report.show(node), wanted.one_of.join(", "));
            report.problem("", format!("found {found}, expected one of {choices}{hint}"));
        }
        return;
    }
    let length = text.chars().count();
    let longest = wanted.longest.unwrap_or(usize::MAX);
    if text.is_empty() && wanted.shortest > 0 {
        let expected = wanted.pattern.map_or("at least one character", |pattern| pattern.says);
        report.problem("", format!("found an empty string, expected {expected}"));
    } else if !(wanted.shortest..=longest).contains(&length) {
        report.problem("", format!("found {length} characters, expected at most {longest}"));
    } else if let Some(pattern) = wanted.pattern
        && !pattern.matches(text)
    {
        report.problem("", format!("found {}, expected {}", report.show(node), pattern.says));
    } else if wanted.is_time && text.parse::<jiff::Timestamp>().is_err() {
        let expected = "a time such as 2026-01-31T12:00:00Z";
        report.problem("", format!("found {}, expected {expected}", report.show(node)));
    }
}

fn check_bytes(node: &mut Node, report: &mut Report) {
    let Value::Text(text) = &mut node.value else {
        return wrong_type("a base64 string", node, report);
    };
    // Line breaks inside base64 are legal to an API server and usual in block scalars.
    text.retain(|c| !matches!(c, '\n' | '\r'));
    if STANDARD.decode(&*text).is_err() {
        let found = report.describe(node);
        let expected = "base64 (plain text goes into stringData or, in a ConfigMap, into data)";
        report.problem("", format!("found {found}, expected {expected}"));
    }
}

fn refuse_repeated_items(items: &[Node], keys: &[&str], report: &mut Report) {
    let mut first: HashMap<Vec<String>, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let values = |key: &&str| item.get(key).map(|node| report.show(node)).unwrap_or_default();
        let key: Vec<String> = keys.iter().map(values).collect();
        if let Some(other) = first.get(&key) {
            let text = format!("found {}, which [{other}] has already", key.join(" "));
            report.problem(format_args!("[{index}].{}", keys[0]), text);
        } else {
            first.insert(key, index);
        }
    }
}

fn wrong_type(expected: &str, node: &Node, report: &mut Report) {
    let hint = match node.value {
        // What stands in the file may be `n`, so the word "boolean" alone would puzzle.
        Value::Bool(_) if expected == "a string" => {
            " (put it in quotes: unquoted on, off, yes, no, y and n are booleans)"
        }
        Value::Int(_) | Value::Float(_) if expected == "a string" => " (put it in quotes)",
        _ => "",
    };
    report.problem("", format!("found {}, expected {expected}{hint}", report.describe(node)));
}

impl Shape {
    /// What a missing value should be, in words.
    fn expectation(&self) -> String {
        match self {
            Self::Any => "a value".to_owned(),
            Self::Object(fields) => {
                let required = fields.iter().filter(|field| field.required);
                match required.map(|field| field.name).collect::<Vec<_>>().join(", ") {
                    names if names.is_empty() => "a map".to_owned(),
                    names => format!("a map with {names}"),
                }
            }
            Self::Map { .. } => "a map".to_owned(),
            Self::List { length, .. } => span(length),
            Self::Text(text) if !text.one_of.is_empty() => {
                format!("one of {}", text.one_of.join(", "))
            }
            Self::Text(text) => text.pattern.map_or("a string", |pattern| pattern.says).to_owned(),
            Self::Integer { range } if *range.end() < i32::MAX.into() => {
                format!("{} to {}", range.start(), range.end())
            }
            Self::Integer { .. } => "an integer".to_owned(),
            Self::Boolean => "a boolean".to_owned(),
            Self::Bytes => "a base64 string".to_owned(),
            Self::IntOrText => "an integer or a string".to_owned(),
        }
    }
}

fn count(items: usize) -> String {
    match items {
        0 => "an empty list".to_owned(),
        1 => "1 item".to_owned(),
        items => format!("{items} items"),
    }
}

fn span(length: &std::ops::RangeInclusive<usize>) -> String {
    match (*length.start(), *length.end()) {
        (0, usize::MAX) => "a list".to_owned(),
        (0, most) => format!("at most {most} items"),
        (least, most) if least == most => format!("exactly {}", count(least)),
        (least, usize::MAX) => format!("at least {}", count(least)),
        (least, most) => format!("{least} to {most} items"),
    }
}
