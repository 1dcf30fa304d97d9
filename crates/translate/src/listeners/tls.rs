//! The TLS part of a listener: passed through, or terminated with these certificates and this
//! validation of clients.

use std::sync::Arc;

use gwapi::reasons::Reason;
use snapshot::{ClientAuth, TlsIdentity};

use super::{Listener, Protocol, Surroundings};
use crate::status::Cause;

/// What happens to TLS at a listener.
pub(crate) enum Tls {
    /// It is relayed.
    Passthrough,
    /// It ends here.
    Terminate(Termination),
}

/// What TLS is terminated with.
pub(crate) struct Termination {
    /// Certificates, in the order of the references that led to one.
    pub(crate) identities: Vec<Arc<TlsIdentity>>,
    /// What to ask of clients; `None` if every handshake must fail.
    pub(crate) client_auth: Option<ClientAuth>,
}

impl Listener<'_> {
    /// Reads `tls`. A certificate that cannot be used leaves the listener accepted: it is repaired
    /// elsewhere, and who waits for acceptance (external-dns, for one) should not flap with it.
    pub(super) fn read_tls(&mut self, protocol: Protocol, surroundings: &mut Surroundings<'_, '_>) {
        let tls = self.spec.tls.take();
        if !matches!(protocol, Protocol::Tls | Protocol::Https) {
            if tls.is_some() {
                let expected = if protocol == Protocol::Http { "HTTPS" } else { "TLS" };
                let message = format!(
                    "protocol {} has no TLS: expected protocol {expected}",
                    protocol.as_str()
                );
                self.refuse(Reason::UnsupportedValue, "tls", message);
            }
            return;
        }
        let tls = tls.unwrap_or_default();
        if tls.passthrough && protocol == Protocol::Https {
            // Refused by an API server; where it is not, requests cannot be seen.
            let message = "Passthrough is not possible with protocol HTTPS: expected Terminate, or \
                           protocol TLS";
            self.refuse(Reason::UnsupportedValue, "tls.mode", message.to_owned());
        }
        if tls.passthrough {
            self.tls = Some(Tls::Passthrough);
            return;
        }
        if tls.certificate_refs.is_empty() {
            let found = match protocol {
                Protocol::Https => "protocol HTTPS",
                _ => "mode Terminate",
            };
            let message = format!("{found} without a certificate: expected at least one reference");
            self.refuse(Reason::UnsupportedValue, "tls.certificateRefs", message);
        }
        let (kind, owner) = self.owner_kind_and_key();
        let mut identities = vec![];
        for (index, secret) in tls.certificate_refs.iter().enumerate() {
            let field = self.field(&format!("tls.certificateRefs[{index}]"));
            match surroundings.certificates.identity(
                surroundings.grants,
                (kind, &owner.namespace),
                secret,
                &field,
                Reason::InvalidCertificateRef,
            ) {
                Ok(identity) => identities.push(identity),
                Err(cause) => self.unresolved.push(cause),
            }
        }
        let client_auth = self.read_client_auth();
        self.tls = Some(Tls::Terminate(Termination { identities, client_auth }));
    }

    fn read_client_auth(&mut self) -> Option<ClientAuth> {
        let validation = self.gateway.frontend_tls.of_port(self.spec.port);
        let is_own = self.set.is_none();
        // The path is one of the Gateway, so it means nothing in a ListenerSet.
        let told_here = |cause: Cause| Cause { field: cause.field.filter(|_| is_own), ..cause };
        self.unresolved.extend(validation.problems.iter().cloned().map(told_here));
        if validation.client_auth.is_none() {
            let message = format!(
                "Gateway {} validates clients of port {}, but none of its certificate authorities \
                 can be used",
                self.gateway.key, self.spec.port
            );
            let cause = Cause::new(Reason::NoValidCaCertificate, "spec.tls.frontend", message);
            self.refusals.push(told_here(cause));
        }
        validation.client_auth.clone()
    }

    /// Whether TLS ends here but there is no certificate to show.
    pub(crate) fn lacks_certificate(&self) -> bool {
        matches!(&self.tls, Some(Tls::Terminate(tls)) if tls.identities.is_empty())
    }

    /// Whether it has no certificate for want of a ReferenceGrant: the one kind of broken
    /// certificate that counts against the acceptance of its ListenerSet (the conformance suite
    /// asks for it).
    pub(crate) fn lacks_permitted_certificate(&self) -> bool {
        let is_unpermitted = |cause: &Cause| cause.reason == Reason::RefNotPermitted;
        self.lacks_certificate() && self.unresolved.iter().any(is_unpermitted)
    }
}
