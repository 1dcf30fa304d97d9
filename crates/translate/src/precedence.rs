//! The one rule of who comes first. Everything that competes (routes for a port, listeners for a
//! hostname, policies for a Service) is ordered by it; nothing else decides an order.

use gwapi::{ObjectKey, ObjectMeta, Time};

/// The place of an object in the order: the oldest first, then by namespace and name.
///
/// Manifests without a creation time are all equally old, so that their names decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Age<'a> {
    created: Option<&'a Time>,
    key: &'a ObjectKey,
}

impl<'a> Age<'a> {
    /// The place of the object of this key.
    pub(crate) fn of(key: &'a ObjectKey, metadata: &'a ObjectMeta) -> Self {
        Self { created: metadata.creation_timestamp.as_ref(), key }
    }

    /// In words, why this one comes before `other`.
    pub(crate) fn advantage(self, other: Self) -> &'static str {
        if self.created == other.created { "first by name" } else { "older" }
    }
}
