//! What has to be there for a Gateway: ServiceAccount, ConfigMap, Services, Deployment and
//! PodDisruptionBudget, in its namespace and owned by it. Pure.
//!
//! `spec.infrastructure` labels and annotations are on every one of them and on the pods; nothing of
//! the Gateway's own metadata is: GitOps tools prune by labels, and a copied one would have them
//! prune what is ours.

use std::collections::BTreeMap;

use gwapi::{Gateway, ObjectKey};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use translate::Fleet;

use super::{ProxySettings, deployment, names, service};
use crate::owned::{CLASS_NAME_LABEL, GATEWAY_NAME_LABEL, MANAGED_BY, MANAGED_BY_LABEL, OwnedKind};

/// The annotation with the `controllerName` of whoever made an object: of several installations in
/// one cluster each removes only what is its own.
pub const CONTROLLER_ANNOTATION: &str = "tidegate.dev/controller";
/// The annotation with a hash of everything that was applied: a field that is no longer applied
/// shows by it.
pub const APPLIED_ANNOTATION: &str = "tidegate.dev/applied";

/// What has to be there for one Gateway.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The objects as they are applied.
    pub objects: BTreeMap<(OwnedKind, ObjectKey), Value>,
    /// Whether Services that are there stay although none is wanted: Kubernetes has no Service
    /// without ports, and a load balancer would lose its address with it.
    pub keeps_services: bool,
}

/// What is known of Services that are there, by name.
pub type LiveServices = BTreeMap<String, service::Live>;

/// One Gateway and everything that decides what is made for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Making<'a> {
    pub(super) key: &'a ObjectKey,
    pub(super) gateway: &'a Gateway,
    pub(super) fleet: &'a Fleet,
    pub(super) settings: &'a ProxySettings,
}

/// What has to be there for a Gateway. `authority` is the PEM that proxies prove the controller by;
/// `live` the Services that were made for the Gateway so far: an address stays with its Service.
pub fn desired(
    key: &ObjectKey,
    gateway: &Gateway,
    fleet: &Fleet,
    settings: &ProxySettings,
    authority: &str,
    live: &LiveServices,
) -> Wanted {
    let making = Making { key, gateway, fleet, settings };
    let mut wanted = Wanted { keeps_services: fleet.ports.is_empty(), ..Wanted::default() };
    let mut add = |kind, name: String, mut object: Value| {
        let hash = hash(&object);
        if let Some(annotations) = object.pointer_mut("/metadata/annotations") {
            annotations[APPLIED_ANNOTATION] = json!(hash);
        }
        wanted.objects.insert((kind, ObjectKey::new(key.namespace.clone(), name)), object);
    };
    let name = making.name("");
    let account = json!({"automountServiceAccountToken": false});
    add(
        OwnedKind::ServiceAccount,
        name.clone(),
        making.object("v1", "ServiceAccount", &name, account),
    );
    let bundle = making.name("-ca");
    let data = json!({"data": {"ca.crt": authority}});
    add(OwnedKind::ConfigMap, bundle.clone(), making.object("v1", "ConfigMap", &bundle, data));
    for (name, object) in service::services(&making, live) {
        add(OwnedKind::Service, name, object);
    }
    add(OwnedKind::Deployment, name.clone(), deployment::deployment(&making, &name, &bundle));
    if let Some(most) = &fleet.parameters.max_unavailable {
        let spec = json!({"spec": {
            "maxUnavailable": most,
            "selector": {"matchLabels": making.selector()},
            // A proxy that is not ready serves nobody: nothing is lost with it.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        }});
        let budget = making.object("policy/v1", "PodDisruptionBudget", &name, spec);
        add(OwnedKind::PodDisruptionBudget, name, budget);
    }
    wanted
}

impl Making<'_> {
    /// The name of an object; `suffix` tells several of one kind apart.
    pub(super) fn name(&self, suffix: &str) -> String {
        names::object(&self.key.name, &self.fleet.class, suffix)
    }

    /// What finds the proxies of this Gateway and no other. It never changes for a Deployment of
    /// one name: Kubernetes does not allow it.
    pub(super) fn selector(&self) -> Value {
        json!({
            "app.kubernetes.io/name": "tidegate",
            "app.kubernetes.io/component": "proxy",
            GATEWAY_NAME_LABEL: names::label_value(&self.key.name),
            CLASS_NAME_LABEL: names::label_value(&self.fleet.class),
        })
    }

    /// Labels of every object and of the pods.
    pub(super) fn labels(&self) -> Value {
        let infrastructure = self.gateway.spec.infrastructure.as_ref();
        let mut labels: Map<String, Value> = infrastructure
            .iter()
            .flat_map(|one| one.labels.iter().flatten())
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        // Ours win: without them proxies would not be found.
        if let Value::Object(selector) = self.selector() {
            labels.extend(selector);
        }
        labels.insert(MANAGED_BY_LABEL.to_owned(), json!(MANAGED_BY));
        Value::Object(labels)
    }

    /// Annotations of every object and of the pods.
    pub(super) fn annotations(&self) -> Map<String, Value> {
        let infrastructure = self.gateway.spec.infrastructure.as_ref();
        infrastructure
            .iter()
            .flat_map(|one| one.annotations.iter().flatten())
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect()
    }

    /// An object with everything that all have.
    ///
    /// The owner does not block its deletion on this one: that would need a right on Gateways that
    /// nothing else needs, and the garbage collector removes it all the same.
    pub(super) fn object(&self, version: &str, kind: &str, name: &str, rest: Value) -> Value {
        let mut annotations = self.annotations();
        let controller = json!(self.settings.controller_name);
        annotations.insert(CONTROLLER_ANNOTATION.to_owned(), controller);
        let mut object = json!({
            "apiVersion": version,
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": self.key.namespace,
                "labels": self.labels(),
                "annotations": annotations,
                "ownerReferences": [{
                    "apiVersion": format!("{}/v1", gwapi::GATEWAY_GROUP),
                    "kind": "Gateway",
                    "name": self.key.name,
                    "uid": self.gateway.metadata.uid,
                    "controller": true,
                }],
            },
        });
        if let (Value::Object(object), Value::Object(rest)) = (&mut object, rest) {
            object.extend(rest);
        }
        object
    }
}

/// A hash of an object, short enough to be read.
pub(super) fn hash(object: &Value) -> String {
    let digest = Sha256::digest(object.to_string().as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
