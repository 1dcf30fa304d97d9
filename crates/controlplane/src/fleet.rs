//! The proxies of one Gateway: from what each of them says to one report for the translation, and
//! whether it is time to tell. Pure; instants are arguments.
//!
//! Reports come over streams that break and controllers that restart. What cannot be known for a
//! moment is not guessed: the Gateway's status is *held*, what was written last stands.

use std::collections::BTreeMap;
use std::time::Duration;

use snapshot::{ApplyReport, BindKey, BindState, Snapshot};
use tokio::time::Instant;

/// A change that proxies take on within this time never shows as `Pending`.
const SETTLING: Duration = Duration::from_millis(500);
/// A proxy that is ready and has said nothing for this long is not waited for any more. A
/// controller that just started hears from all proxies within seconds.
const SILENCE: Duration = Duration::from_secs(60);

/// What one proxy said last.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What it did, with the version it did it for as [`ApplyReport::version`]; 0 where it runs a
    /// snapshot that this process never published.
    pub report: ApplyReport,
    /// Whether its stream is open.
    pub is_connected: bool,
}

/// What is known of one fleet.
#[derive(Clone, Copy, Debug)]
pub struct Fleet<'a> {
    /// What it must serve.
    pub snapshot: &'a Snapshot,
    /// The version of that snapshot.
    pub version: u64,
    /// When that version was published.
    pub published: Instant,
    /// When each ready proxy was first seen to be ready, by pod UID.
    pub ready: &'a BTreeMap<String, Instant>,
    /// What proxies said, by pod UID.
    pub answers: &'a BTreeMap<String, Answer>,
}

/// What follows from a [`Fleet`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// What the fleet as a whole did; `None` while no ready proxy has answered.
    pub report: Option<ApplyReport>,
    /// Until when the status of the Gateway is held.
    pub held_until: Option<Instant>,
    /// Ready proxies that run the version that was published last.
    pub current: usize,
    /// Ready proxies that run another one.
    pub behind: usize,
    /// Ready proxies that are not heard: they never answered, or their stream is closed.
    pub stale: usize,
}

impl Fleet<'_> {
    /// Folds the answers of all ready proxies: a socket is open when it is open in each of them.
    pub fn verdict(&self, now: Instant) -> Verdict {
        let mut verdict = Verdict::default();
        let mut heard = Vec::new();
        let mut held_until: Option<Instant> = None;
        let mut hold = |until: Instant| {
            if until > now {
                held_until = Some(held_until.map_or(until, |earlier| earlier.max(until)));
            }
        };
        for (pod, since) in self.ready {
            match self.answers.get(pod) {
                None => {
                    verdict.stale += 1;
                    hold(*since + SILENCE);
                }
                Some(answer) => {
                    heard.push(&answer.report);
                    if !answer.is_connected {
                        verdict.stale += 1;
                    } else if answer.report.version == self.version {
                        verdict.current += 1;
                    } else {
                        verdict.behind += 1;
                        hold(self.published + SETTLING);
                    }
                }
            }
        }
        verdict.held_until = held_until;
        verdict.report = (!heard.is_empty()).then(|| ApplyReport {
            version: self.version,
            binds: self
                .snapshot
                .binds
                .keys()
                .filter_map(|key| Some((*key, state(*key, &heard)?)))
                .collect(),
        });
        verdict
    }
}

