//! The samples of `config/samples`: each is taken whole by `tidegate check`, once the certificates
//! are there that its script makes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use e2e::{Program, gateway::binary, output};
use serde_json::Value;

use crate::DEADLINE;

/// What a cluster will have and a folder has not: endpoints, and proxies that have parameters.
const ONLY_IN_A_CLUSTER: [&str; 2] = ["no-ready-endpoints", "parameters-without-effect"];

#[test]
fn every_sample_is_right() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/samples");
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(&samples).expect("a folder").flatten() {
        let sample = entry.path();
        if !sample.is_dir() {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let script = samples.join("certificates.sh");
        let made = output(&Program::new(script).arg(&name), DEADLINE);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let certificates = folder.path().join("certificates.yaml");
        fs::write(&certificates, made).expect("written");

        let check = Program::new(binary("tidegate"))
            .args(["check", "--output", "json"])
            .arg(&sample)
            .arg(&certificates);
        let report: Value = serde_json::from_str(&output(&check, DEADLINE)).expect("JSON");
        assert_eq!(report["problems"], serde_json::json!([]), "{name}");
        let objects = report["objects"].as_array().expect("objects");
        for finding in objects.iter().flat_map(|object| object["findings"].as_array()).flatten() {
            let id = finding["id"].as_str().unwrap_or_default();
            assert!(ONLY_IN_A_CLUSTER.contains(&id), "{name}: {finding}");
        }
        let sockets = report["summary"]["sockets"].as_array().expect("sockets");
        assert!(!sockets.is_empty(), "{name} listens on nothing");
        seen.insert(name);
    }
    let page = fs::read_to_string(samples.join("README.md")).expect("a page");
    let told: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    assert_eq!(seen, told, "config/samples/README.md has a heading for each");
}
