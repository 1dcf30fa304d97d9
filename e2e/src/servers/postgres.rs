//! PostgreSQL with TLS. It refuses connections without.

use std::net::SocketAddr;

use tempfile::TempDir;

use super::{DEADLINE, versioned};
use crate::process::{accepts, folder_for_server, output, write_for_server};
use crate::{Identity, Process, Program, address};

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Postgres {
    /// Starts an empty database cluster that shows this certificate.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(identity: &Identity) -> Self {
        let address = SocketAddr::new(address::fresh(), 5432);
        let folder = folder_for_server();
        let data = folder.path().join("data");
        let program = |name| Program::new(versioned("/usr/lib/postgresql", name)).unprivileged();

        let initdb = program("initdb").arg("-D").arg(&data);
        let initdb = initdb.args(["-U", "postgres", "--auth=trust", "--no-sync", "--no-locale"]);
        output(&initdb, DEADLINE);
        write_for_server(&data.join("pg_hba.conf"), "hostssl all all 127.0.0.0/8 trust\n");
        write_for_server(&folder.path().join("server.crt"), &identity.certificate);
        write_for_server(&folder.path().join("server.key"), &identity.key);

        let setting = |name: &str, value: &str| ["-c".to_owned(), format!("{name}={value}")];
        let file = |name: &str| folder.path().join(name).display().to_string();
        let process = program("postgres")
            .arg("-D")
            .arg(&data)
            .args(setting("listen_addresses", &address.ip().to_string()))
            .args(setting("port", &address.port().to_string()))
            .args(setting("unix_socket_directories", ""))
            .args(setting("fsync", "off"))
            .args(setting("ssl", "on"))
            .args(setting("ssl_cert_file", &file("server.crt")))
            .args(setting("ssl_key_file", &file("server.key")))
            .start();
        accepts(address);
        Self { address, _process: process, _folder: folder }
    }
}
