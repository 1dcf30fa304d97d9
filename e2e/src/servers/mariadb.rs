//! MariaDB: a protocol whose server speaks first.

use std::net::SocketAddr;

use tempfile::TempDir;

use super::DEADLINE;
use crate::process::{accepts, folder_for_server, output, write_for_server};
use crate::{Process, Program, address};

/// The user that may connect from anywhere, and its password.
pub const USER: &str = "tide";
/// See [`USER`].
pub const PASSWORD: &str = "high-water";

/// A running server.
#[derive(Debug)]
pub struct MariaDb {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl MariaDb {
    /// Starts an empty server.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let address = SocketAddr::new(address::fresh(), 3306);
        let folder = folder_for_server();
        let file = |name: &str| folder.path().join(name).display().to_string();

        let install = Program::new("mariadb-install-db").unprivileged().args([
            "--no-defaults".to_owned(),
            format!("--datadir={}", file("data")),
            "--skip-test-db".to_owned(),
            "--auth-root-authentication-method=normal".to_owned(),
        ]);
        output(&install, DEADLINE);
        let statements = format!(
            "CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n\
             GRANT ALL ON *.* TO '{USER}'@'%';\nCREATE DATABASE harbour;\n"
        );
        write_for_server(&folder.path().join("init.sql"), &statements);

        let process = Program::new("/usr/sbin/mariadbd")
            .unprivileged()
            .args([
                "--no-defaults".to_owned(),
                format!("--datadir={}", file("data")),
                format!("--bind-address={}", address.ip()),
                format!("--port={}", address.port()),
                format!("--socket={}", file("socket")),
                format!("--pid-file={}", file("pid")),
                format!("--init-file={}", file("init.sql")),
                "--skip-name-resolve".to_owned(),
                "--innodb-flush-log-at-trx-commit=0".to_owned(),
            ])
            .start();
        accepts(address);
        Self { address, _process: process, _folder: folder }
    }
}
