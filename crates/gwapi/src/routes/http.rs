//! `spec` of HTTPRoute: the small part that is served, typed, and the rest kept as it came, so that
//! whoever reads a route can tell what it asks for beyond that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{BackendRef, ParentRef};

/// Fields that are not served, also those that only other channels or later releases of Gateway API
/// have: to ignore one would be to serve another route than the one that was written.
pub type Unsupported = BTreeMap<String, serde_json::Value>;

/// `spec` of HTTPRoute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// Where to attach, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parent_refs: Vec<ParentRef>,
    /// The hosts to match, at most 16; a leading `*.` matches one or more labels, none is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// The rules, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<HttpRouteRule>,
}

/// What to do with requests that match.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRule {
    /// Name of the rule; nothing refers to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What to match, any of them; none matches everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<HttpMatch>,
    /// The backends, at most 16; none answers with an error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backend_refs: Vec<HttpBackendRef>,
    /// `filters`, `timeouts` and the like.
    #[serde(flatten)]
    pub unsupported: Unsupported,
}

/// What a request must be like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpMatch {
    /// Its path; absent matches every path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<HttpPathMatch>,
    /// `headers`, `queryParams` and `method`.
    #[serde(flatten)]
    pub unsupported: Unsupported,
}

/// What a path must be like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpPathMatch {
    /// `Exact`, `PathPrefix` (the default) or `RegularExpression`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The path; absent is `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl HttpPathMatch {
    /// Type, with its default.
    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("PathPrefix")
    }

    /// Value, with its default.
    pub fn value(&self) -> &str {
        self.value.as_deref().unwrap_or("/")
    }
}

/// A backend of a rule and its share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpBackendRef {
    /// The backend.
    #[serde(flatten)]
    pub backend: BackendRef,
    /// `filters`.
    #[serde(flatten)]
    pub unsupported: Unsupported,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_served_is_kept_and_written_back() {
        let written = json!({
            "parentRefs": [{"name": "l4"}],
            "rules": [{
                "matches": [{"path": {"type": "Exact", "value": "/a"}, "method": "GET"}],
                "filters": [{"type": "CORS"}],
                "sessionPersistence": {"sessionName": "a"},
                "backendRefs": [{"name": "web", "port": 80, "filters": [{"type": "CORS"}]}],
            }],
        });
        let spec: HttpRouteSpec = serde_json::from_value(written.clone()).expect("valid");
        let rule = &spec.rules[0];
        assert_eq!(rule.backend_refs[0].backend.port, Some(80));
        let fields = |fields: &Unsupported| fields.keys().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(fields(&rule.unsupported), "filters sessionPersistence");
        assert_eq!(fields(&rule.matches[0].unsupported), "method");
        assert_eq!(fields(&rule.backend_refs[0].unsupported), "filters");
        assert_eq!(serde_json::to_value(&spec).expect("JSON"), written);
    }
}
