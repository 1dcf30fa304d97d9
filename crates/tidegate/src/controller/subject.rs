//! What the admin endpoint says of a controller.

use std::collections::BTreeMap;
use std::sync::Arc;

use controlplane::cluster::ClusterView;
use serde::Serialize;
use tokio::sync::watch;

use crate::admin::Subject;
use crate::check::report::Report;
use crate::check::text::{Style, Tense, render};

/// A controller: what is known after its last translation.
pub(super) struct Controller {
    /// The last translation.
    pub(super) views: watch::Receiver<Arc<ClusterView>>,
    /// Whether this replica holds the lease.
    pub(super) leading: watch::Receiver<bool>,
}

impl Subject for Controller {
    fn not_alive(&self) -> Option<&'static str> {
        self.views.has_changed().is_err().then_some("the control plane has ended")
    }

    /// Ready is once every kind was listed: then proxies are told the whole truth, leader or not.
    fn not_ready(&self) -> Option<&'static str> {
        (self.views.borrow().rounds == 0).then_some("the cluster's objects are being listed")
    }

    fn snapshot(&self) -> serde_json::Result<String> {
        let feeds = Arc::clone(&self.views.borrow().feeds);
        let feeds = feeds.iter().map(|(gateway, published)| (gateway.to_string(), published));
        let shown: BTreeMap<_, _> = feeds.collect();
        serde_json::to_string_pretty(&shown)
    }

    fn status(&self, is_ready: bool) -> serde_json::Result<String> {
        let view = Arc::clone(&self.views.borrow());
        let fleets = view
            .fleets
            .iter()
            .map(|(gateway, verdict)| {
                let fleet = Fleet {
                    current: verdict.current,
                    behind: verdict.behind,
                    stale: verdict.stale,
                    is_held: verdict.held_until.is_some(),
                };
                (gateway.to_string(), fleet)
            })
            .collect();
        serde_json::to_string_pretty(&Status {
            report: Report::new(&view.loaded, &view.translation),
            version: env!("CARGO_PKG_VERSION"),
            ready: is_ready,
            leading: *self.leading.borrow(),
            proxies: fleets,
        })
    }

    fn status_text(&self) -> String {
        let view = Arc::clone(&self.views.borrow());
        let report = Report::new(&view.loaded, &view.translation);
        render(&report, Style { color: false, unicode: true }, Tense::Does)
    }
}

/// Everything about the running process that is not a number.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(flatten)]
    report: Report,
    version: &'static str,
    ready: bool,
    leading: bool,
    proxies: BTreeMap<String, Fleet>,
}

/// The ready proxies of one Gateway.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fleet {
    current: usize,
    behind: usize,
    stale: usize,
    #[serde(rename = "statusHeld")]
    is_held: bool,
}
