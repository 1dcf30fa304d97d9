//! Proxies and Services for Gateways: makes what has to be there, repairs what others changed,
//! removes what is not wanted any more. Only the leader does.
//!
//! [`desired`] decides what has to be there, [`differs`] whether it is, [`addresses`] what came of
//! it; this file asks the API server. Objects are applied on the server's side, so that fields of
//! others (a HorizontalPodAutoscaler's replicas) stay theirs. An object of our name that is not ours
//! is never touched.

pub mod addresses;
pub mod desired;
pub mod differs;
pub mod names;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use gwapi::ObjectKey;
use kube::api::{Api, ApiResource, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::{DynamicObject, GroupVersionKind};
use kube::{Client, Error};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

pub use self::addresses::addresses;
pub use self::desired::{ProxySettings, Wanted, desired};
use self::differs::differs;
use crate::cluster::ClusterView;
use crate::leader::Term;
use crate::owned::{Owned, OwnedKind};

/// The field manager of what we apply.
const MANAGER: &str = "tidegate";
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);
/// Requests at once.
const AT_ONCE: usize = 8;
/// After a request that failed.
const AGAIN: Duration = Duration::from_secs(2);

/// One request to make.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Make it so.
    Apply(OwnedKind, ObjectKey, Value),
    /// Remove it, if it still is the object of this UID.
    Delete(OwnedKind, ObjectKey, String),
}

/// What an apply has made of an object: it need not be applied again while both are the same.
#[derive(Debug, PartialEq, Eq)]
struct Applied {
    wanted: [u8; 32],
    version: Option<String>,
}

type Memory = BTreeMap<(OwnedKind, ObjectKey), Applied>;

/// Provisions until one of the inputs ends.
pub async fn run(
    client: Client,
    settings: ProxySettings,
    mut views: watch::Receiver<Arc<ClusterView>>,
    mut authority: watch::Receiver<String>,
    mut term: Term,
) {
    let mut memory = Memory::new();
    loop {
        let view = Arc::clone(&views.borrow_and_update());
        let bundle = authority.borrow_and_update().clone();
        let mut failed = false;
        if term.leads() && view.rounds > 0 && !bundle.is_empty() {
            let actions = plan(&view, &settings, &bundle, &memory);
            let results = iter(actions)
                .map(|action| perform(&client, &term, action))
                .buffered(AT_ONCE)
                .collect::<Vec<_>>()
                .await;
            for result in results {
                match result {
                    Ok(Some((key, applied))) => {
                        memory.insert(key, applied);
                    }
                    Ok(None) => {}
                    Err(()) => failed = true,
                }
            }
        } else {
            // Another leader may do otherwise; what we knew is worth nothing then.
            memory.clear();
        }
        let ended = tokio::select! {
            changed = views.changed() => changed.is_err(),
            changed = authority.changed() => changed.is_err(),
            changed = term.changed() => changed.is_err(),
            () = sleep(AGAIN), if failed => false,
        };
        if ended {
            return;
        }
    }
}

/// What has to be done. Objects of Gateways whose parameters are refused stay as they are.
fn plan(
    view: &ClusterView,
    settings: &ProxySettings,
    authority: &str,
    memory: &Memory,
) -> Vec<Action> {
    let Some(cluster) = &view.loaded.cluster else { return Vec::new() };
    let mut actions = Vec::new();
    let mut wanted = Wanted::new();
    for (key, fleet) in &view.translation.fleets {
        let gateway = view.loaded.objects.gateways.get(key);
        if let (Some(gateway), Some(fleet)) = (gateway, fleet)
            && gateway.metadata.deletion_timestamp.is_none()
        {
            wanted.extend(desired(key, gateway, fleet, settings, authority));
        }
    }
    for ((kind, key), object) in &wanted {
        let live = cluster.owned.objects.get(&(*kind, key.clone()));
        if is_due(object, live, memory.get(&(*kind, key.clone()))) {
            actions.push(Action::Apply(*kind, key.clone(), object.clone()));
        }
    }
    for ((kind, key), live) in &cluster.owned.objects {
        if is_left_over(view, *kind, key, live, &wanted) {
            let uid = live.metadata.uid.clone().unwrap_or_default();
            actions.push(Action::Delete(*kind, key.clone(), uid));
        }
    }
    actions
}

fn is_due(wanted: &Value, live: Option<&Arc<DynamicObject>>, applied: Option<&Applied>) -> bool {
    let hash = hash(wanted);
    let is_same = applied.is_some_and(|applied| applied.wanted == hash);
    match live {
        // It may be made already and not be seen yet.
        None => !is_same || applied.is_some_and(|applied| applied.version.is_none()),
        Some(live) => {
            let is_known = is_same
                && applied.is_some_and(|applied| applied.version == live.metadata.resource_version);
            !is_known
                && (!is_same
                    || serde_json::to_value(live.as_ref()).is_ok_and(|l| differs(wanted, &l)))
        }
    }
}

