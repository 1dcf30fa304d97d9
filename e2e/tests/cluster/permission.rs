//! Permission that is withdrawn: `revoke`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use e2e::cluster::{Namespace, PATIENCE, peer, until_ok};
use e2e::peers::{Held, tcp_echo};
use tokio::time::{interval, timeout};

use crate::manifests::gateway;

const GRANT: &str = "apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: from-edge, namespace: NAMESPACE}
spec:
  from: [{group: gateway.networking.k8s.io, kind: TCPRoute, namespace: EDGE}]
  to: [{group: \"\", kind: Service}]
";
/// Connections a second.
const RATE: u64 = 500;
/// From the delete to the last connection that is let through.
const WITHDRAWN: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoke() {
    let (edge, backends) = (Namespace::new("revoke-edge"), Namespace::new("revoke-backends"));
    let at = peer();
    tcp_echo(at).await;
    backends.backend("peer", at);
    let grant = GRANT.replace("EDGE", edge.name());
    backends.apply(&grant);
    edge.apply(
        &(gateway("edge", &[("tcp".to_owned(), "TCP", 6000)])
            + &format!(
                "apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {{name: across, namespace: NAMESPACE}}
spec:
  parentRefs: [{{name: edge}}]
  rules: [{{backendRefs: [{{name: peer, namespace: {}, port: 80}}]}}]
",
                backends.name()
            )),
    );
    let to = SocketAddr::new(edge.address_of("edge"), 6000);
    until_ok("it is routed", PATIENCE, async || Held::open(to).await).await;

    // When the last connection that came through was begun, in microseconds from here.
    let start = Instant::now();
    let (last, through, refused) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counters = (Arc::clone(&last), Arc::clone(&through), Arc::clone(&refused));
    let dialling = tokio::spawn(async move {
        let mut pace = interval(Duration::from_micros(1_000_000 / RATE));
        loop {
            pace.tick().await;
            let (last, through, refused) = counters.clone();
            tokio::spawn(async move {
                let begun = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
                match timeout(Duration::from_secs(5), Held::open(to)).await {
                    Ok(Ok(held)) => {
                        last.fetch_max(begun, Ordering::Relaxed);
                        through.fetch_add(1, Ordering::Relaxed);
                        held.reset();
                    }
                    _ => {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    until_ok("a thousand came through", PATIENCE, async || {
        let count = through.load(Ordering::Relaxed);
        if count > 1000 { Ok(()) } else { Err(count) }
    })
    .await;
    assert_eq!(refused.load(Ordering::Relaxed), 0);

    backends.delete(&grant);
    let deleted = start.elapsed();
    until_ok("ten thousand were refused", PATIENCE, async || {
        let count = refused.load(Ordering::Relaxed);
        if count > 10_000 { Ok(()) } else { Err(count) }
    })
    .await;
    dialling.abort();
    let last = Duration::from_micros(last.load(Ordering::Relaxed));
    let late = last.saturating_sub(deleted);
    e2e::report(&format!(
        "revoke: {RATE} connections a second; the last one was let through {} ms after kubectl \
         delete had returned, then 0 of {}",
        late.as_millis(),
        refused.load(Ordering::Relaxed)
    ));
    assert!(late < WITHDRAWN, "{late:?}");
    let route = edge.until_condition("tcproute/across", "ResolvedRefs", "False", PATIENCE);
    assert_eq!(route["reason"], "RefNotPermitted");
}
