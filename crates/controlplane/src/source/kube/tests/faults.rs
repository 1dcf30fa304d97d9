//! A server that does not do as it should: 75 seconds after the last fault the world is its
//! content again, and meanwhile it is not asked more than is decent.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::api::{Api, Call, Lie, Verb};
use super::harness::{Source, route, seconds};
use crate::source::kube::health::Relist;
use crate::source::kube::topic::{Topic, WatchId};

/// The promise.
pub(crate) const CONVERGED: Duration = seconds(75);

/// A synced source with a few routes.
pub(crate) async fn synced(api: &Api) -> Source {
    for index in 0..3 {
        api.put("tcproutes", "db", &format!("route-{index}"), route("pg"));
    }
    let mut source = Source::start(api);
    source.synced().await;
    source
}

/// Changes a route, makes one and removes one.
pub(crate) fn shuffle(api: &Api) {
    let left = api.objects("tcproutes");
    let name = left[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    api.delete("tcproutes", "db", &name);
    api.put("tcproutes", "db", &format!("{name}-again"), route("other"));
    api.put("tcproutes", "db", "route-2", route(&name));
}

pub(crate) fn on(verb: Verb, lie: Lie) -> impl Fn(&Call) -> Option<Lie> + Send + 'static {
    move |call| (call.what == "tcproutes" && call.verb == verb).then(|| lie.clone())
}

pub(crate) fn relists(source: &Source, reason: Relist) -> u64 {
    let id = WatchId { topic: Topic::Read(gwapi::Kind::TcpRoute), namespace: None };
    source.health.borrow().watches[&id].relists[reason as usize]
}

/// No second has more requests than a list and what leads to and from it.
fn assert_decent(calls: &[Call], span: Duration) {
    let requests = calls.len() as f64;
    assert!(requests <= span.as_secs_f64(), "{requests} requests in {span:?}");
    for window in calls.windows(5) {
        let took = window[4].at - window[0].at;
        assert!(took >= seconds(1), "5 requests in {took:?}: {window:#?}");
    }
}

/// For ten minutes, one after another or at once, a fault; then none.
async fn survives(fault: impl Fn(&Call) -> Option<Lie> + Send + 'static) -> Source {
    let api = Api::new();
    let source = synced(&api).await;
    sleep(seconds(30)).await;
    api.lie(fault);
    let begin = api.asked_about("tcproutes").len();
    for _ in 0..10 {
        sleep(seconds(60)).await;
        shuffle(&api);
    }
    assert_decent(&api.asked_about("tcproutes")[begin..], seconds(600));
    api.be_honest();
    source.converged(CONVERGED).await;
    source
}

#[tokio::test(start_paused = true)]
async fn expiry_as_a_status_leads_to_a_list() {
    let api = Api::new();
    let source = synced(&api).await;
    api.lie(on(Verb::Watch, Lie::Status(410, None)));
    sleep(seconds(70)).await;
    shuffle(&api);
    // Each list still brings everything.
    source.converged(CONVERGED).await;
    assert!(relists(&source, Relist::Expired) >= 1);
    api.be_honest();
    shuffle(&api);
    source.converged(CONVERGED).await;
}

#[tokio::test(start_paused = true)]
async fn expiry_as_an_event_leads_to_ever_fewer_lists() {
    let event = json!({"type": "ERROR", "object": {"code": 410, "reason": "Expired"}});
    let api = Api::new();
    let source = synced(&api).await;
    api.lie(on(Verb::Watch, Lie::Says(format!("{event}\n"))));
    sleep(seconds(3600)).await;
    let lists = api.calls(Verb::List, "tcproutes");
    assert!(lists.len() <= 17, "{}", lists.len());
    assert!(lists.windows(2).all(|pair| pair[1].at - pair[0].at >= seconds(10)));
    api.be_honest();
    shuffle(&api);
    source.converged(CONVERGED).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_wants_to_be_left_alone_is() {
    survives(|call| (call.what == "tcproutes").then_some(Lie::Status(429, Some(5)))).await;
}

#[tokio::test(start_paused = true)]
async fn server_errors_are_survived() {
    for verb in [Verb::Watch, Verb::Newest, Verb::List] {
        survives(on(verb, Lie::Status(500, None))).await;
    }
    survives(|_| Some(Lie::Status(503, None))).await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_never_come_are_survived() {
    for verb in [Verb::Watch, Verb::Newest, Verb::List] {
        survives(on(verb.clone(), Lie::Hang)).await;
        survives(on(verb, Lie::HangAfterHead)).await;
    }
    survives(|_| Some(Lie::Hang)).await;
}

#[tokio::test(start_paused = true)]
async fn slow_answers_are_survived() {
    survives(|_| Some(Lie::Late(seconds(2)))).await;
}

#[tokio::test(start_paused = true)]
async fn cut_connections_are_survived() {
    survives(|_| Some(Lie::Cut)).await;
    survives(on(Verb::Watch, Lie::Cut)).await;
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_survived() {
    for verb in [Verb::Watch, Verb::Newest, Verb::List] {
        for nonsense in ["", "{", "7\n", "{\"type\":\"ADDED\"}\n"] {
            survives(on(verb.clone(), Lie::Says(nonsense.to_owned()))).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_bookmarks_is_enough() {
    let api = Api::new();
    api.without_bookmarks();
    let source = synced(&api).await;
    for _ in 0..20 {
        sleep(seconds(60)).await;
        api.compact();
        shuffle(&api);
        source.converged(CONVERGED).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_restored_store_is_noticed_although_watches_are_silent() {
    let api = Api::new();
    let source = synced(&api).await;
    api.save();
    for _ in 0..5 {
        shuffle(&api);
    }
    source.converged(seconds(1)).await;
    api.restore();
    assert_ne!(source.differences(), Vec::<String>::new());
    let took = source.converged(CONVERGED).await;
    assert!(took > seconds(4), "not before it is confirmed: {took:?}");
    assert_eq!(relists(&source, Relist::WentBack), 1);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_lags_takes_nothing_back() {
    let api = Api::new();
    let source = synced(&api).await;
    api.save();
    for _ in 0..5 {
        shuffle(&api);
    }
    source.converged(seconds(1)).await;
    let count = std::sync::atomic::AtomicU32::new(0);
    api.lie(move |call| {
        let is_read = call.what == "tcproutes" && matches!(call.verb, Verb::Newest | Verb::List);
        // Two of three requests reach the replica that lags.
        let lags = || count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 3 != 2;
        (is_read && lags()).then_some(Lie::Stale)
    });
    for round in 0..20 {
        if round % 2 == 0 {
            api.put("configmaps", "db", "counts-versions-up", json!({}));
            api.compact();
        }
        api.cut();
        for _ in 0..300 {
            assert_eq!(source.differences(), Vec::<String>::new());
            sleep(Duration::from_millis(100)).await;
        }
    }
    assert!(api.calls(Verb::List, "tcproutes").len() > 5, "lists were tried as well");
    assert_eq!(relists(&source, Relist::WentBack), 0);
}
