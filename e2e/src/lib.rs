//! What the scenarios in `tests/` are made of: the real `tidegate` program on a folder of
//! manifests, real servers from Debian's packages, own peers for load, and readers of what the
//! gateway says of itself. Black box: nothing here is linked with Tidegate's crates.
//!
//! Reading order: [`process`] → [`gateway`] → [`manifests`] → [`certificates`] → [`metrics`] →
//! [`access_log`] → [`peers`] → [`servers`].
//!
//! Every instance gets a loopback address of its own ([`address::fresh`]), so that no two tests
//! ever want the same port, and everything that is started ends with its guard.

pub mod access_log;
pub mod address;
pub mod certificates;
pub mod cluster;
pub mod gateway;
pub mod hold;
pub mod loadbalancer;
pub mod manifests;
pub mod metrics;
pub mod peers;
pub mod process;
pub mod servers;
pub mod wait;

pub use access_log::AccessLine;
pub use certificates::{Authority, Identity};
pub use gateway::{Gateway, Launch};
pub use process::{Process, Program, output};
pub use wait::{eventually, eventually_some};

/// Prints what a scenario has measured, also when it passes: the test harness only holds back what
/// is printed with `println!`.
pub fn report(figures: &str) {
    use std::io::Write;
    let _lost = writeln!(std::io::stdout(), "    {figures}");
}
