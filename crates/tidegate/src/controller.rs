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

use crate::cli::ControllerArgs;
use crate::exit::Exit;
use crate::telemetry;

/// Does what `controller` was told.
pub(crate) fn run(args: &ControllerArgs) -> Exit {
    telemetry::with_log(&args.log, || start::start(args))
}
