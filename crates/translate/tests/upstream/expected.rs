//! What the tests of the conformance suite expect of their manifests, one expectation a line:
//! kind, name (with its namespace if it is not the suite's first, and `#listener`), and a
//! condition's status and, if the test names one, its reason.

#[path = "expected/gateways.rs"]
mod gateways;
#[path = "expected/tcp.rs"]
mod tcp;
#[path = "expected/tls.rs"]
mod tls;
#[path = "expected/udp.rs"]
mod udp;

/// One test.
#[derive(Default)]
pub(crate) struct Case {
    /// The name of its manifest.
    pub(crate) name: &'static str,
    /// What the test itself adds to it.
    pub(crate) more: &'static str,
    /// Whether the ReferenceGrants are taken away, as the test does half-way.
    pub(crate) without_grants: bool,
    /// Whether HTTP and HTTPS listeners stand for any listener.
    pub(crate) http_as_tls: bool,
    /// The minor version whose suite has it; empty for all.
    pub(crate) only: &'static str,
    /// What must hold.
    pub(crate) expected: &'static str,
}

/// All tests.
pub(crate) fn cases() -> Vec<Case> {
    let all = [tcp::cases(), udp::cases(), tls::cases(), gateways::cases()];
    all.into_iter().flatten().collect()
}

/// A test of the manifest `name` as it stands.
fn case(name: &'static str, expected: &'static str) -> Case {
    Case { name, expected, ..Case::default() }
}

/// The same, whose HTTP and HTTPS listeners stand for any listener.
fn http_as_tls(name: &'static str, expected: &'static str) -> Case {
    Case { http_as_tls: true, ..case(name, expected) }
}
