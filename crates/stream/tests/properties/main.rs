//! What holds for any two snapshots and any damage to a message.

mod file;
mod random;
mod refusals;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::sample::Index;
use prost::bytes::Bytes;
use random::{keys, snapshots, unshared};
use snapshot::{ApplyReport, BindKey, BindState, Port, Snapshot, Target, Transport};
use stream::adopt::{Served, adopt};
use stream::client::{Follower, Received};
use stream::delta::{self, Mismatch, apply, delta};
use stream::last_good;
use stream::packed::{hash, pack, write_full};
use stream::wire::report::{Told, read_report, write};
use stream::wire::{Malformed, SCHEMA};
use stream::{Fleet, SnapshotHash};

fn fleet() -> Fleet {
    Fleet::new("edge/gw")
}

/// A follower that holds `snapshot`.
fn holding(snapshot: &Snapshot) -> Follower {
    let mut follower = Follower::new(fleet());
    let message = write_full(&fleet(), &pack(snapshot, None));
    assert_eq!(follower.receive(message), Received::Taken);
    follower
}

fn step(from: &Snapshot, to: &Snapshot) -> Bytes {
    delta::write(&delta(&pack(from, None), &pack(to, None)))
}

/// What a damaged message may do: anything but panic, be taken, or change what is served.
fn is_refused(mut follower: Follower, message: Bytes) {
    let (hash, served) = (follower.hash(), follower.snapshot().clone());
    let received = follower.receive(message);
    assert_ne!(received, Received::Taken);
    assert_eq!(follower.hash(), hash);
    assert!(Arc::ptr_eq(follower.snapshot(), &served));
}

fn flipped(message: &[u8], at: Index, bit: u8) -> Bytes {
    let mut bytes = message.to_vec();
    let at = at.index(bytes.len());
    bytes[at] ^= 1 << bit;
    bytes.into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_arrives_is_what_was_sent(snapshot in snapshots()) {
        let follower = holding(&snapshot);
        prop_assert_eq!(&**follower.snapshot(), &snapshot);
        prop_assert_eq!(follower.hash(), Some(hash(&snapshot)));
        prop_assert!(follower.served().refused.is_empty());
        prop_assert_eq!(follower.served().packed.hash(), hash(&snapshot));
    }

    #[test]
    fn a_delta_leads_from_one_to_the_other(a in snapshots(), b in snapshots()) {
        let (packed_a, packed_b) = (pack(&a, None), pack(&b, None));
        let step = delta(&packed_a, &packed_b);
        prop_assert_eq!(apply(&packed_a, &step), Ok(packed_b.clone()));
        if a != b {
            prop_assert_eq!(apply(&packed_b, &step), Err(Mismatch::Base), "it fits nothing else");
        }
        let mut follower = holding(&a);
        prop_assert_eq!(follower.receive(delta::write(&step)), Received::Taken);
        prop_assert_eq!(&**follower.snapshot(), &b);
    }

    #[test]
    fn equal_snapshots_have_equal_bytes_however_they_are_shared(snapshot in snapshots()) {
        prop_assert_eq!(pack(&snapshot, None), pack(&unshared(&snapshot), None));
    }

    #[test]
    fn packing_after_another_is_the_same_as_packing_alone(a in snapshots(), b in snapshots()) {
        let before = pack(&a, None);
        prop_assert_eq!(pack(&b, Some((&a, &before))), pack(&b, None));
    }

    #[test]
    fn different_snapshots_have_different_hashes(a in snapshots(), b in snapshots()) {
        prop_assert_eq!(a == b, hash(&a) == hash(&b));
    }

    #[test]
    fn what_does_not_change_keeps_its_place_in_memory(a in snapshots(), b in snapshots()) {
        let before = adopt(&Served::default(), &pack(&a, None), SCHEMA);
        let after = adopt(&before, &pack(&b, None), SCHEMA);
        for (key, bind) in &after.snapshot.binds {
            if let Some(was) = before.snapshot.binds.get(key) {
                prop_assert_eq!(was == bind, Arc::ptr_eq(was, bind));
            }
        }
        for (key, cluster) in &after.snapshot.clusters {
            if let Some(was) = before.snapshot.clusters.get(key) {
                prop_assert_eq!(was == cluster, Arc::ptr_eq(was, cluster));
            }
        }
        let again = adopt(&after, &pack(&unshared(&b), None), SCHEMA);
        prop_assert!(Arc::ptr_eq(&again.snapshot, &after.snapshot), "nothing changed at all");
    }

    #[test]
    fn no_flipped_bit_passes(
        a in snapshots(), b in snapshots(), at in any::<Index>(), bit in 0..8_u8,
    ) {
        let full = write_full(&fleet(), &pack(&b, None));
        is_refused(holding(&a), flipped(&full, at, bit));
        is_refused(holding(&a), flipped(&step(&a, &b), at, bit));
    }

    #[test]
    fn no_prefix_passes(a in snapshots(), b in snapshots(), at in any::<Index>()) {
        let full = write_full(&fleet(), &pack(&b, None));
        is_refused(holding(&a), full.slice(..at.index(full.len())));
        let step = step(&a, &b);
        is_refused(holding(&a), step.slice(..at.index(step.len())));
    }

    // The hash covers the bytes of a body, whatever they are: these get through to its reader.
    #[test]
    fn a_damaged_body_is_refused_alone_or_means_what_it_says(
        a in snapshots(), b in snapshots(), at in any::<[Index; 4]>(), bytes in any::<[u8; 4]>(),
        cut in any::<Index>(), is_cut in any::<bool>(),
    ) {
        let damage = |body: &[u8]| {
            let mut body = body.to_vec();
            for (at, byte) in at.iter().zip(bytes) {
                if !body.is_empty() {
                    let at = at.index(body.len());
                    body[at] = byte;
                }
            }
            body.truncate(if is_cut { cut.index(body.len() + 1) } else { body.len() });
            body
        };
        let mut next = pack(&b, None);
        for (key, part) in next.clone().binds() {
            next = next.with_bind(*key, part.schema(), damage(part.body()));
        }
        for (key, part) in next.clone().clusters() {
            next = next.with_cluster(key.clone(), part.schema(), damage(part.body()));
        }
        let before = adopt(&Served::default(), &pack(&a, None), SCHEMA);
        let after = adopt(&before, &next, SCHEMA);
        for (key, bind) in &after.snapshot.binds {
            for share in bind.routes().into_iter().flat_map(|route| &route.targets) {
                if let Target::Cluster(name) = &share.target {
                    prop_assert!(after.snapshot.clusters.contains_key(name), "{}: {}", key, name);
                }
            }
        }
        // What was understood survives another journey.
        let again = adopt(&Served::default(), &pack(&after.snapshot, None), SCHEMA);
        prop_assert_eq!(again.snapshot, after.snapshot);
        prop_assert!(again.refused.is_empty());
    }

    #[test]
    fn bytes_of_anybody_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        is_refused(Follower::new(fleet()), bytes.clone().into());
        let _ = read_report(&bytes);
        prop_assert!(last_good::decode(&fleet(), &bytes).is_err());
    }

    #[test]
    fn reports_arrive_as_they_were_sent(
        snapshot in snapshots(), words in "[ -~]{0,40}", version in any::<u64>(),
        refused in proptest::collection::btree_map(keys(), "[ -~]{0,40}", 0..3),
        last_good in any::<bool>(),
    ) {
        let states = [
            BindState::Bound,
            BindState::PortInUse(words.clone()),
            BindState::AddressNotAvailable(words.clone()),
            BindState::Failed(words),
        ];
        let binds = snapshot.binds.keys().copied().zip(states.into_iter().cycle()).collect();
        let report = ApplyReport { version, binds };
        let told = Told { hash: hash(&snapshot), report, refused, last_good };
        prop_assert_eq!(read_report(&write(&told)), Ok(told));
    }

    #[test]
    fn a_file_gives_back_what_was_kept(snapshot in snapshots(), seconds in 0..4_000_000_000_u64) {
        let saved = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let packed = pack(&snapshot, None);
        let kept = last_good::decode(&fleet(), &last_good::encode(&fleet(), &packed, saved));
        let kept = kept.expect("it was just written");
        prop_assert_eq!((kept.packed, kept.saved), (packed, saved));
    }
}

