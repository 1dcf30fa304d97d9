//! HTTPRoute: requests whose host and path it matches take it.
//!
//! Served is what fits a gateway for connections: hosts, paths and weighted Services. A route that
//! asks for more is refused as a whole, for one without its filters or its header matches would be
//! another route.

use gwapi::reasons::Reason;
use gwapi::routes::{HttpMatch, HttpRouteRule, Unsupported};
use gwapi::{BackendRef, Objects};
use serde_json::Value;
use snapshot::PathMatch;

use super::{Route, RouteKind, Rule, route};
use crate::hostnames::Hostname;
use crate::status::Cause;

/// Reads all of them. A hostname that is none matches nothing.
pub(super) fn read(objects: &Objects) -> impl Iterator<Item = Route<'_>> {
    objects.http_routes.iter().map(|(key, object)| {
        let spec = &object.spec;
        let mut hostnames: Vec<_> =
            spec.hostnames.iter().filter_map(|text| Hostname::parse(text)).collect();
        hostnames.sort();
        hostnames.dedup();
        let route = route(RouteKind::Http, key, &object.metadata, &spec.parent_refs);
        let mut refusals = vec![];
        let rules = spec.rules.iter().enumerate();
        let rules = rules.map(|(index, rule)| read_rule(index, rule, &mut refusals)).collect();
        Route {
            hostnames: (!spec.hostnames.is_empty()).then_some(hostnames),
            rules,
            refusal: refusals.into_iter().next(),
            ..route
        }
    })
}

fn read_rule<'a>(index: usize, rule: &'a HttpRouteRule, refusals: &mut Vec<Cause>) -> Rule<'a> {
    let at = format!("spec.rules[{index}]");
    let mut paths = vec![];
    for (index, request) in rule.matches.iter().enumerate() {
        let at = format!("{at}.matches[{index}]");
        refuse(&at, &request.unsupported, refusals);
        match path(&at, request) {
            Ok(path) => paths.push(path),
            Err(cause) => refusals.push(cause),
        }
    }
    if rule.matches.is_empty() {
        paths.push(PathMatch::prefix("/"));
    }
    refuse(&at, &rule.unsupported, refusals);
    for (index, backend) in rule.backend_refs.iter().enumerate() {
        refuse(&format!("{at}.backendRefs[{index}]"), &backend.unsupported, refusals);
    }
    let backends: Vec<&BackendRef> = rule.backend_refs.iter().map(|it| &it.backend).collect();
    Rule { paths, backends }
}

/// Spec: `HTTPPathMatch`.
fn path(at: &str, request: &HttpMatch) -> Result<PathMatch, Cause> {
    let Some(path) = &request.path else { return Ok(PathMatch::prefix("/")) };
    let (kind, value) = (path.kind(), path.value());
    let (field, message) = match kind {
        "Exact" | "PathPrefix" if !value.starts_with('/') => {
            ("value", format!("{value:?} is no path: expected one that begins with /"))
        }
        "Exact" => return Ok(PathMatch::Exact(value.into())),
        "PathPrefix" => return Ok(PathMatch::prefix(value)),
        _ => ("type", format!("{kind} is not served: expected Exact or PathPrefix")),
    };
    Err(Cause::new(Reason::UnsupportedValue, format!("{at}.path.{field}"), message))
}

fn refuse(at: &str, unsupported: &Unsupported, refusals: &mut Vec<Cause>) {
    let asks_for_something = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    };
    let present = unsupported.iter().filter(|(_, value)| asks_for_something(value));
    refusals.extend(present.map(|(field, _)| {
        let message = format!(
            "found {field}, expected none: of an HTTPRoute Tidegate serves hostnames, paths and \
             weighted Services only"
        );
        Cause::new(Reason::UnsupportedValue, format!("{at}.{field}"), message)
    }));
}
