//! Credentials that are right, and every way in which they can be wrong.

use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::*;
use crate::fake_api::{FakeApi, Fault};
use crate::owned::OwnedKind;
use crate::source::Cluster;

const NAMESPACE: &str = "edge";

fn token_with(payload: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2ln", encode(&json!({ "alg": "RS256" })), encode(payload))
}

fn token() -> String {
    token_with(&payload())
}

fn payload() -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    json!({ "aud": [AUDIENCE], "exp": now + 600, "sub": "system:serviceaccount:edge:l4-tidegate" })
}

/// The answer to a review of a good token.
fn review() -> Value {
    json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "metadata": {}, "spec": { "token": "" },
        "status": { "authenticated": true, "audiences": [AUDIENCE], "user": {
            "username": "system:serviceaccount:edge:l4-tidegate",
            "extra": {
                "authentication.kubernetes.io/pod-name": ["l4-tidegate-1"],
                "authentication.kubernetes.io/pod-uid": ["pod uid"],
            } } },
    })
}

fn pod(uid: &str, account: &str, owner: Option<(&str, &str)>) -> Value {
    let owners: Vec<_> = owner
        .iter()
        .map(|(kind, name)| {
            json!({ "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "set uid",
                "controller": true })
        })
        .collect();
    json!({ "metadata": { "name": "l4-tidegate-1", "uid": uid, "ownerReferences": owners },
        "spec": { "serviceAccountName": account, "containers": [] } })
}

fn replica_set(uid: &str, deployment: &str, deployment_uid: &str) -> Value {
    json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": { "name": "l4-tidegate-abc", "uid": uid, "ownerReferences": [{
        "apiVersion": "apps/v1", "kind": "Deployment", "name": deployment, "uid": deployment_uid,
        "controller": true }] } })
}

fn provisioned(name: &str, uid: &str, gateway: &str, gateway_uid: &str) -> Arc<DynamicObject> {
    let object = json!({ "metadata": { "name": name, "namespace": NAMESPACE, "uid": uid,
        "ownerReferences": [{ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "name": gateway, "uid": gateway_uid, "controller": true }] } });
    Arc::new(serde_json::from_value(object).expect("an object"))
}

fn cluster() -> Cluster {
    let mut owned = Owned::default();
    for gateway in ["l4", "other"] {
        for kind in [OwnedKind::ServiceAccount, OwnedKind::Deployment] {
            let name = format!("{gateway}-tidegate");
            let object = provisioned(
                &name,
                &format!("{gateway} {kind:?}"),
                gateway,
                &format!("{gateway} uid"),
            );
            owned.objects.insert((kind, ObjectKey::new(NAMESPACE, name)), object);
        }
    }
    Cluster { synced: true, owned, ..Cluster::default() }
}

fn loaded(cluster: Cluster) -> Arc<Loaded> {
    let mut loaded = Loaded { cluster: Some(cluster), ..Loaded::default() };
    for gateway in ["l4", "other"] {
        let mut object = gwapi::Gateway::default();
        object.metadata.uid = Some(format!("{gateway} uid"));
        loaded.objects.gateways.insert(ObjectKey::new(NAMESPACE, gateway), Arc::new(object));
    }
    Arc::new(loaded)
}

const POD: &str = "/api/v1/namespaces/edge/pods/l4-tidegate-1";
const SET: &str = "/apis/apps/v1/namespaces/edge/replicasets/l4-tidegate-abc";

/// A world in which [`token`] is good; each test breaks one thing.
struct Fixture {
    api: FakeApi,
    review: Value,
    loaded: watch::Sender<Arc<Loaded>>,
}

impl Fixture {
    fn new() -> Self {
        let api = FakeApi::new();
        api.put(POD, pod("pod uid", "l4-tidegate", Some(("ReplicaSet", "l4-tidegate-abc"))));
        api.put(SET, replica_set("set uid", "l4-tidegate", "l4 Deployment"));
        let (loaded, _) = watch::channel(loaded(cluster()));
        Self { api, review: review(), loaded }
    }

    fn identities(&self) -> Identities {
        let review = self.review.clone();
        self.api.review(move |call| call.path.ends_with("/tokenreviews").then(|| review.clone()));
        Identities::new(self.api.client(), self.loaded.subscribe())
    }

    async fn refusal(&self, token: &str) -> Refusal {
        match self.identities().prove(token).await {
            Err(Denied::Refused(refusal)) => {
                assert!(token.is_empty() || !refusal.to_string().contains(token));
                refusal
            }
            other => panic!("{other:?}"),
        }
    }
}

fn pod_key() -> ObjectKey {
    ObjectKey::new(NAMESPACE, "l4-tidegate-1")
}

