//! Finds the conformance suite in Go's module cache, or has Go put it there.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The newest suite is written for a newer Go than its neighbours.
const TOOLCHAINS: [(&str, &str); 1] = [("v1.7.0", "go1.27.4")];

/// The folder of the suite of this version, or why there is none.
pub(crate) fn find(version: &str) -> Result<PathBuf, String> {
    let cache = go(&["env", "GOMODCACHE"], None, version)?;
    let path = Path::new(cache.trim())
        .join("sigs.k8s.io/gateway-api")
        .join(format!("conformance@{version}"));
    if !path.is_dir() {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        go(&["mod", "init", "example.com/suite"], Some(folder.path()), version)?;
        let module = format!("sigs.k8s.io/gateway-api/conformance@{version}");
        go(&["mod", "download", &module], Some(folder.path()), version)?;
    }
    path.is_dir().then_some(path).ok_or_else(|| "Go did not download it".to_owned())
}

fn go(arguments: &[&str], folder: Option<&Path>, version: &str) -> Result<String, String> {
    let mut command = Command::new("go");
    command.args(arguments);
    if let Some(folder) = folder {
        command.current_dir(folder);
        for (_, toolchain) in TOOLCHAINS.iter().filter(|(of, _)| *of == version) {
            command.env("GOTOOLCHAIN", toolchain);
        }
    }
    let output = command.output().map_err(|error| format!("go: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
