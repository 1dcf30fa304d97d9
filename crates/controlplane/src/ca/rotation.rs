//! What the Secret has to hold at a time. Pure but for the making of keys.
//!
//! An authority that proxies do not know yet must not sign: they would refuse the certificate. So
//! a new one is first made known, for a day, and signs afterwards; the old one stays known until
//! everything it signed has expired. A proxy that was cut off for less than a day notices nothing.

use super::authority::{Authorities, Authority, LIFE};
use super::leaf;

/// The next authority is made when this much of the signing one's life is over.
const DUE: i64 = LIFE / 3 * 2;
/// For so long the next one is made known before it signs.
const MADE_KNOWN: i64 = 24 * 3600;
/// Longer than what it signed lives after an authority was replaced.
const FORGOTTEN: i64 = leaf::LIFE + 3600;

/// What has to be.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) authorities: Authorities,
    /// Whether it is something else than what was stored.
    pub(super) differs: bool,
}

/// Decides from what the Secret holds, if it can be used, and from what this replica serves with.
pub(super) fn plan(
    stored: Option<Authorities>,
    memory: Option<Authorities>,
    now: i64,
) -> Result<Planned, rcgen::Error> {
    let is_usable = |authorities: &Authorities| {
        let next = authorities.next.as_ref().map(Authority::anchor);
        authorities.signing.anchor().is_valid(now) || next.is_some_and(|next| next.is_valid(now))
    };
    let from_store = stored.clone().filter(is_usable);
    // What is served with is what proxies know: the Secret is made again from it.
    let found = match from_store.or_else(|| memory.filter(is_usable)) {
        Some(found) => found,
        None => Authorities { signing: Authority::make(now)?, next: None, retired: vec![] },
    };
    let authorities = advance(found, now)?;
    let differs = stored.as_ref() != Some(&authorities);
    Ok(Planned { authorities, differs })
}