/// The state of one socket in all proxies; `None` while one of them has not come to it.
fn state(key: BindKey, heard: &[&ApplyReport]) -> Option<BindState> {
    let states: Vec<_> = heard.iter().map(|report| report.binds.get(&key)).collect();
    let failed = states.iter().flatten().find(|state| !state.is_bound());
    match failed {
        Some(failed) => Some((*failed).clone()),
        None if states.contains(&None) => None,
        None => Some(BindState::Bound),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::num::NonZeroU16;
    use std::sync::Arc;

    use snapshot::{App, Bind, Limits, ListenerName, TcpApp, Timeouts, Transport};

    use super::*;

    fn key() -> BindKey {
        BindKey {
            transport: Transport::Tcp,
            port: NonZeroU16::new(5432).expect("a port"),
            address: Ipv4Addr::UNSPECIFIED.into(),
        }
    }

    fn snapshot() -> Snapshot {
        let app = TcpApp { listener: Arc::new(ListenerName::default()), route: None };
        let bind =
            Bind { app: App::Tcp(app), timeouts: Timeouts::default(), limits: Limits::default() };
        Snapshot { binds: [(key(), Arc::new(bind))].into(), ..Snapshot::default() }
    }

    fn answer(version: u64, state: Option<BindState>) -> Answer {
        let binds = state.map(|state| (key(), state)).into_iter().collect();
        Answer { report: ApplyReport { version, binds }, is_connected: true }
    }

    fn verdict(
        ready: &[&str],
        answers: &[(&str, Answer)],
        since_publish: Duration,
    ) -> (Verdict, Instant) {
        let start = Instant::now();
        let ready = ready.iter().map(|pod| ((*pod).to_owned(), start)).collect();
        let answers =
            answers.iter().map(|(pod, answer)| ((*pod).to_owned(), answer.clone())).collect();
        let fleet = Fleet {
            snapshot: &snapshot(),
            version: 7,
            published: start,
            ready: &ready,
            answers: &answers,
        };
        (fleet.verdict(start + since_publish), start)
    }

    fn bound() -> Answer {
        answer(7, Some(BindState::Bound))
    }

    #[test]
    fn a_socket_is_open_when_every_ready_proxy_has_it_open() {
        let (all, _) = verdict(&["a", "b"], &[("a", bound()), ("b", bound())], SETTLING);
        let report = all.report.expect("a report");
        assert_eq!(report.binds.get(&key()), Some(&BindState::Bound));
        assert_eq!((all.current, all.behind, all.stale, all.held_until), (2, 0, 0, None));

        let (one, _) = verdict(&["a", "b"], &[("a", bound()), ("b", answer(6, None))], SETTLING);
        assert_eq!(one.report.expect("a report").binds.get(&key()), None);
        assert_eq!((one.current, one.behind), (1, 1));
    }

    #[test]
    fn one_proxy_that_cannot_open_a_socket_speaks_for_all() {
        let taken = BindState::PortInUse("pod b: in use".to_owned());
        let answers = [("a", bound()), ("b", answer(7, Some(taken.clone())))];
        let (some, _) = verdict(&["a", "b"], &answers, SETTLING);
        assert_eq!(some.report.expect("a report").binds.get(&key()), Some(&taken));
    }

    #[test]
    fn proxies_that_are_not_ready_do_not_count() {
        let (none, _) = verdict(&[], &[("a", bound())], SETTLING);
        assert_eq!(none, Verdict::default());
    }

    #[test]
    fn a_change_that_is_being_taken_on_is_not_told_at_once() {
        let answers = [("a", answer(6, Some(BindState::Bound)))];
        let (young, start) = verdict(&["a"], &answers, Duration::ZERO);
        assert_eq!(young.held_until, Some(start + SETTLING));
        let (old, _) = verdict(&["a"], &answers, SETTLING);
        assert_eq!(old.held_until, None);
    }

    #[test]
    fn a_proxy_that_this_controller_has_not_heard_yet_is_waited_for() {
        let (silent, start) = verdict(&["a"], &[], SETTLING);
        assert_eq!(silent.held_until, Some(start + SILENCE));
        assert_eq!((silent.report, silent.stale), (None, 1));
        let (given_up, _) = verdict(&["a"], &[], SILENCE);
        assert_eq!(given_up.held_until, None);
    }

    #[test]
    fn a_proxy_whose_stream_is_cut_keeps_its_last_word() {
        let cut = Answer { is_connected: false, ..bound() };
        let (stale, _) = verdict(&["a"], &[("a", cut)], SETTLING);
        assert_eq!(stale.report.expect("a report").binds.get(&key()), Some(&BindState::Bound));
        assert_eq!((stale.current, stale.stale, stale.held_until), (0, 1, None));
    }
}
