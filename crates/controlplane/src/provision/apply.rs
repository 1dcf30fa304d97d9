//! One request to the API server. Objects are applied on its side, so that fields of others (the
//! number of proxies, if a HorizontalPodAutoscaler decides it) stay theirs.

use std::time::Duration;

use kube::api::{Api, ApiResource, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::{DynamicObject, GroupVersionKind};
use kube::{Client, Error};
use serde_json::Value;
use tokio::time::timeout;

use super::Subject;
use super::plan::{Step, owner_uid, taken};
use crate::owned::OwnedKind;

/// The field manager of what is applied.
const MANAGER: &str = "tidegate";
/// How long one step may take.
const REQUEST: Duration = Duration::from_secs(10);

/// What became of a step.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is so.
    Applied(Box<DynamicObject>),
    /// It is gone.
    Deleted,
    /// It cannot be done yet: what is there is being removed.
    Later,
    /// It failed, in words that a status may tell.
    Failed(String),
}

/// Does one step.
pub(super) async fn perform(client: &Client, step: &Step) -> Outcome {
    let (kind, key) = step.subject();
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &key.namespace, &resource(*kind));
    let request = async {
        match step {
            Step::Apply { subject, object, uid, .. } => {
                apply(&api, subject, object, uid.as_deref()).await
            }
            Step::Delete { subject, uid } => delete(&api, subject, uid).await,
        }
    };
    let words = |what: String| Outcome::Failed(format!("{kind} {}: {what}", key.name));
    match timeout(REQUEST, request).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(Error::Api(status))) => words(status.message.clone()),
        Ok(Err(error)) => words(error.to_string()),
        Err(_) => words("the API server does not answer".to_owned()),
    }
}

async fn apply(
    api: &Api<DynamicObject>,
    subject: &Subject,
    object: &Value,
    uid: Option<&str>,
) -> Result<Outcome, Error> {
    let name = &subject.1.name;
    let mut object = object.clone();
    let parameters = PatchParams::apply(MANAGER);
    let uid = match uid {
        Some(uid) => Some(uid.to_owned()),
        // None that carries our label. There may be one without it.
        None => match api.get_opt(name).await? {
            None => None,
            Some(found) if found.metadata.deletion_timestamp.is_some() => {
                return Ok(Outcome::Later);
            }
            Some(found) if owner_uid(&found) == wanted_owner(&object) => found.metadata.uid,
            Some(_) => return Ok(Outcome::Failed(taken(subject))),
        },
    };
    let parameters = match uid {
        // Refused if another object has taken the name meanwhile.
        Some(uid) => {
            object["metadata"]["uid"] = uid.into();
            parameters.force()
        }
        // Not by force: what somebody else made in this moment stays as it is.
        None => parameters,
    };
    let applied = api.patch(name, &parameters, &Patch::Apply(object)).await?;
    Ok(Outcome::Applied(Box::new(applied)))
}

fn wanted_owner(object: &Value) -> Option<&str> {
    object.pointer("/metadata/ownerReferences/0/uid").and_then(Value::as_str)
}

async fn delete(api: &Api<DynamicObject>, subject: &Subject, uid: &str) -> Result<Outcome, Error> {
    let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
    let parameters =
        DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
    match api.delete(&subject.1.name, &parameters).await {
        Ok(_) => Ok(Outcome::Deleted),
        // It is gone, or another one has its name.
        Err(Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(Outcome::Deleted),
        Err(error) => Err(error),
    }
}

fn resource(kind: OwnedKind) -> ApiResource {
    let (group, name) = match kind {
        OwnedKind::ServiceAccount => ("", "ServiceAccount"),
        OwnedKind::ConfigMap => ("", "ConfigMap"),
        OwnedKind::Service => ("", "Service"),
        OwnedKind::Deployment => ("apps", "Deployment"),
        OwnedKind::PodDisruptionBudget => ("policy", "PodDisruptionBudget"),
    };
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", name))
}
