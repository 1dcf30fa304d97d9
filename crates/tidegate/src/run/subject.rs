//! What the admin endpoint says of a standalone gateway.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use controlplane::View;
use serde::Serialize;
use tokio::sync::watch;

use crate::admin::Subject;
use crate::check::report::Report;
use crate::check::text::{Style, Tense, render};

/// A standalone gateway: what is known after its last translation.
pub(super) struct Standalone(pub(super) watch::Receiver<Arc<View>>);

impl Subject for Standalone {
    /// The process is alive as long as its control plane is: without one it would serve what it
    /// has for ever.
    fn not_alive(&self) -> Option<&'static str> {
        self.0.has_changed().is_err().then_some("the control plane has ended")
    }

    /// Ready is once the first snapshot was applied, whichever of its sockets could be opened: one
    /// taken port must not take all others out of service.
    fn not_ready(&self) -> Option<&'static str> {
        let view = self.0.borrow();
        if view.rounds == 0 {
            Some("the configuration is being read")
        } else if view.published.version > 0 && view.applied.version == 0 {
            Some("sockets are being opened")
        } else {
            None
        }
    }

    fn snapshot(&self) -> serde_json::Result<String> {
        let view = Arc::clone(&self.0.borrow());
        serde_json::to_string_pretty(&view.published)
    }

    fn status(&self, is_ready: bool) -> serde_json::Result<String> {
        let view = Arc::clone(&self.0.borrow());
        serde_json::to_string_pretty(&Status::new(&view, is_ready))
    }

    fn status_text(&self) -> String {
        let view = Arc::clone(&self.0.borrow());
        let report = Report::new(&view.loaded, &view.translation);
        render(&report, Style { color: false, unicode: true }, Tense::Does)
    }
}

/// Everything about the running process that is not a number.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(flatten)]
    report: Report,
    version: &'static str,
    ready: bool,
    snapshot_version: u64,
    applied: &'a snapshot::ApplyReport,
    names: Vec<Name<'a>>,
}

/// A DNS name of a backend.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Name<'a> {
    name: &'a str,
    addresses: &'a [IpAddr],
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_unix_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
}

impl<'a> Status<'a> {
    fn new(view: &'a View, ready: bool) -> Self {
        let name = |(name, answer): (&'a String, &'a controlplane::source::dns::Answer)| Name {
            name,
            addresses: view.names.names.get(name).map_or(&[], Vec::as_slice),
            confirmed_unix_seconds: answer
                .confirmed
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                .map(|since| since.as_secs()),
            failure: answer.failure.as_deref(),
        };
        Self {
            report: Report::new(&view.loaded, &view.translation),
            version: env!("CARGO_PKG_VERSION"),
            ready,
            snapshot_version: view.published.version,
            applied: &view.applied,
            names: view.names.answers.iter().map(name).collect(),
        }
    }
}
