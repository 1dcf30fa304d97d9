//! A translation as text for people: conditions on one line each, routes as sums of shares,
//! certificates by the start of their fingerprints.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use snapshot::{
    App, Bind, Cluster, HttpTable, ListenerName, PathMatch, Route, Snapshot, SniTable, SubjectName,
    Target, Timeouts, TlsListener, TlsMode, TlsRoutes,
};
use translate::parameters::Parameters;
use translate::status::{Condition, ListenerStatus, RouteStatus};
use translate::{Finding, Fleet, Proxy, Statuses, Translation};

/// The whole translation.
pub(crate) fn translation(translation: &Translation) -> String {
    let mut text = String::new();
    let mut add = |name: &str, value: Value| {
        let document = BTreeMap::from([(name, value)]);
        text.push_str(&serde_saphyr::to_string(&document).expect("serializable"));
    };
    add("statuses", statuses(&translation.statuses));
    let snapshots = translation.snapshots.iter();
    let snapshots = snapshots.map(|(proxy, snapshot)| {
        let name = match proxy {
            Proxy::Standalone => "standalone".to_owned(),
            Proxy::Gateway(key) => key.to_string(),
        };
        (name, self::snapshot(snapshot))
    });
    let snapshots: BTreeMap<_, _> = snapshots.collect();
    match snapshots.get("standalone") {
        Some(standalone) => add("snapshot", standalone.clone()),
        None => add("snapshots", json!(snapshots)),
    }
    if !translation.fleets.is_empty() {
        add("fleets", Value::Object(entries(&translation.fleets, fleet).into_iter().collect()));
    }
    add("findings", translation.findings.iter().map(finding).collect());
    text
}

