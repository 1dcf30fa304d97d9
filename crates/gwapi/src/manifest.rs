//! Multi-document YAML (and JSON) to [`Objects`], as strict as an API server.
//!
//! A document goes through three steps: parsed with positions ([`parse`]), checked and completed
//! against the schema of its kind ([`crate::schema`]), then read into its type ([`document`]). An
//! object is taken whole or not at all; what is wrong with it does not touch the others.

mod document;
mod parse;
mod places;
mod scalar;
#[cfg(test)]
mod tests;
pub(crate) mod tree;

use std::path::PathBuf;
use std::sync::Arc;

pub use self::parse::MAX_FILE_BYTES;
pub(crate) use self::parse::quote;
pub use self::places::{Location, Locations};
use self::tree::Mark;
use crate::{ObjectRef, Objects};

/// A file and its text.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it is from, for messages.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}

impl Source {
    /// A file from its bytes, which must be UTF-8. A byte order mark is skipped.
    pub fn from_bytes(path: PathBuf, bytes: Vec<u8>) -> Result<Self, Box<ManifestError>> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { path, text }),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
                let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
                let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
                let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
                let at = Mark { line: number(line), column: number(column) };
                Err(Box::new(ManifestError {
                    location: Location::new(&Arc::new(path), at),
                    object: None,
                    field: None,
                    unreadable: true,
                    problem: "not UTF-8".to_owned(),
                }))
            }
        }
    }
}

/// What was read from a set of files.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// The valid objects.
    pub objects: Objects,
    /// Where each object stands.
    pub locations: Locations,
    /// How many documents were passed over because their kind is read by somebody else.
    pub foreign: usize,
    /// What could not be read. Nothing of a document with an error is in `objects`.
    pub errors: Vec<ManifestError>,
}

/// Why a document or a file was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}:{}: {}", .location.path.display(), .location.line, .location.column, .problem)]
pub struct ManifestError {
    /// Where.
    pub location: Location,
    /// The object, as far as it could be told.
    pub object: Option<ObjectRef>,
    /// The field, if it is about one.
    pub field: Option<String>,
    /// Whether the whole file is unreadable (not YAML), not only one object of it. Nothing of such
    /// a file is in [`Manifests::objects`].
    pub unreadable: bool,
    /// What is wrong, with object, field and expected value.
    pub problem: String,
}

/// The most errors that are listed for one file. Objects with further errors are left out too.
const MAX_FILE_ERRORS: usize = 200;

/// Reads files. Total: what is wrong is in [`Manifests::errors`], in the order of the files.
///
/// Files are read in the order of their paths, so that of two objects with one name the same one
/// wins whatever the order of `sources`. The older served versions of a kind are read as `v1`.
pub fn read(sources: &[Source]) -> Manifests {
    let mut ordered: Vec<&Source> = sources.iter().collect();
    ordered.sort_by_key(|source| &source.path);
    let mut manifests = Manifests::default();
    for source in ordered {
        read_file(source, &mut manifests);
    }
    manifests
}

fn read_file(source: &Source, manifests: &mut Manifests) {
    let path = Arc::new(source.path.clone());
    let documents = match parse::documents(&source.text) {
        Ok(documents) => documents,
        Err(fault) => {
            manifests.errors.push(ManifestError {
                location: Location::new(&path, fault.at),
                object: None,
                field: None,
                unreadable: true,
                problem: fault.problem,
            });
            return;
        }
    };
    let first = manifests.errors.len();
    for document in documents {
        document::read(document, &path, manifests);
    }
    let found = manifests.errors.len() - first;
    if found > MAX_FILE_ERRORS {
        manifests.errors.truncate(first + MAX_FILE_ERRORS);
        let unlisted = found - MAX_FILE_ERRORS;
        if let Some(last) = manifests.errors.last().cloned() {
            let problem = format!("{unlisted} further errors in this file are not listed");
            manifests.errors.push(ManifestError { object: None, field: None, problem, ..last });
        }
    }
}

/// Every document of a text as JSON, whatever it is, for tests.
#[cfg(test)]
pub(crate) fn yaml_documents(text: &str) -> Vec<serde_json::Value> {
    let documents = parse::documents(text).expect("valid YAML");
    documents.into_iter().map(|document| document.root.into_json()).collect()
}
