//! Names of what is made for a Gateway. Gateways may be called what Services, Deployments and label
//! values may not.
//!
//! Source: GEP-1762 (`<gateway>-<class>`), RFC 1035 for Services, Kubernetes' label syntax.

use sha2::{Digest as _, Sha256};

/// The longest name of a Service, and the longest label value.
const LONGEST: usize = 63;
/// Hexadecimal digits that keep shortened names apart.
const DIGITS: usize = 10;

/// The name of an object for a Gateway of a class; `suffix` tells several of one kind apart. A name
/// that must be changed ends with a hash of what it stands for.
pub(super) fn object(gateway: &str, class: &str, suffix: &str) -> String {
    let plain = format!("{gateway}-{class}{suffix}");
    if is_label(&plain) {
        return plain;
    }
    let mut readable: String = plain
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .collect();
    if !readable.starts_with(|c: char| c.is_ascii_lowercase()) {
        readable.insert_str(0, "g-");
    }
    cut(&readable, &format!("{gateway}\0{class}\0{suffix}"))
}

/// A label's value for a name.
pub(super) fn label_value(name: &str) -> String {
    if name.len() <= LONGEST { name.to_owned() } else { cut(name, name) }
}

fn cut(readable: &str, of: &str) -> String {
    let end = readable.len().min(LONGEST - DIGITS - 1);
    let kept = readable.get(..end).unwrap_or_default().trim_end_matches(['-', '.', '_']);
    let digest = Sha256::digest(of.as_bytes());
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{kept}-{}", hash.get(..DIGITS).unwrap_or_default())
}

/// Whether it is a label of RFC 1035.
fn is_label(name: &str) -> bool {
    name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_name_is_gateway_and_class() {
        assert_eq!(object("edge", "tidegate", ""), "edge-tidegate");
        assert_eq!(object("edge", "tidegate", "-udp"), "edge-tidegate-udp");
        assert_eq!(label_value("edge.example"), "edge.example");
    }

    #[test]
    fn any_gateway_has_a_name_that_a_service_may_have() {
        let long = format!("{}.{}", "a".repeat(200), "b".repeat(52));
        let names = ["a.b", "1st", &long, &"x".repeat(63), "x-"];
        let mut seen = std::collections::BTreeSet::new();
        for gateway in names {
            for suffix in ["", "-1", "-udp"] {
                let name = object(gateway, "tidegate", suffix);
                assert!(is_label(&name), "{gateway}: {name}");
                assert!(seen.insert(name), "{gateway}{suffix} has a name of its own");
            }
            assert!(label_value(gateway).len() <= LONGEST);
        }
    }

    #[test]
    fn names_that_only_differ_where_they_are_cut_stay_apart() {
        let (one, other) = (format!("{}1", "a".repeat(80)), format!("{}2", "a".repeat(80)));
        assert_ne!(object(&one, "tidegate", ""), object(&other, "tidegate", ""));
        assert_ne!(label_value(&one), label_value(&other));
        assert_ne!(object("a.b", "tidegate", ""), object("a-b", "tidegate", ""));
    }
}
