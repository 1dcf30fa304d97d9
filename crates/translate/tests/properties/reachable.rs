//! Who can reach what: every way from a socket, by a server name, to a backend that takes traffic.

use std::collections::BTreeSet;

use snapshot::{App, EndpointState, Route, ServerName, Snapshot, Target};
use translate::Translation;

/// Server names that clients ask for; `None` for no server name.
const NAMES: [Option<&str>; 5] = [
    None,
    Some("a.example.com"),
    Some("b.example.com"),
    Some("c.d.example.com"),
    Some("other.com"),
];

/// Socket of which proxy, server name and backend of every way through.
pub(crate) fn reachable(translation: &Translation) -> BTreeSet<String> {
    let mut ways = BTreeSet::new();
    for (proxy, snapshot) in &translation.snapshots {
        for (key, bind) in &snapshot.binds {
            for name in NAMES {
                let server_name = name.and_then(|name| ServerName::parse(name.as_bytes()));
                let route = match &bind.app {
                    App::Tcp(app) => app.route.as_ref(),
                    App::Udp(app) => app.route.as_ref(),
                    App::Tls(app) => app.lookup(server_name.as_ref()).and_then(|found| found.route),
                };
                for backend in route.iter().flat_map(|route| backends(route, snapshot)) {
                    ways.insert(format!("{proxy:?} {key} {name:?} {backend}"));
                }
            }
        }
    }
    ways
}

fn backends(route: &Route, snapshot: &Snapshot) -> Vec<String> {
    let weighted = route.targets.iter().filter(|weighted| weighted.weight > 0);
    let clusters = weighted.filter_map(|weighted| match &weighted.target {
        Target::Cluster(key) => snapshot.clusters.get(key),
        Target::Reject(_) => None,
    });
    let is_ready = |state| state == EndpointState::Ready;
    clusters
        .filter(|cluster| cluster.endpoints.iter().any(|endpoint| is_ready(endpoint.state)))
        .map(|cluster| cluster.name.to_string())
        .collect()
}
