//! Where objects come from and where statuses go: files standalone, the Kubernetes API in a
//! cluster. Calls [`translate::translate`] whenever one of its inputs changed.
//!
//! Data flows one way: a source ([`source::files`]) makes [`Loaded`] objects, [`source::dns`]
//! resolves the DNS names in them, [`reconcile`] translates and publishes, and what the data
//! plane really did comes back as one more input. Nothing here opens a listening socket.
//!
//! Reading order: [`source`] → [`source::files`] → [`source::dns`] →
//! [`reconcile`] → [`conditions`] → [`metrics`].

pub mod ca;
pub mod cluster;
pub mod conditions;
pub mod events;
#[cfg(test)]
mod fake_api;
pub mod fleet;
pub mod identity;
pub mod leader;
pub mod metrics;
pub mod owned;
pub mod provision;
pub mod reconcile;
pub mod source;
pub mod status;

pub use reconcile::View;
pub use source::{Loaded, Problem};
