//! `tidegate run`: wires the control plane and the data plane together, and ends them in order.
//!
//! Three threads of its own beside the workers: the main one supervises the data plane and waits
//! for signals, `control` reads files and translates, `admin` answers. So a large translation
//! delays no socket, and a slow client of the admin endpoint delays nobody.

mod start;
mod subject;

use crate::cli::{RunArgs, complain, print};
use crate::exit::Exit;
use crate::listen::manifest;
use crate::telemetry;

/// Does what `run` was told.
pub(crate) fn run(args: &RunArgs) -> Exit {
    // The manifests of --listen have a class of their own beside a folder that may have ours.
    let class = if args.config.is_empty() { gwapi::DEFAULT_CLASS } else { "tidegate-listen" };
    let listen = match manifest::write(&args.listen, class) {
        Ok(text) => (!args.listen.is_empty()).then_some(text),
        Err(problem) => {
            complain(&problem);
            return Exit::Usage;
        }
    };
    if args.print {
        print(&listen.unwrap_or_default());
        return Exit::Ok;
    }
    telemetry::with_log(&args.log, || start::start(args, listen))
}
