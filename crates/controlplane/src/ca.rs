//! The controller's own certificate authority: proxies trust it and nothing else when they dial.
//!
//! It lives in a Secret that all replicas share, so that each of them can sign a certificate for
//! itself; that one stays in memory. [`rotation`] decides what the Secret has to hold at a time,
//! this file reads and writes it. A Secret that is gone or broken never ends what is served: the
//! authority in memory is written again.
//!
//! Keys are in no log, no error and no `Debug`.

mod authority;
mod leaf;
mod rotation;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, Error as ApiError};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use self::authority::Authorities;
use self::leaf::Leaf;
use crate::metrics::CertificateTimes;
use crate::reconcile::unix_now;

/// How often the Secret is read: another replica may have changed it, somebody may have deleted it.
const AGAIN: Duration = Duration::from_secs(60);
/// No request waits for longer.
const DEADLINE: Duration = Duration::from_secs(5);
/// The longest wait for the Secret at start, when nothing can be served without it.
const LONGEST: Duration = Duration::from_secs(30);

/// Where the authority is kept, and what it signs.
#[derive(Clone, Debug)]
pub struct CaConfig {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// The DNS names that proxies dial. See [`names`].
    pub names: Vec<String>,
}

/// The names of a Service within the cluster.
pub fn names(service: &str, namespace: &str) -> Vec<String> {
    let name = format!("{service}.{namespace}.svc");
    vec![format!("{name}.cluster.local"), name]
}

/// What went wrong with certificates. Says nothing of keys.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The API server refused or could not be reached.
    #[error("Secret {0}: {1}")]
    Api(String, String),
    /// Somebody else wrote the Secret meanwhile; it is read again.
    #[error("Secret {0} was changed by somebody else meanwhile")]
    Conflict(String),
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// TLS cannot be set up with it.
    #[error("cannot use a certificate: {0}")]
    Use(#[from] rustls::Error),
}

/// What is made of the authority.
#[derive(Debug)]
pub struct Issued {
    /// How the stream is served: TLS 1.3, HTTP/2, a certificate that is a day old at most.
    pub tls: watch::Receiver<Arc<ServerConfig>>,
    /// The certificates that proxies have to trust, PEM.
    pub bundle: watch::Receiver<String>,
    /// Keeps both fresh; to be run.
    pub keeper: Keeper,
}

/// Reads the authority or makes it. Waits until there is one: nothing can be served before.
pub async fn open(client: Client, config: CaConfig, times: CertificateTimes) -> Issued {
    let store = Store { api: Api::namespaced(client, &config.namespace), config };
    let mut wait = Duration::from_secs(1);
    loop {
        let error = match first(&store).await {
            Ok((authorities, leaf)) => {
                let (tls, tls_receiver) = watch::channel(Arc::clone(&leaf.config));
                let (bundle, bundle_receiver) = watch::channel(authorities.bundle());
                let keeper = Keeper { store, authorities, leaf, tls, bundle, times };
                keeper.tell_times();
                return Issued { tls: tls_receiver, bundle: bundle_receiver, keeper };
            }
            Err(CaError::Conflict(_)) => {
                // The other replica made it at the same moment.
                sleep(Duration::from_millis(fastrand::u64(50..200))).await;
                continue;
            }
            Err(error) => error,
        };
        warn!(%error, "no certificate authority yet");
        sleep(wait.mul_f64(0.75 + 0.5 * fastrand::f64())).await;
        wait = (wait * 2).min(LONGEST);
    }
}

async fn first(store: &Store) -> Result<(Authorities, Leaf), CaError> {
    let authorities = store.refresh(None, unix_now()).await?;
    let leaf = leaf::sign(&authorities.signing, &store.config.names, unix_now())?;
    Ok((authorities, leaf))
}

/// Keeps the authority and the certificate fresh.
#[derive(Debug)]
pub struct Keeper {
    store: Store,
    authorities: Authorities,
    leaf: Leaf,
    tls: watch::Sender<Arc<ServerConfig>>,
    bundle: watch::Sender<String>,
    times: CertificateTimes,
}

