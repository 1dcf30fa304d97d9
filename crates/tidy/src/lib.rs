//! Rules of the repository that no compiler checks, as tests.
//!
//! This crate is not part of Tidegate. Its library finds the files and the resolved crates; what
//! is demanded of them stands in `tests/`, one file per subject. It knows nothing of gateways but
//! the names that documents have to explain.

pub mod config;
pub mod crates;
pub mod licence;
pub mod tree;
