//! Server names and the table that finds the most specific match for one.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// A host name in the one form it is compared in: lower case, no trailing dot, letters, digits,
/// hyphens, dots and underscores only, at most 253 bytes (RFC 1035 §2.3.4, RFC 6066 §3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ServerName(Box<str>);

impl ServerName {
    /// Reads a name as it stands in a ClientHello or a manifest. `None` if it is empty, too long,
    /// has an empty label or a byte outside the alphabet.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let name = name.strip_suffix(b".").unwrap_or(name);
        let well_formed = !name.is_empty()
            && name.len() <= 253
            && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
            && name.split(|b| *b == b'.').all(|label| (1..=63).contains(&label.len()));
        let text = std::str::from_utf8(name).ok().filter(|_| well_formed)?;
        Some(Self(text.to_ascii_lowercase().into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ServerName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Values by hostname: an exact name beats a wildcard, a longer wildcard a shorter one, and any of
/// them the value without hostname.
///
/// Spec: Gateway API `Listener.hostname` and `TLSRoute.spec.hostnames`: `*.example.com` matches
/// one or more labels before `example.com`, never `example.com` itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SniTable<T> {
    exact: BTreeMap<ServerName, T>,
    /// Keyed by the part after `*.`.
    wildcard: BTreeMap<ServerName, T>,
    any: Option<T>,
}

impl<T> Default for SniTable<T> {
    fn default() -> Self {
        Self { exact: BTreeMap::new(), wildcard: BTreeMap::new(), any: None }
    }
}

impl<T> SniTable<T> {
    /// Puts `value` at a hostname as written in a manifest: `None` for "any", a leading `*.` for a
    /// wildcard. Gives back the value that stood there. A name that is no host name is not stored
    /// and comes back.
    pub fn insert(&mut self, hostname: Option<&str>, value: T) -> Option<T> {
        let Some(hostname) = hostname else {
            return self.any.replace(value);
        };
        let (table, name) = match hostname.strip_prefix("*.") {
            Some(suffix) => (&mut self.wildcard, suffix),
            None => (&mut self.exact, hostname),
        };
        match ServerName::parse(name.as_bytes()) {
            Some(name) => table.insert(name, value),
            None => Some(value),
        }
    }

    /// Whether a value stands at exactly this hostname, in the form [`SniTable::insert`] takes.
    pub fn contains(&self, hostname: Option<&str>) -> bool {
        let Some(hostname) = hostname else {
            return self.any.is_some();
        };
        let (table, name) = match hostname.strip_prefix("*.") {
            Some(suffix) => (&self.wildcard, suffix),
            None => (&self.exact, hostname),
        };
        ServerName::parse(name.as_bytes()).is_some_and(|name| table.contains_key(&name))
    }

    /// The value at exactly this hostname, in the form [`SniTable::insert`] takes.
    pub fn get_mut(&mut self, hostname: Option<&str>) -> Option<&mut T> {
        let Some(hostname) = hostname else {
            return self.any.as_mut();
        };
        let (table, name) = match hostname.strip_prefix("*.") {
            Some(suffix) => (&mut self.wildcard, suffix),
            None => (&mut self.exact, hostname),
        };
        table.get_mut(&ServerName::parse(name.as_bytes())?)
    }

    /// The most specific value for `name`; for no name only the value without hostname.
    pub fn lookup(&self, name: Option<&ServerName>) -> Option<&T> {
        self.matching(name).next()
    }

    /// Every value for `name`, the most specific first; for no name only the value without
    /// hostname.
    pub fn matching(&self, name: Option<&ServerName>) -> impl Iterator<Item = &T> {
        let exact = name.and_then(|name| self.exact.get(name));
        let suffixes =
            std::iter::successors(name.and_then(|name| parent(name.as_str())), |name| parent(name));
        let wildcards = suffixes.filter_map(|suffix| self.wildcard.get(suffix));
        exact.into_iter().chain(wildcards).chain(&self.any)
    }

    /// Every value: exact names, wildcards, then the one without hostname.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.exact.values().chain(self.wildcard.values()).chain(&self.any)
    }

    /// Hostname (as written in manifests) and value of every entry; `None` is "any".
    pub fn entries(&self) -> impl Iterator<Item = (Option<String>, &T)> {
        self.exact
            .iter()
            .map(|(name, value)| (Some(name.to_string()), value))
            .chain(self.wildcard.iter().map(|(name, value)| (Some(format!("*.{name}")), value)))
            .chain(self.any.iter().map(|value| (None, value)))
    }

    /// The same hostnames with other values.
    pub fn map<U>(&self, mut to: impl FnMut(&T) -> U) -> SniTable<U> {
        SniTable {
            exact: self.exact.iter().map(|(name, value)| (name.clone(), to(value))).collect(),
            wildcard: self.wildcard.iter().map(|(name, value)| (name.clone(), to(value))).collect(),
            any: self.any.as_ref().map(to),
        }
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wildcard.is_empty() && self.any.is_none()
    }
}

/// A name without its first label.
fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, parent)| parent)
}

#[cfg(test)]
mod tests;
