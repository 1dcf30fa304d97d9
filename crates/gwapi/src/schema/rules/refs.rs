//! Rules of lists of references to parents or targets that may name a section of them.
//!
//! Two references are to the same object if they say so word for word: an absent namespace and the
//! object's own namespace, written out, count as two, as in the CRDs.

use crate::manifest::tree::Node;
use crate::schema::Report;

type Object<'a> = (&'a str, &'a str, &'a str, &'a str);

/// Several references to one object name a section each, or there is only one of them.
pub(in crate::schema) fn sections_are_all_or_none(refs: &Node, report: &mut Report) {
    let refs: Vec<(Object<'_>, &str)> = refs.items().iter().map(parts).collect();
    for (index, (object, section)) in refs.iter().enumerate() {
        let other = refs.iter().position(|(o, s)| o == object && !s.is_empty());
        if section.is_empty()
            && let Some(other) = other
        {
            let (_, kind, _, name) = object;
            let text = format!(
                "missing, expected a name because [{other}] refers to the same {kind} {name} with one"
            );
            report.problem(format_args!("[{index}].sectionName"), text);
        }
    }
}

/// No two references are to the same section of the same object.
pub(in crate::schema) fn sections_are_unique(refs: &Node, report: &mut Report) {
    let refs: Vec<(Object<'_>, &str)> = refs.items().iter().map(parts).collect();
    for (index, found) in refs.iter().enumerate() {
        if let Some(other) = refs[..index].iter().position(|other| other == found) {
            let ((_, kind, _, name), section) = found;
            let text = if section.is_empty() {
                format!("found {kind} {name} again, expected sectionName to tell it from [{other}]")
            } else {
                format!("found {kind} {name} section {section:?}, which [{other}] has already")
            };
            report.problem(format_args!("[{index}]"), text);
        }
    }
}

fn parts(reference: &Node) -> (Object<'_>, &str) {
    let text = |field| reference.text(field).unwrap_or_default();
    ((text("group"), text("kind"), text("namespace"), text("name")), text("sectionName"))
}
