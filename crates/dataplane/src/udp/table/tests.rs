//! Tables of the flow table: each rule by itself.

use super::*;

const IDLE: Duration = Duration::from_secs(60);

fn key(client: u16) -> FlowKey {
    FlowKey {
        client: SocketAddr::from(([192, 0, 2, 1], client)),
        local: IpAddr::from([198, 51, 100, 1]),
    }
}

fn table(cap: usize) -> (Table<u16>, Instant) {
    let now = Instant::now();
    (Table::new(now, 1, cap, IDLE), now)
}

/// Opens a flow and makes it assured.
fn assured(table: &mut Table<u16>, now: Instant, client: u16) -> FlowId {
    let id = table.open(now, key(client), client).unwrap();
    table.backend_sent(now, id).unwrap();
    assert_eq!(table.client_sent(now, &key(client)), Some(id));
    assert_eq!(table.class(id), Some(Class::Assured));
    id
}

#[test]
fn a_flow_is_found_by_client_and_local_address() {
    let (mut table, now) = table(10);
    let id = table.open(now, key(1), 1).unwrap();
    assert_eq!(table.client_sent(now, &key(1)), Some(id));
    assert_eq!(table.client_sent(now, &key(2)), None);
    let other_local = FlowKey { local: IpAddr::from([198, 51, 100, 2]), ..key(1) };
    assert_eq!(table.client_sent(now, &other_local), None);
    assert_eq!(table.get(id), Some((&key(1), &1)));
    assert_eq!(table.open(now, key(1), 9), Err(9));
}

#[test]
fn link_local_clients_of_two_interfaces_are_two() {
    let (mut table, now) = table(10);
    let client = |scope: u16| FlowKey {
        client: format!("[fe80::1%{scope}]:5").parse().unwrap(),
        local: "fe80::2".parse().unwrap(),
    };
    table.open(now, client(2), 0).unwrap();
    assert_eq!(table.client_sent(now, &client(3)), None);
}

#[test]
fn only_a_datagram_after_an_answer_assures_a_flow() {
    let (mut table, now) = table(10);
    let id = table.open(now, key(1), 1).unwrap();
    table.client_sent(now, &key(1));
    assert_eq!(table.class(id), Some(Class::New));
    table.backend_sent(now, id);
    table.backend_sent(now, id);
    assert_eq!((table.class(id), table.new_len()), (Some(Class::New), 1));
    table.client_sent(now, &key(1));
    assert_eq!((table.class(id), table.new_len()), (Some(Class::Assured), 0));
}

#[test]
fn new_flows_fill_half_the_table_and_push_out_the_oldest() {
    let (mut table, now) = table(4);
    for client in [1, 2] {
        assert_eq!(table.make_room(), Room::Free);
        table.open(now, key(client), client).unwrap();
    }
    // Activity does not make a new flow younger.
    table.client_sent(now, &key(1));
    assert_eq!(table.open(now, key(3), 3), Err(3));
    assert_eq!(table.make_room(), Room::Evicted(key(1), 1));
    table.open(now, key(3), 3).unwrap();
    assert_eq!((table.len(), table.new_len()), (2, 2));
}

#[test]
fn assured_flows_stay_when_new_ones_flood_in() {
    let (mut table, now) = table(4);
    for client in 1..=3 {
        assured(&mut table, now, client);
    }
    table.open(now, key(4), 4).unwrap();
    assert_eq!(table.make_room(), Room::Evicted(key(4), 4));
    assured(&mut table, now, 5);
    assert_eq!(table.make_room(), Room::Full);
    assert_eq!(table.open(now, key(6), 6), Err(6));
    for client in [1, 2, 3, 5] {
        assert!(table.client_sent(now, &key(client)).is_some());
    }
}

#[test]
fn the_smallest_tables_work() {
    let (mut none, now) = table(0);
    assert_eq!(none.make_room(), Room::Full);
    assert_eq!(none.open(now, key(1), 1), Err(1));
    let (mut one, now) = table(1);
    one.open(now, key(1), 1).unwrap();
    assert_eq!(one.make_room(), Room::Evicted(key(1), 1));
    assured(&mut one, now, 2);
    assert_eq!(one.make_room(), Room::Full);
}

#[test]
fn a_flow_ends_after_its_idle_time_counted_from_either_side() {
    let (mut table, now) = table(10);
    let at = |seconds| now + Duration::from_secs(seconds);
    let first = table.open(now, key(1), 1).unwrap();
    table.open(now, key(2), 2).unwrap();
    table.open(now, key(3), 3).unwrap();
    table.backend_sent(at(10), first);
    table.client_sent(at(20), &key(2));
    assert_eq!(table.next_deadline(), Some(at(60)));
    assert_eq!(table.expire(at(59)), None);
    assert_eq!(table.expire(at(60)), Some((key(3), 3)));
    assert_eq!(table.expire(at(69)), None);
    assert_eq!(table.expire(at(1000)), Some((key(1), 1)));
    assert_eq!(table.expire(at(1000)), Some((key(2), 2)));
    assert_eq!((table.expire(at(1000)), table.next_deadline()), (None, None));
}

