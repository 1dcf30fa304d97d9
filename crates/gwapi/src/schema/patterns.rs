//! The patterns that strings must match, each with words for people.
//!
//! As in an API server they are searched for, not anchored: where one lacks `^`, a match anywhere
//! will do.

use std::sync::OnceLock;

use regex_lite::Regex;

/// A regular expression and what it stands for.
pub(super) struct Pattern {
    pub(super) regex: &'static str,
    pub(super) says: &'static str,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    const fn new(regex: &'static str, says: &'static str) -> Self {
        Self { regex, says, compiled: OnceLock::new() }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let compile = || Regex::new(self.regex).expect("a test compiles every pattern");
        self.compiled.get_or_init(compile).is_match(text)
    }
}

pub(super) static LABEL: Pattern = Pattern::new(
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    "a DNS label: lower-case letters, digits and dashes, such as my-name",
);

pub(super) static SUBDOMAIN: Pattern = Pattern::new(
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    "a lower-case DNS name such as db.example.com",
);

pub(super) static GROUP: Pattern = Pattern::new(
    r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    r#"an API group such as gateway.networking.k8s.io, or "" for the core group"#,
);

pub(super) static KIND: Pattern = Pattern::new(
    "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$",
    "a kind such as Service: letters, digits and dashes",
);

pub(super) static HOSTNAME: Pattern = Pattern::new(
    r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    "a lower-case host name such as db.example.com or *.example.com",
);

pub(super) static CONTROLLER: Pattern = Pattern::new(
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$",
    "a domain and a path such as tidegate.dev/gateway-controller",
);

pub(super) static PROTOCOL: Pattern = Pattern::new(
    r"^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9]+$",
    "TCP, UDP, TLS, HTTP, HTTPS or a protocol such as example.com/name",
);

pub(super) static ADDRESS_TYPE: Pattern = Pattern::new(
    r"^Hostname|IPAddress|NamedAddress|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$",
    "IPAddress, Hostname, NamedAddress or a type such as example.com/name",
);

pub(super) static URI: Pattern = Pattern::new(
    r"^(([^:/?#]+):)(//([^/?#]*))([^?#]*)(\?([^#]*))?(#(.*))?",
    "a URI such as spiffe://example.com/db",
);

pub(super) static WELL_KNOWN_CAS: Pattern = Pattern::new(
    r"^(System|([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]))$",
    "System or a name such as example.com/roots",
);

pub(super) static LABEL_VALUE: Pattern = Pattern::new(
    "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
    "a label value: at most 63 letters, digits, dashes, dots and underscores",
);

/// Keys of labels and annotations.
pub(super) static QUALIFIED_NAME: Pattern = Pattern::new(
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$",
    "a name of at most 63 characters, with or without a DNS name and a slash before it",
);

pub(super) static DATA_KEY: Pattern =
    Pattern::new("^[-._a-zA-Z0-9]+$", "letters, digits, dashes, dots and underscores");

pub(super) static DURATION: Pattern =
    Pattern::new(crate::parameters::DURATION, "a duration such as 30s, 5m or 1h30m");

/// The pattern of a definition of ours, with its words.
pub(super) fn of_definitions(regex: &str) -> &'static Pattern {
    assert_eq!(regex, DURATION.regex, "a pattern of a definition has words here");
    &DURATION
}

/// What a path that is compared byte by byte may be made of.
pub(super) static PATH: Pattern = Pattern::new(
    r"^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$",
    "a path of letters, digits and -/._~!$&'()*+,;=:@, others as %20, without %2f and #",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles_and_tells_right_from_wrong() {
        for (pattern, right, wrong) in [
            (&LABEL, "a-1", "a.b"),
            (&SUBDOMAIN, "a-1.b", "A"),
            (&GROUP, "", "a_b"),
            (&KIND, "TCPRoute", "1a"),
            (&HOSTNAME, "*.example.com", "a.*"),
            (&CONTROLLER, "tidegate.dev/gateway-controller", "tidegate.dev"),
            (&PROTOCOL, "example.com/quic", "a b"),
            (&ADDRESS_TYPE, "IPAddress", "Address"),
            (&URI, "spiffe://a/b", "a/b"),
            (&WELL_KNOWN_CAS, "System", "system"),
            (&LABEL_VALUE, "", "-a"),
            (&QUALIFIED_NAME, "example.com/a", "/a"),
            (&DATA_KEY, "tls.crt", "a/b"),
            (&DURATION, "1h30m", "30"),
            (&PATH, "/a%20b", "/a b"),
        ] {
            assert!(pattern.matches(right), "{} {right}", pattern.says);
            assert!(!pattern.matches(wrong), "{} {wrong}", pattern.says);
        }
    }
}
