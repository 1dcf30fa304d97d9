//! Who is let in, and to what.

use std::time::{Duration, SystemTime};

use stream::Refused;
use stream::client::Trouble;
use stream::server::{Bounds, Refusal};

use crate::controller::{Controller, HANGS};
use crate::eventually;
use crate::pki::Authority;
use crate::proxy::{Files, Proxy};
use crate::raw::{FOLLOW, HELLO, Raw, request};
use crate::world::{fleet, member, snapshot};

/// gRPC status codes.
const UNIMPLEMENTED: &str = "12";
const UNAVAILABLE: &str = "14";
const UNAUTHENTICATED: &str = "16";

#[tokio::test]
async fn no_method_answers_without_a_good_token_whatever_its_path() {
    let authority = Authority::new();
    let controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    controller.tokens.set("good", Ok(member(&gw, "a")));
    controller.tokens.set("slow", Err(Refused::Unavailable("503".into())));
    controller.serve(&[(&gw, &snapshot(&[1], "secret"))]);
    let long = "x".repeat(9000);
    let with = |path: &str, value: &str| request(path, None).header("authorization", value);
    let paths = [
        FOLLOW,
        "/tidegate.stream.v1.Snapshots/Fetch",
        "/tidegate.stream.v1.Snapshots/",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/",
    ];
    for path in paths {
        let wrong = [
            (request(path, None), UNAUTHENTICATED),
            (with(path, ""), UNAUTHENTICATED),
            (with(path, "Bearer"), UNAUTHENTICATED),
            (with(path, "Bearer "), UNAUTHENTICATED),
            (with(path, "Basic good"), UNAUTHENTICATED),
            (with(path, "good"), UNAUTHENTICATED),
            (with(path, "Bearer unknown"), UNAUTHENTICATED),
            (with(path, "Bearer GOOD"), UNAUTHENTICATED),
            (with(path, &format!("Bearer {long}")), UNAUTHENTICATED),
            (with(path, "Bearer good").header("authorization", "Bearer good"), UNAUTHENTICATED),
            (with(path, "Bearer unknown").header("x-token", "good"), UNAUTHENTICATED),
            (with(path, "Bearer slow"), UNAVAILABLE),
        ];
        for (request, status) in wrong {
            let shown = format!("{path} {:?}", request.headers_ref());
            let mut raw = Raw::connect(controller.address, &authority).await;
            let answer = raw.send(request).await.map(|_| "let in");
            assert_eq!(answer, Err(status.to_owned()), "{shown}");
        }
    }
    assert_eq!(controller.counters.fulls() + controller.counters.deltas(), 0);
    assert!(controller.reports.borrow().is_empty());
    assert_eq!(controller.counters.refused(Refusal::Method), 0, "no method was looked for");

    for path in &paths[1..] {
        let mut raw = Raw::connect(controller.address, &authority).await;
        let answer = raw.send(request(path, Some("good"))).await.map(|_| "let in");
        assert_eq!(answer, Err(UNIMPLEMENTED.to_owned()), "{path}");
    }
    for request in [
        request(FOLLOW, Some("good")).method("GET"),
        http::Request::post(format!("https://name{FOLLOW}")).header("authorization", "Bearer good"),
    ] {
        let mut raw = Raw::connect(controller.address, &authority).await;
        let answer = raw.send(request).await.map(|_| "let in");
        assert_eq!(answer, Err(UNIMPLEMENTED.to_owned()));
    }
    assert_eq!(controller.counters.fulls(), 0);
}

#[tokio::test]
async fn a_header_that_is_too_long_is_refused_before_anybody_is_asked() {
    let authority = Authority::new();
    let controller = Controller::start(authority.server()).await;
    let mut raw = Raw::connect(controller.address, &authority).await;
    let huge = "x".repeat(40_000);
    let answer = raw.send(request(FOLLOW, Some(&huge))).await.map(|_| "let in");
    assert_eq!(answer, Err("HTTP 431".to_owned()));
    assert_eq!(controller.tokens.asked(), 0);
}

#[tokio::test]
async fn a_good_token_opens_its_own_fleet_whatever_is_said() {
    let authority = Authority::new();
    let controller = Controller::start(authority.server()).await;
    let (ours, theirs) = (fleet("ours"), fleet("theirs"));
    controller.tokens.set("o", Ok(member(&ours, "a")));
    let (mine, other) = (snapshot(&[1], "of-ours"), snapshot(&[1], "of-theirs"));
    controller.serve(&[(&ours, &mine), (&theirs, &other)]);

    // A hello with the other fleet's hash, and a field that would name the other fleet.
    let mut hello = vec![0x08, 0x01, 0x12, 32];
    hello.extend(stream::packed::hash(&other).as_bytes());
    hello.extend([0x1a, 11]);
    hello.extend(b"edge/theirs");
    let mut word = vec![0x0a, u8::try_from(hello.len()).expect("short")];
    word.extend(hello);
    for hello in [HELLO.to_vec(), word] {
        let mut raw = Raw::connect(controller.address, &authority).await;
        let request = request(FOLLOW, Some("o")).header("x-fleet", "edge/theirs");
        let mut call = raw.send(request).await.expect("the token is good");
        call.say(&hello).await;
        let heard = call.hear().await.expect("a snapshot");
        let has = |text: &[u8]| heard.windows(text.len()).any(|window| window == text);
        assert!(has(b"of-ours") && has(b"edge/ours"));
        assert!(!has(b"of-theirs") && !has(b"edge/theirs"));
    }
    let reports = controller.reports.borrow().clone();
    assert!(reports.keys().all(|(fleet, _)| *fleet == ours), "{:?}", reports.keys());

    // The proxy of the other fleet that was given our token takes nothing.
    let files = Files::new(&authority.pem(), "o");
    let mut proxy = Proxy::start(&files, controller.address, &theirs);
    use stream::client::Rejected::OtherFleet;
    proxy.is("refusals", |state| state.rejected.get(&OtherFleet).is_some_and(|n| *n > 1)).await;
    assert_eq!(proxy.published.borrow().version, 0);
}

