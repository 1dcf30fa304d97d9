//! Which crates may be built from which, and what may come in from outside. The lists for the
//! outside are those of `deny.toml`.

use std::collections::BTreeSet;

use tidy::{crates, licence, tree};

/// Who may use whom. The data plane and the control plane never know each other; nothing but the
/// program knows both.
const ARROWS: [(&str, &[&str]); 11] = [
    ("gwapi", &[]),
    ("snapshot", &[]),
    ("translate", &["gwapi", "snapshot"]),
    ("controlplane", &["gwapi", "snapshot", "translate"]),
    ("dataplane", &["snapshot"]),
    ("stream", &["snapshot"]),
    ("tidegate", &["controlplane", "dataplane", "gwapi", "snapshot", "stream", "translate"]),
    ("demo", &[]),
    ("tidy", &[]),
    ("e2e", &[]),
    ("bench", &["e2e"]),
];

#[test]
fn crates_use_each_other_in_the_drawn_direction_only() {
    for (name, uses) in crates::arrows() {
        let Some((_, may_use)) = ARROWS.iter().find(|(known, _)| *known == name) else {
            panic!("crate {name} has no place in the drawing of ARCHITECTURE.md");
        };
        let may_use: BTreeSet<String> = may_use.iter().map(|&known| known.to_owned()).collect();
        let wrong: Vec<_> = uses.difference(&may_use).collect();
        assert!(wrong.is_empty(), "crate {name} must not use {wrong:?}");
    }
}

#[test]
fn every_crate_has_an_allowed_licence_and_comes_from_the_registry() {
    let deny = deny();
    let allowed: Vec<String> = deny["licenses"]["allow"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect();
    let root = tree::root();
    for built in crates::built() {
        let ours = built
            .source
            .as_deref()
            .is_some_and(|at| root.starts_with(at) || at.starts_with(&*root.to_string_lossy()));
        assert!(
            ours || licence::is_met(&built.licence, &allowed),
            "{} {}: licence {:?} is not allowed by deny.toml",
            built.name,
            built.version,
            built.licence
        );
        assert!(
            ours || built.source.is_none(),
            "{} {} comes from {:?}, not from the registry",
            built.name,
            built.version,
            built.source
        );
    }
}

#[test]
fn no_banned_crate_is_built() {
    let banned = deny()["bans"]["deny"].as_array().expect("a list").clone();
    assert!(!banned.is_empty());
    let built = crates::built();
    assert!(built.iter().any(|built| built.name == "rustls"), "the list of crates is whole");
    for entry in banned {
        let what = entry["crate"].as_str().expect("a name");
        let (name, below) = what.split_once("@<").map_or((what, None), |(n, v)| (n, Some(v)));
        for built in built.iter().filter(|built| built.name == name) {
            let wrong = below.is_none_or(|below| numbers(&built.version) < numbers(below));
            assert!(!wrong, "{} {} is banned: {}", name, built.version, entry["reason"]);
        }
    }
}

fn deny() -> toml::Table {
    let text = std::fs::read_to_string(tree::root().join("deny.toml")).expect("deny.toml");
    text.parse().expect("deny.toml is TOML")
}

fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
}
