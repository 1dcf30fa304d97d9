//! Sockets and bytes: serves a [`snapshot::Snapshot`] and reports what it could bind.
//!
//! Knows nothing of Kubernetes and nothing of where snapshots come from. N workers, each a
//! single-threaded runtime; every listener has one `SO_REUSEPORT` socket per worker; a connection
//! lives and dies on the worker that accepted it.

#[allow(dead_code, unused_imports)]
mod sys;
pub mod tls;
pub mod udp;
