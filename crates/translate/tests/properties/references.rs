//! Rules that are easy to say and tricky to do fast, against the plainest code that says them.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use snapshot::{App, ServerName};
use translate::Translation;
use translate::status::Condition;

use crate::hostile::{Document, build};

/// Protocol, port and hostname of a listener.
type Plain = (&'static str, u16, Option<&'static str>);

const HOSTNAMES: [&str; 6] = [
    "a.example.com",
    "b.a.example.com",
    "*.example.com",
    "*.a.example.com",
    "*.com",
    "example.com",
];
const ASKED: [&str; 8] = [
    "a.example.com",
    "b.a.example.com",
    "c.b.a.example.com",
    "x.example.com",
    "example.com",
    "x.com",
    "A.Example.Com.",
    "example.org",
];

pub(crate) fn object(kind: &'static str, namespace: &str, name: &str, spec: Value) -> Document {
    let metadata = json!({"namespace": namespace, "name": name, "generation": 1});
    let key = gwapi::ObjectKey::new(namespace, name);
    Document { kind, key, value: json!({"metadata": metadata, "spec": spec}) }
}

fn listener(name: String, (protocol, port, hostname): Plain) -> Value {
    let tls = match protocol {
        "TLS" => json!({"mode": "Passthrough"}),
        "HTTPS" => json!({"certificateRefs": [{"name": "absent"}]}),
        _ => Value::Null,
    };
    let hostname = hostname.filter(|_| !matches!(protocol, "TCP" | "UDP"));
    json!({"name": name, "protocol": protocol, "port": port, "hostname": hostname, "tls": tls})
}

fn plain() -> impl Strategy<Value = Plain> {
    let hostname = prop_oneof![Just(None), select(&HOSTNAMES[..]).prop_map(Some)];
    let protocol =
        select(&["TCP", "UDP", "TLS", "TLS", "TLS", "HTTP", "HTTP", "HTTPS", "HTTPS"][..]);
    (protocol, select(&[443, 443, 53][..]), hostname)
}

/// The table of conflicts, word for word.
fn conflict(a: Plain, b: Plain) -> bool {
    match (a.0, b.0) {
        _ if a.1 != b.1 => false,
        ("UDP", "UDP") => true,
        ("UDP", _) | (_, "UDP") => false,
        ("TLS" | "HTTPS", "TLS" | "HTTPS") | ("HTTP", "HTTP") => a.2 == b.2,
        _ => true,
    }
}

/// The walk over objects, as slow as it is plain: which listeners have their ports.
fn winners(objects: &[Vec<Plain>]) -> Vec<Vec<bool>> {
    let mut taken: Vec<Plain> = vec![];
    let mut result: Vec<Vec<bool>> = vec![];
    for listeners in objects {
        let free: Vec<bool> =
            listeners.iter().map(|one| !taken.iter().any(|other| conflict(*one, *other))).collect();
        let won: Vec<bool> = (0..listeners.len())
            .map(|one| {
                let rivals = (0..listeners.len()).filter(|other| *other != one && free[*other]);
                free[one]
                    && !rivals.into_iter().any(|rival| conflict(listeners[one], listeners[rival]))
            })
            .collect();
        // A Gateway that has nothing admits no set, but then nothing of it is looked at either.
        if result.is_empty() && !won.contains(&true) {
            return vec![won];
        }
        taken.extend(listeners.iter().zip(&won).filter(|(_, won)| **won).map(|(one, _)| *one));
        result.push(won);
    }
    result
}

fn conflicted(conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| condition.r#type == "Conflicted" && condition.status)
}

/// What matches a name, and how closely: `None` not at all, else the larger the closer.
fn closeness(hostname: Option<&str>, asked: &str) -> Option<usize> {
    match hostname {
        None => Some(0),
        Some(name) if name == asked => Some(1000),
        Some(name) => {
            let suffix = name.strip_prefix('*')?;
            asked.ends_with(suffix).then_some(suffix.len())
        }
    }
}

fn shares(listener: Option<&str>, route: &str) -> bool {
    let covers = |wide: &str, narrow: &str| {
        wide == narrow || wide.strip_prefix('*').is_some_and(|suffix| narrow.ends_with(suffix))
    };
    listener.is_none_or(|listener| covers(listener, route) || covers(route, listener))
}

/// The route of a name: first the closest listener, then among its routes the closest hostname,
/// then the first by name.
fn answer<'a>(
    listeners: &[Option<&str>],
    routes: &'a [Vec<&str>],
    asked: &str,
) -> Option<(Option<usize>, &'a str)> {
    let (_, listener) = listeners
        .iter()
        .filter_map(|listener| Some((closeness(*listener, asked)?, *listener)))
        .max_by_key(|(closeness, _)| *closeness)?;
    let candidates = routes.iter().enumerate().flat_map(|(route, hostnames)| {
        hostnames.iter().filter(move |name| shares(listener, name)).map(move |name| (route, *name))
    });
    let best = candidates
        .filter_map(|(route, name)| {
            Some((closeness(Some(name), asked)?, std::cmp::Reverse(route), name))
        })
        .max()?;
    Some((Some(best.1.0), best.2))
}

