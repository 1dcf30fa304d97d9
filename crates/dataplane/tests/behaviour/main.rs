//! Whole behaviours of the data plane over real sockets, one file for each topic.

#![allow(unreachable_pub, reason = "a test binary has no outside")]
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

#[path = "../support/pki.rs"]
mod pki;
#[path = "../support/schema.rs"]
mod schema;

mod budgets;
mod http;
mod limits;
mod observed;
mod refusals;
mod shutdown;
mod support;
mod tcp;
mod tls_passthrough;
mod tls_terminate;
mod udp;
mod updates;
