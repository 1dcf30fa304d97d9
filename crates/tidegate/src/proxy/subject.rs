//! What the admin endpoint says of a proxy.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use snapshot::{ApplyReport, Published};
use stream::LinkState;
use tokio::sync::watch;

use crate::admin::Subject;

/// A proxy of one Gateway.
pub(super) struct Proxy {
    /// `namespace/name`.
    pub(super) gateway: String,
    /// What it serves.
    pub(super) published: watch::Receiver<Published>,
    /// What its data plane did.
    pub(super) applied: watch::Receiver<ApplyReport>,
    /// How it stands with the controller.
    pub(super) link: watch::Receiver<LinkState>,
}

impl Subject for Proxy {
    /// Without the thread that follows the controller it would serve what it has for ever.
    fn not_alive(&self) -> Option<&'static str> {
        if self.link.has_changed().is_err() {
            Some("the stream to the controller has ended for good")
        } else if self.applied.has_changed().is_err() {
            Some("the data plane has ended")
        } else {
            None
        }
    }

    /// Ready is once a snapshot was applied, the controller's or the last good one: a proxy serves
    /// while no controller answers.
    fn not_ready(&self) -> Option<&'static str> {
        if self.published.borrow().version == 0 {
            Some("no snapshot has come yet")
        } else if self.applied.borrow().version == 0 {
            Some("sockets are being opened")
        } else {
            None
        }
    }

    fn snapshot(&self) -> serde_json::Result<String> {
        let published = self.published.borrow().clone();
        serde_json::to_string_pretty(&published)
    }

    fn status(&self, is_ready: bool) -> serde_json::Result<String> {
        let (applied, link) = (self.applied.borrow().clone(), self.link.borrow().clone());
        serde_json::to_string_pretty(&Status {
            gateway: &self.gateway,
            version: env!("CARGO_PKG_VERSION"),
            ready: is_ready,
            applied: &applied,
            controller: Controller::new(&link),
        })
    }

    fn status_text(&self) -> String {
        let (applied, link) = (self.applied.borrow().clone(), self.link.borrow().clone());
        let connected = if link.connected { "connected" } else { "not connected" };
        let mut text = format!("Gateway {}\ncontroller: {connected}\n", self.gateway);
        for (socket, state) in &applied.binds {
            text.push_str(&format!("{socket}: {state:?}\n"));
        }
        text
    }
}

/// Everything about the running process that is not a number.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    gateway: &'a str,
    version: &'static str,
    ready: bool,
    applied: &'a ApplyReport,
    controller: Controller<'a>,
}

/// How it stands with the controller.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Controller<'a> {
    connected: bool,
    last_contact_unix_seconds: Option<u64>,
    snapshot: Option<String>,
    snapshot_unix_seconds: Option<u64>,
    last_good_in_use: bool,
    last_failure: Option<&'a str>,
    refused: Vec<String>,
}

impl<'a> Controller<'a> {
    fn new(link: &'a LinkState) -> Self {
        Self {
            connected: link.connected,
            last_contact_unix_seconds: link.last_contact.map(unix_seconds),
            snapshot: link.hash.map(|hash| hash.to_string()),
            snapshot_unix_seconds: link.snapshot_at.map(unix_seconds),
            last_good_in_use: link.last_good_in_use,
            last_failure: link.last_failure.as_deref(),
            refused: link.refused.iter().map(|(bind, why)| format!("{bind}: {why}")).collect(),
        }
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
