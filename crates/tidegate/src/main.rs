//! The `tidegate` program: reads the command line and hands over to the command.

mod admin;
mod check;
mod cli;
mod exit;
mod listen;
mod run;
mod telemetry;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    forbid_core_dumps();
    cli::Cli::parse_arguments().run().into()
}

/// A core file would hold every private key in memory.
fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Lowering a limit is always allowed.
    let _ = setrlimit(Resource::Core, none);
}
