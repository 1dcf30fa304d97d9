//! Proxies that were taken over, and strangers. Others are served as if nothing were.

use std::time::{Duration, Instant};

use stream::Fleet;
use stream::server::{Bounds, Refusal};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::controller::Controller;
use crate::pki::Authority;
use crate::proxy::{Files, Proxy};
use crate::raw::{RESYNC, Raw};
use crate::world::{fleet, large, member, snapshot, with};
use crate::{DEADLINE, eventually};

const INVALID: &str = "3";

#[tokio::test]
async fn a_newer_stream_of_a_proxy_replaces_the_older() {
    let authority = Authority::new();
    let controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    controller.tokens.set("u", Ok(member(&gw, "b")));
    controller.serve(&[(&gw, &snapshot(&[1], "only"))]);
    let mut older = Raw::connect(controller.address, &authority).await;
    let mut first = older.follow("t").await.expect("a good token");
    first.hear().await.expect("a snapshot");
    let mut other = Raw::connect(controller.address, &authority).await;
    let mut theirs = other.follow("u").await.expect("a good token");
    theirs.hear().await.expect("a snapshot");

    let mut newer = Raw::connect(controller.address, &authority).await;
    let mut second = newer.follow("t").await.expect("a good token");
    second.hear().await.expect("a snapshot");
    let end = first.hear().await;
    assert!(end.is_err(), "{end:?}");
    eventually("its connection is closed", || older.is_closed()).await;
    assert_eq!(controller.counters.refused(Refusal::Replaced), 1);
    assert!(controller.report(&gw, "a").is_some_and(|report| report.connected));
    assert!(theirs.is_silent(Duration::from_millis(50)).await, "others are left alone");

    // On one connection as well.
    let mut third = newer.follow("t").await.expect("a good token");
    third.hear().await.expect("a snapshot");
    let end = second.hear().await;
    assert!(end.is_err(), "{end:?}");
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_dropped_and_nobody_waits_for_it() {
    let authority = Authority::new();
    let bounds = Bounds { reader: Duration::from_millis(700), ..Bounds::default() };
    let controller = Controller::bounded(authority.server(), bounds).await;
    let (gw, other) = (fleet("gw"), fleet("other"));
    controller.tokens.set("slow", Ok(member(&gw, "slow")));
    controller.tokens.set("t", Ok(member(&gw, "a")));
    controller.tokens.set("o", Ok(member(&other, "o")));
    let big = large(4 << 20);
    let small = snapshot(&[1], "small");
    controller.serve(&[(&gw, &big), (&other, &small)]);
    let mut raw = Raw::windowed(controller.address, &authority, 16 << 10).await;
    let call = raw.follow("slow").await.expect("a good token");

    let files = [Files::new(&authority.pem(), "t"), Files::new(&authority.pem(), "o")];
    let mut honest = Proxy::start(&files[0], controller.address, &gw);
    let mut theirs = Proxy::start(&files[1], controller.address, &other);
    honest.serves(&big).await;
    theirs.serves(&small).await;
    let start = Instant::now();
    eventually("it is dropped", || raw.is_closed()).await;
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(controller.counters.refused(Refusal::Slow), 1);
    assert!(honest.state.borrow().connected && theirs.state.borrow().connected);
    assert_eq!(honest.state.borrow().streams, 1);
    drop(call);
}

#[tokio::test]
async fn whole_snapshots_on_their_way_are_few_and_one_fleet_does_not_hold_up_another() {
    let authority = Authority::new();
    let bounds = Bounds {
        fulls: 4,
        fulls_of_a_fleet: 2,
        yielding: Duration::from_millis(1500),
        ..Bounds::default()
    };
    let controller = Controller::bounded(authority.server(), bounds).await;
    let (bad, good) = (fleet("bad"), fleet("good"));
    let small = snapshot(&[1], "small");
    let big = large(2 << 20);
    controller.serve(&[(&bad, &big), (&good, &small)]);
    // Six of one fleet ask and do not read.
    let mut silent = Vec::new();
    for number in 0..6 {
        let token = format!("bad-{number}");
        controller.tokens.set(&token, Ok(member(&bad, &token)));
        let mut raw = Raw::windowed(controller.address, &authority, 1024).await;
        let call = raw.follow(&token).await.expect("a good token");
        silent.push((raw, call));
    }
    eventually("two are on their way", || controller.counters.fulls() == 2).await;
    controller.tokens.set("g", Ok(member(&good, "g")));
    let files = Files::new(&authority.pem(), "g");
    let mut proxy = Proxy::start(&files, controller.address, &good);
    proxy.serves(&small).await;
    assert_eq!(controller.counters.fulls(), 3, "the others of that fleet still wait");

    // One of the fleet that does read comes to its turn: those who do not have to go.
    controller.tokens.set("b", Ok(member(&bad, "b")));
    let files = Files::new(&authority.pem(), "b");
    let mut late = Proxy::start(&files, controller.address, &bad);
    late.serves(&big).await;
    assert!(silent.iter().filter(|(raw, _)| raw.is_closed()).count() >= 2);
}

#[tokio::test]
async fn a_message_that_is_none_ends_the_stream_and_a_long_one_is_not_read() {
    let authority = Authority::new();
    let controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    controller.serve(&[(&gw, &snapshot(&[1], "only"))]);
    let amplified = {
        // As many empty states as fit: two bytes each here, a hundred each in memory.
        let mut word = vec![0x12, 0x80, 0x80, 0x3c];
        word.extend([0x1a, 0x00].repeat((0x3c << 14) / 2));
        word
    };
    let cases: [(&str, &[u8]); 6] = [
        ("no message", b"\xff\xff\xff"),
        ("an empty one", b""),
        ("a second hello", crate::raw::HELLO),
        ("a report of nothing", &[0x12, 0x00]),
        ("a report with a bad key", &[0x12, 0x04, 0x1a, 0x02, 0x0a, 0x00]),
        ("a report that grows in memory", &amplified),
    ];
    for (what, message) in cases {
        let mut raw = Raw::connect(controller.address, &authority).await;
        let mut call = raw.follow("t").await.expect("a good token");
        call.hear().await.expect("a snapshot");
        call.say(message).await;
        assert_eq!(call.hear().await, Err(INVALID.to_owned()), "{what}");
    }
    assert_eq!(controller.counters.refused(Refusal::Malformed), 6);

    // The length alone is enough: more than a mebibyte is not waited for.
    let mut raw = Raw::connect(controller.address, &authority).await;
    let mut call = raw.follow("t").await.expect("a good token");
    call.hear().await.expect("a snapshot");
    let head: &[u8] = &[0, 0x7f, 0xff, 0xff, 0xff];
    call.words.send(head.into()).await.expect("it is open");
    assert!(call.hear().await.is_err());

    // Nothing that was said is believed.
    let report = controller.report(&gw, "a").expect("it was there");
    assert!(report.hash.is_none() && report.report.binds.is_empty());
}

#[tokio::test]
async fn who_asks_and_reports_without_end_is_heard_at_a_rate() {
    let authority = Authority::new();
    let controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    let only = snapshot(&[1], "only");
    controller.serve(&[(&gw, &only)]);

    controller.tokens.set("asks", Ok(member(&gw, "asks")));
    let mut raw = Raw::connect(controller.address, &authority).await;
    let mut call = raw.follow("asks").await.expect("a good token");
    let start = Instant::now();
    for _ in 0..8 {
        call.say(RESYNC).await;
    }
    call.hear().await.expect("a snapshot");
    call.hear().await.expect("a snapshot");
    call.hear().await.expect("a snapshot");
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());

    controller.tokens.set("tells", Ok(member(&gw, "tells")));
    let mut raw = Raw::connect(controller.address, &authority).await;
    let mut call = raw.follow("tells").await.expect("a good token");
    call.hear().await.expect("a snapshot");
    let start = Instant::now();
    let version = || controller.report(&gw, "tells").map_or(0, |report| report.report.version);
    for version in 1..100 {
        let report = snapshot::ApplyReport { version, ..Default::default() };
        let told = stream::wire::report::Told {
            hash: stream::packed::hash(&only),
            report,
            refused: Default::default(),
            last_good: false,
        };
        let told = stream::wire::report::write(&told);
        let mut word = vec![0x12, u8::try_from(told.len()).expect("short")];
        word.extend(&told);
        // What is not read is held back: this waits at last.
        if tokio::time::timeout(Duration::from_millis(300), call.say(&word)).await.is_err() {
            break;
        }
    }
    eventually("some are heard", || version() >= 12).await;
    // Eight at once, then five a second.
    assert!(start.elapsed() >= Duration::from_millis(600), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_stream_without_a_hello_and_a_connection_without_a_stream_end() {
    let authority = Authority::new();
    let bounds = Bounds {
        hello: Duration::from_millis(200),
        idle: Duration::from_millis(200),
        handshake: Duration::from_millis(200),
        ..Bounds::default()
    };
    let controller = Controller::bounded(authority.server(), bounds).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    controller.serve(&[(&gw, &snapshot(&[1], "only"))]);
    let mut raw = Raw::connect(controller.address, &authority).await;
    let request = crate::raw::request(crate::raw::FOLLOW, Some("t"));
    let mut call = raw.send(request).await.expect("a good token");
    assert!(call.hear().await.is_err());
    eventually("the connection ends", || raw.is_closed()).await;

    let idle = Raw::connect(controller.address, &authority).await;
    eventually("the idle one ends", || idle.is_closed()).await;
    let mut silent = TcpStream::connect(controller.address).await.expect("it listens");
    let end = tokio::time::timeout(DEADLINE, silent.read(&mut [0; 16])).await;
    assert!(matches!(end.expect("in time"), Ok(0) | Err(_)), "no handshake came");
    assert!(controller.counters.refused(Refusal::Idle) >= 2);
    assert_eq!(controller.counters.refused(Refusal::Tls), 1);
}

#[tokio::test]
async fn a_crowd_of_strangers_keeps_nobody_out() {
    let authority = Authority::new();
    let bounds = Bounds { strangers: 20, ..Bounds::default() };
    let controller = Controller::bounded(authority.server(), bounds).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    controller.tokens.set("u", Ok(member(&gw, "b")));
    let only = snapshot(&[1], "only");
    controller.serve(&[(&gw, &only)]);
    let files = [Files::new(&authority.pem(), "t"), Files::new(&authority.pem(), "u")];
    let mut early = Proxy::start(&files[0], controller.address, &gw);
    early.serves(&only).await;

    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(TcpStream::connect(controller.address).await.expect("it listens"));
    }
    let mut late = Proxy::start(&files[1], controller.address, &gw);
    let start = Instant::now();
    late.serves(&only).await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(early.state.borrow().streams, 1, "who is known is not touched");
    eventually("the oldest had to go", || controller.counters.refused(Refusal::Strangers) >= 180)
        .await;
}

/// What a proxy that was taken over does all day.
async fn rage(
    address: std::net::SocketAddr,
    authority: std::sync::Arc<Authority>,
    token: String,
    kind: usize,
) {
    loop {
        let mut raw =
            Raw::windowed(address, &authority, if kind == 3 { 100 } else { 65_535 }).await;
        let Ok(mut call) = raw.follow(&token).await else { continue };
        match kind {
            // Asks for everything, again and again.
            0 => while call.say(RESYNC).await && call.hear().await.is_ok() {},
            // Reports without end, as large as may be.
            1 => {
                let mut report = vec![0x12, 0x80, 0x80, 0x3c, 0x0a, 0xfc, 0xff, 0x3b];
                report.extend(vec![7; (0x3c << 14) - 4]);
                while call.say(&report).await {}
            }
            // Opens and closes.
            2 => drop(call),
            // Never reads.
            _ => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn two_hundred_hostile_streams_delay_an_honest_proxy_by_less_than_a_second() {
    let authority = std::sync::Arc::new(Authority::new());
    let controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    let bad: Vec<Fleet> = (0..4).map(|number| fleet(&format!("bad-{number}"))).collect();
    let large = large(256 << 10);
    let mut now = snapshot(&[1, 2, 3], "0");
    let serve = |now: &std::sync::Arc<snapshot::Snapshot>| {
        let mut entries: Vec<_> = bad.iter().map(|fleet| (fleet, &large)).collect();
        entries.push((&gw, now));
        controller.serve(&entries);
    };
    serve(&now);
    controller.tokens.set("t", Ok(member(&gw, "a")));
    let files = Files::new(&authority.pem(), "t");
    let mut proxy = Proxy::start(&files, controller.address, &gw);
    proxy.serves(&now).await;

    // On a thread of their own: it is the controller that they shall slow down, not this test.
    let (address, theirs) = (controller.address, authority.clone());
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    for number in 0..200 {
        let token = format!("bad-{number}");
        controller.tokens.set(&token, Ok(member(&bad[number % 4], &token)));
    }
    let hostile = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let mut all = tokio::task::JoinSet::new();
            for number in 0..200 {
                let token = format!("bad-{number}");
                all.spawn(rage(address, theirs.clone(), token, number / 4 % 4));
            }
            let _ = ended.await;
        });
    });
    eventually("they are there", || controller.reports.borrow().len() > 150).await;
    let mut slowest = Duration::ZERO;
    for change in 1..=30 {
        now = with(&now, 2, &change.to_string());
        let start = Instant::now();
        serve(&now);
        proxy.serves(&now).await;
        slowest = slowest.max(start.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(slowest < Duration::from_secs(1), "the slowest change took {slowest:?}");
    assert_eq!(proxy.state.borrow().streams, 1);

    // And one that starts in the middle of it.
    controller.tokens.set("u", Ok(member(&gw, "b")));
    let files = Files::new(&authority.pem(), "u");
    let mut young = Proxy::start(&files, controller.address, &gw);
    let start = Instant::now();
    young.serves(&now).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    drop(end);
    hostile.join().expect("they were at it to the end");
}
