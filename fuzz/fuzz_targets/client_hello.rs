//! Any bytes as the start of a TLS connection: one verdict under every segmentation and framing,
//! and no name that two other readers of the same bytes would not read.
//!
//! The parser is compiled in from its files: as a dependency, the whole data plane with its
//! cryptography would be built under instrumentation, which takes minutes and tests nothing more.
#![no_main]

// What the parser's own tests call it.
extern crate self as dataplane;

pub mod tls {
    pub use crate::client_hello;
}

#[path = "../../crates/dataplane/src/tls/client_hello.rs"]
pub mod client_hello;
#[path = "../../crates/dataplane/tests/support/client_hello_check.rs"]
mod client_hello_check;
#[path = "../../crates/dataplane/src/tls/wire.rs"]
mod wire;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    client_hello_check::check(bytes);
});
