//! `tidegate controller`: reads the cluster, writes statuses, makes proxies and tells them what to
//! serve. Wires the rooms of `controlplane` and the stream together; decides nothing.
//!
//! Threads of its own: `control` translates and writes, `stream` serves proxies, `lease` keeps the
//! lease (nothing may delay a renewal), `admin` and `health` answer; the main one waits for
//! signals.

mod answers;
mod door;
mod start;
mod subject;

use tracing::error;

use crate::cli::{ControllerArgs, complain};
use crate::exit::Exit;
use crate::telemetry;

/// Does what `controller` was told.
pub(crate) fn run(args: &ControllerArgs) -> Exit {
    if let Err(problem) = telemetry::start(args.log_format, &args.log_level) {
        complain(&problem);
        return Exit::Usage;
    }
    start::start(args).unwrap_or_else(|failure| {
        let cause = std::error::Error::source(&failure).map(ToString::to_string);
        error!(cause, "{failure}");
        Exit::Failed
    })
}
