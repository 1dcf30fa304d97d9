//! The iperf3 server.

use std::net::SocketAddr;

use crate::process::accepts;
use crate::{Process, Program, address};

/// A running server.
#[derive(Debug)]
pub struct Iperf {
    /// Where it listens, with both protocols.
    pub address: SocketAddr,
    _process: Process,
}

impl Iperf {
    /// Starts it.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let address = SocketAddr::new(address::fresh(), 5201);
        let process = Program::new("iperf3")
            .unprivileged()
            .args(["--server", "--forceflush", "--bind"])
            .arg(address.ip().to_string())
            .arg("--port")
            .arg(address.port().to_string())
            .start();
        accepts(address);
        Self { address, _process: process }
    }
}
