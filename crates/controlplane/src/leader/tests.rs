//! The election against an API server that misbehaves, in virtual time.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep, timeout};

use super::{LeaseConfig, Term, hold, identity, term};
use crate::fake_api::{FakeApi, Fault};

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/tidegate/leases/tidegate-controller";

struct Replica {
    term: Term,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Replica {
    fn start(api: &FakeApi, name: &str) -> Self {
        let (office, term) = term();
        let (stop, stopped) = oneshot::channel::<()>();
        let config = LeaseConfig::new("tidegate", "tidegate-controller", name.to_owned());
        let stopped = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(hold(api.client(), config, office, stopped));
        Self { term, stop: Some(stop), task }
    }

    /// Waits in virtual time.
    async fn leads_within(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while !self.term.leads() {
            if Instant::now() >= until {
                return false;
            }
            sleep(Duration::from_millis(50)).await;
        }
        true
    }

    async fn stop(mut self) {
        drop(self.stop.take());
        timeout(Duration::from_secs(60), self.task).await.expect("it ends").expect("no panic");
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn holder(api: &FakeApi) -> String {
    let lease = api.get(PATH).expect("the lease");
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_first_replica_leads_at_once_and_keeps_the_lease() {
    let api = FakeApi::new();
    let first = Replica::start(&api, "a");
    assert!(first.leads_within(secs(1)).await);
    let second = Replica::start(&api, "b");
    for _ in 0..1200 {
        sleep(Duration::from_millis(100)).await;
        assert!(first.term.leads() && !second.term.leads());
    }
    let lease = api.get(PATH).expect("the lease");
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 15);
    assert_eq!(lease["spec"]["leaseTransitions"], 0);
    let renewals = api.calls(&Method::PUT).len();
    assert!((50..=70).contains(&renewals), "{renewals} renewals in two minutes");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_ends_hands_over_at_once() {
    let api = FakeApi::new();
    let first = Replica::start(&api, "a");
    assert!(first.leads_within(secs(1)).await);
    let second = Replica::start(&api, "b");
    sleep(secs(5)).await;
    let term = first.term.clone();
    first.stop().await;
    assert!(!term.leads());
    assert!(second.leads_within(secs(3)).await);
    assert_eq!(api.get(PATH).expect("the lease")["spec"]["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_dies_is_followed_within_17_seconds() {
    let api = FakeApi::new();
    let first = Replica::start(&api, "a");
    let second = Replica::start(&api, "b");
    assert!(first.leads_within(secs(1)).await);
    sleep(secs(7)).await;
    first.task.abort();
    let died = Instant::now();
    assert!(second.leads_within(secs(17)).await, "nobody leads");
    assert!(Instant::now() - died >= secs(12), "too early: the lease was not over");
    assert_eq!(holder(&api), "b");
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_is_given_up_before_it_ends() {
    let api = FakeApi::new();
    let first = Replica::start(&api, "a");
    assert!(first.leads_within(secs(1)).await);
    sleep(secs(5)).await;
    let second = Replica::start(&api, "b");
    sleep(secs(3)).await;
    api.fault(|call| match call.body["spec"]["holderIdentity"].as_str() {
        Some("a") => Fault::Hang,
        _ => Fault::None,
    });
    let mut changes = first.term.clone();
    changes.changed().await.expect("told that it leads");
    timeout(secs(11), changes.changed()).await.expect("told in time").expect("still asking");
    assert!(!first.term.leads() && !second.term.leads());
    assert!(second.leads_within(secs(8)).await);
    sleep(secs(60)).await;
    assert!(!first.term.leads() && second.term.leads());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_process_knows_that_its_term_is_over_before_any_task_runs() {
    let api = FakeApi::new();
    let first = Replica::start(&api, "a");
    assert!(first.leads_within(secs(1)).await);
    let before = api.calls(&Method::PUT).len();
    // Time passes without any task being run: what SIGSTOP does.
    let stopped = advance(secs(60));
    let mut stopped = std::pin::pin!(stopped);
    std::future::poll_fn(|context| {
        let _ = stopped.as_mut().poll(context);
        assert!(!first.term.leads());
        std::task::Poll::Ready(())
    })
    .await;
    assert_eq!(api.calls(&Method::PUT).len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_stolen_lease_is_noticed_at_the_next_renewal() {
    let api = FakeApi::new();
    let first = Replica::start(&api, "a");
    assert!(first.leads_within(secs(1)).await);
    api.edit(PATH, |lease| lease["spec"]["holderIdentity"] = json!("thief"));
    sleep(Duration::from_millis(2100)).await;
    assert!(!first.term.leads());
    // The thief never renews.
    assert!(first.leads_within(secs(18)).await);
    assert_eq!(holder(&api), "a");
}

#[tokio::test(start_paused = true)]
async fn a_label_on_the_lease_stays_and_costs_nothing() {
    let api = FakeApi::new();
    let first = Replica::start(&api, "a");
    assert!(first.leads_within(secs(1)).await);
    api.edit(PATH, |lease| lease["metadata"]["labels"] = json!({ "team": "edge" }));
    for _ in 0..100 {
        sleep(Duration::from_millis(100)).await;
        assert!(first.term.leads());
    }
    assert_eq!(api.get(PATH).expect("the lease")["metadata"]["labels"]["team"], "edge");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_made_again_by_who_had_it() {
    let api = FakeApi::new();
    let first = Replica::start(&api, "a");
    assert!(first.leads_within(secs(1)).await);
    let second = Replica::start(&api, "b");
    sleep(secs(1)).await;
    api.delete(PATH);
    sleep(secs(5)).await;
    assert_eq!(holder(&api), "a");
    assert!(first.term.leads() && !second.term.leads());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_is_lost_is_made_again() {
    let api = FakeApi::new();
    let first = Replica::start(&api, "a");
    assert!(first.leads_within(secs(1)).await);
    let mut lose = true;
    api.fault(move |call| {
        let lost = call.method == Method::PUT && std::mem::take(&mut lose);
        if lost { Fault::Lose } else { Fault::None }
    });
    for _ in 0..300 {
        sleep(Duration::from_millis(100)).await;
        assert!(first.term.leads());
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_that_refuses_is_not_asked_more_than_once_each_second() {
    let api = FakeApi::new();
    let first = Replica::start(&api, "a");
    assert!(first.leads_within(secs(1)).await);
    for code in [429, 500, 409] {
        api.fault(move |_| Fault::Refuse(code));
        let before = api.calls(&Method::PUT).len() + api.calls(&Method::GET).len();
        sleep(secs(60)).await;
        assert!(!first.term.leads());
        let asked = api.calls(&Method::PUT).len() + api.calls(&Method::GET).len() - before;
        assert!(asked <= 62, "{asked} requests in a minute of {code}");
        api.fault(|_| Fault::None);
        assert!(first.leads_within(secs(3)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_api_costs_no_term() {
    let api = FakeApi::new();
    api.fault(|_| Fault::Slow(secs(2)));
    let first = Replica::start(&api, "a");
    assert!(first.leads_within(secs(6)).await);
    for _ in 0..600 {
        sleep(Duration::from_millis(100)).await;
        assert!(first.term.leads());
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_cannot_reach_the_api_still_ends() {
    let api = FakeApi::new();
    let first = Replica::start(&api, "a");
    assert!(first.leads_within(secs(1)).await);
    api.fault(|_| Fault::Hang);
    let before = Instant::now();
    first.stop().await;
    assert!(Instant::now() - before <= secs(5));
}

#[test]
fn two_runs_of_one_pod_have_two_identities() {
    assert_ne!(identity("pod-0"), identity("pod-0"));
    assert!(identity("pod-0").starts_with("pod-0_"));
}
