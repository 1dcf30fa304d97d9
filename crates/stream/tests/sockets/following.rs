//! A proxy follows its controller.

use std::sync::Arc;
use std::time::Duration;

use snapshot::{ApplyReport, BindState};
use stream::packed::hash;

use crate::controller::Controller;
use crate::pki::Authority;
use crate::proxy::{Files, Proxy};
use crate::world::{fleet, key, member, snapshot, with};
use crate::{eventually, until};

#[tokio::test]
async fn a_change_travels_alone_and_everything_else_stays_where_it_is() {
    let authority = Authority::new();
    let mut controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    let first = snapshot(&[1, 2, 3], "first");
    controller.serve(&[(&gw, &first)]);

    let files = Files::new(&authority.pem(), "t\n");
    let mut proxy = Proxy::start(&files, controller.address, &gw);
    let before = proxy.serves(&first).await;

    let second = with(&first, 2, "second");
    controller.serve(&[(&gw, &second)]);
    let after = proxy.serves(&second).await;
    assert_eq!(after.version, before.version + 1);
    let (old, new) = (&before.snapshot.binds, &after.snapshot.binds);
    assert!(Arc::ptr_eq(&old[&key(1)], &new[&key(1)]) && Arc::ptr_eq(&old[&key(3)], &new[&key(3)]));
    assert!(!Arc::ptr_eq(&old[&key(2)], &new[&key(2)]));
    assert_eq!((controller.counters.fulls(), controller.counters.deltas()), (1, 1));

    let reports = until("a report", &mut controller.reports, |reports| {
        reports.values().any(|report| report.hash == Some(hash(&second)))
    });
    let report = reports.await[&(gw.clone(), "a".to_owned())].clone();
    assert!(report.connected && !report.last_good && report.refused.is_empty());
    assert_eq!(report.name, "pod-a");
    assert_eq!(report.report.binds.len(), 3);
    assert!(report.report.binds.values().all(BindState::is_bound));
    let applied = report.applied.as_ref().expect("the controller served it");
    assert!(Arc::ptr_eq(applied, &second), "it is known what the report speaks of");
}

#[tokio::test]
async fn a_later_change_of_a_socket_is_told_under_the_same_name() {
    let authority = Authority::new();
    let mut controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    let only = snapshot(&[1], "only");
    controller.serve(&[(&gw, &only)]);
    let files = Files::new(&authority.pem(), "t");
    let mut proxy = Proxy::start(&files, controller.address, &gw);
    let published = proxy.serves(&only).await;
    let is_bound = |controller: &Controller| {
        let report = controller.report(&gw, "a")?;
        Some((report.hash?, report.report.binds.get(&key(1))?.clone()))
    };
    eventually("the first report", || is_bound(&controller).is_some()).await;

    let state = BindState::PortInUse("EADDRINUSE\u{7}".into());
    let binds = [(key(1), state)].into();
    proxy.applied.send_replace(ApplyReport { version: published.version, binds });
    let told = |state: &BindState| *state == BindState::PortInUse("EADDRINUSE\u{fffd}".into());
    let reports = until("the news", &mut controller.reports, |reports| {
        reports.values().any(|report| report.report.binds.get(&key(1)).is_some_and(told))
    });
    assert_eq!(reports.await.values().next().and_then(|report| report.hash), Some(hash(&only)));
}

#[tokio::test]
async fn a_proxy_that_comes_back_with_the_same_snapshot_is_told_so_and_touches_nothing() {
    let authority = Authority::new();
    let controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    let only = snapshot(&[1, 2], "only");
    controller.serve(&[(&gw, &only)]);
    let files = Files::new(&authority.pem(), "t");
    let mut proxy = Proxy::start(&files, controller.address, &gw);
    let before = proxy.serves(&only).await;

    let address = controller.address;
    let tokens = controller.kill().await;
    proxy.is("the loss is noticed", |state| !state.connected && state.streams == 1).await;
    let controller = Controller::at(address, authority.server(), tokens, Default::default()).await;
    // Equal, but made anew, as after a restart.
    controller.serve(&[(&gw, &snapshot(&[1, 2], "only"))]);
    proxy.is("it is back", |state| state.connected).await;
    eventually("a word", || controller.counters.unchanged() == 1).await;
    eventually("a report", || {
        controller.report(&gw, "a").is_some_and(|report| report.hash == Some(hash(&only)))
    })
    .await;
    assert_eq!(controller.counters.fulls(), 0);
    let after = proxy.published.borrow().clone();
    assert_eq!(after.version, before.version, "nothing was published");
    assert!(Arc::ptr_eq(&after.snapshot, &before.snapshot));
}

