//! Which ListenerSets belong to our Gateways and whether the Gateway lets them in. Knows no
//! listener.

use std::collections::BTreeMap;

use gwapi::listeners::FromNamespaces;
use gwapi::objects::ByKey;
use gwapi::reasons::Reason;
use gwapi::{GATEWAY_GROUP, Kind, ObjectKey};

use crate::gateways::Gateway;
use crate::namespaces::Namespaces;
use crate::precedence::Age;
use crate::status::Cause;

/// A ListenerSet whose Gateway is ours.
pub(crate) struct ListenerSet<'a> {
    /// Its place among all of them: in the order of their Gateways, then the oldest first.
    pub(crate) ordinal: usize,
    /// Its key.
    pub(crate) key: &'a ObjectKey,
    /// The object.
    pub(crate) object: &'a gwapi::ListenerSet,
    /// Its Gateway.
    pub(crate) gateway: &'a Gateway<'a>,
    /// Why the Gateway does not let it in.
    pub(crate) refusal: Option<Cause>,
}

/// The key of the Gateway that a set names, if it names a Gateway.
pub(crate) fn gateway_of(key: &ObjectKey, set: &gwapi::ListenerSet) -> Option<ObjectKey> {
    let parent = &set.spec.parent_ref;
    let names_gateway = parent.group.as_deref().unwrap_or(GATEWAY_GROUP) == GATEWAY_GROUP
        && parent.kind.as_deref().unwrap_or("Gateway") == Kind::Gateway.as_str();
    let namespace = parent.namespace.as_ref().unwrap_or(&key.namespace);
    names_gateway.then(|| ObjectKey::new(namespace.as_str(), parent.name.as_str()))
}

/// Finds the sets of our Gateways, in the order in which their listeners are merged.
///
/// Spec: GEP-1713: the Gateway's own listeners first, then sets by age, then by namespace and name.
pub(crate) fn ours<'a>(
    objects: &'a ByKey<gwapi::ListenerSet>,
    gateways: &'a [Gateway<'a>],
    namespaces: &Namespaces<'_>,
) -> Vec<ListenerSet<'a>> {
    let by_key: BTreeMap<&ObjectKey, &Gateway<'_>> =
        gateways.iter().map(|gateway| (gateway.key, gateway)).collect();
    let mut found: Vec<_> = objects
        .iter()
        .filter_map(|(key, object)| {
            let gateway = *by_key.get(&gateway_of(key, object)?)?;
            Some((gateway.ordinal, Age::of(key, &object.metadata), key, object.as_ref(), gateway))
        })
        .collect();
    found.sort_by_key(|(gateway, age, ..)| (*gateway, *age));
    found
        .into_iter()
        .enumerate()
        .map(|(ordinal, (_, _, key, object, gateway))| ListenerSet {
            ordinal,
            key,
            object,
            gateway,
            refusal: refusal(key, gateway, namespaces),
        })
        .collect()
}

fn refusal(key: &ObjectKey, gateway: &Gateway<'_>, namespaces: &Namespaces<'_>) -> Option<Cause> {
    let allowed = gateway.object.spec.allowed_listeners.as_ref();
    let from = allowed.map_or(FromNamespaces::None, FromNamespaces::from);
    if namespaces.admits(&from, &gateway.key.namespace, &key.namespace) {
        return None;
    }
    let found = match from {
        FromNamespaces::Same => "of its own namespace only",
        FromNamespaces::Selector(_) => "of namespaces that its selector matches only",
        _ => "of no namespace",
    };
    let cause = Cause::new(
        Reason::NotAllowed,
        "spec.parentRef",
        format!("Gateway {} admits ListenerSets {found}", gateway.key),
    );
    Some(cause.with_fix(format!(
        "let spec.allowedListeners of Gateway {} admit namespace {}",
        gateway.key, key.namespace
    )))
}
