//! Random snapshots that keep the invariants of real ones.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use snapshot::tls::PrivateKey;
use snapshot::{
    App, BackendName, BackendTls, Bind, BindKey, ClientAuth, Cluster, ClusterKey, Endpoint,
    EndpointState, HttpApp, HttpListener, HttpTable, Limits, ListenerName, PathMatch, Port,
    Rejection, Route, RouteName, Snapshot, SniTable, SubjectName, Target, TcpApp, Timeouts, TlsApp,
    TlsIdentity, TlsListener, TlsMode, TlsRoutes, TlsServer, Transport, TrustRoots, UdpApp,
    Weighted,
};

/// Any snapshot: few keys, so that two of them have some in common.
pub(crate) fn snapshots() -> impl Strategy<Value = Snapshot> {
    let clusters = btree_map(cluster_keys(), clusters().prop_map(Arc::new), 0..6);
    (clusters, btree_map(keys(), binds().prop_map(Arc::new), 0..6)).prop_map(
        |(mut clusters, binds)| {
            for bind in binds.values() {
                for share in bind.routes().into_iter().flat_map(|route| &route.targets) {
                    if let Target::Cluster(key) = &share.target {
                        clusters.entry(key.clone()).or_insert_with(|| Arc::new(plain(key)));
                    }
                }
            }
            Snapshot { binds, clusters }
        },
    )
}

/// A cluster with one endpoint.
pub(crate) fn plain(key: &ClusterKey) -> Cluster {
    let name = BackendName { namespace: "apps".into(), name: key.to_string(), port: 80 };
    let address = SocketAddr::from(([10, 0, 0, 1], 8080));
    Cluster {
        name: Arc::new(name),
        endpoints: vec![Endpoint { address, state: EndpointState::Ready }],
        tls: None,
    }
}

pub(crate) fn keys() -> impl Strategy<Value = BindKey> {
    let address = prop_oneof![
        Just(Ipv4Addr::UNSPECIFIED.into()),
        Just(Ipv6Addr::UNSPECIFIED.into()),
        any::<[u8; 4]>().prop_map(|ip| Ipv4Addr::from(ip).into()),
    ];
    let transport = prop_oneof![Just(Transport::Tcp), Just(Transport::Udp)];
    (transport, 1..4_u16, address).prop_map(|(transport, port, address)| BindKey {
        transport,
        port: Port::new(port).expect("not zero"),
        address,
    })
}

fn cluster_keys() -> impl Strategy<Value = ClusterKey> {
    "[a-c]{1,2}".prop_map(ClusterKey::new)
}

fn clusters() -> impl Strategy<Value = Cluster> {
    let state = prop_oneof![
        Just(EndpointState::Ready),
        Just(EndpointState::Unready),
        Just(EndpointState::Draining)
    ];
    let v6 = any::<([u8; 16], u16, u32, u32)>().prop_map(|(ip, port, flow, scope)| {
        SocketAddr::V6(std::net::SocketAddrV6::new(ip.into(), port, flow, scope))
    });
    let address = prop_oneof![any::<([u8; 4], u16)>().prop_map(SocketAddr::from), v6];
    let endpoint = (address, state).prop_map(|(address, state)| Endpoint { address, state });
    (backend_names(), vec(endpoint, 0..4), option::of(backend_tls().prop_map(Arc::new)))
        .prop_map(|(name, endpoints, tls)| Cluster { name: Arc::new(name), endpoints, tls })
}

fn backend_names() -> impl Strategy<Value = BackendName> {
    ("[a-z]{0,3}", "[a-z]{0,3}", any::<u16>()).prop_map(|(namespace, name, port)| BackendName {
        namespace,
        name,
        port,
    })
}

fn backend_tls() -> impl Strategy<Value = BackendTls> {
    let subject =
        prop_oneof![".{0,5}".prop_map(SubjectName::Dns), ".{0,5}".prop_map(SubjectName::Uri)];
    let roots =
        prop_oneof![Just(TrustRoots::System), certificates().prop_map(TrustRoots::Certificates)];
    (".{0,5}", vec(subject, 0..3), roots, option::of(identities().prop_map(Arc::new))).prop_map(
        |(server_name, subject_names, roots, identity)| BackendTls {
            server_name,
            subject_names,
            roots,
            identity,
        },
    )
}

fn certificates() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(any::<u8>(), 0..8), 0..3)
}

fn identities() -> impl Strategy<Value = TlsIdentity> {
    let bytes = vec(any::<u8>(), 0..16);
    ("[a-z/]{0,4}", "[0-9a-f]{0,4}", vec("[a-z.]{0,4}", 0..3), any::<i64>(), certificates(), bytes)
        .prop_map(|(name, fingerprint, dns_names, not_after, chain, key)| TlsIdentity {
            name,
            fingerprint,
            dns_names,
            not_after,
            chain,
            key: PrivateKey::from_der(key),
        })
}

