//! The last-good file: a bad one is never used.

use std::time::{Duration, SystemTime};

use snapshot::Snapshot;
use stream::Fleet;
use stream::last_good::{FILE, Ignored, decode, encode, read, write};
use stream::packed::{Packed, Unfit, pack};

use crate::random::plain;

const SAVED: SystemTime = SystemTime::UNIX_EPOCH;

fn fleet() -> Fleet {
    Fleet::new("edge/gw")
}

fn some() -> Packed {
    let mut snapshot = Snapshot::default();
    let key = snapshot::ClusterKey::new("apps/echo:80");
    let cluster = std::sync::Arc::new(plain(&key));
    snapshot.clusters.insert(key, cluster);
    pack(&snapshot, None)
}

#[test]
fn every_byte_flipped_is_refused() {
    let good = encode(&fleet(), &some(), SAVED + Duration::from_secs(1_700_000_000));
    assert!(decode(&fleet(), &good).is_ok());
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert!(decode(&fleet(), &bad).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn every_length_but_the_right_one_is_refused() {
    let good = encode(&fleet(), &some(), SAVED);
    for length in 0..good.len() {
        assert!(decode(&fleet(), &good[..length]).is_err(), "{length} bytes");
    }
    assert!(decode(&fleet(), &[&good[..], b"\0"].concat()).is_err());
}

#[test]
fn each_reason_is_told_apart() {
    let good = encode(&fleet(), &some(), SAVED);
    let mut newer = good.clone();
    newer[19] += 1;
    assert!(matches!(decode(&fleet(), &newer), Err(Ignored::TooNew(2))));
    let theirs = encode(&Fleet::new("edge/other"), &some(), SAVED);
    let error = decode(&fleet(), &theirs).expect_err("of another fleet");
    assert!(matches!(error, Ignored::Unfit(Unfit::OtherFleet(..))));
    assert_eq!(error.reason(), "other_fleet");
    assert!(matches!(decode(&fleet(), b"binds: []"), Err(Ignored::NotOne)));
    let last = good.len() - 1;
    let damaged = [&good[..last], &[!good[last]]].concat();
    assert!(matches!(decode(&fleet(), &damaged), Err(Ignored::Damaged)));
}

#[test]
fn a_file_is_replaced_whole_and_only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    assert!(matches!(read(directory.path(), &fleet()), Err(Ignored::Absent)));
    write(directory.path(), &encode(&fleet(), &Packed::default(), SAVED)).expect("room");
    write(directory.path(), &encode(&fleet(), &some(), SAVED)).expect("room");
    assert_eq!(read(directory.path(), &fleet()).expect("it is good").packed, some());
    let files: Vec<_> = std::fs::read_dir(directory.path()).expect("a directory").collect();
    assert_eq!(files.len(), 1, "nothing is left beside it");
    let mode = std::fs::metadata(directory.path().join(FILE)).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_write_that_fails_leaves_the_old_file_as_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let old = encode(&fleet(), &some(), SAVED);
    write(directory.path(), &old).expect("room");
    std::fs::create_dir(directory.path().join("last-good.new")).expect("an obstacle");
    assert!(write(directory.path(), b"new").is_err());
    assert_eq!(std::fs::read(directory.path().join(FILE)).expect("the old one"), old);
}

#[test]
fn what_is_not_a_file_is_unreadable_and_what_is_too_long_is_not_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE);
    std::fs::create_dir(&path).expect("a directory in its place");
    assert!(matches!(read(directory.path(), &fleet()), Err(Ignored::Unreadable(_))));
    std::fs::remove_dir(&path).expect("it is empty");
    let file = std::fs::File::create(&path).expect("a file");
    file.set_len((64 << 20) + 61).expect("a hole takes no room");
    assert!(matches!(read(directory.path(), &fleet()), Err(Ignored::TooLarge)));
}
