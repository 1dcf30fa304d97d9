//! What is written on listeners and does nothing, or not what was meant.

use super::{Finding, warning};
use crate::hostnames::Hostname;
use crate::listeners::Listener;
use crate::listeners::tls::{Termination, Tls};
use crate::status::Outcome;

/// Of every listener.
pub(super) fn findings(outcome: &Outcome<'_, '_>) -> Vec<Finding> {
    let listeners = outcome.listeners.iter();
    listeners
        .flat_map(|listener| [host_on_tcp(listener), name_mismatch(listener)])
        .flatten()
        .collect()
}

/// Spec: `Listener.hostname` is ignored by protocols that do not match by it.
fn host_on_tcp(listener: &Listener<'_>) -> Option<Finding> {
    let protocol = listener.protocol.filter(|protocol| !protocol.has_hostnames())?;
    let hostname = listener.spec.hostname.as_ref()?;
    let message = format!(
        "hostname {hostname} is ignored: {} knows no host names; expected protocol TLS, or no \
         hostname",
        protocol.as_str()
    );
    Some(warning(listener.owner(), Some(listener.field("hostname")), "host-on-tcp", message))
}

/// Not an error: clients may be told to expect another name.
fn name_mismatch(listener: &Listener<'_>) -> Option<Finding> {
    let Some(Tls::Terminate(Termination { identities, .. })) = &listener.tls else { return None };
    let hostname = listener.hostname.as_ref()?;
    let names: Vec<_> = identities.iter().flat_map(|identity| &identity.dns_names).collect();
    let covers = |name: &&String| Hostname::parse(name).is_some_and(|name| name.covers(hostname));
    if identities.is_empty() || names.iter().any(covers) {
        return None;
    }
    let found: Vec<_> = names.iter().map(|name| name.as_str()).collect();
    let found = if found.is_empty() { "no DNS name".to_owned() } else { found.join(", ") };
    let message = format!("no certificate is for {hostname}: found {found}");
    let field = Some(listener.field("tls.certificateRefs"));
    Some(warning(listener.owner(), field, "certificate-name-mismatch", message))
}
