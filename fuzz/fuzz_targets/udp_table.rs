//! Any bytes as what happens to a UDP flow table and its source ports: they stay what a plain
//! model says they are.
//!
//! The files are compiled in: their crate brings a cryptography library that takes minutes to
//! build.
#![no_main]
#![allow(dead_code, reason = "each file has more than is used here")]

#[path = "../../crates/dataplane/src/udp/order.rs"]
mod order;
#[path = "../../crates/dataplane/src/udp/ports.rs"]
mod ports;
#[path = "../../crates/dataplane/src/udp/table.rs"]
mod table;
#[path = "../../crates/dataplane/tests/udp_simulation/world.rs"]
mod world;

use libfuzzer_sys::fuzz_target;
use world::{Choices, World};

fuzz_target!(|bytes: &[u8]| World::new(Choices::Given(bytes)).live(usize::MAX));