fn statuses(statuses: &Statuses) -> Value {
    let mut all = Map::new();
    let mut add = |kind: &str, objects: Vec<(String, Value)>| {
        if !objects.is_empty() {
            all.insert(kind.to_owned(), Value::Object(objects.into_iter().collect()));
        }
    };
    add(
        "gatewayClasses",
        entries(&statuses.gateway_classes, |status| {
            json!({
                "conditions": conditions(&status.conditions),
                "supportedFeatures": status.supported_features.join(" "),
            })
        }),
    );
    add(
        "gateways",
        entries(&statuses.gateways, |status| {
            let addresses = status.addresses.iter();
            let addresses: Vec<_> =
                addresses.map(|(r#type, value)| format!("{} {value}", r#type)).collect();
            json!({
                "addresses": addresses.join(", "),
                "attachedListenerSets": status.attached_listener_sets,
                "conditions": conditions(&status.conditions),
                "listeners": listeners(&status.listeners),
            })
        }),
    );
    add(
        "listenerSets",
        entries(&statuses.listener_sets, |status| {
            json!({
                "conditions": conditions(&status.conditions),
                "listeners": listeners(&status.listeners),
            })
        }),
    );
    add("tcpRoutes", entries(&statuses.tcp_routes, route_status));
    add("udpRoutes", entries(&statuses.udp_routes, route_status));
    add("tlsRoutes", entries(&statuses.tls_routes, route_status));
    add("httpRoutes", entries(&statuses.http_routes, route_status));
    add(
        "backendTLSPolicies",
        entries(&statuses.backend_tls_policies, |status| {
            let ancestors = status.ancestors.iter();
            let ancestors = ancestors
                .map(|ancestor| (ancestor.gateway.to_string(), conditions(&ancestor.conditions)));
            Value::Object(ancestors.collect())
        }),
    );
    add(
        "gatewayParameters",
        entries(
            &statuses.gateway_parameters,
            |status| json!({"conditions": conditions(&status.conditions)}),
        ),
    );
    Value::Object(all)
}

fn entries<K: Display, T>(
    map: &BTreeMap<K, T>,
    value: impl Fn(&T) -> Value,
) -> Vec<(String, Value)> {
    map.iter().map(|(key, object)| (key.to_string(), value(object))).collect()
}

fn conditions(conditions: &[Condition]) -> Value {
    let line = |condition: &Condition| {
        let status = if condition.status { "True" } else { "False" };
        let generation = match condition.observed_generation {
            0 => String::new(),
            generation => format!(" @{generation}"),
        };
        // A condition that is as it should be says nothing that its reason does not.
        let is_usual = condition.reason == condition.r#type || condition.reason == "NoConflicts";
        let message = if is_usual { String::new() } else { format!(" - {}", condition.message) };
        format!("{status} {}{generation}{message}", condition.reason)
    };
    let conditions = conditions.iter();
    Value::Object(
        conditions.map(|condition| (condition.r#type.to_owned(), line(condition).into())).collect(),
    )
}

fn listeners(listeners: &[ListenerStatus]) -> Value {
    let listener = |status: &ListenerStatus| {
        let kinds: Vec<_> = status.supported_kinds.iter().map(|kind| kind.kind.as_str()).collect();
        json!({
            "name": status.name,
            "supportedKinds": kinds.join(" "),
            "attachedRoutes": status.attached_routes,
            "conditions": conditions(&status.conditions),
        })
    };
    listeners.iter().map(listener).collect()
}

fn route_status(status: &RouteStatus) -> Value {
    let parents = status.parents.iter().map(|parent| {
        json!({
            "parentRef": parent.parent_ref,
            "conditions": conditions(&parent.conditions),
        })
    });
    parents.collect()
}

fn snapshot(snapshot: &Snapshot) -> Value {
    json!({
        "binds": Value::Object(entries(&snapshot.binds, |bind| self::bind(bind)).into_iter().collect()),
        "clusters": Value::Object(
            entries(&snapshot.clusters, |cluster| self::cluster(cluster)).into_iter().collect()
        ),
    })
}

/// A fleet; of its parameters what differs from those of a fleet without any.
fn fleet(fleet: &Option<Fleet>) -> Value {
    let Some(fleet) = fleet else { return Value::Null };
    let ports = fleet.ports.iter().map(|(transport, port)| format!("{transport}/{port}"));
    let addresses = fleet.addresses.iter().map(ToString::to_string);
    let mut parameters = json!(fleet.parameters);
    keep_differences(&mut parameters, &json!(Parameters::default()));
    json!({
        "class": fleet.class,
        "ports": ports.collect::<Vec<_>>().join(" "),
        "addresses": addresses.collect::<Vec<_>>().join(" "),
        "parameters": parameters,
    })
}

fn keep_differences(value: &mut Value, usual: &Value) {
    let (Value::Object(fields), Value::Object(usual)) = (value, usual) else { return };
    fields.retain(|name, value| usual.get(name) != Some(value));
    for (name, value) in fields {
        keep_differences(value, usual.get(name).unwrap_or(&Value::Null));
    }
}

fn bind(bind: &Bind) -> Value {
    let mut value = match &bind.app {
        App::Tcp(app) => {
            json!({"listener": listener_name(&app.listener), "route": app.route.as_deref().map(route)})
        }
        App::Udp(app) => {
            json!({"listener": listener_name(&app.listener), "route": app.route.as_deref().map(route)})
        }
        App::Tls(app) => by_hostname(&app.listeners, |listener| tls_listener(listener)),
        App::Http(app) => by_hostname(
            &app.listeners,
            |listener| json!({"listener": listener_name(&listener.name), "requests": requests(&listener.routes)}),
        ),
    };
    if bind.timeouts != Timeouts::default()
        && let Value::Object(fields) = &mut value
    {
        fields.insert("udpIdle".to_owned(), format!("{:?}", bind.timeouts.udp_idle).into());
    }
    value
}

fn listener_name(name: &ListenerName) -> String {
    match name.listener_set.as_str() {
        "" => name.to_string(),
        set => format!("{name} of set {set}"),
    }
}

fn by_hostname<T>(table: &SniTable<T>, value: impl Fn(&T) -> Value) -> Value {
    let name = |hostname: Option<String>| hostname.unwrap_or_else(|| "any".to_owned());
    let entries = table.entries().map(|(hostname, entry)| (name(hostname), value(entry)));
    Value::Object(entries.collect())
}

fn tls_listener(listener: &TlsListener) -> Value {
    let mode = match &listener.mode {
        TlsMode::Passthrough => json!("passthrough"),
        TlsMode::Terminate(server) => {
            let identities = server.identities.iter();
            let identities: Vec<_> = identities
                .map(|identity| format!("{} {}", identity.name, short(&identity.fingerprint)))
                .collect();
            json!({
                "identities": identities,
                "clientAuth": format!("{:?}", server.client_auth),
                "sessionScope": server.session_scope,
            })
        }
    };
    let (key, routes) = match &listener.routes {
        TlsRoutes::Names(routes) => ("routes", by_hostname(routes, |entry| route(entry))),
        TlsRoutes::Requests(routes) => ("requests", requests(routes)),
    };
    json!({"listener": listener_name(&listener.name), "mode": mode, key: routes})
}

fn requests(routes: &HttpTable<Arc<Route>>) -> Value {
    let entry = |(host, path, to): (Option<String>, PathMatch, &Arc<Route>)| {
        let host = host.unwrap_or_else(|| "any".to_owned());
        let path = match path {
            PathMatch::Exact(path) => format!("={path}"),
            PathMatch::Prefix(path) => format!("{path}/*"),
        };
        (format!("{host} {path}"), route(to))
    };
    Value::Object(routes.entries().map(entry).collect())
}

fn route(route: &Route) -> Value {
    let target = |weighted: &snapshot::Weighted| match &weighted.target {
        Target::Cluster(key) => format!("{} x {key}", weighted.weight),
        Target::Reject(rejection) => {
            format!("{} x reject {} ({})", weighted.weight, rejection.backend, rejection.reason)
        }
    };
    let targets: Vec<_> = route.targets.iter().map(target).collect();
    let targets = if targets.is_empty() { "nothing".to_owned() } else { targets.join(" + ") };
    format!("{} to {targets}", route.name).into()
}

fn cluster(cluster: &Cluster) -> Value {
    let endpoints = cluster.endpoints.iter();
    let endpoints: Vec<_> =
        endpoints.map(|endpoint| format!("{} {:?}", endpoint.address, endpoint.state)).collect();
    let Some(tls) = &cluster.tls else { return json!(endpoints) };
    let names: Vec<_> = tls
        .subject_names
        .iter()
        .map(|name| match name {
            SubjectName::Dns(name) => format!("DNS:{name}"),
            SubjectName::Uri(uri) => format!("URI:{uri}"),
        })
        .collect();
    let identity = tls.identity.as_ref();
    json!({
        "endpoints": endpoints,
        "serverName": tls.server_name,
        "subjectNames": names.join(" "),
        "roots": format!("{:?}", tls.roots),
        "identity": identity.map(|identity| format!("{} {}", identity.name, short(&identity.fingerprint))),
    })
}

fn finding(finding: &Finding) -> Value {
    let mut value = json!({
        "id": format!("{:?} {}", finding.severity, finding.id),
        "object": finding.object.to_string(),
        "message": finding.message,
    });
    if let Value::Object(fields) = &mut value {
        for (name, text) in [("field", &finding.field), ("fix", &finding.fix)] {
            if let Some(text) = text {
                fields.insert(name.to_owned(), text.as_str().into());
            }
        }
    }
    value
}

fn short(fingerprint: &str) -> &str {
    fingerprint.get(..12).unwrap_or(fingerprint)
}
