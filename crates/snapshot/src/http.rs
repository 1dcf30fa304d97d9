//! Hosts and paths of HTTP requests, and the table that finds the most specific match for one.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{ServerName, SniTable};

/// What the path of a request must be like.
///
/// Spec: `HTTPPathMatch` (`apis/v1/httproute_types.go`). Paths are compared as they were sent, byte
/// by byte: nothing is decoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PathMatch {
    /// Exactly this path.
    Exact(Box<str>),
    /// This path and every one below it, element by element: `/a` matches `/a`, `/a/` and `/a/b`,
    /// never `/ab`. Without the slash at the end, so that the prefix `/` is empty.
    Prefix(Box<str>),
}

impl PathMatch {
    /// A prefix as manifests write it: a slash at the end says nothing.
    pub fn prefix(path: &str) -> Self {
        Self::Prefix(path.trim_end_matches('/').into())
    }
}

/// Values by path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PathTable<T> {
    exact: BTreeMap<Box<str>, T>,
    prefix: BTreeMap<Box<str>, T>,
}

impl<T> Default for PathTable<T> {
    fn default() -> Self {
        Self { exact: BTreeMap::new(), prefix: BTreeMap::new() }
    }
}

impl<T> PathTable<T> {
    /// Puts `value` at a path; gives back the value that stood there.
    pub fn insert(&mut self, path: &PathMatch, value: T) -> Option<T> {
        match path {
            PathMatch::Exact(path) => self.exact.insert(path.clone(), value),
            PathMatch::Prefix(path) => self.prefix.insert(path.clone(), value),
        }
    }

    /// The value for the path of a request: that of exactly this path, or else of its longest
    /// prefix. The path begins with a slash and has no query.
    pub fn lookup(&self, path: &str) -> Option<&T> {
        if let Some(value) = self.exact.get(path) {
            return Some(value);
        }
        let mut rest = path;
        loop {
            if let Some(value) = self.prefix.get(rest) {
                return Some(value);
            }
            rest = rest.rsplit_once('/')?.0;
        }
    }

    /// Path and value of every entry: exact paths, then prefixes.
    pub fn entries(&self) -> impl Iterator<Item = (PathMatch, &T)> {
        let exact = self.exact.iter().map(|(path, value)| (PathMatch::Exact(path.clone()), value));
        let prefix =
            self.prefix.iter().map(|(path, value)| (PathMatch::Prefix(path.clone()), value));
        exact.chain(prefix)
    }

    /// The same paths with other values.
    pub fn map<U>(&self, mut to: impl FnMut(&T) -> U) -> PathTable<U> {
        PathTable {
            exact: self.exact.iter().map(|(path, value)| (path.clone(), to(value))).collect(),
            prefix: self.prefix.iter().map(|(path, value)| (path.clone(), to(value))).collect(),
        }
    }
}

/// Values by host and path: what the rules of all HTTPRoutes of one listener come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HttpTable<T> {
    by_host: SniTable<PathTable<T>>,
}

impl<T> Default for HttpTable<T> {
    fn default() -> Self {
        Self { by_host: SniTable::default() }
    }
}

impl<T> HttpTable<T> {
    /// Puts `value` at a host, as [`SniTable::insert`] takes it, and a path; gives back the value
    /// that stood there. At a host that is none nothing is stored.
    pub fn insert(&mut self, host: Option<&str>, path: &PathMatch, value: T) -> Option<T> {
        match self.by_host.get_mut(host) {
            Some(paths) => paths.insert(path, value),
            None => {
                let mut paths = PathTable::default();
                paths.insert(path, value);
                self.by_host.insert(host, paths);
                None
            }
        }
    }

    /// The value for a request: of the most specific host that has one for its path, that of the
    /// most specific path. `None` is a host that is no name, or none.
    ///
    /// Spec: the comment of `HTTPRouteSpec.hostnames`: of the rules that match, the more specific
    /// host goes first. A rule that does not match by its path shadows nothing.
    pub fn lookup(&self, host: Option<&ServerName>, path: &str) -> Option<&T> {
        self.by_host.matching(host).find_map(|paths| paths.lookup(path))
    }

    /// Host (as written in manifests; `None` is any), path and value of every entry.
    pub fn entries(&self) -> impl Iterator<Item = (Option<String>, PathMatch, &T)> {
        self.by_host.entries().flat_map(|(host, paths)| {
            paths.entries().map(move |(path, value)| (host.clone(), path, value))
        })
    }

    /// Every value.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.by_host.values().flat_map(|paths| paths.exact.values().chain(paths.prefix.values()))
    }

    /// The same hosts and paths with other values.
    pub fn map<U>(&self, mut to: impl FnMut(&T) -> U) -> HttpTable<U> {
        HttpTable { by_host: self.by_host.map(|paths| paths.map(&mut to)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(exact: &[&str], prefixes: &[&str]) -> PathTable<String> {
        let mut table = PathTable::default();
        for path in exact {
            table.insert(&PathMatch::Exact((*path).into()), format!("={path}"));
        }
        for path in prefixes {
            table.insert(&PathMatch::prefix(path), format!("{path}*"));
        }
        table
    }

    #[test]
    fn an_exact_path_beats_a_prefix_and_a_longer_prefix_a_shorter_one() {
        let table = paths(&["/a/b", "/a/"], &["/", "/a", "/a/b/", "/a/b/c"]);
        for (path, expected) in [
            ("/", "/*"),
            ("/b", "/*"),
            ("/ab", "/*"),
            ("/a", "/a*"),
            ("/a/", "=/a/"),
            ("/a/x/", "/a*"),
            ("/a/b", "=/a/b"),
            ("/a/b/", "/a/b/*"),
            ("/a/b/c", "/a/b/c*"),
            ("/a/b/cd", "/a/b/*"),
            ("/A", "/*"),
            ("/%61", "/*"),
            ("//a", "/*"),
        ] {
            assert_eq!(table.lookup(path).map(String::as_str), Some(expected), "{path}");
        }
    }

    #[test]
    fn without_a_prefix_for_all_some_paths_have_no_value() {
        let table = paths(&["/a"], &["/b"]);
        for path in ["/", "/a/", "/ab", "/c", "/bc"] {
            assert_eq!(table.lookup(path), None, "{path}");
        }
    }

    #[test]
    fn a_rule_of_a_less_specific_host_answers_where_the_more_specific_has_no_path() {
        let mut table = HttpTable::default();
        let prefix = PathMatch::prefix;
        table.insert(None, &prefix("/any"), "any");
        table.insert(Some("*.example.com"), &prefix("/"), "wildcard");
        table.insert(Some("a.example.com"), &prefix("/.well-known"), "exact");
        assert_eq!(table.insert(None, &prefix("/any/"), "any"), Some("any"));
        for (host, path, expected) in [
            ("a.example.com", "/.well-known/x", Some("exact")),
            ("a.example.com", "/", Some("wildcard")),
            ("a.example.com", "/any", Some("wildcard")),
            ("other.com", "/any", Some("any")),
            ("other.com", "/", None),
            ("", "/any", Some("any")),
        ] {
            let name = ServerName::parse(host.as_bytes());
            assert_eq!(table.lookup(name.as_ref(), path).copied(), expected, "{host}{path}");
        }
        assert_eq!(table.map(|value| value.len()).values().sum::<usize>(), 3 + 8 + 5);
        let first = table.entries().next();
        assert_eq!(first, Some((Some("a.example.com".into()), prefix("/.well-known"), &"exact")));
    }
}
