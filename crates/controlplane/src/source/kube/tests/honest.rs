//! A server that does as it should: what is published, and when.

use std::time::Duration;

use gwapi::{Kind, ObjectKey, ObjectRef};
use serde_json::json;
use tokio::time::sleep;

use super::api::{Api, Verb};
use super::harness::{Source, gateway, route, seconds, secret};
use crate::owned::OwnedKind;
use crate::source::kube::Scope;

#[tokio::test(start_paused = true)]
async fn everything_is_there_at_once_and_not_before_it_is_complete() {
    let api = Api::new();
    for index in 0..1200 {
        api.put("tcproutes", "db", &format!("route-{index}"), route("pg"));
    }
    api.put("gateways", "db", "gw", gateway("cert"));
    api.put("secrets", "db", "cert", secret("YQ=="));
    let mut source = Source::start(&api);
    source.loaded.changed().await.expect("published");
    assert!(source.is_synced());
    assert_eq!(source.now().objects.tcp_routes.len(), 1200);
    assert_eq!(source.differences(), Vec::<String>::new());
    assert_eq!(api.calls(Verb::List, "tcproutes").len(), 1);
    assert_eq!(api.calls(Verb::Continue, "tcproutes").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_published_when_nothing_follows_it() {
    let api = Api::new();
    let mut source = Source::start(&api);
    source.synced().await;
    sleep(seconds(3)).await;
    api.put("tcproutes", "db", "pg", route("pg"));
    assert_eq!(
        source.converged(seconds(1)).await.max(Duration::from_millis(50)),
        Duration::from_millis(50)
    );
    api.put("tcproutes", "db", "pg", route("other"));
    api.delete("tcproutes", "db", "pg");
    api.put("udproutes", "db", "dns", route("dns"));
    source.converged(Duration::from_millis(50)).await;
}

#[tokio::test(start_paused = true)]
async fn endpoints_do_not_wait() {
    let api = Api::new();
    let mut source = Source::start(&api);
    source.synced().await;
    sleep(seconds(1)).await;
    api.put("endpointslices", "db", "pg-1", json!({"addressType": "IPv4"}));
    let took = source.until(seconds(1), |loaded| loaded.objects.endpoint_slices.len() == 1).await;
    assert!(took < Duration::from_millis(5), "{took:?}");
    api.put("services", "db", "pg", json!({"spec": {}}));
    let took = source.until(seconds(1), |loaded| loaded.objects.services.len() == 1).await;
    assert!(took >= Duration::from_millis(10), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn only_secrets_that_something_refers_to_are_held() {
    let api = Api::new();
    for name in ["used", "unused", "later"] {
        api.put("secrets", "db", name, secret("YQ=="));
    }
    api.put("secrets", "db", "opaque", json!({"type": "Opaque"}));
    api.put("gateways", "db", "gw", gateway("used"));
    let mut source = Source::start(&api);
    source.synced().await;
    let held = |source: &Source| -> Vec<String> {
        source.now().objects.secrets.keys().map(|key| key.name.clone()).collect()
    };
    assert_eq!(held(&source), ["used"]);
    // Referred to only now: fetched, and the Gateway is not shown without it.
    api.put("gateways", "db", "gw", gateway("later"));
    source
        .until(seconds(1), |loaded| {
            let gateway = &loaded.objects.gateways[&ObjectKey::new("db", "gw")];
            let name = &gateway.spec.listeners[0].tls.as_ref().expect("tls").certificate_refs;
            let is_new = name.as_ref().expect("refs")[0].name == "later";
            assert_eq!(is_new, loaded.objects.secrets.contains_key(&ObjectKey::new("db", "later")));
            is_new
        })
        .await;
    assert_eq!(held(&source), ["later"]);
    // Referred to before it exists.
    api.put("gateways", "db", "gw", gateway("new"));
    sleep(seconds(1)).await;
    api.put("secrets", "db", "new", secret("Yg=="));
    source.until(Duration::from_millis(100), |loaded| !loaded.objects.secrets.is_empty()).await;
    assert_eq!(held(&source), ["new"]);
    api.delete("secrets", "db", "new");
    source.until(Duration::from_millis(100), |loaded| loaded.objects.secrets.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_provisioned_is_read_by_its_label() {
    let api = Api::new();
    let ours = json!({"app.kubernetes.io/managed-by": "tidegate", "gateway.networking.k8s.io/gateway-name": "gw"});
    let object = json!({"metadata": {"labels": ours}, "spec": {"replicas": 2}});
    api.put("deployments", "db", "gw-tidegate", object);
    api.put("deployments", "db", "foreign", json!({}));
    api.put("services", "db", "gw-tidegate", json!({"metadata": {"labels": ours}, "spec": {}}));
    let pod = json!({
        "metadata": {"uid": "u1", "labels": ours,
            "ownerReferences": [{"controller": true, "kind": "ReplicaSet", "name": "rs", "uid": "u0"}]},
        "spec": {"serviceAccountName": "gw-tidegate"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    });
    api.put("pods", "db", "gw-1", pod);
    let mut source = Source::start(&api);
    source.synced().await;
    let loaded = source.now();
    let owned = &loaded.cluster.as_ref().expect("a cluster").owned;
    let key = ObjectKey::new("db", "gw-tidegate");
    assert_eq!(
        owned.objects.keys().cloned().collect::<Vec<_>>(),
        [(OwnedKind::Service, key.clone()), (OwnedKind::Deployment, key.clone())]
    );
    let deployment = &owned.objects[&(OwnedKind::Deployment, key)];
    assert_eq!(deployment.data["spec"]["replicas"], 2);
    assert_eq!(deployment.types.as_ref().expect("types").kind, "Deployment");
    let pod = &owned.pods[&ObjectKey::new("db", "gw-1")];
    assert_eq!((pod.uid.as_str(), pod.gateway.as_str(), pod.ready), ("u1", "gw", true));
    assert_eq!(pod.owner.as_ref().expect("an owner").1, "rs");
    // Also a Service like any other.
    assert_eq!(loaded.objects.services.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn kinds_are_read_at_the_version_that_is_served() {
    let api = Api::new();
    api.stop_serving("tlsroutes");
    api.serve("v1alpha3", "tlsroutes");
    api.stop_serving("udproutes");
    api.put("tlsroutes", "db", "pg", json!({"spec": {"hostnames": ["a.example"]}}));
    api.put(
        "customresourcedefinitions",
        "",
        "gateways.gateway.networking.k8s.io",
        json!({"metadata": {"annotations": {"gateway.networking.k8s.io/bundle-version": "v1.5.1"}}}),
    );
    let mut source = Source::start(&api);
    source.synced().await;
    let loaded = source.now();
    let cluster = loaded.cluster.as_ref().expect("a cluster");
    assert_eq!(cluster.served.get(&Kind::TlsRoute).map(String::as_str), Some("v1alpha3"));
    assert_eq!(cluster.served.get(&Kind::ReferenceGrant).map(String::as_str), Some("v1beta1"));
    assert_eq!(cluster.served.get(&Kind::UdpRoute), None);
    assert_eq!(cluster.bundle_version.as_deref(), Some("v1.5.1"));
    assert_eq!(loaded.objects.tls_routes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_installed_or_removed_is_noticed_within_seconds() {
    let api = Api::new();
    api.stop_serving("udproutes");
    api.put("udproutes", "db", "dns", route("dns"));
    let mut source = Source::start(&api);
    source.synced().await;
    assert!(source.now().objects.udp_routes.is_empty());
    sleep(seconds(7)).await;
    api.put("customresourcedefinitions", "", "udproutes.gateway.networking.k8s.io", json!({}));
    // Served a moment after it was made.
    sleep(seconds(2)).await;
    api.serve("v1", "udproutes");
    source.until(seconds(3), |loaded| loaded.objects.udp_routes.len() == 1).await;
    sleep(seconds(100)).await;
    api.delete("customresourcedefinitions", "", "udproutes.gateway.networking.k8s.io");
    api.stop_serving("udproutes");
    source.until(seconds(3), |loaded| loaded.objects.udp_routes.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn listed_namespaces_are_all_that_is_read() {
    let api = Api::new();
    for namespace in ["a", "b", "c"] {
        api.put("tcproutes", namespace, "pg", route("pg"));
    }
    api.put(
        "gatewayclasses",
        "",
        "tidegate",
        json!({"spec": {"controllerName": "tidegate.dev/gateway-controller"}}),
    );
    let scope = Scope::Namespaces(["a", "b"].map(str::to_owned).into());
    let mut source = Source::start_in(&api, scope, 1);
    source.synced().await;
    let loaded = source.now();
    let namespaces: Vec<_> =
        loaded.objects.tcp_routes.keys().map(|key| key.namespace.as_str()).collect();
    assert_eq!(namespaces, ["a", "b"]);
    assert_eq!(loaded.objects.gateway_classes.len(), 1);
    api.delete("tcproutes", "a", "pg");
    source.until(seconds(1), |loaded| loaded.objects.tcp_routes.len() == 1).await;
    assert!(api.asked_about("tcproutes").iter().all(|call| call.namespace.is_some()));
}

#[tokio::test(start_paused = true)]
async fn an_object_that_does_not_fit_stays_as_it_was_and_is_told() {
    let api = Api::new();
    api.put("tcproutes", "db", "pg", route("pg"));
    let mut source = Source::start(&api);
    source.synced().await;
    let good = source.now();
    api.put("tcproutes", "db", "pg", json!({"spec": {"rules": "none"}}));
    api.put("tcproutes", "db", "other", route("other"));
    source.until(seconds(1), |loaded| loaded.objects.tcp_routes.len() == 2).await;
    let object = ObjectRef::new(Kind::TcpRoute, ObjectKey::new("db", "pg"));
    let is_kept = |source: &Source| {
        let loaded = source.now();
        assert!(loaded.objects.agrees_on(&good.objects, &object));
        assert_eq!(loaded.problems.len(), 1);
        assert_eq!(loaded.problems[0].object(), Some(&object));
        assert!(loaded.kept.contains(&object));
    };
    is_kept(&source);
    // Over a list too.
    api.compact();
    api.cut();
    sleep(seconds(30)).await;
    is_kept(&source);
    api.put("tcproutes", "db", "pg", route("new"));
    source.until(seconds(1), |loaded| loaded.problems.is_empty() && loaded.kept.is_empty()).await;
    source.converged(seconds(1)).await;
}
