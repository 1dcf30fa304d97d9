//! The `tidegate` process: started, waited for, and ended with this one. What it prints is passed
//! on with a mark, so that a reader can tell whose line it is.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::ADDRESS;

/// Where the admin endpoint answers.
pub(crate) const ADMIN: &str = "127.0.0.1:19000";

/// How long a start may take on a slow machine.
const START: Duration = Duration::from_secs(15);
/// How long a stop may take before it is forced.
const STOP: Duration = Duration::from_secs(10);

/// The running process.
pub(crate) struct Gateway(Child);

impl Gateway {
    /// Starts `program` on these folders of manifests.
    pub(crate) fn start(program: &Path, configs: &[PathBuf]) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg("run");
        for config in configs {
            command.arg("--config").arg(config);
        }
        command.arg("--address").arg(ADDRESS.to_string()).arg("--admin").arg(ADMIN);
        // Nobody waits for the flow of the one DNS question at Ctrl-C.
        command.args(["--drain-timeout", "1s"]);
        // What a terminal would get; the pipe is ours.
        command.args(["--access-log", "text", "--log-format", "text"]);
        // Nobody wants to wait a minute for the DNS server's flow to be forgotten.
        command.args(["--drain-timeout", "1s"]);
        // A group of its own: Ctrl-C reaches the demo, which then ends the gateway in order.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", program.display()))
        })?;
        println!("  started    {} run, pid {}", program.display(), child.id().unwrap_or_default());
        tokio::spawn(pass_on(child.stdout.take().expect("stdout is piped")));
        tokio::spawn(pass_on(child.stderr.take().expect("stderr is piped")));
        Ok(Self(child))
    }

    /// Waits until every listener serves.
    pub(crate) async fn ready(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait()? {
                return Err(io::Error::other(format!("the gateway ended with {status}")));
            }
            if is_ready().await.unwrap_or(false) {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await; // between two questions, within the deadline
        }
        Err(io::Error::other(format!("the gateway was not ready after {START:?}")))
    }

    /// Waits for an end that nobody asked for.
    pub(crate) async fn ended(&mut self) -> io::Error {
        match self.0.wait().await {
            Ok(status) => io::Error::other(format!("the gateway ended with {status}")),
            Err(error) => error,
        }
    }

    /// Ends the process: politely, then for sure.
    pub(crate) async fn stop(mut self) -> io::Result<()> {
        let id = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            kill_process(id, Signal::TERM)?;
        }
        if timeout(STOP, self.0.wait()).await.is_err() {
            self.0.kill().await?;
        }
        println!("  stopped");
        Ok(())
    }
}

async fn is_ready() -> io::Result<bool> {
    let mut stream = TcpStream::connect(ADMIN).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {ADMIN}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await?;
    Ok(&answer == b"HTTP/1.1 200")
}

async fn pass_on(from: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        println!("  | {line}");
    }
}