#[tokio::test]
async fn guessing_costs_the_connection() {
    let authority = Authority::new();
    // It is not for being idle that it ends.
    let bounds = Bounds { idle: Duration::from_secs(3600), ..Bounds::default() };
    let controller = Controller::bounded(authority.server(), bounds).await;
    let mut raw = Raw::connect(controller.address, &authority).await;
    for _ in 0..3 {
        let _ = raw.send(request(FOLLOW, Some("guess"))).await;
    }
    eventually("the end of the connection", || raw.is_closed()).await;
    assert_eq!(controller.tokens.asked(), 3);
}

#[tokio::test]
async fn a_token_that_ends_ends_its_stream_and_the_next_one_goes_on() {
    let authority = Authority::new();
    let controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    let mut soon = member(&gw, "a");
    soon.expires = SystemTime::now() + Duration::from_secs(1);
    controller.tokens.set("first", Ok(soon));
    controller.tokens.set("second", Ok(member(&gw, "a")));
    let only = snapshot(&[1], "only");
    controller.serve(&[(&gw, &only)]);
    let files = Files::new(&authority.pem(), "first");
    let mut proxy = Proxy::start(&files, controller.address, &gw);
    let before = proxy.serves(&only).await;
    // As the kubelet does it: the new one is there before the old one ends.
    files.write_token("second");
    controller.tokens.set("first", Err(Refused::Unauthenticated("expired".into())));
    let state = proxy.is("the next stream", |state| state.connected && state.streams == 2).await;
    assert_eq!(state.failures.get(&Trouble::Refused), Some(&1), "{state:?}");
    assert_eq!(proxy.published.borrow().version, before.version, "nothing else happened");
}

#[tokio::test]
async fn a_stream_lives_on_while_nobody_can_say_whose_its_token_is_but_not_for_ever() {
    let authority = Authority::new();
    let bounds = Bounds {
        recheck: Duration::from_millis(50),
        grace: Duration::from_millis(600),
        ..Bounds::default()
    };
    let controller = Controller::bounded(authority.server(), bounds).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    let only = snapshot(&[1], "only");
    controller.serve(&[(&gw, &only)]);
    let mut raw = Raw::connect(controller.address, &authority).await;
    let mut call = raw.follow("t").await.expect("the token is good");
    call.hear().await.expect("a snapshot");
    let asked = controller.tokens.asked();
    eventually("it is asked again", || controller.tokens.asked() > asked + 1).await;

    controller.tokens.set("t", Err(Refused::Unavailable("timeout".into())));
    let start = std::time::Instant::now();
    assert!(call.is_silent(Duration::from_millis(300)).await, "it lives on");
    let mut stranger = Raw::connect(controller.address, &authority).await;
    assert_eq!(stranger.follow("t").await.map(|_| ()), Err(UNAVAILABLE.to_owned()));
    assert_eq!(call.hear().await, Err(UNAVAILABLE.to_owned()));
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
}

#[tokio::test]
async fn who_cannot_be_asked_about_is_not_let_in_and_nobody_else_waits_for_the_answer() {
    let authority = Authority::new();
    let bounds =
        Bounds { authentication: Duration::from_millis(300), questions: 4, ..Bounds::default() };
    let controller = Controller::bounded(authority.server(), bounds).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    controller.serve(&[(&gw, &snapshot(&[1], "only"))]);
    let mut raw = Raw::connect(controller.address, &authority).await;
    assert_eq!(raw.follow(HANGS).await.map(|_| ()), Err(UNAVAILABLE.to_owned()));
    let mut raw = Raw::connect(controller.address, &authority).await;
    let mut other = Raw::connect(controller.address, &authority).await;
    let (hangs, good) = tokio::join!(raw.follow(HANGS), other.follow("t"));
    assert!(hangs.is_err());
    good.expect("a good token").hear().await.expect("a snapshot");
}

#[tokio::test]
async fn a_token_that_becomes_somebody_elses_ends_the_stream() {
    let authority = Authority::new();
    let bounds = Bounds { recheck: Duration::from_millis(50), ..Bounds::default() };
    let controller = Controller::bounded(authority.server(), bounds).await;
    let (gw, other) = (fleet("gw"), fleet("other"));
    controller.serve(&[(&gw, &snapshot(&[1], "only"))]);
    for somebody in [member(&other, "a"), member(&gw, "b")] {
        controller.tokens.set("t", Ok(member(&gw, "a")));
        let mut raw = Raw::connect(controller.address, &authority).await;
        let mut call = raw.follow("t").await.expect("the token is good");
        call.hear().await.expect("a snapshot");
        controller.tokens.set("t", Ok(somebody));
        assert_eq!(call.hear().await, Err(UNAUTHENTICATED.to_owned()));
    }
}
