//! The files of the repository, as git would commit them: build results and caches are left out
//! by name, so that a tree without git (a source archive) is checked too.

use std::fs;
use std::path::{Path, PathBuf};

/// One text file.
#[derive(Debug)]
pub struct File {
    /// Its path from the repository's root, with `/`.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this crate lives two folders below the root")
        .to_path_buf()
}

/// Every text file whose name ends with one of `endings`; an empty list is every text file.
pub fn files(endings: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found.retain(|path| {
        endings.is_empty() || endings.iter().any(|ending| path.to_string_lossy().ends_with(ending))
    });
    found.sort();
    found
        .into_iter()
        .filter_map(|path| {
            let relative = path.strip_prefix(root()).unwrap_or(&path);
            let text = fs::read_to_string(&path).ok()?;
            Some(File { path: relative.to_string_lossy().replace('\\', "/"), text })
        })
        .collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let left_out = ["target", ".git", ".cache", "corpus", "node_modules"];
        if left_out.iter().any(|left_out| name == *left_out) {
            continue;
        }
        // A link could lead out of the tree or in a circle.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&path, found),
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
}
