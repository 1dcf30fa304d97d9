//! Reads the manifests of the official conformance tests, where the Go module cache has them.

use std::path::PathBuf;
use std::process::Command;

use gwapi::manifest::{Source, read};

const TESTS: &str = "sigs.k8s.io/gateway-api/conformance@v1.7.0/tests";

#[test]
fn manifests_of_the_conformance_tests_are_read() {
    let Some(folder) = module_cache().map(|cache| cache.join(TESTS)).filter(|dir| dir.is_dir())
    else {
        println!("skipped: the Go module cache has no {TESTS}");
        return;
    };
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let kinds = ["tcproute-", "udproute-", "tlsroute-", "httproute-"];
        if !kinds.iter().any(|kind| name.starts_with(kind)) || !name.ends_with(".yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        let manifests = read(&[Source { path: name.into(), text }]);
        let unexpected: Vec<String> = manifests.errors.iter().map(ToString::to_string).collect();
        assert_eq!(unexpected, [""; 0]);
        assert!(!manifests.objects.refs().is_empty(), "{}", path.display());
        count += 1;
    }
    assert!(count >= 91, "v1.7.0 has 91 of them, found {count}");
}

fn module_cache() -> Option<PathBuf> {
    let output = Command::new("go").args(["env", "GOMODCACHE"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().into())
}
