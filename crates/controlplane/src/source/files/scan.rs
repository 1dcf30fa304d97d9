//! Reads the text of every manifest file below some paths. Knows nothing of what the text means
//! and nothing of what was read before.
//!
//! Manifest files end in `.yaml`, `.yml` or `.json`. Names that begin with a dot are skipped below
//! the given paths, and symbolic links are followed: so a mounted ConfigMap, whose visible names
//! lead through the hidden `..data`, is read once.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gwapi::manifest::Source;

use crate::Problem;

/// The largest file that is read. A thousand times a large manifest; a bound only so that a
/// mistaken path cannot fill the memory.
pub const MAX_FILE_BYTES: u64 = 16 << 20;
/// The number of files that are read. Ten files for each of a thousand routes.
pub const MAX_FILES: usize = 10_000;

/// What stands below the paths.
#[derive(Debug, Default)]
pub struct Found {
    /// The text of every file, or why it could not be read.
    pub files: BTreeMap<PathBuf, Result<Arc<str>, Problem>>,
    /// Paths whose files are unknown: one that was asked for and is missing, or a folder that
    /// cannot be listed. No file below them counts as deleted.
    pub unknown: BTreeMap<PathBuf, Problem>,
}

/// Reads everything below `roots`, each of them a folder or a file of any name.
pub fn scan(roots: &[PathBuf]) -> Found {
    let mut walk = Walk::default();
    for root in roots {
        walk.enter(root, Named::OnCommandLine);
    }
    walk.found
}

/// How a path came to be visited.
#[derive(Clone, Copy, PartialEq)]
enum Named {
    /// By the user: whatever it is called, it is meant.
    OnCommandLine,
    /// By the folder that holds it.
    InFolder,
}

#[derive(Default)]
struct Walk {
    found: Found,
    /// Device and inode of the folders visited: links may form a circle.
    folders: HashSet<(u64, u64)>,
}

impl Walk {
    fn enter(&mut self, path: &Path, named: Named) {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            // A link that leads nowhere is a deleted file.
            Err(_) if named == Named::InFolder => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let problem = Problem::Missing(path.to_owned());
                self.found.unknown.insert(path.to_owned(), problem);
                return;
            }
            Err(error) => return self.unknown(path, error.to_string()),
        };
        if metadata.is_dir() {
            if self.folders.insert((metadata.dev(), metadata.ino())) {
                self.list(path);
            }
        } else if named == Named::OnCommandLine || is_manifest(path) {
            self.read(path, &metadata);
        }
    }

    fn list(&mut self, folder: &Path) {
        let names = fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
        let mut names: Vec<_> = match names {
            Ok(names) => names,
            Err(error) => return self.unknown(folder, error.to_string()),
        };
        names.sort();
        for name in names.iter().filter(|name| !is_hidden(name)) {
            self.enter(&folder.join(name), Named::InFolder);
        }
    }

    fn read(&mut self, path: &Path, metadata: &fs::Metadata) {
        if self.found.files.len() >= MAX_FILES {
            return self.unknown(path, format!("more than {MAX_FILES} files: not read"));
        }
        let text = match bytes_of(path, metadata) {
            Ok(bytes) => Source::from_bytes(path.to_owned(), bytes)
                .map(|source| Arc::from(source.text))
                .map_err(|error| Problem::Manifest(*error)),
            Err(error) => {
                Err(Problem::Unreadable { path: path.to_owned(), reason: error.to_string() })
            }
        };
        self.found.files.insert(path.to_owned(), text);
    }

    fn unknown(&mut self, path: &Path, reason: String) {
        let problem = Problem::Unreadable { path: path.to_owned(), reason };
        self.found.unknown.insert(path.to_owned(), problem);
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn is_manifest(path: &Path) -> bool {
    matches!(path.extension().and_then(OsStr::to_str), Some("yaml" | "yml" | "json"))
}

fn bytes_of(path: &Path, metadata: &fs::Metadata) -> io::Result<Vec<u8>> {
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("larger than {} MiB", MAX_FILE_BYTES >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(found: &Found, root: &Path) -> Vec<String> {
        let name =
            |path: &PathBuf| path.strip_prefix(root).expect("below the root").display().to_string();
        found.files.keys().map(name).collect()
    }

    #[test]
    fn manifests_are_found_in_all_folders_but_hidden_ones() {
        let dir = tempfile::tempdir().expect("folder");
        for name in ["b/.git", "b/c"] {
            fs::create_dir_all(dir.path().join(name)).expect("folder");
        }
        let files =
            ["a.yaml", "a.txt", ".a.yaml", "a.yaml~", "b/x.yml", "b/c/y.json", "b/.git/z.yaml"];
        for name in files {
            fs::write(dir.path().join(name), name).expect("file");
        }
        let found = scan(&[dir.path().to_owned()]);
        assert_eq!(names(&found, dir.path()), ["a.yaml", "b/c/y.json", "b/x.yml"]);
        assert!(found.unknown.is_empty());
    }

    #[test]
    fn a_mounted_config_map_is_read_once_through_its_links() {
        let dir = tempfile::tempdir().expect("folder");
        fs::create_dir(dir.path().join("..2026_11_23")).expect("folder");
        fs::write(dir.path().join("..2026_11_23/a.yaml"), "one").expect("file");
        symlink("..2026_11_23", dir.path().join("..data")).expect("link");
        symlink("..data/a.yaml", dir.path().join("a.yaml")).expect("link");
        let found = scan(&[dir.path().to_owned()]);
        assert_eq!(names(&found, dir.path()), ["a.yaml"]);
        assert_eq!(found.files.values().next(), Some(&Ok(Arc::from("one"))));
    }

    #[test]
    fn links_in_a_circle_end() {
        let dir = tempfile::tempdir().expect("folder");
        fs::write(dir.path().join("a.yaml"), "").expect("file");
        symlink(dir.path(), dir.path().join("again")).expect("link");
        assert_eq!(names(&scan(&[dir.path().to_owned()]), dir.path()), ["a.yaml"]);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let dir = tempfile::tempdir().expect("folder");
        fs::write(dir.path().join("latin.yaml"), b"name: caf\xe9").expect("file");
        fs::write(dir.path().join("large.yaml"), vec![b'#'; (MAX_FILE_BYTES + 1) as usize])
            .expect("file");
        let gone = dir.path().join("gone");
        let found = scan(&[dir.path().to_owned(), gone.clone()]);
        let reasons: Vec<_> = found
            .files
            .values()
            .map(|text| text.as_ref().expect_err("unreadable").reason())
            .collect();
        assert_eq!(reasons, ["larger than 16 MiB", "not UTF-8"]);
        assert_eq!(found.unknown.get(&gone), Some(&Problem::Missing(gone.clone())));
    }
}
