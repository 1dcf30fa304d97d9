//! Who holds a token: which proxy of which Gateway. The API server says whose token it is, and what
//! was provisioned says whose proxy that is; nothing that the proxy says of itself counts.
//!
//! [`judge`] decides, this file asks. Tokens are in no log, no error and no `Debug`; what is kept
//! of one is its hash.

pub mod judge;
mod token;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use gwapi::ObjectKey;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PartialObjectMeta, PostParams};
use kube::{Client, Error as ApiError, ResourceExt as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use self::judge::{Evidence, Holder, Owner, Refusal};
use self::token::Claims;
use crate::Loaded;
use crate::owned::{Owned, ProxyPod};

/// The audience of the tokens that proxies show: useless at the API server itself.
pub const AUDIENCE: &str = "tidegate.dev/controller";

/// Everything about one token is known after this long, or it is not known.
const DEADLINE: Duration = Duration::from_secs(5);
/// For so long a proof stands for the next one. A deleted pod's token must be refused within a
/// minute; the API server remembers tokens for a while itself.
const REMEMBERED: Duration = Duration::from_secs(30);
/// Proofs that are remembered: more than a controller has proxies.
const MOST: usize = 4096;
/// Questions under way at once: strangers with tokens must not use up the API server.
const AT_ONCE: usize = 16;

/// What a token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The Gateway whose proxy it is.
    pub gateway: ObjectKey,
    /// UID of its pod.
    pub pod_uid: String,
    /// Name of its pod.
    pub pod_name: String,
    /// When the token ends.
    pub expires: SystemTime,
}

/// Why a token proves nothing. The texts are for the controller's log; they do not hold the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It is not, or no longer, the token of a proxy.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Nobody could say.
    #[error("{0}")]
    Unavailable(String),
}

/// Asks who holds tokens.
pub struct Identities {
    client: Client,
    loaded: watch::Receiver<Arc<Loaded>>,
    remembered: Mutex<HashMap<[u8; 32], (Proven, Instant)>>,
    questions: Semaphore,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").finish_non_exhaustive()
    }
}

impl Identities {
    /// Asks the API server that `client` is for, and knows what was provisioned from `loaded`.
    pub fn new(client: Client, loaded: watch::Receiver<Arc<Loaded>>) -> Self {
        let questions = Semaphore::new(AT_ONCE);
        Self { client, loaded, remembered: Mutex::default(), questions }
    }

    /// Who holds this token? Answers within five seconds.
    ///
    /// # Errors
    /// It is not a proxy's token, or that cannot be known now.
    pub async fn prove(&self, token: &str) -> Result<Proven, Denied> {
        let wall = SystemTime::now();
        let claims = Claims::read(token, AUDIENCE, wall)?;
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(proven) = self.recall(&hash, wall) {
            return Ok(proven);
        }
        let question = async {
            let _turn = self.questions.acquire().await;
            self.ask(token, &claims).await
        };
        let proven = timeout(DEADLINE, question)
            .await
            .unwrap_or_else(|_| Err(Denied::Unavailable("no answer in time".to_owned())))?;
        self.remember(hash, &proven);
        Ok(proven)
    }

    async fn ask(&self, token: &str, claims: &Claims) -> Result<Proven, Denied> {
        let loaded = Arc::clone(&self.loaded.borrow());
        let cluster = loaded.cluster.as_ref().filter(|cluster| cluster.synced);
        let Some(cluster) = cluster else {
            return Err(Denied::Unavailable("the cluster has not been read yet".to_owned()));
        };
        let holder = self.review(token).await?;
        let key = ObjectKey::new(holder.namespace.as_str(), holder.pod_name.as_str());
        let cached = cluster.owned.pods.get(&key).filter(|pod| pod.uid == holder.pod_uid);
        let pod = match cached {
            Some(pod) => (**pod).clone(),
            None => self.pod(&key).await?,
        };
        let deployment = match &pod.owner {
            Some((kind, name, uid)) if kind == "ReplicaSet" => {
                self.owner_of_replica_set(&key.namespace, name, uid).await?
            }
            _ => None,
        };
        let evidence = Evidence {
            holder: &holder,
            pod: &pod,
            deployment: deployment.as_ref(),
            owned: &cluster.owned,
            gateways: &loaded.objects.gateways,
        };
        let gateway = judge::judge(&evidence)?;
        Ok(Proven {
            gateway,
            pod_uid: holder.pod_uid,
            pod_name: holder.pod_name,
            expires: claims.expires,
        })
    }

