//! How long a translation takes: 1, 100 and 5,000 routes, the last on 500 listeners with 20,000
//! endpoints. The bound is 50 ms, for every change of any object translates everything anew.

#[path = "../tests/support/world.rs"]
#[allow(dead_code)]
mod world;

use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gwapi::core::{EndpointSlice, ServiceSpec, SliceEndpoint, SlicePort};
use gwapi::routes::{RouteRule, RouteSpec, TlsRouteSpec};
use gwapi::{
    BackendRef, ObjectKey, ObjectMeta, Objects, ParentRef, Secret, Service, TcpRoute, TlsRoute,
    UdpRoute,
};
use k8s_openapi::ByteString;
use world::OwnedWorld;

/// The allocator of the binary: a translation is mostly small strings.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The bound for the largest world.
const BOUND: Duration = Duration::from_millis(50);
/// A Gateway has at most 64 listeners.
const LISTENERS_PER_GATEWAY: usize = 64;

fn benches(criterion: &mut Criterion) {
    for (routes, listeners) in [(1, 1), (100, 10), (5_000, 500)] {
        let world = world(routes, listeners);
        let endpoints = world.objects.endpoint_slices.values().map(|slice| slice.endpoints.len());
        let name = format!(
            "{routes} routes, {listeners} listeners, {} endpoints",
            endpoints.sum::<usize>()
        );
        let translation = world.translate();
        assert!(translation.findings.is_empty(), "{:?}", translation.findings.first());
        criterion.bench_function(&name, |bencher| bencher.iter(|| black_box(world.translate())));
        let average = on_cpu(&world);
        assert!(average <= BOUND, "{name}: {average:?} is more than {BOUND:?}");
    }
}

/// The time that one translation is on the CPU: what it takes when no neighbour is there. The
/// kernel counts in ticks, so it is an average over many.
fn on_cpu(world: &OwnedWorld) -> Duration {
    const RUNS: u32 = 40;
    let clock = || {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let nanoseconds = text.split(' ').next().and_then(|number| number.parse().ok());
        Duration::from_nanos(nanoseconds.expect("a kernel with schedstat"))
    };
    let start = clock();
    for _ in 0..RUNS {
        black_box(world.translate());
    }
    (clock() - start) / RUNS
}

/// Of five listeners one is TCP, one UDP, one terminates TLS and two pass it through; TLS listeners
/// share ports, and the routes beyond one for each TCP and UDP listener are TLSRoutes.
fn world(routes: usize, listeners: usize) -> OwnedWorld {
    let mut objects = world::objects("gateways.yaml", gateways(listeners));
    let mut tls = vec![];
    let mut next = 0;
    for listener in 0..listeners {
        match listener % 5 {
            0 if next < routes => add_route(&mut objects, next, "tcp", listener),
            1 if next < routes => add_route(&mut objects, next, "udp", listener),
            0 | 1 => continue,
            _ => {
                tls.push(listener);
                continue;
            }
        }
        next += 1;
    }
    for (listener, route) in tls.iter().cycle().zip(next..routes) {
        add_route(&mut objects, route, "tls", *listener);
    }
    let secrets = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/certificates");
    let read = |name: &str| ByteString(fs::read(secrets.join(name)).expect("a certificate"));
    for index in 0..listeners.div_ceil(5) {
        let key = ObjectKey::new("edge", format!("certificate-{index}"));
        let mut secret = Secret { metadata: metadata(&key), ..Secret::default() };
        secret.data.insert("tls.crt".to_owned(), read("wildcard.crt"));
        secret.data.insert("tls.key".to_owned(), read("wildcard.key"));
        objects.secrets.insert(key, Arc::new(secret));
    }
    OwnedWorld::standalone(objects)
}

fn gateways(listeners: usize) -> String {
    let mut text = String::new();
    for listener in 0..listeners {
        if listener % LISTENERS_PER_GATEWAY == 0 {
            let gateway = listener / LISTENERS_PER_GATEWAY;
            write!(
                text,
                "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: \
                 g{gateway}, namespace: edge}}\nspec:\n  gatewayClassName: tidegate\n  listeners:\n"
            )
            .expect("a string takes all");
        }
        let rest = match listener % 5 {
            0 => format!("protocol: TCP, port: {}", 10_000 + listener),
            1 => format!("protocol: UDP, port: {}", 10_000 + listener),
            2 => format!(
                "protocol: TLS, port: {}, hostname: \"*.l{listener}.example.com\", tls: {{mode: \
                 Terminate, certificateRefs: [{{name: certificate-{}}}]}}",
                1_000 + listener % 50,
                listener / 5
            ),
            _ => format!(
                "protocol: TLS, port: {}, hostname: \"*.l{listener}.example.com\", tls: {{mode: \
                 Passthrough}}",
                1_000 + listener % 50
            ),
        };
        writeln!(text, "  - {{name: l{listener}, {rest}}}").expect("a string takes all");
    }
    text
}

fn metadata(key: &ObjectKey) -> ObjectMeta {
    ObjectMeta {
        namespace: Some(key.namespace.clone()),
        name: Some(key.name.clone()),
        ..Default::default()
    }
}

fn add_route(objects: &mut Objects, route: usize, kind: &str, listener: usize) {
    let key = ObjectKey::new("edge", format!("r{route}"));
    let protocol = (kind == "udp").then(|| "UDP".to_owned());
    let parent_refs = vec![ParentRef {
        name: format!("g{}", listener / LISTENERS_PER_GATEWAY),
        section_name: Some(format!("l{listener}")),
        ..Default::default()
    }];
    let backend = BackendRef { name: key.name.clone(), port: Some(5432), ..Default::default() };
    let rules = vec![RouteRule { name: None, backend_refs: vec![backend] }];
    let metadata = metadata(&key);
    match kind {
        "tcp" => {
            let spec = RouteSpec { parent_refs, rules };
            let route = TcpRoute { metadata: metadata.clone(), spec, status: None };
            objects.tcp_routes.insert(key.clone(), Arc::new(route));
        }
        "udp" => {
            let spec = RouteSpec { parent_refs, rules };
            let route = UdpRoute { metadata: metadata.clone(), spec, status: None };
            objects.udp_routes.insert(key.clone(), Arc::new(route));
        }
        _ => {
            let hostnames = vec![format!("r{route}.l{listener}.example.com")];
            let spec = TlsRouteSpec { parent_refs, hostnames, rules };
            let route = TlsRoute { metadata: metadata.clone(), spec, status: None };
            objects.tls_routes.insert(key.clone(), Arc::new(route));
        }
    }
    let port = gwapi::core::ServicePort { name: None, port: 5432, protocol: protocol.clone() };
    let spec = ServiceSpec { r#type: None, ports: vec![port] };
    objects.services.insert(key.clone(), Arc::new(Service { metadata: metadata.clone(), spec }));
    let endpoints = (0..4).map(|endpoint| SliceEndpoint {
        addresses: vec![format!("10.{}.{}.{endpoint}", route / 256, route % 256)],
        ..Default::default()
    });
    let mut metadata = metadata;
    metadata.labels = Some([(gwapi::core::SERVICE_NAME_LABEL.to_owned(), key.name.clone())].into());
    let slice = EndpointSlice {
        metadata,
        address_type: "IPv4".to_owned(),
        endpoints: endpoints.collect(),
        ports: vec![SlicePort { name: None, port: Some(5432), protocol }],
    };
    objects.endpoint_slices.insert(key, Arc::new(slice));
}

criterion_group!(all, benches);
criterion_main!(all);
