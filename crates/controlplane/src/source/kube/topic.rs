//! What is watched: where each kind stands in the API and what is asked of the server for it.
//! Decides no version and reads no object.

use std::fmt;
use std::sync::Arc;

use gwapi::Kind;

use super::item::plural;
use crate::owned::{GATEWAY_NAME_LABEL, MANAGED_BY, MANAGED_BY_LABEL, OwnedKind};

/// What a watch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// A kind that is translated.
    Read(Kind),
    /// What was provisioned, by kind.
    Owned(OwnedKind),
    /// The proxies' pods.
    Pods,
    /// CustomResourceDefinitions: metadata only, because their schemas are megabytes.
    Definitions,
}

impl Topic {
    /// The kind, as manifests spell it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Read(kind) => kind.as_str(),
            Self::Owned(OwnedKind::ServiceAccount) => "ServiceAccount",
            Self::Owned(OwnedKind::ConfigMap) => "ConfigMap",
            Self::Owned(OwnedKind::Service) => "Service",
            Self::Owned(OwnedKind::Deployment) => "Deployment",
            Self::Owned(OwnedKind::PodDisruptionBudget) => "PodDisruptionBudget",
            Self::Pods => "Pod",
            Self::Definitions => "CustomResourceDefinition",
        }
    }

    pub(crate) fn group(self) -> &'static str {
        match self {
            Self::Read(kind) => kind.group(),
            Self::Owned(OwnedKind::ServiceAccount | OwnedKind::ConfigMap | OwnedKind::Service)
            | Self::Pods => "",
            Self::Owned(OwnedKind::Deployment) => "apps",
            Self::Owned(OwnedKind::PodDisruptionBudget) => "policy",
            Self::Definitions => "apiextensions.k8s.io",
        }
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Read(kind) => plural(kind),
            Self::Owned(OwnedKind::ServiceAccount) => "serviceaccounts",
            Self::Owned(OwnedKind::ConfigMap) => "configmaps",
            Self::Owned(OwnedKind::Service) => "services",
            Self::Owned(OwnedKind::Deployment) => "deployments",
            Self::Owned(OwnedKind::PodDisruptionBudget) => "poddisruptionbudgets",
            Self::Pods => "pods",
            Self::Definitions => "customresourcedefinitions",
        }
    }

    pub(crate) fn is_namespaced(self) -> bool {
        match self {
            Self::Read(kind) => kind.is_namespaced(),
            Self::Owned(_) | Self::Pods => true,
            Self::Definitions => false,
        }
    }

    /// Only certificates are read of Secrets: no other Secret ever leaves the API server for us.
    pub(crate) fn field_selector(self) -> Option<String> {
        matches!(self, Self::Read(Kind::Secret)).then(|| "type=kubernetes.io/tls".to_owned())
    }

    pub(crate) fn label_selector(self) -> Option<String> {
        match self {
            Self::Owned(_) => Some(format!("{MANAGED_BY_LABEL}={MANAGED_BY}")),
            Self::Pods => Some(format!("{MANAGED_BY_LABEL}={MANAGED_BY},{GATEWAY_NAME_LABEL}")),
            Self::Read(_) | Self::Definitions => None,
        }
    }

    pub(crate) fn metadata_only(self) -> bool {
        self == Self::Definitions
    }
}

/// One watch: a topic, in one namespace or in all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId {
    /// What it is about.
    pub topic: Topic,
    /// The namespace; `None` is all of them, and the only choice for cluster-scoped kinds.
    pub namespace: Option<Arc<str>>,
}

impl fmt::Display for WatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.topic.plural())?;
        if !self.topic.group().is_empty() {
            write!(f, ".{}", self.topic.group())?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => Ok(()),
        }
    }
}

/// A collection in the API: what a watch reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Collection {
    pub(crate) id: WatchId,
    pub(crate) version: String,
}

impl Collection {
    pub(crate) fn path(&self) -> String {
        let topic = self.id.topic;
        let mut path = match topic.group() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        if let Some(namespace) = &self.id.namespace {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        path.push('/');
        path.push_str(topic.plural());
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(topic: Topic, namespace: Option<&str>, version: &str) -> String {
        let id = WatchId { topic, namespace: namespace.map(Arc::from) };
        Collection { id, version: version.to_owned() }.path()
    }

    #[test]
    fn collections_are_where_the_api_has_them() {
        assert_eq!(
            path(Topic::Read(Kind::Secret), Some("db"), "v1"),
            "/api/v1/namespaces/db/secrets"
        );
        assert_eq!(
            path(Topic::Read(Kind::TlsRoute), None, "v1alpha3"),
            "/apis/gateway.networking.k8s.io/v1alpha3/tlsroutes"
        );
        assert_eq!(
            path(Topic::Owned(OwnedKind::Deployment), Some("db"), "v1"),
            "/apis/apps/v1/namespaces/db/deployments"
        );
    }
}
