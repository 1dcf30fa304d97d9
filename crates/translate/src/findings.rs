//! What a person should look at: every failed condition, and what no condition can say.

use gwapi::ObjectRef;
use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is not served.
    Error,
    /// Something is served, but perhaps not as meant.
    Warning,
}

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The object at fault.
    pub object: ObjectRef,
    /// The field at fault, as a path from the object's root: `spec.listeners[2].tls`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Stable name, also the heading in the troubleshooting page: a condition's reason
    /// (`BackendNotFound`), or kebab-case where no condition says it (`no-ready-endpoints`).
    pub id: String,
    /// What is wrong, with the value found and the value expected.
    pub message: String,
    /// What would repair it, where that is clear: `use port 5432`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}