impl Keeper {
    /// Runs for ever.
    pub async fn keep(mut self) {
        let mut is_well = true;
        loop {
            sleep(AGAIN.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
            let outcome = self.look(unix_now()).await;
            match outcome {
                Ok(()) | Err(CaError::Conflict(_)) if !is_well => {
                    is_well = true;
                    info!("the certificate authority is in order again");
                }
                Err(error) if is_well && !matches!(error, CaError::Conflict(_)) => {
                    is_well = false;
                    warn!(%error, "the certificate authority stays as it is in memory");
                }
                _ => {}
            }
        }
    }

    /// Takes on what the Secret holds, and signs anew what is due. The certificate does not wait
    /// for the API server.
    async fn look(&mut self, now: i64) -> Result<(), CaError> {
        let read = self.store.refresh(Some(&self.authorities), now).await;
        let outcome = read.map(|authorities| {
            let bundle = authorities.bundle();
            self.authorities = authorities;
            self.bundle.send_if_modified(|old| {
                let differs = *old != bundle;
                *old = bundle;
                differs
            });
        });
        if self.leaf.is_due(&self.authorities.signing, now) {
            self.leaf = leaf::sign(&self.authorities.signing, &self.store.config.names, now)?;
            self.tls.send_replace(Arc::clone(&self.leaf.config));
        }
        self.tell_times();
        outcome
    }

    fn tell_times(&self) {
        self.times.set("authority", self.authorities.signing.anchor().not_after);
        self.times.set("server", self.leaf.not_after);
    }
}

/// The Secret.
struct Store {
    api: Api<Secret>,
    config: CaConfig,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.config.fmt(f)
    }
}

impl Store {
    /// What holds at `now`, written to the Secret if it is not what stands there.
    async fn refresh(
        &self,
        memory: Option<&Authorities>,
        now: i64,
    ) -> Result<Authorities, CaError> {
        let secret = self.ask(self.api.get_opt(&self.config.secret)).await?;
        let data = secret.as_ref().and_then(|secret| secret.data.as_ref());
        let stored = match data.map(Authorities::read) {
            Some(Ok(stored)) => Some(stored),
            Some(Err(problem)) => {
                warn!(secret = self.name(), %problem, "the certificate authority is broken");
                None
            }
            None => None,
        };
        let is_stored = stored.is_some();
        let planned = rotation::plan(stored, memory.cloned(), now)?;
        if is_stored && !planned.differs {
            return Ok(planned.authorities);
        }
        let data = planned.authorities.write();
        match secret {
            Some(secret) => self.replace(secret, data).await?,
            None => self.create(data).await?,
        }
        info!(secret = self.name(), "certificate authority written");
        Ok(planned.authorities)
    }

    async fn create(&self, data: BTreeMap<String, ByteString>) -> Result<(), CaError> {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.config.secret.clone()),
                namespace: Some(self.config.namespace.clone()),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(data),
            ..Secret::default()
        };
        self.ask(self.api.create(&PostParams::default(), &secret)).await.map(drop)
    }

    /// Replaces the Secret that was read, and no other.
    async fn replace(
        &self,
        mut secret: Secret,
        data: BTreeMap<String, ByteString>,
    ) -> Result<(), CaError> {
        let old = secret.data.get_or_insert_default();
        old.retain(|key, _| !authority::KEYS.contains(&key.as_str()));
        old.extend(data);
        let params = PostParams::default();
        self.ask(self.api.replace(&self.config.secret, &params, &secret)).await.map(drop)
    }

    async fn ask<T>(
        &self,
        request: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, CaError> {
        match timeout(DEADLINE, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(ApiError::Api(status))) if status.code == 409 => {
                Err(CaError::Conflict(self.name()))
            }
            // Of what the server says, the message alone: an error about decoding could quote
            // what it could not decode.
            Ok(Err(ApiError::Api(status))) => Err(CaError::Api(self.name(), status.message)),
            Ok(Err(ApiError::SerdeError(_))) => {
                Err(CaError::Api(self.name(), "not a Secret".to_owned()))
            }
            Ok(Err(error)) => Err(CaError::Api(self.name(), error.to_string())),
            Err(_) => Err(CaError::Api(self.name(), "no answer in time".to_owned())),
        }
    }

    fn name(&self) -> String {
        format!("{}/{}", self.config.namespace, self.config.secret)
    }
}

#[cfg(test)]
mod tests;
