//! Who may have what: walks Gateways and their ListenerSets in order of precedence and decides
//! which listeners, sets and Gateways are accepted and what the data plane does for each listener.

use std::collections::BTreeMap;

use gwapi::reasons::Reason;

use crate::conflicts::Occupied;
use crate::gateways::Gateway;
use crate::listener_sets::ListenerSet;
use crate::listeners::{Listener, ListenerId};
use crate::status::Cause;

/// The outcome of the walk.
#[derive(Default)]
pub(crate) struct Acceptance {
    conflicts: BTreeMap<ListenerId, Cause>,
    /// By the Gateway's ordinal.
    accepted_gateways: Vec<bool>,
    /// By the set's ordinal.
    accepted_sets: Vec<bool>,
}

/// What the data plane does for a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Serves it.
    Serves,
    /// Refuses its connections where another listener opens the port: they must not fall to a
    /// listener with a less specific hostname.
    Refuses,
    /// Nothing.
    Absent,
}

/// Walks Gateways, the oldest first, and the sets of each.
pub(crate) fn decide<'a>(
    gateways: &[Gateway<'a>],
    sets: &[ListenerSet<'a>],
    listeners: &[Listener<'a>],
) -> Acceptance {
    let mut own: BTreeMap<usize, Vec<&Listener<'_>>> = BTreeMap::new();
    let mut of_sets: BTreeMap<usize, Vec<&Listener<'_>>> = BTreeMap::new();
    for listener in listeners {
        match listener.set {
            None => own.entry(listener.gateway.ordinal).or_default().push(listener),
            Some(set) => of_sets.entry(set.ordinal).or_default().push(listener),
        }
    }
    let mut sets_of: BTreeMap<usize, Vec<&ListenerSet<'_>>> = BTreeMap::new();
    for set in sets {
        sets_of.entry(set.gateway.ordinal).or_default().push(set);
    }

    let mut acceptance = Acceptance {
        conflicts: BTreeMap::new(),
        accepted_gateways: vec![false; gateways.len()],
        accepted_sets: vec![false; sets.len()],
    };
    let mut occupied = Occupied::default();
    for gateway in gateways {
        let listeners = own.remove(&gateway.ordinal).unwrap_or_default();
        let accepted = gateway.refusals.is_empty()
            && (listeners.is_empty() || acceptance.admit(&mut occupied, &listeners, |_| true));
        mark(&mut acceptance.accepted_gateways, gateway.ordinal, accepted);
        for set in sets_of.remove(&gateway.ordinal).unwrap_or_default() {
            let listeners = of_sets.remove(&set.ordinal).unwrap_or_default();
            let is_permitted = |listener: &Listener<'_>| !listener.lacks_permitted_certificate();
            let accepted = accepted
                && set.refusal.is_none()
                && acceptance.admit(&mut occupied, &listeners, is_permitted);
            mark(&mut acceptance.accepted_sets, set.ordinal, accepted);
        }
    }
    acceptance
}

fn mark(accepted: &mut [bool], ordinal: usize, value: bool) {
    if let Some(accepted) = accepted.get_mut(ordinal) {
        *accepted = value;
    }
}

impl Acceptance {
    /// Judges the listeners of one object and gives the winners their ports; whether one of them
    /// `counts`.
    ///
    /// A listener that lost a certificate or an authority keeps its port and hostname: taking a
    /// grant away must close a door, never hand the name to the next in line.
    fn admit<'l, 'a>(
        &mut self,
        occupied: &mut Occupied<'l, 'a>,
        listeners: &[&'l Listener<'a>],
        counts: impl Fn(&Listener<'_>) -> bool,
    ) -> bool {
        let candidates: Vec<_> =
            listeners.iter().copied().filter(|listener| only_lacks_authority(listener)).collect();
        let mut is_accepted = false;
        for (listener, conflict) in candidates.iter().zip(occupied.judge(&candidates)) {
            match conflict {
                None => {
                    is_accepted |= listener.refusals.is_empty() && counts(listener);
                    occupied.take(listener);
                }
                Some(conflict) => _ = self.conflicts.insert(listener.id, conflict),
            }
        }
        is_accepted
    }

    /// Why a listener cannot have its port.
    pub(crate) fn conflict(&self, listener: &Listener<'_>) -> Option<&Cause> {
        self.conflicts.get(&listener.id)
    }

    /// Whether the Gateway is accepted.
    pub(crate) fn is_gateway_accepted(&self, gateway: &Gateway<'_>) -> bool {
        self.accepted_gateways.get(gateway.ordinal).copied().unwrap_or_default()
    }

    /// Whether the set is accepted.
    pub(crate) fn is_set_accepted(&self, set: &ListenerSet<'_>) -> bool {
        self.accepted_sets.get(set.ordinal).copied().unwrap_or_default()
    }

    /// Whether the listener is accepted, seen from its object.
    pub(crate) fn is_listener_accepted(&self, listener: &Listener<'_>) -> bool {
        listener.refusals.is_empty() && self.conflict(listener).is_none()
    }

    /// What the data plane does for the listener.
    pub(crate) fn role(&self, listener: &Listener<'_>) -> Role {
        let is_let_in = match listener.set {
            None => self.is_gateway_accepted(listener.gateway),
            Some(set) => self.is_gateway_accepted(set.gateway) && set.refusal.is_none(),
        };
        if !is_let_in || self.conflict(listener).is_some() || !only_lacks_authority(listener) {
            return Role::Absent;
        }
        let can_serve = listener.refusals.is_empty()
            && !listener.kinds.usable.is_empty()
            && !listener.lacks_certificate();
        match listener.protocol {
            Some(_) if can_serve => Role::Serves,
            Some(protocol) if protocol.has_hostnames() => Role::Refuses,
            _ => Role::Absent,
        }
    }
}

/// Whether nothing is wrong with a listener itself: not even a missing authority is its own fault.
fn only_lacks_authority(listener: &Listener<'_>) -> bool {
    listener.refusals.iter().all(|cause| cause.reason == Reason::NoValidCaCertificate)
}
