//! The manifests of `config/` and `crds/`, as text and as values.

use std::path::Path;

use serde_json::Value;

use crate::tree::{self, File};

/// One document of a file.
#[derive(Debug)]
pub struct Document {
    /// The file, from the repository's root.
    pub path: String,
    /// What it says.
    pub value: Value,
}

impl Document {
    /// The kind; empty for what is not an object, such as a patch.
    pub fn kind(&self) -> &str {
        self.value["kind"].as_str().unwrap_or_default()
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// The folder of the file.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// The YAML files below a folder of the repository.
pub fn files(folder: &str) -> Vec<File> {
    let mut files = tree::files(&[".yaml"]);
    files.retain(|file| Path::new(&file.path).starts_with(folder));
    assert!(!files.is_empty(), "there is no YAML below {folder}");
    files
}

/// Every document below a folder of the repository.
pub fn documents(folder: &str) -> Vec<Document> {
    let of = |file: File| {
        let values: Vec<Value> = serde_saphyr::from_multiple(&file.text)
            .unwrap_or_else(|error| panic!("{} is not YAML: {error}", file.path));
        values.into_iter().map(move |value| Document { path: file.path.clone(), value })
    };
    files(folder).into_iter().flat_map(of).collect()
}

/// The texts of a list; none of what is not a list.
pub fn words(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
