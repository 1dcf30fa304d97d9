//! Rules of HTTPRoutes. Not here: those that tie filters to the rest, for filters are refused whole.

use std::collections::HashMap;

use crate::manifest::quote;
use crate::manifest::tree::Node;
use crate::schema::Report;
use crate::schema::patterns::PATH;

pub(in crate::schema) fn names_are_unique(route_rules: &Node, report: &mut Report) {
    let mut first = HashMap::new();
    for (index, rule) in route_rules.items().iter().enumerate() {
        let Some(name) = rule.text("name") else { continue };
        if let Some(other) = first.get(name) {
            let text = format!("found {}, which [{other}] has already", quote(name));
            report.problem(format_args!("[{index}].name"), text);
        } else {
            first.insert(name, index);
        }
    }
}

pub(in crate::schema) fn matches_are_few(route_rules: &Node, report: &mut Report) {
    const MOST: usize = 128;
    let count: usize = route_rules.items().iter().map(|rule| rule.items_of("matches").len()).sum();
    if count > MOST {
        report.problem("", format!("found {count} matches in total, expected at most {MOST}"));
    }
}

/// A path in the one form in which it is compared, element by element.
pub(in crate::schema) fn path_is_normal(path: &Node, report: &mut Report) {
    let (Some(kind), Some(value)) = (path.text("type"), path.text("value")) else { return };
    if kind == "RegularExpression" {
        return;
    }
    let lower = value.to_ascii_lowercase();
    let expected = if !value.starts_with('/') {
        "a path that begins with /"
    } else if ["//", "/./", "/../"].iter().any(|part| value.contains(part))
        || ["/.", "/.."].iter().any(|end| value.ends_with(end))
    {
        "a path without //, /. and /.."
    } else if lower.contains("%2f") || !PATH.matches(value) {
        PATH.says
    } else {
        return;
    };
    report.problem("value", format!("found {}, expected {expected}", quote(value)));
}
