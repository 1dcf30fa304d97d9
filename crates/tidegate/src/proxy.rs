//! `tidegate proxy`: the data plane of one Gateway, fed by the controller's stream.
//!
//! Threads of its own beside the workers: the main one supervises the data plane and waits for
//! signals, `stream` follows the controller, `admin` and `health` answer.

mod metrics;
mod start;
mod subject;

use crate::cli::ProxyArgs;
use crate::exit::Exit;
use crate::telemetry;

/// Does what `proxy` was told.
pub(crate) fn run(args: &ProxyArgs) -> Exit {
    telemetry::with_log(&args.log, || start::start(args))
}
