//! Hostnames of listeners and routes and the relations between them. Knows no listener and no
//! route.

use std::fmt;

use snapshot::ServerName;

/// A hostname as listeners and TLSRoutes have it.
///
/// Spec: `Hostname` (`apis/v1/shared_types.go`): a leading `*.` stands for one or more labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hostname {
    /// Exactly this name.
    Exact(ServerName),
    /// Every name that ends with a dot and this one.
    Wildcard(ServerName),
}

impl Hostname {
    /// Reads a hostname as manifests write it; `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("*.") {
            Some(suffix) => ServerName::parse(suffix.as_bytes()).map(Self::Wildcard),
            None => ServerName::parse(text.as_bytes()).map(Self::Exact),
        }
    }

    /// Whether every name that `other` matches is matched by this one too.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Exact(_), Self::Wildcard(_)) => false,
            (Self::Wildcard(suffix), Self::Exact(name)) => is_below(name, suffix),
            (Self::Wildcard(a), Self::Wildcard(b)) => a == b || is_below(b, a),
        }
    }

    /// Whether some name is matched by both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => write!(f, "{name}"),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

/// Whether some name is matched by both; no hostname matches every name.
pub(crate) fn overlap(a: Option<&Hostname>, b: Option<&Hostname>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.overlaps(b),
        _ => true,
    }
}

fn is_below(name: &ServerName, suffix: &ServerName) -> bool {
    name.as_str().strip_suffix(suffix.as_str()).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostnames_overlap_where_one_covers_the_other() {
        for (a, b, expected) in [
            ("a.example.com", "a.example.com", true),
            ("a.example.com", "b.example.com", false),
            ("abc.example.com", "*.example.com", true),
            ("a.b.example.com", "*.example.com", true),
            ("example.com", "*.example.com", false),
            ("badexample.com", "*.example.com", false),
            ("*.example.com", "*.com", true),
            ("*.example.com", "*.example.com", true),
            ("*.a.com", "*.b.com", false),
            ("*.example.com", "*.badexample.com", false),
            ("A.Example.COM", "a.example.com", true),
        ] {
            let a = Hostname::parse(a).expect("a hostname");
            let b = Hostname::parse(b).expect("a hostname");
            assert_eq!(a.overlaps(&b), expected, "{a} {b}");
            assert_eq!(b.overlaps(&a), expected, "{b} {a}");
        }
    }

    #[test]
    fn what_is_no_hostname_is_not_read() {
        for text in ["", "*", "*.", "*.*.example.com", "a..b", "a b", "a.*.com"] {
            assert_eq!(Hostname::parse(text), None, "{text:?}");
        }
    }
}