#[tokio::test(start_paused = true)]
async fn a_proxy_is_known_by_its_token() {
    let fixture = Fixture::new();
    let proven = fixture.identities().prove(&token()).await.expect("a proxy");
    assert_eq!(proven.gateway, ObjectKey::new(NAMESPACE, "l4"));
    assert_eq!((&*proven.pod_uid, &*proven.pod_name), ("pod uid", "l4-tidegate-1"));
    assert!(proven.expires > SystemTime::now() + Duration::from_secs(500));
    let asked = fixture.api.calls(&Method::POST);
    assert_eq!(asked[0].body["spec"]["audiences"], json!([AUDIENCE]));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_proxys_token_is_refused_without_asking() {
    let fixture = Fixture::new();
    let with = |key: &str, value: Value| {
        let mut payload = payload();
        payload[key] = value;
        token_with(&payload)
    };
    let long = format!("{}{}", token(), "a".repeat(20_000));
    let cases = [
        (String::new(), Refusal::NoToken),
        ("garbage".to_owned(), Refusal::NotAToken),
        ("a.b.c".to_owned(), Refusal::NotAToken),
        (format!("{}.x", token()), Refusal::NotAToken),
        (long, Refusal::NotAToken),
        (with("aud", json!(["https://kubernetes.default.svc"])), Refusal::OtherAudience),
        (with("aud", json!("vault")), Refusal::OtherAudience),
        (with("aud", Value::Null), Refusal::NotAToken),
        (with("sub", json!("system:node:a")), Refusal::NotAServiceAccount),
        (with("exp", json!(1)), Refusal::Expired),
        (with("exp", Value::Null), Refusal::NotAToken),
        (with("exp", json!(u64::MAX)), Refusal::NotAToken),
    ];
    for (token, expected) in cases {
        assert_eq!(fixture.refusal(&token).await, expected, "{token}");
    }
    assert_eq!(fixture.api.calls(&Method::POST).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_api_server_does_not_confirm_is_refused() {
    let account = ObjectKey::new(NAMESPACE, "l4-tidegate");
    let pod_name = "authentication.kubernetes.io/pod-name";
    let pod_uid = "authentication.kubernetes.io/pod-uid";
    type Break<'a> = Box<dyn Fn(&mut Value) + 'a>;
    let cases: Vec<(Break<'_>, Refusal)> = vec![
        (
            Box::new(|status| {
                *status = json!({ "authenticated": false, "error": "expired" });
            }),
            Refusal::NotAuthenticated("expired".to_owned()),
        ),
        (
            Box::new(|status| *status = json!({})),
            Refusal::NotAuthenticated("not authenticated".to_owned()),
        ),
        (Box::new(|status| status["audiences"] = json!([])), Refusal::OtherAudience),
        (Box::new(|status| status["audiences"] = Value::Null), Refusal::OtherAudience),
        (Box::new(|status| status["audiences"] = json!(["vault"])), Refusal::OtherAudience),
        (
            Box::new(|status| status["user"]["username"] = json!("kubernetes-admin")),
            Refusal::NotAServiceAccount,
        ),
        (
            Box::new(|status| status["user"]["username"] = json!("system:serviceaccount:edge:")),
            Refusal::NotAServiceAccount,
        ),
        (
            Box::new(|status| status["user"]["username"] = json!("system:serviceaccount:a:b:c")),
            Refusal::NotAServiceAccount,
        ),
        (
            Box::new(|status| status["user"]["extra"] = Value::Null),
            Refusal::NotBound(account.clone()),
        ),
        (
            Box::new(|status| status["user"]["extra"][pod_uid] = json!([])),
            Refusal::NotBound(account.clone()),
        ),
        (
            Box::new(|status| status["user"]["extra"][pod_name] = json!(["a", "b"])),
            Refusal::NotBound(account.clone()),
        ),
    ];
    for (change, expected) in cases {
        let mut fixture = Fixture::new();
        change(&mut fixture.review["status"]);
        assert_eq!(fixture.refusal(&token()).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_account_of_a_gateway_that_exists_counts() {
    for name in ["system:serviceaccount:tenant:l4-tidegate", "system:serviceaccount:edge:default"] {
        let mut fixture = Fixture::new();
        fixture.review["status"]["user"]["username"] = json!(name);
        fixture.api.put(
            "/api/v1/namespaces/tenant/pods/l4-tidegate-1",
            pod("pod uid", "l4-tidegate", Some(("ReplicaSet", "l4-tidegate-abc"))),
        );
        fixture.api.put(&SET.replace("edge", "tenant"), replica_set("set uid", "x", "y"));
        let refusal = fixture.refusal(&token()).await;
        assert!(matches!(refusal, Refusal::NotProvisioned(_)), "{refusal}");
    }
    let fixture = Fixture::new();
    let mut anew = Loaded::clone(&fixture.loaded.borrow());
    let mut gateway = gwapi::Gateway::default();
    gateway.metadata.uid = Some("made anew".to_owned());
    let key = ObjectKey::new(NAMESPACE, "l4");
    anew.objects.gateways.insert(key.clone(), Arc::new(gateway));
    fixture.loaded.send_replace(Arc::new(anew.clone()));
    assert_eq!(fixture.refusal(&token()).await, Refusal::NoGateway(key.clone()));
    anew.objects.gateways.remove(&key);
    fixture.loaded.send_replace(Arc::new(anew));
    assert_eq!(fixture.refusal(&token()).await, Refusal::NoGateway(key));
}

#[tokio::test(start_paused = true)]
async fn only_a_pod_of_the_gateways_deployment_counts() {
    let not_of = Refusal::NotOfDeployment(pod_key(), ObjectKey::new(NAMESPACE, "l4"));
    let of_set = Some(("ReplicaSet", "l4-tidegate-abc"));

    let fixture = Fixture::new();
    fixture.api.delete(POD);
    assert_eq!(fixture.refusal(&token()).await, Refusal::NoPod(pod_key()));

    let fixture = Fixture::new();
    fixture.api.put(POD, pod("a later pod", "l4-tidegate", of_set));
    assert_eq!(fixture.refusal(&token()).await, Refusal::OtherPod(pod_key()));

    let fixture = Fixture::new();
    fixture.api.put(POD, pod("pod uid", "default", of_set));
    let other = Refusal::OtherAccount(pod_key(), "default".to_owned());
    assert_eq!(fixture.refusal(&token()).await, other);

    for owner in [None, Some(("StatefulSet", "l4-tidegate-abc")), Some(("ReplicaSet", "gone"))] {
        let fixture = Fixture::new();
        fixture.api.put(POD, pod("pod uid", "l4-tidegate", owner));
        assert_eq!(fixture.refusal(&token()).await, not_of);
    }

    let sets = [
        replica_set("another set", "l4-tidegate", "l4 Deployment"),
        replica_set("set uid", "l4-tidegate", "an older Deployment"),
        replica_set("set uid", "other-tidegate", "other Deployment"),
        replica_set("set uid", "unknown", "l4 Deployment"),
    ];
    for set in sets {
        let fixture = Fixture::new();
        fixture.api.put(SET, set);
        assert_eq!(fixture.refusal(&token()).await, not_of);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_watched_is_not_asked_for() {
    let fixture = Fixture::new();
    let mut cluster = cluster();
    let pod = ProxyPod {
        uid: "pod uid".to_owned(),
        owner: Some(("ReplicaSet".to_owned(), "l4-tidegate-abc".to_owned(), "set uid".to_owned())),
        service_account: "l4-tidegate".to_owned(),
        ..ProxyPod::default()
    };
    cluster.owned.pods.insert(pod_key(), Arc::new(pod));
    fixture.loaded.send_replace(loaded(cluster));
    fixture.api.delete(POD);
    fixture.identities().prove(&token()).await.expect("a proxy");
}

#[tokio::test(start_paused = true)]
async fn a_proof_is_remembered_for_half_a_minute_and_no_longer() {
    let fixture = Fixture::new();
    let identities = fixture.identities();
    let token = token();
    for _ in 0..10 {
        identities.prove(&token).await.expect("a proxy");
    }
    assert_eq!(fixture.api.calls(&Method::POST).len(), 1);
    fixture.api.delete(POD);
    tokio::time::advance(Duration::from_secs(31)).await;
    identities.prove(&token).await.expect_err("the pod is gone");
}

#[tokio::test(start_paused = true)]
async fn a_proof_of_a_pod_that_was_replaced_is_forgotten_at_once() {
    let fixture = Fixture::new();
    let identities = fixture.identities();
    identities.prove(&token()).await.expect("a proxy");
    let mut cluster = cluster();
    let later = ProxyPod { uid: "a later pod".to_owned(), ..ProxyPod::default() };
    cluster.owned.pods.insert(pod_key(), Arc::new(later));
    fixture.loaded.send_replace(loaded(cluster));
    fixture.api.delete(POD);
    identities.prove(&token()).await.expect_err("another pod has that name");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_known_is_not_refused() {
    for fault in [Fault::Hang, Fault::Refuse(500), Fault::Refuse(403), Fault::Refuse(429)] {
        for part in ["tokenreviews", "pods", "replicasets"] {
            let fixture = Fixture::new();
            let identities = fixture.identities();
            let broken = fault.clone();
            fixture.api.fault(move |call| match call.path.contains(part) {
                true => broken.clone(),
                false => Fault::None,
            });
            let before = Instant::now();
            let denied = identities.prove(&token()).await.expect_err("not known");
            assert!(matches!(&denied, Denied::Unavailable(_)), "{denied}");
            assert!(!denied.to_string().contains(&token()));
            assert!(Instant::now() - before <= DEADLINE);
        }
    }
    let fixture = Fixture::new();
    fixture.loaded.send_replace(loaded(Cluster { synced: false, ..cluster() }));
    let denied = fixture.identities().prove(&token()).await.expect_err("not known");
    assert!(matches!(denied, Denied::Unavailable(_)));
}

#[tokio::test(start_paused = true)]
async fn strangers_do_not_use_up_the_api_server() {
    let fixture = Fixture::new();
    let identities = Arc::new(fixture.identities());
    fixture.api.fault(|_| Fault::Hang);
    let strangers: Vec<_> = (0..200)
        .map(|n| {
            let mut payload = payload();
            payload["jti"] = json!(n);
            let (identities, token) = (Arc::clone(&identities), token_with(&payload));
            tokio::spawn(async move { identities.prove(&token).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(fixture.api.calls(&Method::POST).len(), AT_ONCE);
    for stranger in strangers {
        stranger.await.expect("no panic").expect_err("no answer");
    }
}
