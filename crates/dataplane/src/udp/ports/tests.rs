//! The order of source ports, and the settings of the kernel they come from.

use std::collections::BTreeSet;

use super::*;

const A: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
const B: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 2);

fn ports(count: u16) -> Ports {
    Ports::new((1..=count).collect(), 7)
}

#[test]
fn the_port_free_for_longest_comes_first() {
    let (mut ports, now) = (ports(4), Instant::now());
    let first: Vec<_> = (0..4).map(|_| ports.take(now, A).unwrap().port).collect();
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 4);
    assert_eq!(ports.take(now, A), None);
    for index in [2, 0, 3, 1] {
        ports.give_back(now, A, first[index]);
    }
    for index in [2, 0, 3, 1] {
        assert_eq!(ports.take(now, A).unwrap().port, first[index]);
    }
}

#[test]
fn a_port_given_back_waits_for_those_never_used() {
    let (mut ports, now) = (ports(3), Instant::now());
    let first = ports.take(now, A).unwrap().port;
    ports.give_back(now, A, first);
    assert_ne!(ports.take(now, A).unwrap().port, first);
    assert_ne!(ports.take(now, A).unwrap().port, first);
    assert_eq!(ports.take(now, A).unwrap().port, first);
}

#[test]
fn a_port_serves_several_endpoints_and_says_so() {
    let (mut ports, now) = (ports(1), Instant::now());
    assert_eq!(ports.take(now, A), Some(Lease { port: 1, held: Held::No }));
    assert_eq!(ports.take(now, B), Some(Lease { port: 1, held: Held::Yes }));
    ports.give_back(now, A, 1);
    assert_eq!(ports.take(now, A), Some(Lease { port: 1, held: Held::Yes }));
    ports.give_back(now, A, 1);
    ports.give_back(now, B, 1);
    assert_eq!(ports.take(now, B), Some(Lease { port: 1, held: Held::No }));
}

#[test]
fn a_port_that_others_hold_is_tried_again_later() {
    let (mut ports, now) = (ports(3), Instant::now());
    let first: Vec<_> = (0..3).map(|_| ports.take(now, A).unwrap().port).collect();
    ports.set_aside(now, A, first[0]);
    ports.set_aside(now, A, first[1]);
    ports.give_back(now, A, first[2]);
    assert_eq!(ports.take(now, A), Some(Lease { port: first[2], held: Held::No }));
    assert_eq!(ports.take(now, A), None);
    let later = now + ASIDE;
    ports.give_back(later, A, first[2]);
    // One came back with the other; the last one when there was nothing else left.
    let order: Vec<_> = (0..3).map(|_| ports.take(later, A).unwrap().port).collect();
    assert_eq!(order, [first[2], first[0], first[1]]);
}

#[test]
fn no_ports_means_no_lease() {
    assert_eq!(Ports::new(Vec::new(), 1).take(Instant::now(), A), None);
}

#[test]
fn unused_endpoints_are_forgotten_and_used_ones_are_not() {
    let (mut ports, now) = (ports(8), Instant::now());
    let endpoint = |i: u16| SocketAddr::new(A.ip(), 1000 + i);
    let held = ports.take(now, A).unwrap().port;
    for i in 0..5_000 {
        let now = now + Duration::from_secs(u64::from(i));
        let port = ports.take(now, endpoint(i)).unwrap().port;
        ports.give_back(now, endpoint(i), port);
        // One is used in each second, so 120 s are remembered, and at most twice that is kept.
        assert!(ports.rings.len() <= 2 * 122, "{} rings at {i}", ports.rings.len());
    }
    let later = now + Duration::from_secs(9_999);
    let others: Vec<_> = (0..7).map(|_| ports.take(later, A).unwrap().port).collect();
    assert!(!others.contains(&held));
    assert_eq!(ports.take(later, A), None);
}

#[test]
fn endpoints_start_at_different_ports() {
    let (mut ports, now) = (ports(1000), Instant::now());
    let starts: BTreeSet<_> =
        (1..=20).map(|i| ports.take(now, SocketAddr::new(A.ip(), i)).unwrap().port).collect();
    assert!(starts.len() > 15, "{starts:?}");
}

#[test]
fn shares_cover_the_range_once_without_reserved_ports() {
    let reserved = [100..=109, 150..=150];
    let shares: Vec<_> = (0..3).map(|worker| share(100..=199, &reserved, worker, 3)).collect();
    let all: BTreeSet<_> = shares.iter().flatten().copied().collect();
    assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), all.len());
    assert_eq!(all.len(), 89);
    assert!(!all.contains(&105) && !all.contains(&150) && all.contains(&151));
    assert!(shares.iter().all(|share| (29..=30).contains(&share.len())));
}

#[test]
fn the_settings_of_the_kernel_are_read() {
    assert_eq!(parse_range("32768\t60999\n"), Some(32768..=60999));
    for text in ["", "1", "5 4", "0 9", "1 2 3", "a b", "1 70000"] {
        assert_eq!(parse_range(text), None, "{text:?}");
    }
    assert_eq!(parse_reserved("\n"), []);
    assert_eq!(parse_reserved("8080,9000-9010,x,1-\n"), [8080..=8080, 9000..=9010]);
}
