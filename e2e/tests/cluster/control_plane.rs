//! `control-plane-gone`: no controller and no API server. Traffic goes on, new connections work, and
//! a proxy that is killed meanwhile comes back with its last good snapshot.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::cluster::{
    Component, NODE, Namespace, PATIENCE, SYSTEM, kubectl, peer, process_of, process_of_pod,
    until_ok,
};
use e2e::hold::Holding;
use e2e::peers::{Flow, Held, tcp_echo, udp_witness};
use rustix::process::Signal;
use tokio::time::sleep;

use crate::dialling::Dialling;
use crate::manifests::{gateway, route};

/// How long the API server is away.
const AWAY: Duration = Duration::from_secs(60);
const HELD: u64 = 200;

fn listeners(ports: &[u16]) -> Vec<(String, &'static str, u16)> {
    let both =
        |port: &u16| [(format!("tcp-{port}"), "TCP", *port), (format!("udp-{port}"), "UDP", *port)];
    ports.iter().flat_map(both).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_plane_gone() {
    let namespace = Namespace::new("gone");
    let at = peer();
    tcp_echo(at).await;
    udp_witness(at, Duration::ZERO).await;
    namespace.backend("peer", at);
    let ports = [6000];
    namespace.apply(
        &(gateway("edge", &listeners(&ports))
            + &route("TCPRoute", "tcp", "edge", "tcp-6000", "peer")
            + &route("UDPRoute", "udp", "edge", "udp-6000", "peer")
            // Another Gateway, whose proxy is killed: connections of the first one must not notice.
            + &gateway("victim", &listeners(&ports))
            + &route("TCPRoute", "victim", "victim", "tcp-6000", "peer")),
    );
    let to = SocketAddr::new(namespace.address_of("edge"), 6000);
    let victim = SocketAddr::new(namespace.address_of("victim"), 6000);
    for to in [to, victim] {
        until_ok("it is routed", PATIENCE, async || Held::open(to).await).await;
    }
    let mut holding = Holding::default();
    for number in 0..HELD {
        holding.connection(Held::open(to).await.expect("it is routed"), number);
        let client = SocketAddr::new(NODE, 12_000 + u16::try_from(number).expect("few"));
        let flow = Flow::from(client, to, number).await.expect("a socket");
        let port = flow.ping().await.expect("it is routed");
        holding.flow(flow, port);
    }

    let dialling = Dialling::start(to, 50);
    let begun = Instant::now();
    kubectl(&["-n", SYSTEM, "scale", "deployment/tidegate-controller", "--replicas=0"]);
    kubectl(&[
        "-n",
        SYSTEM,
        "wait",
        "--for=delete",
        "pod",
        "-l",
        "app.kubernetes.io/component=controller",
        "--timeout=60s",
    ]);
    let api_server = Component::find("kube-apiserver");
    api_server.signal(Signal::STOP);

    let proxy = process_of(&["tidegate", "proxy", &format!("{}/victim", namespace.name())]);
    proxy.signal(Signal::KILL);
    let (_, back) =
        until_ok("the killed proxy serves its last good snapshot", PATIENCE, async || {
            let held = Held::open(victim).await?;
            held.reset();
            Ok::<_, std::io::Error>(())
        })
        .await;

    sleep(AWAY.saturating_sub(begun.elapsed())).await; // the time that the test is about
    api_server.signal(Signal::CONT);
    let away = begun.elapsed();
    until_ok("the API server is back", PATIENCE, async || {
        e2e::cluster::try_kubectl(&["get", "--raw", "/readyz"], "")
    })
    .await;
    kubectl(&["-n", SYSTEM, "scale", "deployment/tidegate-controller", "--replicas=2"]);
    // Status catches up with a change.
    namespace.apply(&gateway("edge", &listeners(&[6000, 6001])));
    namespace.until_condition("gateway/edge", "Programmed", "True", PATIENCE);

    let (opened, failed) = dialling.finish();
    let outcome = holding.finish().await;
    e2e::report(&format!(
        "control-plane-gone: {} s without controllers and API server: {opened} new connections, \
         {failed} failed; {HELD} connections and {HELD} flows held: {} broken, {} moved; a proxy \
         that was killed meanwhile served its last good snapshot after {} ms",
        away.as_secs(),
        outcome.broken,
        outcome.moved,
        back.as_millis()
    ));
    assert_eq!((failed, outcome.broken, outcome.moved), (0, 0, 0));
    assert!(opened > 1000, "{opened}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_and_a_restarted_etcd_are_not_noticed() {
    let namespace = Namespace::new("leader");
    let at = peer();
    tcp_echo(at).await;
    namespace.backend("peer", at);
    let port = |port| [(format!("tcp-{port}"), "TCP", port)];
    namespace.apply(
        &(gateway("edge", &port(6000)) + &route("TCPRoute", "tcp", "edge", "tcp-6000", "peer")),
    );
    let to = SocketAddr::new(namespace.address_of("edge"), 6000);
    until_ok("it is routed", PATIENCE, async || Held::open(to).await).await;
    let mut holding = Holding::default();
    for number in 0..HELD {
        holding.connection(Held::open(to).await.expect("it is routed"), number);
    }
    let dialling = Dialling::start(to, 50);

    let holder = || {
        let lease = e2e::cluster::get(&["-n", SYSTEM, "lease", "tidegate-controller"])?;
        let holder = lease["spec"]["holderIdentity"].as_str()?;
        (!holder.is_empty()).then(|| holder.to_owned())
    };
    let leader = holder().expect("somebody leads");
    // The pod's name, and something random for this run of the process.
    let pod = leader.split('_').next().expect("a name");
    process_of_pod(pod).signal(Signal::KILL);
    let begun = Instant::now();
    e2e::eventually("somebody else leads", Duration::from_secs(30), || {
        holder().is_some_and(|holder| holder != leader)
    });
    let changed = begun.elapsed();
    let added = [port(6000), port(6001)].concat();
    namespace.apply(&gateway("edge", &added));
    namespace.until_condition("gateway/edge", "Programmed", "True", PATIENCE);

    Component::find("etcd").restart();
    until_ok("the API server answers again", PATIENCE, async || {
        e2e::cluster::try_kubectl(&["get", "namespaces"], "")
    })
    .await;
    namespace
        .apply(&(gateway("edge", &added) + &route("TCPRoute", "late", "edge", "tcp-6001", "peer")));
    let late = SocketAddr::new(to.ip(), 6001);
    until_ok("a change is live after etcd is back", PATIENCE, async || Held::open(late).await)
        .await;

    let (opened, failed) = dialling.finish();
    let outcome = holding.finish().await;
    e2e::report(&format!(
        "leader killed, etcd restarted: somebody else led after {} s; {opened} new connections, \
         {failed} failed; {HELD} connections held, {} broken",
        changed.as_secs(),
        outcome.broken
    ));
    assert_eq!((failed, outcome.broken), (0, 0));
}
