//! Which Secrets and ConfigMaps something refers to: nothing else of these kinds is held.
//!
//! It must find every reference that the translation follows. Whether a reference is permitted is
//! not asked here; that decides what may be used, and this only what may be needed.

use std::collections::BTreeSet;

use gwapi::{Kind, Listener, ObjectKey, ObjectRef, Objects};

/// Every Secret and ConfigMap that is referred to.
pub(crate) fn of(objects: &Objects) -> BTreeSet<ObjectRef> {
    let mut found = BTreeSet::new();
    let mut refer = |kind: Kind, namespace: &str, of: Option<&str>, name: &str| {
        let key = ObjectKey::new(of.unwrap_or(namespace), name);
        found.insert(ObjectRef::new(kind, key));
    };
    for (key, gateway) in &objects.gateways {
        let namespace = key.namespace.as_str();
        for listener in &gateway.spec.listeners {
            for secret in certificates(&listener.into()) {
                refer(Kind::Secret, namespace, secret.0.as_deref(), &secret.1);
            }
        }
        let Some(tls) = &gateway.spec.tls else { continue };
        if let Some(secret) =
            tls.backend.as_ref().and_then(|backend| backend.client_certificate_ref.as_ref())
        {
            refer(Kind::Secret, namespace, secret.namespace.as_deref(), &secret.name);
        }
        let Some(frontend) = &tls.frontend else { continue };
        for authority in
            frontend.default.validation.iter().flat_map(|wanted| &wanted.ca_certificate_refs)
        {
            refer(Kind::ConfigMap, namespace, authority.namespace.as_deref(), &authority.name);
        }
        for authority in frontend
            .per_port
            .iter()
            .flatten()
            .flat_map(|port| &port.tls.validation)
            .flat_map(|wanted| &wanted.ca_certificate_refs)
        {
            refer(Kind::ConfigMap, namespace, authority.namespace.as_deref(), &authority.name);
        }
    }
    for (key, set) in &objects.listener_sets {
        for listener in &set.spec.listeners {
            for secret in certificates(&listener.into()) {
                refer(Kind::Secret, &key.namespace, secret.0.as_deref(), &secret.1);
            }
        }
    }
    for (key, policy) in &objects.backend_tls_policies {
        for authority in policy.spec.validation.ca_certificate_refs.iter().flatten() {
            refer(Kind::ConfigMap, &key.namespace, None, &authority.name);
        }
    }
    found
}

/// Namespace and name of a listener's certificates.
fn certificates(listener: &Listener) -> Vec<(Option<String>, String)> {
    let refs = listener.tls.iter().flat_map(|tls| &tls.certificate_refs);
    refs.map(|secret| (secret.namespace.clone(), secret.name.clone())).collect()
}
