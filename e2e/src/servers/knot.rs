//! Knot DNS with one zone, over UDP and TCP.

use std::net::SocketAddr;

use tempfile::TempDir;

use crate::process::{accepts, folder_for_server, write_for_server};
use crate::{Process, Program, address};

/// Its zone; a text too long for a UDP answer of 512 bytes is added.
const ZONE: &str = "\
$ORIGIN harbour.example.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.53
www A 192.0.2.7
";

/// A running server.
#[derive(Debug)]
pub struct Knot {
    /// Where it listens, with both protocols.
    pub address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Knot {
    /// Starts it with zone `harbour.example`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let address = SocketAddr::new(address::fresh(), 5300);
        let folder = folder_for_server();
        let dir = folder.path().display();
        let long: String = (0..40).map(|n| format!("long TXT \"line {n:02} of many\"\n")).collect();
        write_for_server(&folder.path().join("harbour.zone"), &format!("{ZONE}{long}"));
        let configuration = format!(
            "server:\n  rundir: {dir}\n  listen: {}@{}\nlog:\n  - target: stderr\n    any: info\n\
             database:\n  storage: {dir}\nzone:\n  - domain: harbour.example\n    storage: {dir}\n\
             \x20   file: harbour.zone\n",
            address.ip(),
            address.port()
        );
        let file = folder.path().join("knot.conf");
        write_for_server(&file, &configuration);
        let process = Program::new("/usr/sbin/knotd").unprivileged().arg("-c").arg(&file).start();
        accepts(address);
        Self { address, _process: process, _folder: folder }
    }
}
