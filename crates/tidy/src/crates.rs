//! The crates of the workspace and what they are built from, as cargo resolves it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::tree::root;

/// A crate that is really built, for some target, with some of its features.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Built {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence expression.
    pub licence: String,
    /// Where it comes from, if not from the registry or this workspace.
    pub source: Option<String>,
}

/// Every crate that a build of the workspace with its tests takes in, on any platform.
///
/// `cargo tree` and not `cargo metadata`: the latter lists optional crates that a weak feature
/// merely mentions.
pub fn built() -> BTreeSet<Built> {
    let format = "{p}\t{l}";
    let text = cargo(&[
        "tree",
        "--locked",
        "--workspace",
        "--target=all",
        "--edges=normal,build,dev",
        "--prefix=none",
        "--no-dedupe",
        "--format",
        format,
    ]);
    text.lines().filter_map(parse).collect()
}

/// Reads `name v1.2.3 (source)<tab>licence`.
fn parse(line: &str) -> Option<Built> {
    let (package, licence) = line.split_once('\t')?;
    let mut words = package.split_whitespace();
    let name = words.next()?.to_owned();
    let version = words.next()?.trim_start_matches('v').to_owned();
    let source = words
        .find(|word| word.starts_with('(') && *word != "(proc-macro)" && *word != "(*)")
        .map(|word| word.trim_matches(['(', ')']).to_owned());
    Some(Built { name, version, licence: licence.trim().to_owned(), source })
}

/// For each crate of the workspace, the crates of the workspace that its library or program is
/// built from. Dependencies of tests are left out.
pub fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let text = cargo(&["metadata", "--locked", "--no-deps", "--format-version=1"]);
    let metadata: Value = serde_json::from_str(&text).expect("cargo metadata writes JSON");
    let packages = metadata["packages"].as_array().expect("metadata has packages");
    packages
        .iter()
        .map(|package| {
            let uses = package["dependencies"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|dependency| !dependency["path"].is_null() && dependency["kind"] != "dev")
                .map(|dependency| text_of(&dependency["name"]))
                .collect();
            (text_of(&package["name"]), uses)
        })
        .collect()
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo runs, since it runs this");
    assert!(
        output.status.success(),
        "cargo {} failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}
