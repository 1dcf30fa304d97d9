//! `resourceVersion`: which of two is older.
//!
//! Kubernetes defines them to be comparable as decimal integers of any length, for one resource
//! of one API server (KEP-5504; conformance since 1.35, true of etcd since ever). What is not a
//! number is neither older nor newer than anything: then only the server's own errors count.

use std::cmp::Ordering;
use std::fmt;

/// A `resourceVersion`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version(String);

impl Version {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this one is certainly older.
    pub(crate) fn is_older_than(&self, other: &Self) -> bool {
        self.compare(other) == Some(Ordering::Less)
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(&self.0) || !is_number(&other.0) {
            return (self.0 == other.0).then_some(Ordering::Equal);
        }
        let (a, b) = (self.0.trim_start_matches('0'), other.0.trim_start_matches('0'));
        Some((a.len(), a).cmp(&(b.len(), b)))
    }
}

impl From<&str> for Version {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_of_any_length() {
        let older = |a: &str, b: &str| Version::from(a).is_older_than(&Version::from(b));
        assert!(older("9", "10"));
        assert!(!older("10", "9"));
        assert!(!older("10", "10"));
        assert!(older("99999999999999999999999999", "100000000000000000000000000"));
        assert!(older("007", "8"));
    }

    #[test]
    fn what_is_no_number_is_not_compared() {
        let (a, b) = (Version::from("abc"), Version::from("1"));
        assert!(!a.is_older_than(&b) && !b.is_older_than(&a));
    }
}
