//! `roll-gateway`: the proxies of a Gateway are replaced while two hundred connections a second are
//! made. None is refused, and none that is open is cut before its drain time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::cluster::{Namespace, PATIENCE, kubectl, peer, until_ok};
use e2e::hold::Holding;
use e2e::peers::{Held, tcp_echo};
use tokio::time::sleep;

use crate::dialling::Dialling;
use crate::manifests::{gateway, route};

const RATE: u32 = 200;
const HELD: u64 = 100;
/// Connections in a proxy that ends live for so long, and are watched for nearly as long.
const DRAIN: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roll_gateway() {
    let namespace = Namespace::new("roll");
    let at = peer();
    tcp_echo(at).await;
    namespace.backend("peer", at);
    let parameters = format!(
        "apiVersion: tidegate.dev/v1alpha1
kind: GatewayParameters
metadata: {{name: roll, namespace: NAMESPACE}}
spec: {{replicas: 2, preStopDelay: 5s, drainTimeout: {}s}}
---
",
        DRAIN.as_secs()
    );
    let gateway = gateway("edge", &[("tcp".to_owned(), "TCP", 6000)]).replace(
        "  listeners:",
        "  infrastructure: {parametersRef: {group: tidegate.dev, kind: GatewayParameters, name: roll}}
  listeners:",
    );
    namespace.apply(&(parameters + &gateway + &route("TCPRoute", "tcp", "edge", "tcp", "peer")));
    let to = SocketAddr::new(namespace.address_of("edge"), 6000);
    until_ok("it is routed", PATIENCE, async || Held::open(to).await).await;
    until_ok("there are two proxies", PATIENCE, async || {
        kubectl(&[
            "-n",
            namespace.name(),
            "rollout",
            "status",
            "deployment/edge-tidegate",
            "--timeout=60s",
        ]);
        Ok::<_, ()>(())
    })
    .await;
    let before = namespace.proxies_of("edge");
    assert_eq!(before.len(), 2);
    let mut holding = Holding::default();
    for number in 0..HELD {
        holding.connection(Held::open(to).await.expect("it is routed"), number);
    }

    let dialling = Dialling::start(to, RATE);
    let begun = Instant::now();
    kubectl(&["-n", namespace.name(), "rollout", "restart", "deployment/edge-tidegate"]);
    kubectl(&[
        "-n",
        namespace.name(),
        "rollout",
        "status",
        "deployment/edge-tidegate",
        "--timeout=120s",
    ]);
    let rolled = begun.elapsed();
    // The first proxy to go was asked to after `begun`: until then nothing may be cut.
    sleep(DRAIN.saturating_sub(begun.elapsed())).await;
    let outcome = holding.so_far();
    let (opened, failed) = dialling.finish();
    e2e::report(&format!(
        "roll-gateway: two proxies replaced in {} s at {RATE} connections a second: {opened} opened, \
         {failed} failed; {HELD} held, {} broken within {} s",
        rolled.as_secs(),
        outcome.broken,
        DRAIN.as_secs()
    ));
    assert_eq!((failed, outcome.broken), (0, 0));
    let after = namespace.proxies_of("edge");
    assert!(after.iter().any(|uid| !before.contains(uid)), "they were replaced");
}
