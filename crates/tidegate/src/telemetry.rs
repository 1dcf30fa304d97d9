//! The program's own log: where it goes and in which form. Access lines are not its business.

use std::error::Error;
use std::io::{IsTerminal as _, stderr};
use std::panic;

use tracing::error;
use tracing_subscriber::EnvFilter;

use crate::cli::{LogArgs, LogFormat, complain};
use crate::exit::Exit;

/// Runs a command with the log on stderr, and says there why it failed if it does.
pub(crate) fn with_log<E: Error>(
    args: &LogArgs,
    command: impl FnOnce() -> Result<Exit, E>,
) -> Exit {
    if let Err(problem) = start(args) {
        complain(&problem);
        return Exit::Usage;
    }
    command().unwrap_or_else(|failure| {
        let cause = failure.source().map(ToString::to_string);
        error!(cause, "{failure}");
        Exit::Failed
    })
}

/// Starts the log. The error is a filter that cannot be read.
fn start(args: &LogArgs) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(&args.level).map_err(|error| format!("--log-level: {error}"))?;
    let text = match args.format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if text {
        log.with_target(false).with_ansi(colours()).init();
    } else {
        log.json().flatten_event(true).init();
    }
    // The default hook writes free text among JSON lines.
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        error!(location, "defect: {}", panic.payload_as_str().unwrap_or("unknown"));
    }));
    Ok(())
}

fn colours() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
