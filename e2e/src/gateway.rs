//! The real `tidegate run` on a folder of manifests.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::manifests::Folder;
use crate::metrics::Metrics;
use crate::process::{Process, Program, raise_descriptor_limit};
use crate::wait::{eventually, eventually_some};
use crate::{AccessLine, address};

/// How long the gateway may take for anything that has no figure of its own.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// How to start a gateway.
#[derive(Debug)]
pub struct Launch {
    /// Its manifests.
    pub folder: Folder,
    /// Its limit of open files.
    pub nofile: Option<u32>,
    /// Further arguments of `tidegate run`.
    pub arguments: Vec<OsString>,
    /// Whether it writes access lines, and [`Gateway::finish`] reads them: by the hundred thousand
    /// they take longer than what they tell of.
    pub access_lines: bool,
}

impl Launch {
    /// On one file of manifests.
    pub fn new(manifests: &str) -> Self {
        let folder = Folder::default();
        folder.write("gateway.yaml", manifests);
        Self { folder, nofile: None, arguments: Vec::new(), access_lines: true }
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it is not ready in time.
    pub fn start(self) -> Gateway {
        raise_descriptor_limit();
        let address = address::fresh();
        let admin = SocketAddr::new(address, 19000);
        let mut program = Program::new(binary("tidegate"))
            .arg("run")
            .arg("--config")
            .arg(self.folder.path())
            .args(["--address".to_owned(), address.to_string()])
            .args(["--admin".to_owned(), admin.to_string()])
            // Flows whose clients have gone would be waited for until their idle timeout.
            .args(["--drain-timeout", "1s"])
            .args(["--access-log", if self.access_lines { "json" } else { "off" }])
            .args(self.arguments);
        if let Some(most) = self.nofile {
            program = program.nofile(most);
        }
        let process = program.start();
        let (folder, has_lines) = (self.folder, self.access_lines);
        let mut gateway = Gateway { address, admin, process, folder, has_lines };
        gateway.process.until(DEADLINE, || get(admin, "/readyz").is_ok_and(|it| it.0 == 200));
        gateway
    }
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// Where its listeners are.
    pub address: IpAddr,
    /// Where its admin endpoint is.
    pub admin: SocketAddr,
    /// Its process; before the folder, so that it ends before what it follows is gone.
    pub process: Process,
    /// Its manifests.
    pub folder: Folder,
    has_lines: bool,
}

impl Gateway {
    /// Starts one with defaults.
    ///
    /// # Panics
    /// When it is not ready in time.
    pub fn start(manifests: &str) -> Self {
        Launch::new(manifests).start()
    }

    /// A port of it.
    pub fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }

    /// Asks its admin endpoint; `Err` says what went wrong on the way.
    pub fn get(&self, path: &str) -> std::io::Result<(u16, String)> {
        get(self.admin, path)
    }

    /// Reads its metrics.
    ///
    /// # Panics
    /// When they are not there.
    pub fn metrics(&self) -> Metrics {
        let (code, text) = self.get("/metrics").expect("the admin endpoint answers");
        assert_eq!(code, 200, "{text}");
        Metrics::parse(&text)
    }

    /// Reads `/status`.
    ///
    /// # Panics
    /// When it is not there.
    pub fn status(&self) -> Value {
        let (code, text) = self.get("/status").expect("the admin endpoint answers");
        assert_eq!(code, 200, "{text}");
        serde_json::from_str(&text).expect("/status is JSON")
    }

    /// Waits until a metric, summed over the labels not named, has a value.
    ///
    /// # Panics
    /// When it does not in time; with the value it has.
    pub fn until_metric(&self, name: &str, labels: &[(&str, &str)], holds: impl Fn(f64) -> bool) {
        let mut last = f64::NAN;
        let what = format!("{name}{labels:?}");
        let begun = std::time::Instant::now();
        while begun.elapsed() < DEADLINE {
            last = self.metrics().sum(name, labels);
            if holds(last) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{what} is {last} after {DEADLINE:?}");
    }

    /// Waits for an access line that `fits`.
    ///
    /// # Panics
    /// When none comes in time.
    pub fn access_line(&self, fits: impl Fn(&AccessLine) -> bool) -> AccessLine {
        eventually_some("an access line that fits", DEADLINE, || {
            self.process.log.find(0, |line| AccessLine::parse(line).filter(&fits))
        })
    }

    /// Every access line so far.
    pub fn access_lines(&self) -> Vec<AccessLine> {
        let mut lines = Vec::new();
        let _all: Option<()> = self.process.log.find(0, |line| {
            lines.extend(AccessLine::parse(line));
            None
        });
        lines
    }

    /// Ends it once no connection is open, and checks what holds at every end: each accepted
    /// connection was either refused or opened, each opened one has closed, every access line keeps
    /// the schema, and no log line shows a private key.
    ///
    /// # Panics
    /// When one of these does not hold.
    pub fn finish(mut self) -> Vec<AccessLine> {
        eventually("every connection is accounted for", DEADLINE, || {
            let metrics = self.metrics();
            let sum = |name| metrics.sum(name, &[]);
            let accepted = sum("tidegate_connections_accepted_total");
            let refused = sum("tidegate_connections_refused_total");
            let opened = sum("tidegate_connections_opened_total");
            let closed = sum("tidegate_connections_closed_total");
            accepted == refused + opened && opened == closed
        });
        let metrics = self.metrics();
        let opened = metrics.sum("tidegate_connections_opened_total", &[]);
        let flows = metrics.sum("tidegate_udp_flows_active", &[]);
        self.process.signal(Signal::TERM);
        let status = self.process.wait(DEADLINE).and_then(|status| status.code());
        let text = self.process.log.text();
        // 3: something was open when the drain time was over.
        assert!(status == Some(0) || (status == Some(3) && flows > 0.0), "{status:?}\n{text}");
        assert!(!text.contains("PRIVATE KEY"), "a key is in the log");
        let lines = self.access_lines();
        let connections = lines.iter().filter(|it| it.text("message") == Some("connection closed"));
        let written = connections.count() as f64;
        assert!(!self.has_lines || written == opened, "{written} access lines for {opened}");
        lines
    }
}

/// One of the programs of this workspace: `TIDEGATE_BIN_DIR`, or where cargo puts them.
///
/// # Panics
/// When it was not built.
pub fn binary(name: &str) -> PathBuf {
    let folder = std::env::var_os("TIDEGATE_BIN_DIR").map_or_else(built, PathBuf::from);
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing: cargo build --workspace --bins", path.display());
    path
}

/// `target/debug` for `target/debug/deps/this-test`.
fn built() -> PathBuf {
    let this = std::env::current_exe().expect("a running program has a path");
    let folder = this.ancestors().skip(1).find(|folder| !folder.ends_with("deps"));
    folder.expect("a program is in a folder").to_path_buf()
}

/// A GET request: code and body.
fn get(admin: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&admin, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let host = format!("localhost:{}", admin.port());
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        unchunk(body)
    } else {
        body.to_owned()
    };
    Ok((code.ok_or(std::io::ErrorKind::InvalidData)?, body))
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        if length == 0 || rest.len() < length {
            break;
        }
        whole.push_str(&rest[..length]);
        body = rest[length..].trim_start_matches("\r\n");
    }
    whole
}