#[test]
fn a_changed_idle_time_holds_for_flows_there_are() {
    let (mut table, now) = table(10);
    table.open(now, key(1), 1).unwrap();
    table.set_idle(Duration::from_secs(5));
    assert_eq!(table.next_deadline(), Some(now + Duration::from_secs(5)));
    assert!(table.expire(now + Duration::from_secs(5)).is_some());
}

#[test]
fn a_clock_that_falls_back_keeps_deadlines_in_order() {
    let (mut table, now) = table(10);
    let later = now + Duration::from_secs(10);
    table.open(later, key(1), 1).unwrap();
    table.open(now, key(2), 2).unwrap();
    assert_eq!(table.next_deadline(), Some(later + IDLE));
    assert_eq!(table.expire(now + IDLE), None);
    assert!(table.expire(later + IDLE).is_some());
    assert!(table.expire(later + IDLE).is_some());
}

#[test]
fn what_is_kept_of_an_ended_flow_finds_nothing() {
    let (mut table, now) = table(10);
    let id = table.open(now, key(1), 1).unwrap();
    assert_eq!(FlowId::from_bits(id.to_bits()), id);
    assert_eq!(table.remove(id), Some((key(1), 1)));
    let next = table.open(now, key(2), 2).unwrap();
    assert_eq!(next.place, id.place);
    assert_eq!(table.remove(id), None);
    assert_eq!((table.get(id), table.class(id)), (None, None));
    assert!(table.backend_sent(now, id).is_none());
    assert_eq!(table.get(next), Some((&key(2), &2)));
}

#[test]
fn a_lowered_cap_ends_new_flows_and_no_assured_one() {
    let (mut table, now) = table(10);
    for client in 1..=3 {
        assured(&mut table, now, client);
    }
    for client in 4..=7 {
        table.open(now, key(client), client).unwrap();
    }
    table.set_cap(2);
    assert_eq!(table.make_room(), Room::Full);
    let evicted: Vec<_> = std::iter::from_fn(|| table.evict_excess()).map(|(_, f)| f).collect();
    assert_eq!(evicted, [4, 5, 6, 7]);
    assert_eq!((table.len(), table.make_room()), (3, Room::Full));
}

#[test]
fn flows_are_removed_by_what_they_hold() {
    let (mut table, now) = table(20);
    for client in 1..=6 {
        table.open(now, key(client), client).unwrap();
    }
    let removed = table.remove_where(|_, client| client % 2 == 0);
    assert_eq!(removed.into_iter().map(|(_, client)| client).collect::<Vec<_>>(), [2, 4, 6]);
    assert_eq!((table.len(), table.new_len()), (3, 3));
    assert!(table.client_sent(now, &key(2)).is_none());
    assert!(table.client_sent(now, &key(3)).is_some());
}

#[test]
fn an_empty_table_gives_its_memory_back() {
    let (mut table, now) = table(100_000);
    for client in 0..40_000 {
        table.open(now, key(client), client).unwrap();
    }
    while table.expire(now + IDLE).is_some() {}
    assert!(table.is_empty());
    assert_eq!(table.flows.capacity(), 0);
    assert_eq!(table.index.capacity(), 0);
    table.open(now, key(1), 1).unwrap();
}

#[test]
fn a_flow_costs_the_table_little() {
    assert!(size_of::<Flow<Box<u64>>>() <= 104, "{}", size_of::<Flow<Box<u64>>>());
}

/// Addresses that differ in few, chosen bits cost about what random ones do: the length of the
/// longest run of equal hash bits that the map sees stays that of chance.
#[test]
fn structured_addresses_spread_like_random_ones() {
    const KEYS: usize = 20_000;
    const BUCKETS: usize = 32_768;
    let structured: Vec<_> = (0..KEYS as u32)
        .map(|i| FlowKey {
            client: SocketAddr::from(((i << 12).to_be_bytes(), 1024)),
            local: IpAddr::from([198, 51, 100, 1]),
        })
        .collect();
    let fullest = |keys: &[FlowKey], seed| {
        let hasher = SeedableRandomState::with_seed(seed, SharedSeed::global_random());
        let mut buckets = vec![0u32; BUCKETS];
        for key in keys {
            buckets[hasher.hash_one(key) as usize % BUCKETS] += 1;
        }
        buckets.into_iter().map(|n| u64::from(n * n)).sum::<u64>()
    };
    let mut rng = fastrand::Rng::with_seed(3);
    for seed in 0..50 {
        let random: Vec<_> = (0..KEYS)
            .map(|_| FlowKey {
                client: SocketAddr::from((rng.u32(..).to_be_bytes(), rng.u16(..))),
                local: IpAddr::from([198, 51, 100, 1]),
            })
            .collect();
        let (ours, chance) = (fullest(&structured, seed), fullest(&random, seed));
        assert!(ours * 2 < chance * 3, "seed {seed}: {ours} against {chance}");
    }
}
