//! Redis with TLS.

use std::net::SocketAddr;

use tempfile::TempDir;

use crate::process::{accepts, folder_for_server, write_for_server};
use crate::{Identity, Process, Program, address};

/// A running server.
#[derive(Debug)]
pub struct Redis {
    /// Where it listens for TLS.
    pub address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Redis {
    /// Starts an empty server that shows this certificate.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(identity: &Identity) -> Self {
        let address = SocketAddr::new(address::fresh(), 6379);
        let folder = folder_for_server();
        let file = |name: &str| folder.path().join(name);
        write_for_server(&file("server.crt"), &identity.certificate);
        write_for_server(&file("server.key"), &identity.key);
        let process = Program::new("redis-server")
            .unprivileged()
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .args(["--tls-auth-clients", "no", "--tls-port"])
            .arg(address.port().to_string())
            .arg("--bind")
            .arg(address.ip().to_string())
            .arg("--dir")
            .arg(folder.path())
            .arg("--tls-cert-file")
            .arg(file("server.crt"))
            .arg("--tls-key-file")
            .arg(file("server.key"))
            .arg("--tls-ca-cert-file")
            .arg(file("server.crt"))
            .start();
        accepts(address);
        Self { address, _process: process, _folder: folder }
    }
}