fn servers() -> impl Strategy<Value = TlsServer> {
    let auth = prop_oneof![
        Just(ClientAuth::None),
        certificates().prop_map(ClientAuth::Required),
        certificates().prop_map(ClientAuth::Optional)
    ];
    (vec(identities().prop_map(Arc::new), 1..3), auth, ".{0,4}").prop_map(
        |(identities, client_auth, session_scope)| TlsServer {
            identities,
            client_auth,
            session_scope,
        },
    )
}

fn routes() -> impl Strategy<Value = Arc<Route>> {
    let reject = (backend_names(), "[A-Za-z]{0,4}").prop_map(|(backend, reason)| {
        Target::Reject(Rejection { backend: Arc::new(backend), reason })
    });
    let target = prop_oneof![cluster_keys().prop_map(Target::Cluster), reject];
    let share =
        (0..=1_000_000_u32, target).prop_map(|(weight, target)| Weighted { weight, target });
    ("[A-Z]{0,3}", "[a-z]{0,3}", "[a-z]{0,3}", vec(share, 0..3)).prop_map(
        |(kind, namespace, name, targets)| {
            Arc::new(Route { name: Arc::new(RouteName { kind, namespace, name }), targets })
        },
    )
}

fn listener_names() -> impl Strategy<Value = Arc<ListenerName>> {
    ("[a-z]{0,3}", "[a-z]{0,3}", "[a-z/]{0,3}", "[a-z]{0,3}").prop_map(
        |(gateway_namespace, gateway, listener_set, listener)| {
            Arc::new(ListenerName {
                gateway_namespace,
                gateway,
                listener_set,
                listener,
                protocol: "TCP".into(),
            })
        },
    )
}

fn tables<T: std::fmt::Debug + Clone>(
    values: impl Strategy<Value = T>,
) -> impl Strategy<Value = SniTable<T>> {
    let hostname = option::of(prop_oneof!["[a-c]{1,2}\\.test", "\\*\\.[a-c]\\.test"]);
    vec((hostname, values), 0..4).prop_map(|entries| {
        let mut table = SniTable::default();
        for (hostname, value) in entries {
            table.insert(hostname.as_deref(), value);
        }
        table
    })
}

fn requests() -> impl Strategy<Value = Option<HttpTable<Arc<Route>>>> {
    let hostname = option::of(prop_oneof!["[a-c]{1,2}\\.test", "\\*\\.[a-c]\\.test"]);
    let path = prop_oneof![
        "/[a-c/]{0,3}".prop_map(|path| PathMatch::Exact(path.into())),
        "/[a-c/]{0,3}".prop_map(|path| PathMatch::prefix(&path)),
    ];
    option::of(vec((hostname, path, routes()), 0..4).prop_map(|entries| {
        let mut table = HttpTable::default();
        for (hostname, path, route) in entries {
            table.insert(hostname.as_deref(), &path, route);
        }
        table
    }))
}

fn spans() -> impl Strategy<Value = Duration> {
    (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos))
}

fn binds() -> impl Strategy<Value = Bind> {
    let single = || (listener_names(), option::of(routes()));
    let mode = prop_oneof![
        Just(TlsMode::Passthrough),
        servers().prop_map(|server| TlsMode::Terminate(Arc::new(server)))
    ];
    let listener = (listener_names(), mode, tables(routes()), requests()).prop_map(
        |(name, mode, names, requests)| {
            let routes = match (&mode, requests) {
                (TlsMode::Terminate(_), Some(requests)) => TlsRoutes::Requests(requests),
                _ => TlsRoutes::Names(names),
            };
            Arc::new(TlsListener { name, mode, routes })
        },
    );
    let http_listener = (listener_names(), requests()).prop_map(|(name, routes)| {
        Arc::new(HttpListener { name, routes: routes.unwrap_or_default() })
    });
    let app = prop_oneof![
        single().prop_map(|(listener, route)| App::Tcp(TcpApp { listener, route })),
        single().prop_map(|(listener, route)| App::Udp(UdpApp { listener, route })),
        tables(listener).prop_map(|listeners| App::Tls(TlsApp { listeners })),
        tables(http_listener).prop_map(|listeners| App::Http(HttpApp { listeners })),
    ];
    let timeouts = (spans(), option::of(spans())).prop_map(|(hello, idle)| Timeouts {
        hello,
        idle,
        ..Timeouts::default()
    });
    let limits = (option::of(any::<u32>()), option::of(any::<u32>()))
        .prop_map(|(connections, flows)| Limits { connections, flows });
    (app, timeouts, limits).prop_map(|(app, timeouts, limits)| Bind { app, timeouts, limits })
}

/// `snapshot` with every `Arc` made anew: equal by value, shared with nothing.
pub(crate) fn unshared(snapshot: &Snapshot) -> Snapshot {
    fn anew<K: Clone + Ord, V: Clone>(map: &BTreeMap<K, Arc<V>>) -> BTreeMap<K, Arc<V>> {
        map.iter().map(|(key, value)| (key.clone(), Arc::new(V::clone(value)))).collect()
    }
    Snapshot { binds: anew(&snapshot.binds), clusters: anew(&snapshot.clusters) }
}
