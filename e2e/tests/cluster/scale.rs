//! `scale`: a thousand TCPRoutes on two hundred listeners of sixteen Gateways, with ten thousand
//! endpoints. Prints what `docs/scale.md` records.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use e2e::cluster::{Namespace, SYSTEM, get, peer, process_of, process_of_pod, until_ok};
use e2e::eventually;
use e2e::peers::{Held, tcp_echo};
use serde_json::Value;

use crate::manifests::{gateway, route};

const GATEWAYS: u16 = 16;
const LISTENERS: u16 = 200;
const ROUTES: u16 = 1000;
const SERVICES: u16 = 100;
const ENDPOINTS_EACH: u16 = 100;
const PATIENCE: Duration = Duration::from_secs(300);
/// What a controller may take, MiB of resident memory.
const CONTROLLER: u64 = 150;

/// A Service of a hundred endpoints, one of which is there.
fn service(name: &str, number: u16, at: SocketAddr) -> String {
    let mut endpoints = String::new();
    for endpoint in 1..ENDPOINTS_EACH {
        let _ = write!(
            endpoints,
            "{{addresses: [10.99.{number}.{endpoint}], conditions: {{ready: false}}}}, "
        );
    }
    let _ = write!(endpoints, "{{addresses: [{}], conditions: {{ready: true}}}}", at.ip());
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: NAMESPACE}}
spec: {{ports: [{{name: tcp, port: 80, protocol: TCP, targetPort: {port}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, namespace: NAMESPACE, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
endpoints: [{endpoints}]
ports: [{{name: tcp, port: {port}, protocol: TCP}}]
---
",
        port = at.port()
    )
}

/// Resident memory of a process, MiB.
fn resident(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
}

/// One number of a leader's metrics.
fn leader() -> (String, IpAddr) {
    let lease = get(&["-n", SYSTEM, "lease", "tidegate-controller"]).expect("a lease");
    let holder = lease["spec"]["holderIdentity"].as_str().expect("a leader");
    let pod = holder.split('_').next().expect("a name").to_owned();
    let object = get(&["-n", SYSTEM, "pod", &pod]).expect("the leader's pod");
    let address = object["status"]["podIP"].as_str().and_then(|address| address.parse().ok());
    (pod, address.expect("an address"))
}

fn metric(at: IpAddr, name: &str) -> f64 {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect((at, 19001)).expect("metrics");
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").expect("asked");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("answered");
    let lines = text.lines().filter(|line| line.starts_with(name) && line.contains("written"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scale() {
    let namespace = Namespace::new("scale");
    let at = peer();
    tcp_echo(at).await;
    let (pod, address) = leader();
    let controller = process_of_pod(&pod);
    let idle = resident(controller.pid());

    let mut services = String::new();
    for number in 0..SERVICES {
        services += &service(&format!("s-{number}"), number, at);
    }
    namespace.apply(&services);
    let listeners = |of: u16| -> Vec<(String, &'static str, u16)> {
        let ours = (0..LISTENERS).filter(|listener| listener % GATEWAYS == of);
        ours.map(|listener| (format!("l-{listener}"), "TCP", 7000 + listener)).collect()
    };
    let mut text = String::new();
    for number in 0..GATEWAYS {
        text += &gateway(&format!("g-{number}"), &listeners(number));
    }
    for number in 0..ROUTES {
        let listener = number % LISTENERS;
        let (gateway, listener) = (format!("g-{}", listener % GATEWAYS), format!("l-{listener}"));
        let backend = format!("s-{}", number % SERVICES);
        text += &route("TCPRoute", &format!("r-{number}"), &gateway, &listener, &backend);
    }
    let written = metric(address, "tidegate_status_writes_total");
    let begun = Instant::now();
    namespace.apply(&text);
    let applied = begun.elapsed();
    let is = |object: &Value, r#type: &str| {
        e2e::cluster::conditions(object)
            .iter()
            .filter(|condition| condition["type"] == *r#type)
            .all(|condition| condition["status"] == "True")
    };
    let all = |kind: &str, r#type: &str, count: usize| {
        let list = namespace.get(&[kind]).unwrap_or_default();
        let items = list["items"].as_array().map_or(&[][..], Vec::as_slice);
        items.len() == count
            && items.iter().all(|item| {
                let has = e2e::cluster::conditions(item);
                has.iter().any(|condition| condition["type"] == *r#type) && is(item, r#type)
            })
    };
    eventually("every Gateway is programmed", PATIENCE, || {
        all("gateways", "Programmed", usize::from(GATEWAYS))
    });
    let programmed = begun.elapsed();
    eventually("every route is accepted", PATIENCE, || {
        all("tcproutes", "Accepted", usize::from(ROUTES))
    });
    let accepted = begun.elapsed();
    let writes = metric(address, "tidegate_status_writes_total") - written;

    // An endpoint that comes and goes, as a client sees it.
    let to = SocketAddr::new(namespace.address_of("g-0"), 7000);
    until_ok("it is routed", PATIENCE, async || Held::open(to).await).await;
    let mut slowest = Duration::ZERO;
    for round in 0..20 {
        let gone = round % 2 == 0;
        let endpoints = if gone { SocketAddr::new([10, 99, 0, 1].into(), 9) } else { at };
        let slice =
            service("s-0", 0, endpoints).replace("{ready: true}", &format!("{{ready: {}}}", !gone));
        namespace.apply(&slice);
        let (_, took) =
            until_ok("the change is live", PATIENCE, async || match (Held::open(to).await, gone) {
                (Ok(held), false) => {
                    held.reset();
                    Ok(())
                }
                (Err(_), true) => Ok(()),
                _ => Err("not yet"),
            })
            .await;
        slowest = slowest.max(took);
    }
    let proxy = process_of(&["tidegate", "proxy", &format!("{}/g-0", namespace.name())]);
    let (loaded, one) = (resident(controller.pid()), resident(proxy.pid()));
    e2e::report(&format!(
        "scale: {ROUTES} TCPRoutes, {LISTENERS} listeners, {GATEWAYS} Gateways, {} endpoints: kubectl \
         apply {} s; every Gateway programmed {} s and every route accepted {} s after its begin; \
         {writes} status writes, {:.0} a second; an endpoint change is live at most {} ms after \
         kubectl apply has returned; controller {idle} MiB before, {loaded} MiB loaded; a proxy {one} MiB",
        u32::from(SERVICES) * u32::from(ENDPOINTS_EACH),
        applied.as_secs(),
        programmed.as_secs(),
        accepted.as_secs(),
        writes / accepted.as_secs_f64(),
        slowest.as_millis(),
    ));
    assert!(loaded <= CONTROLLER, "{loaded} MiB");
}
