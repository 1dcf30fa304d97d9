//! What is asked after which answers.

use super::*;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A machine and its time.
struct Run {
    machine: Machine,
    now: Duration,
    changes: Vec<Change>,
}

impl Run {
    /// It has listed and its watch is open.
    fn watching() -> Self {
        let mut run = Self { machine: Machine::new(1), now: seconds(0), changes: vec![] };
        assert_eq!(run.tell(Input::Woken), Some(list(None, 500)));
        let ask = run.tell(page("100", None));
        assert!(matches!(ask, Some(Ask::Watch { from, .. }) if from.as_str() == "100"));
        assert_eq!(run.tell(Input::Opened), None);
        run
    }

    fn tell(&mut self, input: Input) -> Option<Ask> {
        let step = self.machine.handle(self.now, input);
        self.changes.extend(step.changes);
        step.ask
    }

    fn fail(&mut self, code: u16) -> Option<Ask> {
        self.tell(Input::Failed(refused(code)))
    }

    /// Waits as it asks, until it asks for something else.
    fn patiently(&mut self, mut ask: Option<Ask>) -> Option<Ask> {
        while let Some(Ask::Wait(wait)) = ask {
            self.now += wait;
            ask = self.tell(Input::Woken);
        }
        ask
    }

    fn position(&self) -> &str {
        self.machine.position.as_ref().expect("known").as_str()
    }
}

fn list(page: Option<&str>, limit: u32) -> Ask {
    Ask::List { page: page.map(str::to_owned), limit: Some(limit) }
}

fn page(version: &str, next: Option<&str>) -> Input {
    Input::Page(Page {
        version: version.into(),
        next: next.map(str::to_owned),
        items: vec![],
        nameless: 0,
    })
}

fn refused(code: u16) -> Fault {
    Fault::Refused(Status { code, ..Status::default() }, None)
}

fn deleted(version: &str) -> Input {
    Input::Event(Event::Deleted(ObjectKey::new("db", "pg"), Some(version.into())))
}

#[test]
fn a_watch_that_ends_is_checked_and_goes_on_where_it_was() {
    let mut run = Run::watching();
    run.now += seconds(5);
    assert_eq!(run.tell(Input::Held), None);
    assert_eq!(run.tell(deleted("105")), None);
    assert_eq!(run.tell(Input::Event(Event::Bookmark("110".into()))), None);
    run.now += seconds(55);
    assert_eq!(run.tell(Input::Ended), Some(Ask::Newest));
    let ask = run.tell(Input::Newest("200".into()));
    assert!(matches!(ask, Some(Ask::Watch { from, seconds: 50..=60 }) if from.as_str() == "110"));
}

#[test]
fn news_that_are_not_new_are_passed_over() {
    let mut run = Run::watching();
    run.changes.clear();
    for version in ["99", "100", "101", "101", "100", "102"] {
        run.tell(deleted(version));
    }
    assert_eq!(run.changes.len(), 2);
    assert_eq!(run.position(), "102");
    run.tell(Input::Event(Event::Bookmark("50".into())));
    assert_eq!(run.position(), "102");
}

#[test]
fn expiry_means_a_list_however_it_is_told() {
    for by_event in [true, false] {
        let mut run = Run::watching();
        run.now += seconds(100);
        let status = Status { code: 410, ..Status::default() };
        let ask = match by_event {
            true => run.tell(Input::Event(Event::Error(status))),
            false => run.fail(410),
        };
        assert_eq!(ask, Some(list(None, 500)));
        run.tell(page("300", None));
        assert_eq!(run.machine.health().relists[Relist::Expired as usize], 1);
        assert_eq!(run.position(), "300");
    }
}

