//! The program's own log: where it goes and in which form. Access lines are not its business.

use std::io::{IsTerminal as _, stderr};
use std::panic;

use tracing::error;
use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;

/// Starts the log on stderr. The error is a filter that cannot be read.
pub(crate) fn start(format: LogFormat, level: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(level).map_err(|error| format!("--log-level: {error}"))?;
    let text = match format {
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
