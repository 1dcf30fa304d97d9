//! ReferenceGrants: whether an object may refer to one of another namespace. Every reference that
//! can leave its namespace is asked about here, before anything is looked up, so that nobody learns
//! whether a foreign object exists.

use std::collections::BTreeMap;

use gwapi::objects::ByKey;
use gwapi::reasons::Reason;
use gwapi::{Kind, ObjectKey, ReferenceGrant};

use crate::status::Cause;

/// All grants, by the namespace they open.
pub(crate) struct Grants<'a> {
    by_namespace: BTreeMap<&'a str, Vec<&'a ReferenceGrant>>,
}

impl<'a> Grants<'a> {
    /// Sorts the grants by namespace.
    pub(crate) fn new(objects: &'a ByKey<ReferenceGrant>) -> Self {
        let mut by_namespace: BTreeMap<&str, Vec<&ReferenceGrant>> = BTreeMap::new();
        for (key, grant) in objects {
            by_namespace.entry(&key.namespace).or_default().push(grant);
        }
        Self { by_namespace }
    }

    /// Whether objects of kind `from` in `namespace` may refer to `target` of kind `to`.
    ///
    /// Spec: `ReferenceGrant` (`apis/v1/referencegrant_types.go`): all fields of an entry must be
    /// equal, entries and grants add up, and a reference within one namespace needs none.
    pub(crate) fn permits(
        &self,
        from: Kind,
        namespace: &str,
        to: Kind,
        target: &ObjectKey,
    ) -> bool {
        namespace == target.namespace
            || self.by_namespace.get(target.namespace.as_str()).is_some_and(|grants| {
                grants.iter().any(|grant| {
                    grant.spec.from.iter().any(|entry| {
                        entry.group == from.group()
                            && entry.kind == from.as_str()
                            && entry.namespace == namespace
                    }) && grant.spec.to.iter().any(|entry| {
                        entry.group == to.group()
                            && entry.kind == to.as_str()
                            && entry.name.as_deref().is_none_or(|name| name == target.name)
                    })
                })
            })
    }

    /// Says what is missing when [`Grants::permits`] is false.
    pub(crate) fn check(
        &self,
        from: Kind,
        namespace: &str,
        to: Kind,
        target: &ObjectKey,
        field: impl FnOnce() -> String,
    ) -> Result<(), Cause> {
        if self.permits(from, namespace, to, target) {
            return Ok(());
        }
        let message = format!(
            "no ReferenceGrant in namespace {} lets {} {from} of namespace {namespace} refer to \
             {to} {}",
            target.namespace,
            if from == Kind::HttpRoute { "an" } else { "a" },
            target.name
        );
        Err(Cause::new(Reason::RefNotPermitted, field(), message).with_fix(format!(
            "add a ReferenceGrant in namespace {} with from {{group: {}, kind: {from}, namespace: \
             {namespace}}} and to {{group: {:?}, kind: {to}, name: {}}}",
            target.namespace,
            from.group(),
            to.group(),
            target.name
        )))
    }
}
