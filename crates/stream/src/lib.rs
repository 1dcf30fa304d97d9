//! How snapshots travel from the controller to the proxies of a Gateway, and reports back.
//!
//! One gRPC method over TLS 1.3: a proxy dials, shows its ServiceAccount token and follows; it gets
//! the whole snapshot of its own fleet, then what changes, and answers each version with what it
//! could bind. Neither side knows where snapshots come from or what serves them: they come and go
//! through `watch` channels.
//!
//! Reading order: [`fleet`] (who) → [`hash`] → [`wire`] (bytes) → [`packed`] (a snapshot as it
//! travels) → [`delta`] → [`adopt`] (what a proxy makes of it) → [`server`] → [`client`] →
//! [`last_good`].
//!
//! Invariants: a message never panics and never allocates without bound, whoever sent it; what is
//! applied has the hash that the controller named; who somebody is follows from the token alone,
//! nothing in a message decides which fleet is served; no token byte leaves before the other side
//! has proved to be the controller; keys are in no `Debug`, log or error.

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used))]

pub mod adopt;
pub mod client;
pub mod delta;
pub mod fleet;
mod grpc;
pub mod hash;
pub mod last_good;
pub mod packed;
pub mod server;
pub mod wire;

pub use client::{Client, LinkState, follow};
pub use fleet::{Authenticate, Fleet, Member, Refused};
pub use hash::SnapshotHash;
pub use server::{Feeds, MemberReport, Reports, Server, serve};
