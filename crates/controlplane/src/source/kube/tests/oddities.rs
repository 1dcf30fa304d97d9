//! Single odd moments of a server, one by one; [`super::random`] mixes them.

use std::time::Duration;

use gwapi::{Kind, ObjectKey};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::api::{Api, Lie, Verb};
use super::faults::{CONVERGED, on, relists, shuffle, synced};
use super::harness::{Source, gateway, route, seconds, secret};
use crate::source::Problem;
use crate::source::kube::Scope;
use crate::source::kube::health::Relist;

#[tokio::test(start_paused = true)]
async fn nothing_is_published_while_one_kind_is_not_known() {
    for lie in [Lie::Hang, Lie::Status(500, None), Lie::Cut, Lie::Says("{}".to_owned())] {
        let api = Api::new();
        api.put("tcproutes", "db", "pg", route("pg"));
        api.lie(on(Verb::List, lie));
        let mut source = Source::start(&api);
        assert!(timeout(seconds(600), source.loaded.changed()).await.is_err());
        assert!(!source.health.borrow().synced);
        api.be_honest();
        source.converged(CONVERGED).await;
        assert!(source.is_synced() && source.health.borrow().synced);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_while_it_is_not_known_what_is_served() {
    for lie in [Lie::Hang, Lie::Status(503, None), Lie::Says("no JSON".to_owned())] {
        let api = Api::new();
        api.put("services", "db", "pg", json!({}));
        let cause = lie.clone();
        api.lie(move |call| (call.verb == Verb::Discover).then(|| cause.clone()));
        let mut source = Source::start(&api);
        assert!(timeout(seconds(600), source.loaded.changed()).await.is_err(), "{lie:?}");
        assert!(source.health.borrow().discovery.is_some());
        api.be_honest();
        source.converged(CONVERGED).await;
        assert_eq!(source.health.borrow().discovery, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_served_stays_while_that_is_not_known() {
    for lie in [Lie::Hang, Lie::Status(503, None), Lie::Says("no JSON".to_owned()), Lie::Cut] {
        let api = Api::new();
        let source = synced(&api).await;
        api.lie(move |_| Some(lie.clone()));
        sleep(seconds(300)).await;
        assert_eq!(source.now().objects.tcp_routes.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forgets_a_kind_for_a_moment_is_not_believed() {
    let api = Api::new();
    let source = synced(&api).await;
    for _ in 0..5 {
        sleep(seconds(90)).await;
        let asked = api.asked_about("gateway.networking.k8s.io").len();
        api.lie(|call| (call.verb == Verb::Discover).then_some(Lie::Status(404, None)));
        while api.asked_about("gateway.networking.k8s.io").len() == asked {
            sleep(Duration::from_millis(10)).await;
        }
        api.be_honest();
        for _ in 0..100 {
            assert_eq!(source.now().objects.tcp_routes.len(), 3);
            sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_in_one_namespace_is_told_and_harms_no_other() {
    let api = Api::new();
    for namespace in ["a", "b"] {
        api.put("tcproutes", namespace, "pg", route("pg"));
    }
    api.lie(|call| {
        let is_there = call.namespace.as_deref() == Some("b") && call.what == "tcproutes";
        is_there.then_some(Lie::Status(403, None))
    });
    let mut source =
        Source::start_in(&api, Scope::Namespaces(["a", "b"].map(str::to_owned).into()), 1);
    source.until(seconds(15), |_| true).await;
    source.until(seconds(15), |loaded| loaded.cluster.is_some()).await;
    let loaded = source.now();
    assert_eq!(loaded.objects.tcp_routes.len(), 1);
    let [Problem::Watch { what, reason }] = &loaded.problems[..] else {
        panic!("{:?}", loaded.problems);
    };
    assert_eq!(what, "tcproutes.gateway.networking.k8s.io in namespace b");
    assert!(reason.contains("403"), "{reason}");
    // The other lives on.
    api.put("tcproutes", "a", "second", route("pg"));
    source.until(seconds(1), |loaded| loaded.objects.tcp_routes.len() == 2).await;
    let before = api.asked_about("tcproutes").len();
    sleep(seconds(600)).await;
    let refused = api.asked_about("tcproutes").split_off(before);
    let refused = refused.iter().filter(|call| call.namespace.as_deref() == Some("b")).count();
    assert!(refused <= 20, "{refused} requests in vain");
    api.be_honest();
    source.converged(CONVERGED).await;
    source.until(seconds(6), |loaded| loaded.problems.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_taken_away_leaves_what_was_known() {
    let api = Api::new();
    let mut source = synced(&api).await;
    api.lie(|call| (call.what == "tcproutes").then_some(Lie::Status(403, None)));
    api.cut();
    source.until(seconds(120), |loaded| !loaded.problems.is_empty()).await;
    api.put("udproutes", "db", "dns", route("dns"));
    source.until(seconds(1), |loaded| loaded.objects.udp_routes.len() == 1).await;
    assert_eq!(source.now().objects.tcp_routes.len(), 3);
    shuffle(&api);
    api.be_honest();
    source.converged(CONVERGED).await;
}

#[tokio::test(start_paused = true)]
async fn pages_that_expire_are_survived() {
    let api = Api::new();
    for index in 0..1200 {
        api.put("tcproutes", "db", &format!("route-{index}"), route("pg"));
    }
    api.lie(on(Verb::Continue, Lie::Status(410, None)));
    let source = Source::start(&api);
    source.converged(CONVERGED).await;
    assert!(relists(&source, Relist::PagesExpired) >= 1);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_goes_unseen_is_gone() {
    let api = Api::new();
    let source = synced(&api).await;
    api.lie(on(Verb::Watch, Lie::Hang));
    api.cut();
    sleep(seconds(20)).await;
    api.delete("tcproutes", "db", "route-0");
    api.put("tcproutes", "db", "short-lived", route("pg"));
    api.delete("tcproutes", "db", "short-lived");
    api.compact();
    api.be_honest();
    source.converged(CONVERGED).await;
    assert_eq!(source.now().objects.tcp_routes.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn events_that_are_told_again_change_nothing() {
    let api = Api::new();
    let mut source = synced(&api).await;
    let told: String = api
        .objects("tcproutes")
        .into_iter()
        .flat_map(|object| {
            let mut older = object.clone();
            older["metadata"]["resourceVersion"] = "1".into();
            older["spec"]["rules"] = json!([]);
            [object.clone(), object, older]
        })
        .map(|object| format!("{}\n", json!({"type": "ADDED", "object": object})))
        .collect();
    api.lie(on(Verb::Watch, Lie::Says(told)));
    source.loaded.mark_unchanged();
    api.cut();
    sleep(seconds(1)).await;
    assert!(!api.calls(Verb::Watch, "tcproutes").is_empty());
    assert!(!source.loaded.has_changed().expect("running"), "something was published");
    assert_eq!(source.differences(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_restored_store_that_overtakes_is_noticed_at_the_next_whole_list() {
    let api = Api::new();
    let source = synced(&api).await;
    api.save();
    shuffle(&api);
    source.converged(seconds(1)).await;
    api.restore();
    for _ in 0..10 {
        api.put("configmaps", "db", "counts-versions-up", json!({}));
    }
    sleep(seconds(200)).await;
    assert_ne!(source.differences(), Vec::<String>::new(), "or this test tests nothing");
    source.converged(seconds(34 * 60)).await;
    assert_eq!(relists(&source, Relist::WentBack), 0);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_be_fetched_holds_up_nothing_for_long() {
    let api = Api::new();
    api.put("secrets", "db", "cert", secret("YQ=="));
    let mut source = synced(&api).await;
    api.lie(|call| (call.verb == Verb::Fetch).then_some(Lie::Hang));
    api.put("gateways", "db", "gw", gateway("cert"));
    let begin = Instant::now();
    source.until(seconds(2), |loaded| loaded.objects.gateways.len() == 1).await;
    assert!(begin.elapsed() >= seconds(1), "it is waited for a little");
    assert_eq!(source.now().objects.count(Kind::Secret), 0);
    // Endpoints and others do not wait for it each time again.
    api.put("services", "db", "pg", json!({}));
    source.until(Duration::from_millis(100), |loaded| loaded.objects.services.len() == 1).await;
    api.be_honest();
    source.until(CONVERGED, |loaded| loaded.objects.count(Kind::Secret) == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_made_after_its_reference_is_there_at_once() {
    let api = Api::new();
    api.put("gateways", "db", "gw", gateway("cert"));
    let mut source = synced(&api).await;
    api.put("secrets", "db", "cert", secret("YQ=="));
    let key = ObjectKey::new("db", "cert");
    source
        .until(Duration::from_millis(50), |loaded| loaded.objects.secrets.contains_key(&key))
        .await;
    assert_eq!(api.calls(Verb::Fetch, "secrets").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_wish_of_a_server_to_wait_is_heard() {
    let api = Api::new();
    let _source = synced(&api).await;
    api.lie(|call| (call.what == "tcproutes").then_some(Lie::Status(429, Some(20))));
    let begin = api.asked_about("tcproutes").len();
    api.cut();
    sleep(seconds(200)).await;
    let calls = api.asked_about("tcproutes").split_off(begin);
    assert!(calls.len() >= 6);
    assert!(calls.windows(2).all(|pair| pair[1].at - pair[0].at >= seconds(20)), "{calls:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_asks_the_same() {
    let run = || async {
        let api = Api::new();
        let _source = synced(&api).await;
        api.lie(|call| (call.at.as_secs() % 3 == 0).then_some(Lie::Status(500, None)));
        sleep(seconds(600)).await;
        let calls = api.asked_about("tcproutes");
        calls.into_iter().map(|call| (call.at, call.verb)).collect::<Vec<_>>()
    };
    assert_eq!(run().await, run().await);
}
