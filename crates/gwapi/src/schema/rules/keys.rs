//! Rules of labels, annotations and metadata.

use crate::manifest::quote;
use crate::manifest::tree::{Entry, Node};
use crate::schema::Report;
use crate::schema::patterns::QUALIFIED_NAME;

pub(in crate::schema) fn are_qualified(map: &Node, report: &mut Report) {
    check(map, report, str::to_owned);
}

/// For annotations of any object: an API server looks at their keys in lower case.
pub(in crate::schema) fn are_qualified_in_any_case(map: &Node, report: &mut Report) {
    check(map, report, str::to_lowercase);
}

fn check(map: &Node, report: &mut Report, normal: impl Fn(&str) -> String) {
    for entry in map.entries() {
        if !QUALIFIED_NAME.matches(&normal(&entry.key)) {
            let text = format!("found key {}, expected {}", quote(&entry.key), QUALIFIED_NAME.says);
            report.problem_at(entry.at, "", text);
        }
    }
}

/// An API server bounds the annotations of an object in total, not one by one.
pub(in crate::schema) fn annotations_are_small(annotations: &Node, report: &mut Report) {
    /// Spec: `TotalAnnotationSizeLimitB` of apimachinery, in bytes.
    const MOST: usize = 256 << 10;
    let length = |entry: &Entry| entry.key.len() + entry.node.as_text().map_or(0, str::len);
    let bytes: usize = annotations.entries().iter().map(length).sum();
    if bytes > MOST {
        report.problem("", format!("found {bytes} bytes in total, expected at most {MOST}"));
    }
}

/// The part before the slash is a DNS name and no longer than one.
pub(in crate::schema) fn prefixes_are_short(map: &Node, report: &mut Report) {
    for entry in map.entries() {
        let length = entry.key.split('/').next().unwrap_or_default().chars().count();
        if length >= 253 {
            let text =
                format!("found a key with a prefix of {length} characters, expected at most 252");
            report.problem_at(entry.at, "", text);
        }
    }
}

/// For kinds whose objects belong to the whole cluster.
pub(in crate::schema) fn has_no_namespace(metadata: &Node, report: &mut Report) {
    if let Some(namespace) = metadata.text("namespace") {
        let text = format!("found {}, expected none: this kind has no namespace", quote(namespace));
        report.problem("namespace", text);
    }
}
