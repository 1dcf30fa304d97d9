//! The whole source against an API server in memory, with time that only tests let pass.

mod api;
mod faults;
mod harness;
mod honest;
mod oddities;
mod random;
