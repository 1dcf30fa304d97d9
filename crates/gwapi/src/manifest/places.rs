//! Where the objects and their fields stand in the files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::tree::{Mark, Node, Value};
use crate::ObjectRef;

/// A place in a file. Line and column count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file.
    pub path: Arc<PathBuf>,
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl Location {
    pub(super) fn new(path: &Arc<PathBuf>, at: Mark) -> Self {
        Self { path: Arc::clone(path), line: at.line, column: at.column }
    }
}

/// Where objects and their fields stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Locations {
    objects: BTreeMap<ObjectRef, Arc<Place>>,
}

impl Locations {
    /// The place of a field, of its closest parent that is written down, or of the object itself.
    ///
    /// A field is a path such as `spec.listeners[0].port`. A key that is no plain name may stand
    /// in brackets: `data[tls.crt]`. A scalar is where its value begins, a list or map where its
    /// key stands.
    pub fn find(&self, object: &ObjectRef, field: Option<&str>) -> Option<&Location> {
        Some(self.objects.get(object)?.find(field.unwrap_or_default()))
    }

    /// Takes over where `object` and its fields stand in `other`.
    pub fn copy_from(&mut self, other: &Self, object: &ObjectRef) {
        if let Some(place) = other.objects.get(object) {
            self.objects.insert(object.clone(), Arc::clone(place));
        }
    }

    pub(super) fn insert(&mut self, object: ObjectRef, place: Place) {
        self.objects.insert(object, Arc::new(place));
    }
}

/// Where a value and its parts stand.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    at: Location,
    parts: Parts,
}

#[derive(Clone, Debug, PartialEq)]
enum Parts {
    None,
    Items(Box<[Place]>),
    Entries(Box<[(Box<str>, Place)]>),
}

impl Place {
    /// The places of a whole document.
    pub(super) fn of(root: &Node, path: &Arc<PathBuf>) -> Self {
        Self::at(root.at, root, path)
    }

    fn at(at: Mark, node: &Node, path: &Arc<PathBuf>) -> Self {
        let parts = match &node.value {
            Value::List(items) => {
                Parts::Items(items.iter().map(|item| Self::at(item.at, item, path)).collect())
            }
            Value::Map(entries) => Parts::Entries(
                entries
                    .iter()
                    .map(|entry| {
                        let collection = entry.node.is_collection();
                        let at = if collection { entry.at } else { entry.node.at };
                        (entry.key.as_str().into(), Self::at(at, &entry.node, path))
                    })
                    .collect(),
            ),
            _ => Parts::None,
        };
        Self { at: Location::new(path, at), parts }
    }

    /// The place of a path from here, or of its closest parent.
    pub(super) fn find(&self, path: &str) -> &Location {
        let (mut place, mut rest) = (self, path);
        while let Some((next, remaining)) = place.step(rest) {
            (place, rest) = (next, remaining);
        }
        &place.at
    }

    /// One segment of a path: the part it names and what follows.
    fn step<'p>(&self, path: &'p str) -> Option<(&Self, &'p str)> {
        match &self.parts {
            Parts::None => None,
            Parts::Items(items) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                Some((items.get(index.parse::<usize>().ok()?)?, rest))
            }
            Parts::Entries(entries) => {
                let found = |(key, place)| Some((place, after_key(path, key)?));
                // The longest key wins: keys of ConfigMaps and labels may hold dots.
                entries
                    .iter()
                    .filter_map(|(key, place)| found((&**key, place)))
                    .min_by_key(|(_, rest)| rest.len())
            }
        }
    }
}

/// What follows a key at the head of a path, if it stands there.
fn after_key<'p>(path: &'p str, key: &str) -> Option<&'p str> {
    if let Some(bracketed) = path.strip_prefix('[') {
        return bracketed.strip_prefix(key)?.strip_prefix(']');
    }
    let path = path.strip_prefix('.').unwrap_or(path);
    let rest = path.strip_prefix(key)?;
    (!path.is_empty() && (rest.is_empty() || rest.starts_with(['.', '[']))).then_some(rest)
}
