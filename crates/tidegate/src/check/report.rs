//! What some objects mean, in the form in which people and tools are told: pure, from a reading
//! and its translation. `check`, `/status` and the text of both show this and nothing else.
//!
//! The JSON form is an interface: fields are only ever added.

mod build;

use std::path::Path;

use gwapi::ObjectRef;
use serde::Serialize;
use translate::Severity;

/// Everything there is to say.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub summary: Summary,
    pub problems: Vec<ProblemReport>,
    pub objects: Vec<ObjectReport>,
}

/// The last line.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub objects: usize,
    /// Documents whose kind somebody else reads.
    pub foreign: usize,
    pub errors: usize,
    pub warnings: usize,
    /// `tcp/5432`, with the address where it is not every address.
    pub sockets: Vec<String>,
}

/// Something that could not be read.
#[derive(Debug, Serialize)]
pub(crate) struct ProblemReport {
    #[serde(flatten)]
    pub place: Place,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    pub message: String,
    /// Whether a whole file or folder could not be read.
    pub unreadable: bool,
}

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Place {
    pub file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

impl Place {
    /// File, without its folders, and line.
    pub(crate) fn short(&self) -> String {
        let name = Path::new(&self.file).file_name().map(|name| name.to_string_lossy());
        self.with_line(name.as_deref().unwrap_or(&self.file))
    }

    /// File and line.
    pub(crate) fn long(&self) -> String {
        self.with_line(&self.file)
    }

    fn with_line(&self, file: &str) -> String {
        match self.line {
            Some(line) => format!("{file}:{line}"),
            None => file.to_owned(),
        }
    }
}

/// One object that has a status or a finding.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectReport {
    #[serde(flatten)]
    pub object: ObjectRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Whether this is its last valid version, because what stands there now cannot be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<ListenerReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<ParentReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingReport>,
}

/// One condition.
#[derive(Debug, Serialize)]
pub(crate) struct ConditionReport {
    pub r#type: &'static str,
    pub status: &'static str,
    pub reason: &'static str,
    pub message: String,
}

/// One listener of a Gateway or ListenerSet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListenerReport {
    pub name: String,
    pub protocol: String,
    pub port: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    pub programmed: bool,
    pub attached_routes: i32,
    pub conditions: Vec<ConditionReport>,
    pub routes: Vec<RouteReport>,
}

/// One route as a listener uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RouteReport {
    /// `TCPRoute db/pg`.
    pub route: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    pub backends: Vec<BackendReport>,
}

/// One backend of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct BackendReport {
    /// `db/pg:5432`.
    pub backend: String,
    pub weight: u32,
    /// Endpoints that take new connections.
    pub endpoints: usize,
    /// Why its share is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What is said of one parent of a route or policy.
#[derive(Debug, Serialize)]
pub(crate) struct ParentReport {
    pub parent: String,
    pub conditions: Vec<ConditionReport>,
}

/// One finding.
#[derive(Debug, Serialize)]
pub(crate) struct FindingReport {
    pub severity: Severity,
    pub id: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    pub docs: String,
    /// The conditions that say the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<SaidBy>,
}

/// Where a finding is said too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SaidBy {
    /// Listener or parent; empty for the object itself.
    pub section: String,
    pub r#type: &'static str,
    pub status: &'static str,
}