proptest! {
    #![proptest_config(crate::config())]

    #[test]
    fn listeners_conflict_as_the_table_says(
        objects in prop::collection::vec(prop::collection::vec(plain(), 1..5), 1..4)
    ) {
        let spec = |listeners: &[Plain]| -> Value {
            listeners.iter().enumerate().map(|(i, one)| listener(format!("l{i}"), *one)).collect()
        };
        let mut documents = vec![object("Gateway", "n0", "g", json!({
            "gatewayClassName": "tidegate", "listeners": spec(&objects[0]),
            "allowedListeners": {"namespaces": {"from": "Same"}},
        }))];
        for (i, listeners) in objects.iter().enumerate().skip(1) {
            let set = json!({"parentRef": {"name": "g"}, "listeners": spec(listeners)});
            documents.push(object("ListenerSet", "n0", &format!("s{i}"), set));
        }
        let statuses = build(&documents).translate().statuses;
        let gateway = statuses.gateways.values().map(|status| &status.listeners);
        let found: Vec<Vec<bool>> = gateway
            .chain(statuses.listener_sets.values().map(|status| &status.listeners))
            .map(|listeners| listeners.iter().map(|one| !conflicted(&one.conditions)).collect())
            .collect();
        let expected = winners(&objects);
        prop_assert_eq!(&found[..expected.len()], &expected[..]);
    }

    #[test]
    fn server_names_find_the_route_that_the_rules_say(
        listeners in prop::collection::btree_set(
            prop_oneof![Just(None), select(&HOSTNAMES[..]).prop_map(Some)], 1..4),
        routes in prop::collection::vec(prop::collection::vec(select(&HOSTNAMES[..]), 1..4), 1..4),
    ) {
        let listeners: Vec<_> = listeners.into_iter().collect();
        let specs = listeners.iter().enumerate();
        let specs: Vec<_> =
            specs.map(|(i, hostname)| listener(format!("l{i}"), ("TLS", 443, *hostname))).collect();
        let gateway = json!({"gatewayClassName": "tidegate", "listeners": specs});
        let mut documents = vec![object("Gateway", "n0", "g", gateway)];
        for (i, hostnames) in routes.iter().enumerate() {
            let spec = json!({
                "parentRefs": [{"name": "g"}], "hostnames": hostnames,
                "rules": [{"backendRefs": []}],
            });
            documents.push(object("TLSRoute", "n0", &format!("r{i}"), spec));
        }
        let translation = build(&documents).translate();
        for asked in ASKED {
            let plain = asked.trim_end_matches('.').to_ascii_lowercase();
            let expected = answer(&listeners, &routes, &plain).and_then(|(route, _)| route);
            prop_assert_eq!(found(&translation, asked), expected.map(|i| format!("r{i}")), "{}", asked);
        }
    }

    #[test]
    fn a_reference_is_permitted_when_one_entry_fits(
        entries in prop::collection::vec(entry(), 0..4),
    ) {
        let mut documents = vec![
            object("Gateway", "n0", "g", json!({
                "gatewayClassName": "tidegate", "listeners": [listener("l".to_owned(), ("TCP", 53, None))],
            })),
            object("TCPRoute", "n0", "r", json!({
                "parentRefs": [{"name": "g"}],
                "rules": [{"backendRefs": [{"name": "v", "namespace": "n1", "port": 80}]}],
            })),
        ];
        for (i, [namespace, group, kind, from, to_group, to_kind, name]) in entries.iter().enumerate() {
            let spec = json!({
                "from": [{"group": group, "kind": kind, "namespace": from}],
                "to": [{"group": to_group, "kind": to_kind, "name": Some(name).filter(|name| !name.is_empty())}],
            });
            documents.push(object("ReferenceGrant", namespace, &format!("a{i}"), spec));
        }
        let expected = entries.iter().any(|[namespace, group, kind, from, to_group, to_kind, name]| {
            (*namespace, *group, *kind, *from, *to_group, *to_kind)
                == ("n1", "gateway.networking.k8s.io", "TCPRoute", "n0", "", "Service")
                && matches!(*name, "" | "v")
        });
        let statuses = build(&documents).translate().statuses;
        let parents = statuses.tcp_routes.values().flat_map(|status| &status.parents);
        let reasons: BTreeSet<_> = parents
            .flat_map(|parent| &parent.conditions)
            .filter(|condition| condition.r#type == "ResolvedRefs")
            .map(|condition| condition.reason)
            .collect();
        // The Service does not exist, so that is what a permitted reference runs into.
        let reason = if expected { "BackendNotFound" } else { "RefNotPermitted" };
        prop_assert_eq!(reasons, BTreeSet::from([reason]));
    }
}

/// The fields of a grant with one entry; each is right more often than not.
fn entry() -> impl Strategy<Value = [&'static str; 7]> {
    let field = |right, wrong| select(vec![right, right, right, right, right, wrong]);
    [
        field("n1", "n0"),
        field("gateway.networking.k8s.io", ""),
        field("TCPRoute", "UDPRoute"),
        field("n0", "n1"),
        field("", "apps"),
        field("Service", "Secret"),
        select(vec!["", "v", "w"]),
    ]
}

fn found(translation: &Translation, asked: &str) -> Option<String> {
    let snapshot = translation.snapshots.values().next()?;
    let bind = snapshot.binds.values().next()?;
    let App::Tls(app) = &bind.app else { return None };
    let name = ServerName::parse(asked.as_bytes());
    app.lookup(name.as_ref())?.route.map(|route| route.name.name.clone())
}