/// Takes each step of the rotation that is due.
fn advance(mut authorities: Authorities, now: i64) -> Result<Authorities, rcgen::Error> {
    let signing = authorities.signing.anchor().clone();
    if let Some(next) = authorities.next.take_if(|next| {
        let anchor = next.anchor();
        let is_known = now >= anchor.made() + MADE_KNOWN;
        // Known or not: one that ends before what it signs cannot go on.
        anchor.is_valid(now) && (is_known || now + leaf::LIFE >= signing.not_after)
    }) {
        authorities.retired.push(signing);
        authorities.signing = next;
    }
    let signing = authorities.signing.anchor().clone();
    if authorities.next.is_none() && now >= signing.made() + DUE {
        authorities.next = Some(Authority::make(now)?);
    }
    // One that was made known and promoted has been signing for this long.
    let is_forgotten = now >= signing.made() + MADE_KNOWN + FORGOTTEN;
    authorities.retired.retain(|anchor| !is_forgotten && now < anchor.not_after);
    Ok(authorities)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;
    const START: i64 = 1_800_000_000;

    fn at(stored: &Authorities, now: i64) -> Planned {
        // What was written is what is read.
        let stored = Authorities::read(&stored.write()).expect("usable");
        plan(Some(stored), None, now).expect("a plan")
    }

    fn made() -> Authorities {
        plan(None, None, START).expect("a plan").authorities
    }

    fn count(bundle: &str) -> usize {
        bundle.matches("BEGIN").count()
    }

    #[test]
    fn the_first_start_makes_one() {
        let planned = plan(None, None, START).expect("a plan");
        assert!(planned.differs);
        assert_eq!(count(&planned.authorities.bundle()), 1);
        let again = at(&planned.authorities, START + DAY);
        assert!(!again.differs);
        assert_eq!(again.authorities, planned.authorities);
    }

    #[test]
    fn a_new_one_is_known_for_a_day_before_it_signs() {
        let first = made();
        assert!(!at(&first, START + DUE - 1).differs);
        let second = at(&first, START + DUE);
        assert!(second.differs);
        let second = second.authorities;
        assert_eq!(second.signing, first.signing);
        assert_eq!(count(&second.bundle()), 2);
        assert!(!at(&second, START + DUE + DAY - 1).differs);
        let third = at(&second, START + DUE + DAY).authorities;
        assert_eq!(Some(&third.signing), second.next.as_ref());
        assert_eq!(third.retired, [first.signing.anchor().clone()]);
        assert_eq!(third.bundle(), second.bundle());
    }

    #[test]
    fn the_old_one_is_known_until_everything_it_signed_has_expired() {
        let second = at(&made(), START + DUE).authorities;
        let third = at(&second, START + DUE + DAY).authorities;
        assert!(!at(&third, START + DUE + DAY + leaf::LIFE).differs);
        let last = at(&third, START + DUE + DAY + leaf::LIFE + HOUR).authorities;
        assert_eq!(last.bundle().matches("BEGIN").count(), 1);
        assert_eq!(last.signing, third.signing);
    }

    #[test]
    fn a_secret_that_is_gone_is_made_again_from_memory() {
        let memory = made();
        let planned = plan(None, Some(memory.clone()), START + DAY).expect("a plan");
        assert!(planned.differs);
        assert_eq!(planned.authorities, memory);
    }

    #[test]
    fn what_the_secret_holds_counts_more_than_memory() {
        let (ours, theirs) = (made(), made());
        let planned = plan(Some(theirs.clone()), Some(ours), START + 1).expect("a plan");
        assert!(!planned.differs);
        assert_eq!(planned.authorities, theirs);
    }

    #[test]
    fn after_a_long_sleep_the_next_one_signs_or_another_is_made() {
        let second = at(&made(), START + DUE).authorities;
        let late = at(&second, START + LIFE + DAY).authorities;
        assert_eq!(Some(&late.signing), second.next.as_ref());
        let too_late = at(&second, START + 3 * LIFE).authorities;
        assert!(too_late.signing.anchor().is_valid(START + 3 * LIFE));
        assert_eq!(count(&too_late.bundle()), 1);
    }

    #[test]
    fn a_clock_that_is_far_off_always_finds_one_that_is_valid() {
        for now in [START - 10 * 365 * DAY, START - 2 * HOUR, START + 10 * 365 * DAY] {
            let planned = at(&made(), now);
            assert!(planned.authorities.signing.anchor().is_valid(now));
        }
    }

    #[test]
    fn a_year_of_hours_never_signs_with_one_that_was_not_known_for_a_day() {
        let mut stored = made();
        let mut known = std::collections::BTreeMap::from([(stored.bundle(), START)]);
        let mut since = START;
        for hour in 0..(2 * 365 * 24) {
            let now = START + hour * HOUR;
            let next = plan(Some(stored.clone()), None, now).expect("a plan").authorities;
            known.entry(next.bundle()).or_insert(now);
            if next.signing != stored.signing {
                let first = known.iter().filter(|(bundle, _)| {
                    Authorities { retired: vec![], next: None, ..next.clone() }
                        .bundle()
                        .lines()
                        .all(|line| bundle.contains(line))
                });
                let first = first.map(|(_, at)| *at).min().expect("it is known");
                assert!(now - first >= DAY, "known for {} s", now - first);
                assert!(now - since > LIFE / 2);
                since = now;
            }
            assert!(next.signing.anchor().not_after - now > leaf::LIFE);
            stored = next;
        }
        assert!(since > START, "it was never rotated");
    }

    #[test]
    fn what_cannot_be_read_is_named_without_its_content() {
        let good = made().write();
        let mut no_key = good.clone();
        no_key.remove("ca.key");
        let mut other_key = good.clone();
        other_key.insert("ca.key".to_owned(), made().write()["ca.key"].clone());
        let mut garbage = good.clone();
        garbage.insert("ca.crt".to_owned(), k8s_openapi::ByteString(vec![0xff; 40]));
        for (data, says) in [
            (no_key, "data[\"ca.key\"] is not a private key"),
            (other_key, "no certificate for the key"),
            (garbage, "data[\"ca.crt\"] has no certificate"),
        ] {
            let problem = Authorities::read(&data).expect_err("unusable").to_string();
            assert!(problem.contains(says), "{problem}");
        }
        let debug = format!("{:?}", made());
        assert!(!debug.contains("PRIVATE") && !debug.contains("key:"), "{debug}");
    }
}