#[tokio::test]
async fn a_controller_that_has_not_seen_everything_serves_nothing() {
    let authority = Authority::new();
    let controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    let files = Files::new(&authority.pem(), "t");
    let mut proxy = Proxy::start(&files, controller.address, &gw);
    use stream::client::Trouble::Unavailable;
    proxy.is("refusals", |state| state.failures.get(&Unavailable).is_some_and(|n| *n > 2)).await;
    assert_eq!(proxy.published.borrow().version, 0);

    let only = snapshot(&[1], "only");
    controller.serve(&[(&gw, &only)]);
    proxy.serves(&only).await;
}

#[tokio::test]
async fn a_fleet_that_is_not_fed_waits_and_one_that_is_gone_keeps_what_it_has() {
    let authority = Authority::new();
    let controller = Controller::start(authority.server()).await;
    let (gw, other) = (fleet("gw"), fleet("other"));
    controller.tokens.set("t", Ok(member(&gw, "a")));
    let theirs = snapshot(&[9], "theirs");
    controller.serve(&[(&other, &theirs)]);
    let files = Files::new(&authority.pem(), "t");
    let mut proxy = Proxy::start(&files, controller.address, &gw);
    proxy.is("it waits", |state| state.connected).await;
    assert_eq!(proxy.published.borrow().version, 0);

    let ours = snapshot(&[1], "ours");
    controller.serve(&[(&other, &theirs), (&gw, &ours)]);
    proxy.serves(&ours).await;
    controller.serve(&[(&other, &theirs)]);
    let late = snapshot(&[1], "late");
    controller.serve(&[(&other, &theirs), (&gw, &late)]);
    let published = proxy.serves(&late).await;
    assert_eq!(published.version, 2, "nothing in between");
    assert_eq!(proxy.state.borrow().streams, 1);
}

#[tokio::test]
async fn a_new_proxy_serves_from_its_file_before_any_controller_answers() {
    let authority = Authority::new();
    let controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    let only = snapshot(&[1, 2], "only");
    controller.serve(&[(&gw, &only)]);
    let files = Files::new(&authority.pem(), "t");
    let mut proxy = Proxy::start(&files, controller.address, &gw);
    proxy.serves(&only).await;
    let kept = files.directory().join(stream::last_good::FILE);
    eventually("the file", || kept.exists()).await;
    let address = controller.address;
    let tokens = controller.stop().await;
    proxy.kill().await;

    let mut proxy = Proxy::start(&files, address, &gw);
    let published = proxy.serves(&only).await;
    let state = proxy.is("it says so", |state| state.last_good_in_use).await;
    assert_eq!(state.hash, Some(hash(&only)));
    assert!(!state.connected && state.snapshot_at.is_some());

    let controller = Controller::at(address, authority.server(), tokens, Default::default()).await;
    controller.serve(&[(&gw, &snapshot(&[1, 2], "only"))]);
    proxy.is("it is confirmed", |state| !state.last_good_in_use).await;
    assert_eq!(controller.counters.fulls(), 0);
    assert!(Arc::ptr_eq(&published.snapshot, &proxy.now()));
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_counted_and_nothing_else() {
    let authority = Authority::new();
    let controller = Controller::start(authority.server()).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    let first = snapshot(&[1], "first");
    controller.serve(&[(&gw, &first)]);
    let files = Files::new(&authority.pem(), "t");
    // A directory in the way of the new file: also root cannot write that.
    let obstacle = files.directory().join("last-good.new");
    std::fs::create_dir(&obstacle).expect("a directory");
    let mut proxy = Proxy::start(&files, controller.address, &gw);
    proxy.serves(&first).await;
    proxy.is("a failure", |state| state.last_good_write_failures == 1).await;
    std::fs::remove_dir(&obstacle).expect("it is empty");
    let second = snapshot(&[1], "second");
    controller.serve(&[(&gw, &second)]);
    proxy.serves(&second).await;
    let kept = || stream::last_good::read(files.directory(), &gw).ok();
    eventually("the file", || kept().is_some_and(|kept| kept.packed.hash() == hash(&second))).await;
}

#[tokio::test]
async fn a_proxy_that_has_gone_is_remembered_for_a_while() {
    let authority = Authority::new();
    let bounds =
        stream::server::Bounds { remember: Duration::from_millis(300), ..Default::default() };
    let controller = Controller::bounded(authority.server(), bounds).await;
    let gw = fleet("gw");
    controller.tokens.set("t", Ok(member(&gw, "a")));
    controller.serve(&[(&gw, &snapshot(&[1], "only"))]);
    let files = Files::new(&authority.pem(), "t");
    let proxy = Proxy::start(&files, controller.address, &gw);
    let known = || controller.report(&gw, "a");
    eventually("a report", || known().is_some_and(|report| report.hash.is_some())).await;
    proxy.kill().await;
    eventually("it has gone", || known().is_none_or(|report| !report.connected)).await;
    eventually("it is forgotten", || known().is_none()).await;
}
