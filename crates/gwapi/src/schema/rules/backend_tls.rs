//! Rules of BackendTLSPolicy.

use crate::manifest::tree::Node;
use crate::schema::Report;

/// A hostname stands exactly where the type is Hostname.
pub(in crate::schema) fn hostname_is_of_its_type(alt_name: &Node, report: &mut Report) {
    field_is_of_its_type("Hostname", "hostname", alt_name, report);
}

/// A URI stands exactly where the type is URI.
pub(in crate::schema) fn uri_is_of_its_type(alt_name: &Node, report: &mut Report) {
    field_is_of_its_type("URI", "uri", alt_name, report);
}

fn field_is_of_its_type(r#type: &str, field: &str, alt_name: &Node, report: &mut Report) {
    let found = alt_name.text("type").unwrap_or_default();
    match alt_name.text(field) {
        None | Some("") if found == r#type => {
            report.problem(field, format!("missing, expected one because type is {found}"));
        }
        Some(value) if !value.is_empty() && found != r#type => {
            let text = format!("found {value:?}, expected none because type is {found}");
            report.problem(field, text);
        }
        _ => {}
    }
}

/// Authorities come from references or from a well-known set: one of both, not neither.
pub(in crate::schema) fn one_source_of_authorities(validation: &Node, report: &mut Report) {
    let refs = validation.items_of("caCertificateRefs").len();
    let well_known = validation.text("wellKnownCACertificates").unwrap_or_default();
    match (refs, well_known) {
        (0, "") => report.problem(
            "",
            "found no certificate authority, expected caCertificateRefs or wellKnownCACertificates",
        ),
        (0, _) | (_, "") => {}
        (refs, well_known) => report.problem(
            "wellKnownCACertificates",
            format!(
                "found {well_known:?} beside {refs} caCertificateRefs, expected one of the two"
            ),
        ),
    }
}
