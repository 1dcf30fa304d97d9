//! What `run` and `proxy`, the commands that serve traffic, have in common.

use std::io::{self, IsTerminal as _};
use std::num::NonZeroUsize;

use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::cli::AccessLog;

/// What the data plane is started with.
pub(crate) fn dataplane_config(workers: Option<u16>, access_log: AccessLog) -> dataplane::Config {
    let stdout = io::stdout();
    let format = match access_log {
        AccessLog::Auto if stdout.is_terminal() => dataplane::Format::Text,
        AccessLog::Auto | AccessLog::Json => dataplane::Format::Json,
        AccessLog::Text => dataplane::Format::Text,
        AccessLog::Off => dataplane::Format::Off,
    };
    dataplane::Config {
        workers: workers.and_then(|workers| NonZeroUsize::new(workers.into())),
        access_log: dataplane::AccessLog { format, writer: Box::new(stdout) },
    }
}

/// Registers `tidegate_build_info`.
pub(crate) fn register_build(registry: &mut Registry, role: &'static str) {
    let build = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("revision", option_env!("TIDEGATE_REVISION").unwrap_or("unknown")),
        ("role", role),
    ];
    registry.register("tidegate_build", "What is running", Info::new(build.to_vec()));
}
