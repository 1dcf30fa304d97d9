//! nginx with one server over TLS and one in the clear; each answers with who it is.

use std::net::SocketAddr;

use tempfile::TempDir;

use crate::process::{accepts, folder_for_server, write_for_server};
use crate::{Identity, Process, Program, address};

/// A running server.
#[derive(Debug)]
pub struct Nginx {
    /// Where it speaks TLS; answers `encrypted`.
    pub tls: SocketAddr,
    /// Where it does not; answers `plain`.
    pub plain: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Nginx {
    /// Starts one that shows this certificate.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(identity: &Identity) -> Self {
        let address = address::fresh();
        let tls = SocketAddr::new(address, 8443);
        let plain = SocketAddr::new(address, 8080);
        let folder = folder_for_server();
        let dir = folder.path().display();
        write_for_server(&folder.path().join("server.crt"), &identity.certificate);
        write_for_server(&folder.path().join("server.key"), &identity.key);
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("  {kind}_temp_path {dir}/{kind};\n"))
            .collect();
        let configuration = format!(
            "daemon off;\npid {dir}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n\
             \x20 access_log off;\n{temporary}\
             \x20 server {{\n    listen {tls} ssl;\n    ssl_certificate {dir}/server.crt;\n\
             \x20   ssl_certificate_key {dir}/server.key;\n\
             \x20   location / {{ return 200 \"encrypted $ssl_server_name\\n\"; }}\n  }}\n\
             \x20 server {{\n    listen {plain};\n\
             \x20   location / {{ return 200 \"plain $host\\n\"; }}\n  }}\n}}\n"
        );
        let file = folder.path().join("nginx.conf");
        write_for_server(&file, &configuration);
        let process = Program::new("/usr/sbin/nginx")
            .unprivileged()
            .args(["-e", "stderr", "-p"])
            .arg(folder.path())
            .arg("-c")
            .arg(&file)
            .start();
        accepts(plain);
        accepts(tls);
        Self { tls, plain, _process: process, _folder: folder }
    }
}
