//! The lookup of server names, by table.

use super::*;

fn table(hostnames: &[Option<&str>]) -> SniTable<String> {
    let mut table = SniTable::default();
    for hostname in hostnames {
        table.insert(*hostname, hostname.unwrap_or("any").to_owned());
    }
    table
}

fn found<'a>(table: &'a SniTable<String>, name: &str) -> Option<&'a str> {
    let name = ServerName::parse(name.as_bytes());
    table.lookup(name.as_ref()).map(String::as_str)
}

#[test]
fn exact_beats_longer_wildcard_beats_shorter_wildcard_beats_any() {
    let table = table(&[None, Some("*.com"), Some("*.example.com"), Some("a.example.com")]);
    assert_eq!(found(&table, "a.example.com"), Some("a.example.com"));
    assert_eq!(found(&table, "b.example.com"), Some("*.example.com"));
    assert_eq!(found(&table, "x.y.example.com"), Some("*.example.com"));
    assert_eq!(found(&table, "other.com"), Some("*.com"));
    assert_eq!(found(&table, "other.org"), Some("any"));
}

#[test]
fn a_wildcard_never_matches_its_bare_suffix() {
    let table = table(&[Some("*.example.com")]);
    assert_eq!(found(&table, "example.com"), None);
    assert_eq!(found(&table, "a.example.com"), Some("*.example.com"));
}

#[test]
fn no_name_finds_only_the_entry_without_hostname() {
    assert_eq!(table(&[Some("a.example.com")]).lookup(None), None);
    assert!(table(&[None]).lookup(None).is_some());
}

#[test]
fn names_are_compared_in_lower_case_without_trailing_dot() {
    let table = table(&[Some("db1.example.com")]);
    assert_eq!(found(&table, "DB1.example.com."), Some("db1.example.com"));
}

#[test]
fn names_outside_the_alphabet_are_refused() {
    let long = "a.".repeat(128);
    for bad in ["", ".", "a..b", "a b", "a\nb", "münchen", "*.a", &long, &"a".repeat(64)] {
        assert_eq!(ServerName::parse(bad.as_bytes()), None, "{bad:?}");
    }
    assert!(ServerName::parse(b"_sip.example-1.com").is_some());
}
