//! Streams that break, stall, lie or come to an end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stream::client::{Rejected, Timing, Trouble};
use stream::delta::{self, delta};
use stream::packed::{hash, pack, write_full};
use stream::wire::SCHEMA;

use crate::controller::Controller;
use crate::pki::Authority;
use crate::proxy::{Files, Proxy, QUICK};
use crate::relay::{Relay, Wire};
use crate::scripted::Scripted;
use crate::world::{fleet, key, member, snapshot, with};
use crate::{eventually, until};

const REPORT: u8 = 0x12;
const RESYNC: u8 = 0x1a;

#[tokio::test]
async fn a_delta_that_does_not_fit_changes_nothing_and_asks_for_everything() {
    let authority = Authority::new();
    let mut controller = Scripted::start(authority.server()).await;
    let gw = fleet("gw");
    let files = Files::new(&authority.pem(), "t");
    let mut proxy = Proxy::start(&files, controller.address, &gw);
    let mut stream = controller.stream().await;
    let [a, b, c] = ["a", "b", "c"].map(|note| snapshot(&[1, 2], note));
    let [pa, pb, pc] = [&a, &b, &c].map(|snapshot| pack(snapshot, None));
    let full = |packed| write_full(&gw, packed);
    stream.say(&full(&pa)).await;
    proxy.serves(&a).await;

    let good = delta::write(&delta(&pa, &pb));
    let mut corrupted = good.to_vec();
    let note = corrupted.windows(3).position(|window| window == [0x22, 1, b'b']);
    corrupted[note.expect("the note is in it") + 2] = b'x';
    let lost = delta::write(&delta(&pb, &pc));
    let cases = [
        ("corrupted", corrupted.clone(), Rejected::DeltaResult),
        ("the one before was lost", lost.to_vec(), Rejected::DeltaBase),
        ("cut off", good[..good.len() - 1].to_vec(), Rejected::Malformed),
        ("nothing at all", Vec::new(), Rejected::Malformed),
    ];
    for (what, message, why) in cases {
        let so_far = proxy.state.borrow().rejected.get(&why).copied().unwrap_or_default();
        let version = proxy.published.borrow().version;
        stream.say(&message).await;
        stream.hear(RESYNC).await;
        let state = proxy.is(what, |state| state.rejected.get(&why) > Some(&so_far)).await;
        assert!(state.connected, "{what}");
        assert_eq!(*proxy.now(), *a, "{what}");
        // Deltas that were on their way are passed over; the whole makes it good again.
        stream.say(&good).await;
        stream.say(&full(&pb)).await;
        proxy.serves(&b).await;
        assert_eq!(proxy.published.borrow().version, version + 1, "{what}: nothing in between");
        stream.say(&delta::write(&delta(&pb, &pa))).await;
        proxy.serves(&a).await;
    }
    // Twice the same: the second does not fit.
    stream.say(&good).await;
    proxy.serves(&b).await;
    stream.say(&good).await;
    stream.hear(RESYNC).await;
    assert_eq!(*proxy.now(), *b);
}

#[tokio::test]
async fn a_controller_that_sends_no_good_snapshot_even_when_asked_is_left() {
    let authority = Authority::new();
    let mut controller = Scripted::start(authority.server()).await;
    let gw = fleet("gw");
    let files = Files::new(&authority.pem(), "t");
    let mut proxy = Proxy::start(&files, controller.address, &gw);
    let mut stream = controller.stream().await;
    let mut bad = write_full(&gw, &pack(&snapshot(&[1], "good"), None)).to_vec();
    let last = bad.len() - 1;
    bad[last] ^= 1;
    stream.say(&bad).await;
    stream.hear(RESYNC).await;
    stream.say(&bad).await;
    stream.is_over().await;
    let state = proxy.is("it gives up", |state| !state.connected).await;
    assert_eq!(state.failures.get(&Trouble::Protocol), Some(&1));
    assert_eq!(proxy.published.borrow().version, 0);

    let only = snapshot(&[1], "only");
    controller.stream().await.say(&write_full(&gw, &pack(&only, None))).await;
    proxy.serves(&only).await;
}

#[tokio::test]
async fn a_bind_from_the_future_is_refused_alone_and_the_controller_learns_of_it() {
    let authority = Authority::new();
    let mut controller = Scripted::start(authority.server()).await;
    let gw = fleet("gw");
    let files = Files::new(&authority.pem(), "t");
    let mut proxy = Proxy::start(&files, controller.address, &gw);
    let mut stream = controller.stream().await;
    let first = snapshot(&[1, 2], "first");
    stream.say(&write_full(&gw, &pack(&first, None))).await;
    let before = proxy.serves(&first).await;
    stream.hear(REPORT).await;

    let second = snapshot(&[1, 2], "second");
    let packed = pack(&second, None).with_bind(key(1), SCHEMA + 1, b"what is to come".to_vec());
    stream.say(&delta::write(&delta(&pack(&first, None), &packed))).await;
    let state = proxy.is("the refusal", |state| !state.refused.is_empty()).await;
    assert_eq!(state.hash, Some(packed.hash()), "it knows what it was asked for");
    assert_eq!(state.rejected.get(&Rejected::Bind), Some(&1));
    let now = proxy.now();
    assert!(Arc::ptr_eq(&now.binds[&key(1)], &before.snapshot.binds[&key(1)]));
    assert_eq!(now.binds[&key(2)], second.binds[&key(2)]);
    let report = stream.hear(REPORT).await;
    let words = format!("needs schema {}, this proxy reads up to {SCHEMA}", SCHEMA + 1);
    assert!(report.windows(words.len()).any(|window| window == words.as_bytes()));
    assert!(report.windows(32).any(|window| window == packed.hash().as_bytes()));

    // The file has what is served: also the last form of the refused bind.
    let kept = || stream::last_good::read(files.directory(), &gw).ok();
    let old = pack(&first, None).binds()[&key(1)].hash();
    let new = pack(&second, None).binds()[&key(2)].hash();
    let is_it = |packed: &stream::packed::Packed| {
        packed.binds()[&key(1)].hash() == old && packed.binds()[&key(2)].hash() == new
    };
    eventually("the file", || kept().is_some_and(|kept| is_it(&kept.packed))).await;
}

