//! What several test modules need: reading one text, and finding the Go module cache.

use std::path::PathBuf;
use std::process::Command;

use crate::manifest::{Manifests, Source, read};

/// Reads a text as the file `a.yaml`.
pub(crate) fn read_text(text: &str) -> Manifests {
    read(&[Source { path: "a.yaml".into(), text: text.to_owned() }])
}

/// The errors of a text, as users see them but for the name of the file.
pub(crate) fn errors_of(text: &str) -> Vec<String> {
    let manifests = read_text(text);
    let strip = |error: String| error.strip_prefix("a.yaml:").map(str::to_owned).unwrap_or(error);
    manifests.errors.iter().map(|error| strip(error.to_string())).collect()
}

/// A folder of the Go module cache, if it is there. Says so if not.
pub(crate) fn go_module(path: &str) -> Option<PathBuf> {
    let output = Command::new("go").args(["env", "GOMODCACHE"]).output();
    let cache = match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => {
            println!("skipped: go does not run, so there is no module cache to compare with");
            return None;
        }
    };
    let folder = PathBuf::from(cache).join(path);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: the Go module cache has no {path}");
    None
}