#[test]
fn a_list_that_has_to_wait_long_begins_when_watches_work_again() {
    let mut run = Run::watching();
    // Lists that are of no use, until the next has to wait for minutes.
    while run.machine.gate.wait(run.now) < seconds(200) {
        let ask = run.fail(410);
        let ask = run.patiently(ask);
        match ask {
            Some(Ask::List { .. }) => drop(run.tell(page("100", None))),
            Some(Ask::Newest) => {
                let ask = run.tell(Input::Newest("100".into()));
                assert!(matches!(ask, Some(Ask::Watch { .. } | Ask::Wait(_))), "{ask:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    let ask = run.fail(410);
    let begin = run.now;
    assert_eq!(run.patiently(ask), Some(Ask::Newest));
    let ask = run.tell(Input::Newest("120".into()));
    assert!(matches!(ask, Some(Ask::Watch { from, .. }) if from.as_str() == "120"));
    run.tell(Input::Opened);
    run.now += HELD;
    assert_eq!(run.tell(Input::Held), Some(list(None, 500)));
    assert!(run.now - begin <= seconds(36));
}

#[test]
fn only_several_answers_in_a_row_take_the_world_back() {
    let mut run = Run::watching();
    run.now += seconds(60);
    run.tell(Input::Held);
    let mut ask = run.tell(Input::Ended);
    for answer in ["90", "90", "101", "90", "90"] {
        assert_eq!(ask, Some(Ask::Newest));
        ask = run.tell(Input::Newest(answer.into()));
        if answer == "101" {
            run.tell(Input::Opened);
            run.tell(Input::Held);
            ask = run.tell(Input::Ended);
        }
        ask = run.patiently(ask);
    }
    assert_eq!(run.tell(Input::Newest("90".into())), Some(list(None, 500)));
    run.tell(page("90", None));
    assert_eq!(run.position(), "90");
    assert_eq!(run.machine.health().relists[Relist::WentBack as usize], 1);
}

#[test]
fn a_list_older_than_the_world_is_not_believed() {
    let mut run = Run::watching();
    run.now += seconds(100);
    assert_eq!(run.fail(410), Some(list(None, 500)));
    run.changes.clear();
    let ask = run.tell(page("90", None));
    assert_eq!(run.changes.len(), 0);
    assert_eq!(run.patiently(ask), Some(Ask::Newest));
    assert_eq!(run.tell(Input::Newest("130".into())), Some(list(None, 500)));
    run.tell(page("130", None));
    assert_eq!(run.position(), "130");
}

#[test]
fn pages_that_expire_are_asked_for_in_one_piece() {
    let mut run = Run { machine: Machine::new(1), now: seconds(0), changes: vec![] };
    run.tell(Input::Woken);
    assert_eq!(run.tell(page("100", Some("two"))), Some(list(Some("two"), 500)));
    run.now += seconds(20);
    let ask = run.fail(410);
    assert_eq!(run.patiently(ask), Some(Ask::List { page: None, limit: None }));
    let ask = run.tell(page("120", None));
    assert!(matches!(ask, Some(Ask::Watch { from, .. }) if from.as_str() == "120"));
    let firsts =
        run.changes.iter().filter(|change| matches!(change, Change::Page { first: true, .. }));
    assert_eq!(firsts.count(), 2);
}

#[test]
fn pages_that_are_too_large_become_smaller() {
    let mut run = Run { machine: Machine::new(1), now: seconds(0), changes: vec![] };
    run.tell(Input::Woken);
    run.tell(page("100", Some("two")));
    for limit in [250, 125, 62, 31, 15, 7, 3, 1] {
        assert_eq!(run.tell(Input::Failed(Fault::TooLarge)), Some(list(Some("two"), limit)));
    }
    let ask = run.tell(Input::Failed(Fault::TooLarge));
    assert!(matches!(ask, Some(Ask::Wait(_))));
    assert_eq!(run.patiently(ask), Some(list(None, 1)));
}

#[test]
fn pages_without_end_end() {
    let mut run = Run { machine: Machine::new(1), now: seconds(0), changes: vec![] };
    run.tell(Input::Woken);
    let mut pages = 1;
    while let Some(Ask::List { .. }) = run.tell(page("100", Some("more"))) {
        pages += 1;
        assert!(pages <= MOST_PAGES);
    }
    assert_eq!(pages, MOST_PAGES);
}

#[test]
fn a_missing_right_is_told_once_and_asked_for_slowly() {
    let mut run = Run { machine: Machine::new(1), now: seconds(0), changes: vec![] };
    let mut ask = run.tell(Input::Woken);
    for _ in 0..20 {
        assert_eq!(ask, Some(list(None, 500)));
        ask = run.fail(403);
        ask = run.patiently(ask);
    }
    assert!(run.now > seconds(18 * 30), "{:?}", run.now);
    let denied = run.changes.iter().filter(|change| matches!(change, Change::Denied)).count();
    let told = run.changes.iter().filter(|change| matches!(change, Change::Trouble(Some(_))));
    assert_eq!((denied, told.count()), (1, 1));
    run.changes.clear();
    run.tell(page("100", None));
    assert!(matches!(run.changes[..], [.., Change::Listed, Change::Trouble(None)]));
}

#[test]
fn a_server_that_has_just_started_may_refuse_at_first() {
    let mut run = Run { machine: Machine::new(1), now: seconds(0), changes: vec![] };
    let ask = run.tell(Input::Woken);
    assert_eq!(ask, Some(list(None, 500)));
    for _ in 0..2 {
        let ask = run.fail(403);
        assert_eq!(run.patiently(ask), Some(list(None, 500)));
    }
    run.tell(page("100", None));
    assert!(
        run.changes.iter().all(|change| !matches!(change, Change::Denied | Change::Trouble(_)))
    );
    assert!(run.now <= seconds(10));
}

#[test]
fn who_may_list_but_not_watch_lists_every_minute() {
    let mut run = Run::watching();
    for _ in 0..10 {
        let ask = run.fail(403);
        match run.patiently(ask) {
            Some(Ask::Newest) => match run.tell(Input::Newest("100".into())) {
                Some(Ask::List { .. }) => drop(run.tell(page("100", None))),
                Some(Ask::Watch { .. }) => {}
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(run.machine.health().relists[Relist::Forbidden as usize], 8);
    assert!(run.machine.health().trouble.is_some());
    run.tell(Input::Opened);
    run.tell(Input::Held);
    assert_eq!(run.machine.health().trouble, None);
}

#[test]
fn everything_is_listed_every_half_hour() {
    let mut run = Run::watching();
    loop {
        run.tell(Input::Held);
        run.now += seconds(60);
        assert_eq!(run.tell(Input::Ended), Some(Ask::Newest));
        let ask = run.tell(Input::Newest("100".into()));
        if ask == Some(list(None, 500)) {
            break;
        }
        assert!(matches!(ask, Some(Ask::Watch { .. })));
        run.tell(Input::Opened);
    }
    assert!((27 * 60..=34 * 60).contains(&run.now.as_secs()), "{:?}", run.now);
    run.tell(page("100", None));
    assert_eq!(run.machine.health().relists[Relist::Scheduled as usize], 1);
}

#[test]
fn what_was_not_asked_for_is_ignored() {
    let mut run = Run::watching();
    run.changes.clear();
    assert_eq!(run.tell(Input::Woken), None);
    assert_eq!(run.tell(page("1", None)), None);
    assert_eq!(run.tell(Input::Newest("1".into())), None);
    assert_eq!((run.changes.len(), run.position()), (0, "100"));
}
