//! Listeners that contradict each other on one port. Decides who may have the port; the walk over
//! Gateways and ListenerSets is [`crate::acceptance`]'s.

use std::collections::BTreeMap;

use gwapi::ObjectRef;
use gwapi::reasons::Reason;
use snapshot::{Port, Transport};

use crate::Proxy;
use crate::listeners::{Listener, Protocol};
use crate::status::Cause;

/// The listeners that have their ports, so far.
#[derive(Default)]
pub(crate) struct Occupied<'l, 'a> {
    by_port: BTreeMap<(&'l Proxy, Transport, Port), Vec<&'l Listener<'a>>>,
}

impl<'l, 'a> Occupied<'l, 'a> {
    /// Judges the listeners of one object: a conflict for each that cannot have its port.
    ///
    /// Against earlier objects the earlier one wins. Only then are the rest compared with each
    /// other, and there nobody wins: one object has no order that its author could rely on.
    pub(crate) fn judge(&self, listeners: &[&'l Listener<'a>]) -> Vec<Option<Cause>> {
        let against_earlier: Vec<Option<Cause>> = listeners
            .iter()
            .map(|listener| {
                let earlier = self.by_port.get(&place(listener)?)?;
                earlier.iter().find_map(|other| conflict(listener, other))
            })
            .collect();
        let mut left: BTreeMap<_, Vec<&Listener<'_>>> = BTreeMap::new();
        for (listener, lost) in listeners.iter().zip(&against_earlier) {
            if let (Some(place), None) = (place(listener), lost) {
                left.entry(place).or_default().push(listener);
            }
        }
        listeners
            .iter()
            .zip(against_earlier)
            .map(|(listener, lost)| {
                lost.or_else(|| {
                    let siblings = left.get(&place(listener)?)?;
                    let mut others = siblings.iter().filter(|other| other.id != listener.id);
                    others.find_map(|other| conflict(listener, other))
                })
            })
            .collect()
    }

    /// Gives a listener its port.
    pub(crate) fn take(&mut self, listener: &'l Listener<'a>) {
        if let Some(place) = place(listener) {
            self.by_port.entry(place).or_default().push(listener);
        }
    }
}

fn place<'l>(listener: &'l Listener<'_>) -> Option<(&'l Proxy, Transport, Port)> {
    Some((&listener.gateway.proxy, listener.protocol?.transport(), listener.port?))
}

/// Why `listener` cannot share its port with `other`, which has the same number and transport.
fn conflict(listener: &Listener<'_>, other: &Listener<'_>) -> Option<Cause> {
    if !listener.gateway.addresses.overlap(&other.gateway.addresses) {
        return None;
    }
    let (reason, field) = match (listener.protocol?, other.protocol?) {
        // Told apart by the name that clients send: in a ClientHello, or as the host of a request.
        (a @ (Protocol::Tls | Protocol::Https), b @ (Protocol::Tls | Protocol::Https))
        | (a @ Protocol::Http, b @ Protocol::Http) => match listener.hostname == other.hostname {
            false => return None,
            true if a == b => (Reason::HostnameConflict, "hostname"),
            true => (Reason::ProtocolConflict, "protocol"),
        },
        _ => (Reason::ProtocolConflict, "protocol"),
    };
    let port = listener.spec.port;
    let found = match (reason, &listener.hostname) {
        (Reason::HostnameConflict, None) => format!("port {port} without hostname"),
        (Reason::HostnameConflict, Some(hostname)) => format!("hostname {hostname} on port {port}"),
        _ => format!("protocol {} on port {port}", listener.spec.protocol),
    };
    let message = format!("{found} conflicts with {}", who(listener, other));
    Some(Cause::new(reason, listener.field(field), message))
}

/// Names the other listener as far as the reader of `listener`'s status may know it.
fn who(listener: &Listener<'_>, other: &Listener<'_>) -> String {
    let (owner, others_owner): (ObjectRef, ObjectRef) = (listener.owner(), other.owner());
    if owner == others_owner {
        format!("listener {}", other.spec.name)
    } else if owner.key.namespace == others_owner.key.namespace {
        format!("listener {} of {others_owner}", other.spec.name)
    } else if listener.gateway.ordinal == other.gateway.ordinal {
        "a listener of the same Gateway".to_owned()
    } else {
        "a listener of another Gateway at the same address".to_owned()
    }
}
