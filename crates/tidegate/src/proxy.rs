//! `tidegate proxy`: the data plane of one Gateway, fed by the controller's stream.
//!
//! Threads of its own beside the workers: the main one supervises the data plane and waits for
//! signals, `stream` follows the controller, `admin` and `health` answer.

mod metrics;
mod start;
mod subject;

use tracing::error;

use crate::cli::{ProxyArgs, complain};
use crate::exit::Exit;
use crate::telemetry;

/// Does what `proxy` was told.
pub(crate) fn run(args: &ProxyArgs) -> Exit {
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