#[tokio::test]
async fn a_stream_that_goes_dead_without_a_word_is_noticed_while_idle() {
    let authority = Authority::new();
    let bounds = stream::server::Bounds {
        ping: Duration::from_millis(200),
        pong: Duration::from_millis(400),
        ..Default::default()
    };
    let controller = Controller::bounded(authority.server(), bounds).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    let only = snapshot(&[1], "only");
    controller.serve(&[(&gw, &only)]);
    let relay = Relay::start(controller.address).await;
    let files = Files::new(&authority.pem(), "t");
    let mut proxy = Proxy::start(&files, relay.address, &gw);
    proxy.serves(&only).await;

    relay.set(Wire::Dead);
    let start = Instant::now();
    proxy.is("it is noticed", |state| !state.connected).await;
    let most = QUICK.ping + QUICK.pong + Duration::from_secs(2);
    assert!(start.elapsed() < most, "{:?}", start.elapsed());
    eventually("by the controller too", || {
        controller.report(&gw, "a").is_some_and(|report| !report.connected)
    })
    .await;
    assert_eq!(*proxy.now(), *only);
    relay.set(Wire::Good);
    proxy.is("it is back", |state| state.connected).await;
    assert!((Timing::default().ping + Timing::default().pong) < Duration::from_secs(30));
}

#[tokio::test]
async fn a_controller_that_stops_sends_its_proxies_to_the_next() {
    let authority = Authority::new();
    let gw = fleet("gw");
    let only = snapshot(&[1], "only");
    let first = Controller::start(authority.server()).await;
    let second = Controller::start(authority.server()).await;
    for controller in [&first, &second] {
        controller.tokens.set("t", Ok(member(&gw, "a")));
        controller.serve(&[(&gw, &only)]);
    }
    let relay = Relay::start(first.address).await;
    let files = Files::new(&authority.pem(), "t");
    let mut proxy = Proxy::start(&files, relay.address, &gw);
    let before = proxy.serves(&only).await;
    relay.lead_to(second.address);
    let start = Instant::now();
    first.stop().await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let state = proxy.is("the next", |state| state.connected && state.streams == 2).await;
    assert_eq!(state.failures.get(&Trouble::Unavailable), Some(&1), "{state:?}");
    eventually("its word", || second.counters.unchanged() == 1).await;
    assert!(Arc::ptr_eq(&proxy.now(), &before.snapshot));
}

#[tokio::test]
async fn a_wire_that_flaps_costs_dials_and_nothing_else() {
    let authority = Authority::new();
    let controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    let only = snapshot(&[1], "only");
    controller.serve(&[(&gw, &only)]);
    let relay = Relay::start(controller.address).await;
    let files = Files::new(&authority.pem(), "t");
    let mut proxy = Proxy::start(&files, relay.address, &gw);
    let before = proxy.serves(&only).await;
    for round in 2..12 {
        relay.set(Wire::Cut);
        proxy.is("the cut", |state| !state.connected).await;
        relay.set(Wire::Good);
        proxy.is("it is back", |state| state.connected && state.streams == round).await;
    }
    eventually("the last word", || controller.counters.unchanged() >= 1).await;
    assert_eq!(controller.counters.fulls(), 1);
    assert!(relay.accepted() < 100, "{} dials", relay.accepted());
    assert_eq!(proxy.published.borrow().version, before.version);
    let reports = controller.reports.borrow().clone();
    assert_eq!(reports.len(), 1);
}

#[tokio::test]
async fn while_a_stream_is_down_changes_wait_and_arrive_with_the_next() {
    let authority = Authority::new();
    let mut controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    let first = snapshot(&[1, 2, 3], "first");
    controller.serve(&[(&gw, &first)]);
    let relay = Relay::start(controller.address).await;
    let files = Files::new(&authority.pem(), "t");
    let mut proxy = Proxy::start(&files, relay.address, &gw);
    let before = proxy.serves(&first).await;
    relay.set(Wire::Cut);
    proxy.is("the cut", |state| !state.connected).await;
    let mut last = with(&first, 2, "0");
    for change in 1..20 {
        last = with(&first, 2, &change.to_string());
        controller.serve(&[(&gw, &last)]);
    }
    relay.set(Wire::Good);
    let after = proxy.serves(&last).await;
    assert_eq!(after.version, before.version + 1);
    let (old, new) = (&before.snapshot.binds, &after.snapshot.binds);
    assert!(Arc::ptr_eq(&old[&key(1)], &new[&key(1)]), "untouched by a whole snapshot as well");
    until("the report", &mut controller.reports, |reports| {
        reports.values().any(|report| report.connected && report.hash == Some(hash(&last)))
    })
    .await;
}
