//! Who can reach what: every way from a socket, by a server name, to a backend that takes traffic.

use std::collections::BTreeSet;
use std::sync::Arc;

use snapshot::{App, EndpointState, HttpTable, Route, ServerName, Snapshot, Target, TlsRoutes};
use translate::Translation;

/// Server names that clients ask for; `None` for no server name.
const NAMES: [Option<&str>; 5] = [
    None,
    Some("a.example.com"),
    Some("b.example.com"),
    Some("c.d.example.com"),
    Some("other.com"),
];

/// Paths that clients ask for.
const PATHS: [&str; 3] = ["/", "/a", "/a/b"];

/// Socket of which proxy, server name, path and backend of every way through.
pub(crate) fn reachable(translation: &Translation) -> BTreeSet<String> {
    let mut ways = BTreeSet::new();
    for (proxy, snapshot) in &translation.snapshots {
        for (key, bind) in &snapshot.binds {
            for name in NAMES {
                let server_name = name.and_then(|name| ServerName::parse(name.as_bytes()));
                for path in PATHS {
                    let name = server_name.as_ref();
                    let by_request = |routes: &HttpTable<_>| routes.lookup(name, path).cloned();
                    let route: Option<Arc<Route>> = match &bind.app {
                        App::Tcp(app) => app.route.clone(),
                        App::Udp(app) => app.route.clone(),
                        App::Tls(app) => {
                            app.lookup(name).and_then(|found| match &found.listener.routes {
                                TlsRoutes::Names(_) => found.route.cloned(),
                                TlsRoutes::Requests(routes) => by_request(routes),
                            })
                        }
                        App::Http(app) => {
                            let listener = app.listeners.lookup(name);
                            listener.and_then(|listener| by_request(&listener.routes))
                        }
                    };
                    for backend in route.iter().flat_map(|route| backends(route, snapshot)) {
                        ways.insert(format!("{proxy:?} {key} {server_name:?} {path} {backend}"));
                    }
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