#[test]
fn a_report_is_bounded_whatever_it_says() {
    let state = BindState::Failed("x\n".repeat(10_000));
    let key = BindKey {
        transport: Transport::Tcp,
        port: Port::new(1).expect("not zero"),
        address: [0, 0, 0, 0].into(),
    };
    let told = Told {
        hash: hash(&Snapshot::default()),
        report: ApplyReport { version: 1, binds: [(key, state)].into() },
        refused: [(key, "y\u{1b}".repeat(10_000))].into(),
        last_good: false,
    };
    let read = read_report(&write(&told)).expect("a report");
    let BindState::Failed(text) = &read.report.binds[&key] else { panic!("{read:?}") };
    for text in [text, &read.refused[&key]] {
        assert_eq!(text.chars().count(), 256);
        assert!(!text.contains(char::is_control));
    }
    // Fields that nobody knows are passed over; so many are not.
    let mut long = write(&told).to_vec();
    assert!(read_report(&[&long[..], &[0x78, 0]].concat()).is_ok());
    long.extend([0x78, 0].repeat(40_000));
    assert_eq!(read_report(&long), Err(Malformed::TooLarge));
    let blob = [&[0x7a, 0x80, 0x80, 0x40][..], &vec![0; 1 << 20]].concat();
    let longer = [&write(&told)[..], &blob].concat();
    assert_eq!(read_report(&longer), Err(Malformed::TooLarge));
}

#[test]
fn a_hash_is_shown_in_hex() {
    let hash = SnapshotHash::from_bytes(&[0xab; 32]).expect("32 bytes");
    assert_eq!(hash.to_string(), "ab".repeat(32));
}
