//! One listener type for the entries of Gateways and of ListenerSets.
//!
//! The `gateway-api` crate generates the same structs once for each kind; everything after this
//! file sees one.

use std::collections::BTreeMap;

use crate::{gateways as gw, listenersets as ls};

/// A listener of a Gateway or of a ListenerSet.
///
/// Spec: `Listener` (`apis/v1/gateway_types.go`), `ListenerEntry` (`apis/v1/listenerset_types.go`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listener {
    /// Its name, unique within its object.
    pub name: String,
    /// Host name to match; a leading `*.` matches one or more labels. Absent matches all.
    pub hostname: Option<String>,
    /// The port.
    pub port: i32,
    /// The protocol as written.
    pub protocol: String,
    /// TLS settings.
    pub tls: Option<ListenerTls>,
    /// Kinds of routes that may attach; empty is the default of the protocol.
    pub kinds: Vec<RouteGroupKind>,
    /// Namespaces that routes may attach from.
    pub namespaces: FromNamespaces,
}

/// TLS settings of a listener.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListenerTls {
    /// Whether TLS is passed through; absent is `Terminate`.
    pub passthrough: bool,
    /// The certificates.
    pub certificate_refs: Vec<SecretRef>,
    /// Own options, by domain-prefixed key.
    pub options: BTreeMap<String, String>,
}

/// A reference to a Secret.
///
/// Spec: `SecretObjectReference` (`apis/v1/object_reference_types.go`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretRef {
    /// API group; absent is the core group.
    pub group: Option<String>,
    /// Kind; absent is `Secret`.
    pub kind: Option<String>,
    /// Namespace; absent is that of the referring object.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl SecretRef {
    /// Group, with its default.
    pub fn group(&self) -> &str {
        self.group.as_deref().unwrap_or("")
    }

    /// Kind, with its default.
    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("Secret")
    }
}

/// A kind of route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteGroupKind {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
}

/// Namespaces that something may come from.
///
/// Spec: `RouteNamespaces`, `ListenerNamespaces` (`apis/v1/gateway_types.go`).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum FromNamespaces {
    /// From all.
    All,
    /// From the namespace of the listener's object.
    #[default]
    Same,
    /// From none.
    None,
    /// From those whose labels match. An absent selector matches nothing.
    Selector(Option<LabelSelector>),
}

/// Requirements on labels, all of which must hold.
///
/// Spec: `LabelSelector` (apimachinery `meta/v1`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// Labels that must be there with this value.
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    pub match_expressions: Vec<LabelRequirement>,
}

/// One requirement on labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelRequirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// The values of `In` and `NotIn`.
    pub values: Vec<String>,
}

impl LabelSelector {
    /// Whether all requirements hold. An operator that is none of the four holds for nothing.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.holds(labels))
    }
}

impl LabelRequirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator.as_str() {
            "In" => value.is_some_and(|value| self.values.contains(value)),
            "NotIn" => value.is_none_or(|value| !self.values.contains(value)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}

macro_rules! selector_from {
    ($source:ty) => {
        impl From<&$source> for LabelSelector {
            fn from(selector: &$source) -> Self {
                Self {
                    match_labels: selector.match_labels.clone().unwrap_or_default(),
                    match_expressions: selector
                        .match_expressions
                        .iter()
                        .flatten()
                        .map(|requirement| LabelRequirement {
                            key: requirement.key.clone(),
                            operator: requirement.operator.clone(),
                            values: requirement.values.clone().unwrap_or_default(),
                        })
                        .collect(),
                }
            }
        }
    };
}

selector_from!(gw::GatewayListenersAllowedRoutesNamespacesSelector);
selector_from!(gw::GatewayAllowedListenersNamespacesSelector);
selector_from!(ls::ListenerSetListenersAllowedRoutesNamespacesSelector);

macro_rules! listener_from {
    ($listener:ty, $from:ty, $mode:ty) => {
        impl From<&$listener> for Listener {
            fn from(listener: &$listener) -> Self {
                let allowed = listener.allowed_routes.as_ref();
                let kinds = allowed.and_then(|allowed| allowed.kinds.as_ref());
                let namespaces = allowed.and_then(|allowed| allowed.namespaces.as_ref());
                Self {
                    name: listener.name.clone(),
                    hostname: listener.hostname.clone().filter(|hostname| !hostname.is_empty()),
                    port: listener.port,
                    protocol: listener.protocol.clone(),
                    tls: listener.tls.as_ref().map(|tls| ListenerTls {
                        passthrough: tls.mode == Some(<$mode>::Passthrough),
                        certificate_refs: tls
                            .certificate_refs
                            .iter()
                            .flatten()
                            .map(|secret| SecretRef {
                                group: secret.group.clone(),
                                kind: secret.kind.clone(),
                                namespace: secret.namespace.clone(),
                                name: secret.name.clone(),
                            })
                            .collect(),
                        options: tls.options.clone().unwrap_or_default(),
                    }),
                    kinds: kinds
                        .into_iter()
                        .flatten()
                        .map(|kind| RouteGroupKind {
                            group: kind
                                .group
                                .clone()
                                .unwrap_or_else(|| crate::GATEWAY_GROUP.to_owned()),
                            kind: kind.kind.clone(),
                        })
                        .collect(),
                    namespaces: match namespaces.and_then(|namespaces| namespaces.from.as_ref()) {
                        None | Some(<$from>::Same) => FromNamespaces::Same,
                        Some(<$from>::All) => FromNamespaces::All,
                        Some(<$from>::Selector) => FromNamespaces::Selector(
                            namespaces
                                .and_then(|namespaces| namespaces.selector.as_ref())
                                .map(LabelSelector::from),
                        ),
                    },
                }
            }
        }
    };
}

listener_from!(
    gw::GatewayListeners,
    gw::GatewayListenersAllowedRoutesNamespacesFrom,
    gw::GatewayListenersTlsMode
);
listener_from!(
    ls::ListenerSetListeners,
    ls::ListenerSetListenersAllowedRoutesNamespacesFrom,
    ls::ListenerSetListenersTlsMode
);

impl From<&gw::GatewayAllowedListeners> for FromNamespaces {
    fn from(allowed: &gw::GatewayAllowedListeners) -> Self {
        use gw::GatewayAllowedListenersNamespacesFrom as From;
        let namespaces = allowed.namespaces.as_ref();
        match namespaces.and_then(|namespaces| namespaces.from.as_ref()) {
            None | Some(From::None) => Self::None,
            Some(From::All) => Self::All,
            Some(From::Same) => Self::Same,
            Some(From::Selector) => Self::Selector(
                namespaces
                    .and_then(|namespaces| namespaces.selector.as_ref())
                    .map(LabelSelector::from),
            ),
        }
    }
}
