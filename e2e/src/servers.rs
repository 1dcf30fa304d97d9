//! Real servers from Debian's packages, each an instance of its own: private data, a loopback
//! address of its own, an unprivileged user, ended with its guard.

pub mod iperf;
pub mod knot;
pub mod mariadb;
pub mod nginx;
pub mod postgres;
pub mod redis;

use std::path::PathBuf;
use std::time::Duration;

/// How long a server may take to start, or a client to finish, on a machine that is busy.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The newest program of this name among Debian's versioned folders.
fn versioned(folder: &str, program: &str) -> PathBuf {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path().join("bin").join(program))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| panic!("no {program} below {folder}: make packages"))
}
