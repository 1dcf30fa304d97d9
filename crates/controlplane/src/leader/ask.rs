//! The requests about one Lease. Each is made once: what follows from a failure is decided
//! elsewhere.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, Error};

use super::LeaseConfig;
use super::lease::Record;

/// What the API server answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// The Lease as it is; `None` if there is none.
    Found(Option<Record>),
    /// Written; this is what stands there now.
    Written(Record),
    /// Not written, because it is not what we took it for.
    Refused,
    /// Neither is known.
    Failed(String),
}

/// The Lease of a configuration.
pub(super) struct Leases {
    api: Api<Lease>,
    config: LeaseConfig,
}

impl Leases {
    pub(super) fn new(client: Client, config: &LeaseConfig) -> Self {
        Self { api: Api::namespaced(client, &config.namespace), config: config.clone() }
    }

    pub(super) async fn read(&self) -> Answer {
        match self.api.get_opt(&self.config.name).await {
            Ok(found) => Answer::Found(found.map(Record::new)),
            Err(error) => failed(&error),
        }
    }

    pub(super) async fn create(&self) -> Answer {
        let now = MicroTime(Timestamp::now());
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.config.name.clone()),
                namespace: Some(self.config.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.config.identity.clone()),
                lease_duration_seconds: Some(self.seconds()),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                lease_transitions: Some(0),
                ..LeaseSpec::default()
            }),
        };
        answer(self.api.create(&PostParams::default(), &lease).await)
    }

    pub(super) async fn take(&self, record: &Record) -> Answer {
        let now = MicroTime(Timestamp::now());
        self.write(record, |spec| {
            spec.holder_identity = Some(self.config.identity.clone());
            spec.acquire_time = Some(now);
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
        })
        .await
    }

    pub(super) async fn renew(&self, record: &Record) -> Answer {
        self.write(record, |_| {}).await
    }

    /// Leaves the record to whoever comes first.
    pub(super) async fn release(&self, record: &Record) -> Answer {
        self.write(record, |spec| spec.holder_identity = Some(String::new())).await
    }

    /// Changes the record that was read, and no other: its version goes with it.
    async fn write(&self, record: &Record, change: impl FnOnce(&mut LeaseSpec)) -> Answer {
        let mut lease = record.lease().clone();
        let spec = lease.spec.get_or_insert_default();
        // For people who look at it; nobody judges by it.
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        spec.lease_duration_seconds = Some(self.seconds());
        change(spec);
        answer(self.api.replace(&self.config.name, &PostParams::default(), &lease).await)
    }

    fn seconds(&self) -> i32 {
        i32::try_from(self.config.duration.as_secs()).unwrap_or(i32::MAX)
    }
}

fn answer(result: Result<Lease, Error>) -> Answer {
    match result {
        Ok(lease) => Answer::Written(Record::new(lease)),
        // Somebody else wrote it, created it or deleted it.
        Err(Error::Api(status)) if matches!(status.code, 404 | 409) => Answer::Refused,
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> Answer {
    Answer::Failed(error.to_string())
}