    async fn review(&self, token: &str) -> Result<Holder, Denied> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![AUDIENCE.to_owned()]),
                token: token.to_owned(),
            },
            ..TokenReview::default()
        };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await;
        let answer = answer.map_err(|error| unavailable("TokenReview", &error))?;
        Ok(Holder::read(&answer.status.unwrap_or_default(), AUDIENCE)?)
    }

    async fn pod(&self, key: &ObjectKey) -> Result<ProxyPod, Denied> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        let found = api.get_opt(&key.name).await;
        let found = found.map_err(|error| unavailable(&format!("Pod {key}"), &error))?;
        let pod = found.ok_or_else(|| Refusal::NoPod(key.clone()))?;
        let owner = pod.owner_references().iter().find(|owner| owner.controller == Some(true));
        let owner = owner.map(|owner| (owner.kind.clone(), owner.name.clone(), owner.uid.clone()));
        let account = pod.spec.and_then(|spec| spec.service_account_name).unwrap_or_default();
        Ok(ProxyPod {
            uid: pod.metadata.uid.unwrap_or_default(),
            owner,
            service_account: account,
            terminating: pod.metadata.deletion_timestamp.is_some(),
            ..ProxyPod::default()
        })
    }

    /// The controller of a ReplicaSet; `None` if it is gone, another one, or has none.
    async fn owner_of_replica_set(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<Option<Owner>, Denied> {
        let api: Api<ReplicaSet> = Api::namespaced(self.client.clone(), namespace);
        let found: Option<PartialObjectMeta<ReplicaSet>> = match api.get_metadata_opt(name).await {
            Ok(found) => found,
            Err(error) => {
                return Err(unavailable(&format!("ReplicaSet {namespace}/{name}"), &error));
            }
        };
        let found = found.filter(|set| set.metadata.uid.as_deref() == Some(uid));
        let owner = found.and_then(|set| {
            let owners = set.metadata.owner_references.into_iter().flatten();
            owners.into_iter().find(|owner| owner.controller == Some(true))
        });
        Ok(owner.map(|owner| Owner { kind: owner.kind, name: owner.name, uid: owner.uid }))
    }

    fn recall(&self, hash: &[u8; 32], wall: SystemTime) -> Option<Proven> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (proven, until) = remembered.get(hash)?;
        let is_fresh = Instant::now() < *until && wall < proven.expires;
        let is_contradicted = || {
            let loaded = self.loaded.borrow();
            let owned = loaded.cluster.as_ref().map(|cluster| &cluster.owned);
            owned.is_some_and(|owned| contradicts(owned, proven))
        };
        (is_fresh && !is_contradicted()).then(|| proven.clone())
    }

    fn remember(&self, hash: [u8; 32], proven: &Proven) {
        let now = Instant::now();
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST {
            remembered.retain(|_, (_, until)| now < *until);
        }
        if remembered.len() < MOST {
            remembered.insert(hash, (proven.clone(), now + REMEMBERED));
        }
    }
}

/// Whether another pod of that name is known by now.
fn contradicts(owned: &Owned, proven: &Proven) -> bool {
    let key = ObjectKey::new(proven.gateway.namespace.as_str(), proven.pod_name.as_str());
    owned.pods.get(&key).is_some_and(|pod| pod.uid != proven.pod_uid)
}

/// What the API server said, without the request: that one holds the token.
fn unavailable(what: &str, error: &ApiError) -> Denied {
    let reason = match error {
        ApiError::Api(status) => status.message.clone(),
        ApiError::SerdeError(_) => "an answer that cannot be read".to_owned(),
        other => other.to_string(),
    };
    Denied::Unavailable(format!("{what}: {reason}"))
}

#[cfg(test)]
mod tests;
