//! What is published, and that equal parts keep their identity.

use std::num::NonZeroU16;

use snapshot::{App, Bind, BindKey, Limits, ListenerName, TcpApp, Timeouts, Transport};

use super::*;

fn translation(ports: &[u16]) -> Translation {
    let bind = |&port: &u16| {
        let key = BindKey {
            transport: Transport::Tcp,
            port: NonZeroU16::new(port).expect("a port"),
            address: IpAddr::from([127, 0, 0, 1]),
        };
        let listener = Arc::new(ListenerName { listener: port.to_string(), ..Default::default() });
        let app = App::Tcp(TcpApp { listener, route: None });
        let bind = Bind { app, timeouts: Timeouts::default(), limits: Limits::default() };
        (key, Arc::new(bind))
    };
    let snapshot = Snapshot { binds: ports.iter().map(bind).collect(), ..Default::default() };
    Translation { snapshots: [(Proxy::Standalone, snapshot)].into(), ..Default::default() }
}

#[test]
fn only_a_difference_is_published_and_counts_the_version_up() {
    let nothing = Published::default();
    assert!(next(&nothing, &Translation::default()).is_none());
    let first = next(&nothing, &translation(&[1, 2])).expect("differs");
    assert_eq!(first.version, 1);
    assert!(next(&first, &translation(&[1, 2])).is_none());
    let second = next(&first, &translation(&[2, 3])).expect("differs");
    assert_eq!(second.version, 2);
    assert_eq!(next(&second, &Translation::default()).expect("differs").version, 3);
}

#[test]
fn a_listener_that_did_not_change_is_the_same_in_memory() {
    let first = next(&Published::default(), &translation(&[1, 2])).expect("differs");
    let second = next(&first, &translation(&[2, 3])).expect("differs");
    let bind = |published: &Published, port: u16| {
        let found = published.snapshot.binds.iter().find(|(key, _)| key.port.get() == port);
        Arc::clone(found.expect("published").1)
    };
    assert!(Arc::ptr_eq(&bind(&first, 2), &bind(&second, 2)));
}

#[test]
fn a_defect_of_the_translation_is_survived() {
    assert!(guarded(|| panic!("a defect")).is_none());
    assert!(guarded(|| translation(&[1])).is_some());
}

/// Everything the loop needs, with objects that can be replaced.
fn start() -> (watch::Sender<Arc<Loaded>>, watch::Receiver<Published>, watch::Receiver<Arc<View>>) {
    let (loaded, objects) = watch::channel(Arc::new(Loaded::default()));
    let (applied, reports) = watch::channel(ApplyReport::default());
    let (names, resolved) = watch::channel(Resolved::default());
    let (published, snapshots) = watch::channel(Published::default());
    let (view, views) = watch::channel(Arc::new(View::default()));
    let (wanted, _) = watch::channel(BTreeSet::new());
    let settings = Settings {
        controller_name: gwapi::CONTROLLER_NAME.to_owned(),
        bundle_version: None,
        reserved_ports: vec![],
        trust_endpoints: true,
    };
    let fixed = Fixed { settings, addresses: vec![IpAddr::from([127, 0, 0, 1])] };
    let inputs = Inputs { loaded: objects, applied: reports, names: resolved };
    let outputs = Outputs { published, view, wanted };
    tokio::spawn(async move {
        run(fixed, inputs, outputs, Counters::default()).await;
        drop((applied, names));
    });
    (loaded, snapshots, views)
}

fn gateway(port: u16) -> Arc<Loaded> {
    let text = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\n\
         metadata: {{name: tidegate}}\nspec: {{controllerName: {}}}\n---\n\
         apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
         metadata: {{name: l4, namespace: edge}}\nspec: {{gatewayClassName: tidegate, \
         listeners: [{{name: pg, protocol: TCP, port: {port}}}]}}\n",
        gwapi::CONTROLLER_NAME
    );
    let source = gwapi::manifest::Source { path: "a.yaml".into(), text };
    let manifests = gwapi::manifest::read(&[source]);
    assert_eq!(manifests.errors, []);
    Arc::new(Loaded { objects: manifests.objects, ..Default::default() })
}

#[tokio::test(start_paused = true)]
async fn a_change_is_published_once_and_nothing_else_is() {
    let (loaded, mut snapshots, mut views) = start();
    loaded.send_replace(gateway(5432));
    snapshots.changed().await.expect("published");
    assert_eq!(snapshots.borrow_and_update().version, 1);
    let port = |published: &Published| published.snapshot.binds.keys().next().map(|k| k.port.get());
    assert_eq!(port(&snapshots.borrow()), Some(5432));

    // The same again, and the regular look at the clock: told, not published.
    loaded.send_replace(gateway(5432));
    for _ in 0..3 {
        let rounds = views.borrow_and_update().rounds;
        views.wait_for(|view| view.rounds > rounds).await.expect("it looks again");
    }
    assert!(!snapshots.has_changed().expect("it runs"));

    loaded.send_replace(gateway(5433));
    snapshots.changed().await.expect("published");
    assert_eq!(snapshots.borrow().version, 2);
    assert_eq!(port(&snapshots.borrow()), Some(5433));

    // A source that ends ends the loop; what was published last stays readable.
    drop(loaded);
    assert!(snapshots.changed().await.is_err());
    assert_eq!(port(&snapshots.borrow()), Some(5433));
}
