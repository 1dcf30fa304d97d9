//! Decides what to serve when a part of what stands in the files cannot be read: pure, from one
//! reading and the one before.
//!
//! The rules. A file that cannot be read keeps its objects; so does every file below a path that
//! is missing or cannot be listed, because a vanished folder is not an empty configuration. An
//! object that is no longer valid keeps its last valid version. A document that does not even say
//! which object it is may be any object that vanished from its file, so they all stay. Only an
//! object whose file is there, is readable and does not have it any more is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gwapi::ObjectRef;
use gwapi::manifest::{self, ManifestError, Manifests, Source};

use super::generation;
use super::scan::Found;
use crate::{Loaded, Problem};

/// The memory of the readings so far.
#[derive(Debug, Default)]
pub struct LastGood {
    files: BTreeMap<PathBuf, File>,
    loaded: Arc<Loaded>,
}

/// One file as it was last read.
#[derive(Debug)]
struct File {
    text: Arc<str>,
    manifests: Manifests,
    /// How many documents without a name the file had when nothing of it was kept. Only one more
    /// than that can stand for an object that vanished.
    nameless_before: usize,
}

impl File {
    fn read(path: &Path, text: Arc<str>, before: Option<&Self>) -> Self {
        let source = Source { path: path.to_owned(), text: text.to_string() };
        let manifests = manifest::read(&[source]);
        let nameless_before = before.map_or(nameless(&manifests), |file| file.nameless_before);
        Self { text, manifests, nameless_before }
    }

    fn hides_objects(&self) -> bool {
        self.manifests.errors.iter().any(|error| error.unreadable)
            || nameless(&self.manifests) > self.nameless_before
    }
}

fn nameless(manifests: &Manifests) -> usize {
    manifests.errors.iter().filter(|error| !error.unreadable && error.object.is_none()).count()
}

impl LastGood {
    /// A memory that begins with what is served already.
    pub fn resume(loaded: Arc<Loaded>) -> Self {
        Self { files: BTreeMap::new(), loaded }
    }

    /// What is served.
    pub fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    /// Takes in a reading and says what is to be served now.
    pub fn update(&mut self, found: Found) -> Arc<Loaded> {
        let mut problems: Vec<_> = found.unknown.values().cloned().collect();
        let mut unreadable = BTreeSet::new();
        let mut files = BTreeMap::new();
        for (path, text) in found.files {
            let before = self.files.remove(&path);
            match (text, before) {
                (Ok(text), Some(file)) if file.text == text => drop(files.insert(path, file)),
                (Ok(text), before) => {
                    let file = File::read(&path, text, before.as_ref());
                    files.insert(path, file);
                }
                (Err(problem), before) => {
                    problems.push(problem);
                    unreadable.insert(path.clone());
                    files.extend(before.map(|file| (path, file)));
                }
            }
        }
        let is_unknown =
            |path: &Path| found.unknown.keys().any(|unknown| path.starts_with(unknown));
        files.extend(
            std::mem::take(&mut self.files).into_iter().filter(|(path, _)| is_unknown(path)),
        );
        self.files = files;

        let mut loaded = self.combine(&mut problems);
        let hidden = |path: &Path| {
            is_unknown(path)
                || unreadable.contains(path)
                || self.files.get(path).is_some_and(File::hides_objects)
        };
        self.keep(&mut loaded, hidden, &problems);
        let kept: BTreeSet<_> =
            loaded.kept.iter().filter_map(|object| self.path_of(object).cloned()).collect();
        for (_, file) in self.files.iter_mut().filter(|(path, _)| !kept.contains(*path)) {
            file.nameless_before = nameless(&file.manifests);
        }
        generation::count(&mut loaded.objects, &self.loaded.objects);
        problems.sort_by(|a, b| (a.path(), a.location()).cmp(&(b.path(), b.location())));
        loaded.problems = problems;
        self.loaded = Arc::new(loaded);
        Arc::clone(&self.loaded)
    }

    /// Everything that can be read now. Of an object in several files, the file that had it before
    /// keeps it, else the first: an added file never takes over what is served.
    fn combine(&self, problems: &mut Vec<Problem>) -> Loaded {
        let mut owners: BTreeMap<ObjectRef, &Path> = BTreeMap::new();
        let mut doubles = Vec::new();
        for (path, file) in &self.files {
            problems.extend(file.manifests.errors.iter().cloned().map(Problem::Manifest));
            for object in file.manifests.objects.refs() {
                let had_it = self.path_of(&object) == Some(path);
                match owners.get(&object).copied() {
                    None => drop(owners.insert(object, path)),
                    Some(first) if had_it => {
                        doubles.push((object.clone(), first));
                        owners.insert(object, path);
                    }
                    Some(_) => doubles.push((object, path)),
                }
            }
        }
        let foreign = self.files.values().map(|file| file.manifests.foreign).sum();
        let mut loaded = Loaded { foreign, ..Loaded::default() };
        for (object, path) in &owners {
            let manifests = &self.files[*path].manifests;
            loaded.objects.copy_from(&manifests.objects, object);
            loaded.locations.copy_from(&manifests.locations, object);
        }
        problems.extend(doubles.into_iter().filter_map(|(object, path)| {
            let here = self.files.get(path)?.manifests.locations.find(&object, None)?;
            let there = loaded.locations.find(&object, None)?;
            Some(Problem::Manifest(ManifestError {
                location: here.clone(),
                problem: format!(
                    "{object}: is already in {}:{}; that one is used",
                    there.path.display(),
                    there.line
                ),
                object: Some(object),
                field: None,
                unreadable: false,
            }))
        }));
        loaded
    }

    /// Adds the objects served so far that are not there now but did not leave.
    fn keep(&self, loaded: &mut Loaded, hidden: impl Fn(&Path) -> bool, problems: &[Problem]) {
        let invalid: BTreeSet<_> = problems.iter().filter_map(Problem::object).collect();
        let before = &self.loaded;
        for object in before.objects.refs() {
            let stays = || {
                invalid.contains(&object) || self.path_of(&object).is_some_and(|path| hidden(path))
            };
            if !loaded.objects.contains(&object) && stays() {
                loaded.objects.copy_from(&before.objects, &object);
                loaded.locations.copy_from(&before.locations, &object);
                loaded.kept.insert(object);
            }
        }
    }

    fn path_of(&self, object: &ObjectRef) -> Option<&PathBuf> {
        self.loaded.locations.find(object, None).map(|location| location.path.as_ref())
    }
}

#[cfg(test)]
mod tests;
