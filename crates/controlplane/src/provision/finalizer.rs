//! The finalizer that keeps a GatewayClass while Gateways use it.
//!
//! Spec: `GatewayClassFinalizerGatewaysExist` (`apis/v1/gatewayclass_types.go`): SHOULD be there
//! while a Gateway uses the class. It goes with the last one, also while the class is being deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gwapi::{GatewayClass, Objects};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Error};
use serde_json::json;
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

/// As the spec has it.
pub const FINALIZER: &str = "gateway-exists-finalizer.gateway.networking.k8s.io";
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);
/// A class whose patch failed is left alone for so long.
const AGAIN: Duration = Duration::from_secs(5);

/// The finalizers that each class of ours should have instead of those it has; by name.
pub(super) fn changes(objects: &Objects, controller_name: &str) -> BTreeMap<String, Vec<String>> {
    let used: BTreeSet<&str> =
        objects.gateways.values().map(|gateway| gateway.spec.gateway_class_name.as_str()).collect();
    let classes = objects.gateway_classes.iter();
    let ours = classes.filter(|(_, class)| class.spec.controller_name == controller_name);
    ours.filter_map(|(key, class)| {
        Some((key.name.clone(), change(class, used.contains(key.name.as_str()))?))
    })
    .collect()
}

fn change(class: &GatewayClass, is_used: bool) -> Option<Vec<String>> {
    let found = class.metadata.finalizers.clone().unwrap_or_default();
    let has = found.iter().any(|name| name == FINALIZER);
    // The API server refuses new finalizers of what is being deleted.
    if is_used && !has && class.metadata.deletion_timestamp.is_none() {
        return Some(found.into_iter().chain([FINALIZER.to_owned()]).collect());
    }
    (!is_used && has).then(|| found.into_iter().filter(|name| name != FINALIZER).collect())
}

/// What is remembered of each class between two rounds.
#[derive(Default)]
pub(super) struct Classes {
    /// The version that was patched, and until when that is waited for.
    patched: BTreeMap<String, (Option<String>, Instant)>,
}

impl Classes {
    /// Makes every change that is due.
    pub(super) async fn round(&mut self, client: &Client, objects: &Objects, controller: &str) {
        let changes = changes(objects, controller);
        self.patched.retain(|name, _| changes.contains_key(name));
        for (name, finalizers) in changes {
            let classes = objects.gateway_classes.iter();
            let class = classes
                .map(|(_, class)| class)
                .find(|class| class.metadata.name.as_deref() == Some(name.as_str()));
            let version = class.and_then(|class| class.metadata.resource_version.clone());
            let is_pending = self
                .patched
                .get(&name)
                .is_some_and(|(patched, until)| *patched == version && Instant::now() < *until);
            if is_pending {
                continue;
            }
            // With the version, so that a finalizer that somebody just added is not lost.
            let body = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
            let api: Api<GatewayClass> = Api::all(client.clone());
            let (parameters, patch) = (PatchParams::default(), Patch::Merge(body));
            match timeout(REQUEST, api.patch(&name, &parameters, &patch)).await {
                Ok(Ok(_)) => debug!(class = name, "finalizers brought up to date"),
                // It is gone, or somebody was faster: the watch will say.
                Ok(Err(Error::Api(status))) if status.code == 404 || status.code == 409 => {}
                Ok(Err(error)) => warn!(class = name, %error, "the finalizer cannot be changed"),
                Err(_) => warn!(class = name, "the API server does not answer"),
            }
            self.patched.insert(name, (version, Instant::now() + AGAIN));
        }
    }

    /// When to look again though nothing changes.
    pub(super) fn next(&self) -> Option<Instant> {
        self.patched.values().map(|(_, until)| *until).min()
    }
}

#[cfg(test)]
mod tests {
    use gwapi::manifest::{Source, read};
    use serde_json::Value;

    use super::*;
    use crate::fake_api::FakeApi;

    const PATH: &str = "/apis/gateway.networking.k8s.io/v1/gatewayclasses/tidegate";

    /// A class with these finalizers, and a Gateway of this class.
    fn objects(metadata: &Value, of: &str) -> Objects {
        let gateway = format!(
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: l4}}\n\
             spec: {{gatewayClassName: {of}, listeners: [{{name: a, protocol: TCP, port: 1}}]}}\n"
        );
        let text = format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {metadata}\n\
             spec: {{controllerName: tidegate.dev/gateway-controller}}\n{gateway}"
        );
        let manifests = read(&[Source { path: "a.yaml".into(), text }]);
        assert!(manifests.errors.is_empty(), "{:?}", manifests.errors);
        manifests.objects
    }

    fn class(finalizers: &[&str]) -> Value {
        json!({"name": "tidegate", "finalizers": finalizers})
    }

    #[test]
    fn a_class_has_the_finalizer_while_a_gateway_uses_it() {
        let changes = |metadata: &Value, of: &str| {
            changes(&objects(metadata, of), gwapi::CONTROLLER_NAME).remove("tidegate")
        };
        let foreign = "a.example/b";
        assert_eq!(changes(&class(&[]), "tidegate"), Some(vec![FINALIZER.to_owned()]));
        assert_eq!(
            changes(&class(&[foreign]), "tidegate"),
            Some(vec![foreign.to_owned(), FINALIZER.to_owned()])
        );
        assert_eq!(changes(&class(&[FINALIZER]), "tidegate"), None);
        assert_eq!(changes(&class(&[FINALIZER, foreign]), "other"), Some(vec![foreign.to_owned()]));
        assert_eq!(changes(&class(&[foreign]), "other"), None);
        let going = |finalizers: &[&str]| {
            let mut metadata = class(finalizers);
            metadata["deletionTimestamp"] = json!("2027-01-01T00:00:00Z");
            metadata
        };
        assert_eq!(changes(&going(&[]), "tidegate"), None);
        assert_eq!(changes(&going(&[FINALIZER]), "tidegate"), None);
        assert_eq!(changes(&going(&[FINALIZER]), "other"), Some(vec![]));
    }

    #[test]
    fn the_class_of_another_controller_is_left_alone() {
        let objects = objects(&class(&[]), "tidegate");
        assert_eq!(changes(&objects, "example.com/other"), BTreeMap::new());
    }

    #[tokio::test(start_paused = true)]
    async fn a_finalizer_that_was_just_added_is_not_lost() {
        let api = FakeApi::new();
        let seen = json!({"name": "tidegate", "resourceVersion": "1"});
        api.put(
            PATH,
            json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
            "metadata": {"name": "tidegate"}, "spec": {"controllerName": "a/b"}}),
        );
        api.edit(PATH, |class| class["metadata"]["finalizers"] = json!(["a.example/b"]));
        let mut classes = Classes::default();
        let stale = objects(&seen, "tidegate");
        classes.round(&api.client(), &stale, gwapi::CONTROLLER_NAME).await;
        let found = || api.get(PATH).expect("a class")["metadata"]["finalizers"].clone();
        assert_eq!(found(), json!(["a.example/b"]));
        let requests = api.all_calls().len();
        classes.round(&api.client(), &stale, gwapi::CONTROLLER_NAME).await;
        assert_eq!(api.all_calls().len(), requests, "it waits for the watch");

        let seen =
            json!({"name": "tidegate", "resourceVersion": "2", "finalizers": ["a.example/b"]});
        let fresh = objects(&seen, "tidegate");
        classes.round(&api.client(), &fresh, gwapi::CONTROLLER_NAME).await;
        assert_eq!(found(), json!(["a.example/b", FINALIZER]));
    }
}
