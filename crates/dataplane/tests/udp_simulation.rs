//! Random lives of a flow table with its source ports, each step compared with a plain model.
//!
//! 256 seeds of 3,000 steps run with the tests. A failure prints its seed;
//! `TIDEGATE_UDP_SEED=<seed>` runs that one alone, `TIDEGATE_UDP_SEEDS` and
//! `TIDEGATE_UDP_STEPS` run more.

#[path = "udp_simulation/world.rs"]
mod world;

use std::panic::{catch_unwind, resume_unwind};
use std::path::Path;

use dataplane::udp::{ports, table};
use world::{Choices, World};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_life_matches_the_model() {
    let steps = number("TIDEGATE_UDP_STEPS").unwrap_or(3_000);
    let seeds = match number("TIDEGATE_UDP_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TIDEGATE_UDP_SEEDS").unwrap_or(256),
    };
    for seed in seeds {
        let choices = Choices::Seeded(fastrand::Rng::with_seed(seed));
        if let Err(panic) = catch_unwind(|| World::new(choices).live(steps as usize)) {
            eprintln!("failed with TIDEGATE_UDP_SEED={seed} TIDEGATE_UDP_STEPS={steps}");
            resume_unwind(panic);
        }
    }
}

#[test]
fn what_the_fuzzer_kept_still_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/udp_table");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus is part of the repository") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        World::new(Choices::Given(&bytes)).live(usize::MAX);
        files += 1;
    }
    assert!(files > 0, "an empty corpus tests nothing");
}
