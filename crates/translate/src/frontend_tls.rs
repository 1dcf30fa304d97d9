//! Whether clients must show a certificate, and who may have signed it: `Gateway.spec.tls.frontend`.
//!
//! The specification speaks of listeners that serve HTTPS; here it holds for every listener that
//! terminates TLS, for that is how a database gets client certificates. It is decided by port, not
//! by listener, because a client is asked before anybody knows which listener it means (GEP-91).

use std::collections::BTreeMap;

use gwapi::gateways as gw;
use gwapi::reasons::Reason;
use gwapi::{Kind, ObjectKey};
use snapshot::ClientAuth;

use crate::certs::{Authorities, Certificates};
use crate::grants::Grants;
use crate::status::Cause;

/// Client-certificate validation of all ports of a Gateway.
pub(crate) struct FrontendTls {
    default: Validation,
    per_port: BTreeMap<i32, Validation>,
    /// Where clients without a valid certificate are let in, as a path in the Gateway.
    pub(crate) insecure_field: Option<String>,
}

/// Client-certificate validation of one port.
pub(crate) struct Validation {
    /// What to ask of clients; `None` if nobody is left whom a client's certificate could be
    /// checked against, so that every handshake must fail.
    pub(crate) client_auth: Option<ClientAuth>,
    /// What is wrong with its references.
    pub(crate) problems: Vec<Cause>,
}

/// What is asked for: of all ports, or of one.
struct Wanted<'a> {
    authorities: Vec<AuthorityRef<'a>>,
    mode: Mode,
}

/// A reference to certificate authorities. Group and kind have no defaults.
struct AuthorityRef<'a> {
    group: &'a str,
    kind: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
}

/// Whether a client without a valid certificate is let in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    ValidOnly,
    InsecureFallback,
}

macro_rules! wanted_from {
    ($validation:ident, $mode:ident) => {
        impl<'a> From<&'a gw::$validation> for Wanted<'a> {
            fn from(validation: &'a gw::$validation) -> Self {
                let authorities =
                    validation.ca_certificate_refs.iter().map(|authority| AuthorityRef {
                        group: &authority.group,
                        kind: &authority.kind,
                        namespace: authority.namespace.as_deref(),
                        name: &authority.name,
                    });
                let mode = match validation.mode {
                    Some(gw::$mode::AllowInsecureFallback) => Mode::InsecureFallback,
                    Some(gw::$mode::AllowValidOnly) | None => Mode::ValidOnly,
                };
                Self { authorities: authorities.collect(), mode }
            }
        }
    };
}

wanted_from!(GatewayTlsFrontendDefaultValidation, GatewayTlsFrontendDefaultValidationMode);
wanted_from!(GatewayTlsFrontendPerPortTlsValidation, GatewayTlsFrontendPerPortTlsValidationMode);

impl FrontendTls {
    /// Reads `spec.tls.frontend`. A port's own entry replaces the default wholly; one without
    /// `validation` switches it off.
    pub(crate) fn of(
        key: &ObjectKey,
        gateway: &gwapi::Gateway,
        grants: &Grants<'_>,
        certificates: &mut Certificates<'_>,
    ) -> Self {
        let mut frontend =
            Self { default: Validation::none(), per_port: BTreeMap::new(), insecure_field: None };
        let tls = gateway.spec.tls.as_ref();
        let Some(spec) = tls.and_then(|tls| tls.frontend.as_ref()) else {
            return frontend;
        };
        let mut resolve = |wanted: Wanted<'_>, field: &str| {
            if wanted.mode == Mode::InsecureFallback && frontend.insecure_field.is_none() {
                frontend.insecure_field = Some(format!("{field}.mode"));
            }
            Validation::resolve(&key.namespace, &wanted, field, grants, certificates)
        };
        if let Some(validation) = &spec.default.validation {
            let field = "spec.tls.frontend.default.validation";
            frontend.default = resolve(validation.into(), field);
        }
        for (index, port) in spec.per_port.iter().flatten().enumerate() {
            let field = format!("spec.tls.frontend.perPort[{index}].tls.validation");
            let validation = match &port.tls.validation {
                Some(validation) => resolve(validation.into(), &field),
                None => Validation::none(),
            };
            frontend.per_port.insert(port.port, validation);
        }
        frontend
    }

    /// What holds for this port.
    pub(crate) fn of_port(&self, port: i32) -> &Validation {
        self.per_port.get(&port).unwrap_or(&self.default)
    }
}

impl Validation {
    fn none() -> Self {
        Self { client_auth: Some(ClientAuth::None), problems: vec![] }
    }

    fn resolve(
        namespace: &str,
        wanted: &Wanted<'_>,
        field: &str,
        grants: &Grants<'_>,
        certificates: &mut Certificates<'_>,
    ) -> Self {
        let mut roots = vec![];
        let mut problems = vec![];
        for (index, authority) in wanted.authorities.iter().enumerate() {
            let field = format!("{field}.caCertificateRefs[{index}]");
            match authority.resolve(namespace, &field, grants, certificates) {
                Ok(authorities) => roots.extend(authorities.iter().cloned()),
                Err(problem) => problems.push(problem),
            }
        }
        roots.sort();
        roots.dedup();
        let client_auth = match wanted.mode {
            _ if roots.is_empty() => None,
            Mode::ValidOnly => Some(ClientAuth::Required(roots)),
            Mode::InsecureFallback => Some(ClientAuth::Optional(roots)),
        };
        Self { client_auth, problems }
    }
}

impl AuthorityRef<'_> {
    fn resolve(
        &self,
        namespace: &str,
        field: &str,
        grants: &Grants<'_>,
        certificates: &mut Certificates<'_>,
    ) -> Result<Authorities, Cause> {
        if (self.group, self.kind) != (Kind::ConfigMap.group(), Kind::ConfigMap.as_str()) {
            return Err(Cause::new(
                Reason::InvalidCaCertificateKind,
                field,
                format!(
                    "kind {} of group {:?} holds no certificate authority: expected a ConfigMap \
                     of the core group",
                    self.kind, self.group
                ),
            ));
        }
        let key = ObjectKey::new(self.namespace.unwrap_or(namespace), self.name);
        grants.check(Kind::Gateway, namespace, Kind::ConfigMap, &key, || field.to_owned())?;
        certificates
            .authorities(key)
            .map_err(|problem| Cause::new(Reason::InvalidCaCertificateRef, field, problem))
    }
}
