//! Who is admitted when descriptors run short.

use super::*;

fn fill(share: &Share) -> Vec<Permit> {
    std::iter::from_fn(|| share.admit(Cost::Connection)).collect()
}

#[test]
fn a_flood_leaves_every_other_listener_its_guarantee() {
    let budget = Budget::new(1000);
    let (flooded, calm) = (budget.share(0), budget.share(0));
    let flood = fill(&flooded);
    // Half of 1000 among two is 250 descriptors, of which 128 are enough for 64 connections.
    assert_eq!(flood.len(), (1000 - 128) / 2);
    assert_eq!(fill(&calm).len(), 64);
    assert_eq!(budget.used(), 1000 - 128, "what calm held was given back");
}

#[test]
fn a_small_budget_is_split_evenly_by_half() {
    let budget = Budget::new(100);
    let shares: Vec<_> = (0..5).map(|_| budget.share(0)).collect();
    let flood = fill(&shares[0]);
    assert_eq!(flood.len(), (100 - 4 * 10) / 2);
    assert!(shares[1..].iter().all(|share| fill(share).len() == 5));
}

#[test]
fn listening_sockets_are_taken_off_the_whole() {
    let budget = Budget::new(100);
    let one = budget.share(20);
    assert_eq!(budget.total(), 80);
    let held = fill(&one);
    assert_eq!(held.len(), 40);
    drop(budget.share(30));
    drop(one);
    assert_eq!(budget.total(), 100);
}

#[test]
fn what_is_given_back_can_be_taken_again() {
    let budget = Budget::new(10);
    let share = budget.share(0);
    for _ in 0..3 {
        let permits = fill(&share);
        assert_eq!(permits.len(), 5);
        assert!(!share.has_room(Cost::Flow));
        drop(permits);
        assert_eq!(budget.used(), 0);
    }
}

#[test]
fn flows_leave_descriptors_for_connections() {
    let budget = Budget::new(1000);
    let (flooded, calm) = (budget.share(0), budget.share(0));
    let mut flood = Vec::new();
    while let Some(flow) = flooded.admit(Cost::Flow) {
        flood.push(flow);
    }
    assert_eq!(flood.len(), 700);
    // Others have their guarantee all the same, for flows and for connections.
    let flows: Vec<_> = (0..40).filter_map(|_| calm.admit(Cost::Flow)).collect();
    assert_eq!(flows.len(), 40);
    assert_eq!(fill(&calm).len(), (300 - 40) / 2);
    drop((flood, flows));
    assert_eq!(budget.lock().flows, 0);
}

#[test]
fn connections_outlive_their_listener_without_its_guarantee() {
    let budget = Budget::new(100);
    let gone = budget.share(0);
    let held: Vec<_> = (0..10).filter_map(|_| gone.admit(Cost::Connection)).collect();
    drop(gone);
    let share = budget.share(0);
    assert_eq!(fill(&share).len(), 40);
    drop(held);
    assert_eq!(budget.used(), 0);
    assert_eq!(budget.lock().shares.len(), 1);
}

#[test]
fn scarce_memory_ends_new_flows_before_anything_else() {
    let budget = Budget::new(100);
    let share = budget.share(0);
    assert!(share.admit(Cost::Flow).is_some());
    assert_eq!(budget.shed(Shedding::Flows), Shedding::Nothing);
    assert!(share.admit(Cost::Flow).is_none() && share.admit(Cost::Connection).is_some());
    assert_eq!(budget.shed(Shedding::Nothing), Shedding::Flows);
    assert!(share.admit(Cost::Flow).is_some());
}

#[test]
fn counts_stay_exact_over_any_order_of_events() {
    for seed in 0..64 {
        let mut random = fastrand::Rng::with_seed(seed);
        let budget = Budget::new(random.u64(1..400));
        let (mut shares, mut permits) = (vec![budget.share(0)], Vec::new());
        for _ in 0..500 {
            match random.u8(..8) {
                0 => shares.push(budget.share(0)),
                1 if shares.len() > 1 => drop(shares.swap_remove(random.usize(..shares.len()))),
                2..5 if !permits.is_empty() => {
                    drop::<Permit>(permits.swap_remove(random.usize(..permits.len())));
                }
                _ => {
                    let cost = if random.bool() { Cost::Connection } else { Cost::Flow };
                    permits.extend(shares[random.usize(..shares.len())].admit(cost));
                }
            }
            let held: u64 = permits.iter().map(|permit| permit.cost.descriptors()).sum();
            let mut state = budget.lock();
            assert_eq!(state.used, held);
            assert!(held <= state.total);
            let beyond = state.beyond;
            state.recount();
            assert_eq!(state.beyond, beyond, "seed {seed}");
        }
        drop((shares, permits));
        let state = budget.lock();
        assert_eq!((state.used, state.beyond, state.shares.len()), (0, 0, 0));
    }
}