/// Whether an object was made for a Gateway and is not wanted any more. A Gateway that is gone
/// takes what it owns with it: the API server's garbage collector does that.
fn is_left_over(
    view: &ClusterView,
    kind: OwnedKind,
    key: &ObjectKey,
    live: &DynamicObject,
    wanted: &Wanted,
) -> bool {
    let Some(gateway) = Owned::gateway_of(live) else { return false };
    if live.metadata.deletion_timestamp.is_some() || wanted.contains_key(&(kind, key.clone())) {
        return false;
    }
    match view.translation.fleets.get(&gateway) {
        // Not ours any more, or never was.
        None => view.loaded.objects.gateways.contains_key(&gateway),
        // Nothing can be said of it now.
        Some(None) => false,
        // A load balancer would lose its address with the Service.
        Some(Some(fleet)) => kind != OwnedKind::Service || !fleet.ports.is_empty(),
    }
}

async fn perform(
    client: &Client,
    term: &Term,
    action: Action,
) -> Result<Option<((OwnedKind, ObjectKey), Applied)>, ()> {
    if !term.leads() {
        return Err(());
    }
    let (kind, key) = match &action {
        Action::Apply(kind, key, _) | Action::Delete(kind, key, _) => (*kind, key.clone()),
    };
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &key.namespace, &resource(kind));
    let result = match action {
        Action::Apply(_, _, wanted) => timeout(REQUEST, apply(&api, kind, &key, &wanted)).await,
        Action::Delete(_, _, uid) => timeout(REQUEST, delete(&api, kind, &key, uid)).await,
    };
    match result {
        Ok(Ok(applied)) => Ok(applied.map(|applied| ((kind, key), applied))),
        Ok(Err(error)) => {
            warn!(?kind, object = %key, %error, "cannot be provisioned; trying again");
            Err(())
        }
        Err(_) => {
            warn!(?kind, object = %key, "the API server takes too long; trying again");
            Err(())
        }
    }
}

async fn apply(
    api: &Api<DynamicObject>,
    kind: OwnedKind,
    key: &ObjectKey,
    wanted: &Value,
) -> Result<Option<Applied>, Error> {
    if let Some(live) = api.get_opt(&key.name).await?
        && owner(&live)
            != wanted
                .pointer("/metadata/ownerReferences/0/uid")
                .and_then(Value::as_str)
                .map(str::to_owned)
    {
        warn!(?kind, object = %key, "is not ours and stays as it is; the Gateway is served without it");
        return Ok(Some(Applied { wanted: hash(wanted), version: live.metadata.resource_version }));
    }
    let parameters = PatchParams::apply(MANAGER).force();
    let made = api.patch(&key.name, &parameters, &Patch::Apply(wanted)).await?;
    info!(?kind, object = %key, "provisioned");
    Ok(Some(Applied { wanted: hash(wanted), version: made.metadata.resource_version }))
}

/// The UID of an object's controller.
fn owner(object: &DynamicObject) -> Option<String> {
    let owners = object.metadata.owner_references.iter().flatten();
    owners.into_iter().find(|owner| owner.controller == Some(true)).map(|owner| owner.uid.clone())
}

async fn delete(
    api: &Api<DynamicObject>,
    kind: OwnedKind,
    key: &ObjectKey,
    uid: String,
) -> Result<Option<Applied>, Error> {
    let preconditions = Preconditions { uid: Some(uid), resource_version: None };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..Default::default() };
    match api.delete(&key.name, &parameters).await {
        Ok(_) => info!(?kind, object = %key, "removed"),
        // It is gone, or another one took its name.
        Err(Error::Api(status)) if status.code == 404 || status.code == 409 => {
            debug!(?kind, object = %key, "is gone already");
        }
        Err(error) => return Err(error),
    }
    Ok(None)
}

fn resource(kind: OwnedKind) -> ApiResource {
    let (group, version, name) = match kind {
        OwnedKind::ServiceAccount => ("", "v1", "ServiceAccount"),
        OwnedKind::ConfigMap => ("", "v1", "ConfigMap"),
        OwnedKind::Service => ("", "v1", "Service"),
        OwnedKind::Deployment => ("apps", "v1", "Deployment"),
        OwnedKind::PodDisruptionBudget => ("policy", "v1", "PodDisruptionBudget"),
    };
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, name))
}

fn hash(wanted: &Value) -> [u8; 32] {
    Sha256::digest(wanted.to_string().as_bytes()).into()
}
