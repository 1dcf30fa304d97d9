//! Measures of the real program, printed and held against their targets. They need a quiet machine
//! and a release build, so they are no tests: `make bench`.

#![allow(clippy::print_stdout, clippy::print_stderr)] // printing is what this program is for

mod memory;

use std::process::ExitCode;

use clap::Parser;

/// Measure the gateway
#[derive(Debug, Parser)]
enum Bench {
    /// User memory per idle TCP connection and per idle UDP flow
    ///
    /// Starts `tidegate` from the folder that TIDEGATE_BIN_DIR names, or from its own.
    Memory {
        /// How many connections, and then flows, are held
        #[arg(long, default_value_t = 3_000)]
        held: u64,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let Bench::Memory { held } = Bench::parse();
    if memory::measure(held).await { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
