//! The rule for answers as a table, and the clock with a paused time.

use std::pin::Pin;
use std::sync::Mutex;

use super::*;

type Outcome = Result<Vec<IpAddr>, String>;

const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

#[test]
fn an_answer_stays_until_a_better_one_comes() {
    let mut resolved = Resolved::default();
    let failed = || Err("server failure".to_owned());
    let steps: [(Outcome, Changed, Option<Vec<IpAddr>>); 8] = [
        (failed(), Changed::Yes, None),
        (failed(), Changed::No, None),
        (Ok(vec![B, A, B]), Changed::Yes, Some(vec![A, B])),
        (Ok(vec![A, B]), Changed::No, Some(vec![A, B])),
        (failed(), Changed::Yes, Some(vec![A, B])),
        (Ok(vec![]), Changed::Yes, Some(vec![A, B])),
        (Ok(vec![A, B]), Changed::Yes, Some(vec![A, B])),
        (Ok(vec![B]), Changed::Yes, Some(vec![B])),
    ];
    for (step, (outcome, changed, addresses)) in steps.into_iter().enumerate() {
        assert_eq!(resolved.learn("db", outcome, SystemTime::UNIX_EPOCH), changed, "step {step}");
        assert_eq!(resolved.names.get("db"), addresses.as_ref(), "step {step}");
    }
}

#[test]
fn the_time_of_the_last_answer_is_known_while_questions_fail() {
    let mut resolved = Resolved::default();
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
    resolved.learn("db", Ok(vec![A]), then);
    resolved.learn("db", Err("server failure".to_owned()), then + EVERY);
    let expected = Answer { confirmed: Some(then), failure: Some("server failure".to_owned()) };
    assert_eq!(resolved.answers["db"], expected);
}

/// A resolver that pops the next outcome of a script; `None` never answers.
fn scripted(
    script: Vec<Option<Result<Vec<IpAddr>, &'static str>>>,
) -> impl Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
    let script = Mutex::new(script.into_iter());
    move |_| {
        let next = script.lock().expect("not poisoned").next();
        Box::pin(async move {
            match next.expect("a question too many") {
                Some(outcome) => outcome.map_err(io::Error::other),
                None => std::future::pending().await,
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_is_asked_for_at_once_and_again_every_half_minute() {
    let lookup = scripted(vec![
        Some(Ok(vec![A])),
        Some(Err("server failure")),
        None,
        Some(Ok(vec![])),
        Some(Ok(vec![B])),
    ]);
    let (want, wanted) = watch::channel(BTreeSet::new());
    let (sender, mut resolved) = watch::channel(Resolved::default());
    let start = Instant::now();
    let following = tokio::spawn(follow(wanted, sender, lookup));
    want.send(["db".to_owned()].into()).expect("followed");

    let mut seen = Vec::new();
    for _ in 0..5 {
        resolved.changed().await.expect("followed");
        let state = resolved.borrow();
        seen.push((state.names["db"].clone(), state.answers["db"].failure.clone()));
        if seen.len() == 1 {
            assert!(start.elapsed() < Duration::from_secs(1));
        }
    }
    let failures = ["server failure", "no answer within 5 s", "no address"];
    let mut expected = vec![(vec![A], None)];
    expected.extend(failures.map(|failure| (vec![A], Some(failure.to_owned()))));
    expected.push((vec![B], None));
    assert_eq!(seen, expected);
    let span = start.elapsed();
    assert!(span > EVERY.mul_f64(0.9 * 4.0) && span < EVERY.mul_f64(1.1 * 4.0) + DEADLINE);

    want.send(BTreeSet::new()).expect("followed");
    drop(want);
    following.await.expect("ends with the list of names");
    assert_eq!(resolved.borrow().names, ResolvedNames::new());
}
