//! The writing of one object's status: read it, merge, give it back with its version, and begin
//! anew if it changed in between.

use std::sync::Arc;
use std::time::Duration;

use gwapi::ObjectRef;
use jiff::Timestamp;
use kube::api::{PostParams, Request};
use kube::{Client, Error};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::merge::{Basis, Merged, merge};
use super::{Desired, FIELD_MANAGER};
use crate::leader::Term;

/// No request waits for longer.
const DEADLINE: Duration = Duration::from_secs(5);
/// So often a write is tried again at once after somebody else was faster.
const CONFLICTS: u32 = 5;

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Written.
    Written,
    /// Nothing had to be written.
    Unchanged,
    /// The object is newer than what was decided, or gone: nothing was written, and whatever
    /// changed brings the next decision.
    Overtaken,
    /// This replica does not lead any more.
    NotLeading,
    /// Others were faster again and again.
    Conflict,
    /// The API server does not take this object from us.
    Refused(String),
    /// The API server cannot be reached or does not answer.
    Failed(String),
}

impl Outcome {
    /// The label of the metric.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Unchanged => "unchanged",
            Self::Overtaken => "overtaken",
            Self::NotLeading => "not_leading",
            Self::Conflict => "conflict",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }
}

/// Writes the status of `object` as `desired` has it.
pub(super) async fn write(
    client: &Client,
    controller: &str,
    desired: Arc<Desired>,
    object: &ObjectRef,
    term: &Term,
) -> Outcome {
    let Some(target) = desired.find(object.kind, &object.key) else { return Outcome::Overtaken };
    if target.is_held {
        return Outcome::Overtaken;
    }
    let metadata = target.metadata();
    let request = Request::new(target.collection(desired.served(object)));
    let name = &object.key.name;
    for attempt in 0..CONFLICTS {
        let get = match request.get(name, &Default::default()) {
            Ok(get) => get,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        let mut found = match ask(client, get).await {
            Ok(found) => found,
            Err(outcome) => return outcome,
        };
        let basis = Basis {
            controller,
            uid: metadata.uid.as_deref().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            now: &now(),
        };
        found["status"] = match merge(&found, target.wanted, basis) {
            Merged::Unchanged => return Outcome::Unchanged,
            Merged::Stale => return Outcome::Overtaken,
            Merged::Changed(status) => status,
        };
        let params =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let body = found.to_string().into_bytes();
        let put = match request.replace_subresource("status", name, &params, body) {
            Ok(put) => put,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        // Asked as late as can be: the answer to the read may have been long in coming.
        if !term.leads() {
            return Outcome::NotLeading;
        }
        match ask(client, put).await {
            Ok(_) => return Outcome::Written,
            Err(Outcome::Conflict) => {
                let longest = 10_u64 << attempt;
                sleep(Duration::from_millis(fastrand::u64(longest / 2..=longest))).await;
            }
            Err(outcome) => return outcome,
        }
    }
    Outcome::Conflict
}

async fn ask(client: &Client, request: http::Request<Vec<u8>>) -> Result<Value, Outcome> {
    match timeout(DEADLINE, client.request::<Value>(request)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Error::Api(status))) => Err(match status.code {
            404 => Outcome::Overtaken,
            409 => Outcome::Conflict,
            // Too many requests, and timeouts: not about this object.
            408 | 429 | 500.. => Outcome::Failed(status.message.clone()),
            _ => Outcome::Refused(status.message.clone()),
        }),
        Ok(Err(error)) => Err(Outcome::Failed(error.to_string())),
        Err(_) => Err(Outcome::Failed("no answer in time".to_owned())),
    }
}

/// Now, as `lastTransitionTime` has it.
fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
