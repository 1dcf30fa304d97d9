//! Child processes that never outlive their guard: ended by pid, politely and then for sure, and
//! by the kernel if the test itself is killed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::chown;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use crate::wait::eventually;

/// `nobody` and `nogroup`, for servers that refuse to run as root.
const NOBODY: u32 = 65534;
/// How long a process may take to end when asked.
const STOP: Duration = Duration::from_secs(5);

/// A program to run.
#[derive(Clone, Debug)]
pub struct Program {
    program: OsString,
    arguments: Vec<OsString>,
    environment: BTreeMap<String, OsString>,
    unprivileged: bool,
    nofile: Option<u32>,
}

impl Program {
    /// Names a program.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            unprivileged: false,
            nofile: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Runs it as `nobody` if the test runs as root.
    #[must_use]
    pub fn unprivileged(mut self) -> Self {
        self.unprivileged = true;
        self
    }

    /// Limits its open files.
    #[must_use]
    pub fn nofile(mut self, most: u32) -> Self {
        self.nofile = Some(most);
        self
    }

    fn command(&self) -> Command {
        let mut command = match self.nofile {
            Some(most) => {
                let mut command = Command::new("prlimit");
                command.arg(format!("--nofile={most}:{most}")).arg("setpriv");
                command
            }
            None => Command::new("setpriv"),
        };
        if self.unprivileged && is_root() {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        // The kernel ends it if this thread goes without running its guards.
        command.args(["--pdeathsig=KILL", "--"]).arg(&self.program).args(&self.arguments);
        command.envs(&self.environment).env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts it; it ends when the guard is dropped.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&self) -> Process {
        let mut child = self
            .command()
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        let log = Log::default();
        log.follow(child.stdout.take().expect("stdout is piped"), Stream::Out);
        log.follow(child.stderr.take().expect("stderr is piped"), Stream::Err);
        Process { name: self.program.to_string_lossy().into_owned(), child, log }
    }
}

/// Runs a client to its end and returns what it printed on stdout.
///
/// # Panics
/// When it fails or is still running after `deadline`; with what it printed.
pub fn output(program: &Program, deadline: Duration) -> String {
    let mut process = program.start();
    let status = process.wait(deadline);
    let (out, all) = (process.log.text_of(Stream::Out), process.log.text());
    assert!(status.is_some_and(|status| status.success()), "{program:?}: {status:?}\n{all}");
    out
}

/// A running process.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    /// What it has printed.
    pub log: Log,
}

impl Process {
    /// Its pid.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it has been waited for already.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("pids are positive");
        kill_process(id, signal).expect("it is a child that was not waited for");
    }

    /// Waits for its end; `None` if it is still running after `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                self.log.settle();
                return Some(status);
            }
            if begun.elapsed() > deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// Waits until `ready` while the process runs.
    ///
    /// # Panics
    /// When it ends, or is not ready within `deadline`; with what it printed.
    pub fn until(&mut self, deadline: Duration, mut ready: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !ready() {
            let running = self.is_running();
            assert!(
                running && begun.elapsed() < deadline,
                "{} is not ready (running: {running})\n{}",
                self.name,
                self.log.text()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Memory of its own that is resident (`RssAnon`), bytes.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("a running process has RssAnon") * 1024
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).map_or(0, Iterator::count)
    }

    /// Processor time it has used, user and system.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        // The name in parentheses may hold blanks; utime and stime are fields 14 and 15.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Ends it and returns how it ended.
    pub fn stop(&mut self, deadline: Duration) -> ExitStatus {
        if self.is_running() {
            self.signal(Signal::TERM);
        }
        if let Some(status) = self.wait(deadline) {
            return status;
        }
        let _gone = self.child.kill();
        self.child.wait().unwrap_or_else(|_| ExitStatus::from_raw(9))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop(STOP);
        if thread::panicking() {
            // What the process said is what explains the failure.
            let text = self.log.text();
            let tail: Vec<_> = text.lines().rev().take(40).collect();
            let mut stderr = io::stderr().lock();
            let _lost = writeln!(stderr, "--- last lines of {}", self.name);
            for line in tail.iter().rev() {
                let _lost = writeln!(stderr, "  {line}");
            }
        }
    }
}

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// The lines a process has printed, as they come.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<(Stream, String)>,
    open: usize,
}

impl Log {
    fn follow(&self, from: impl Read + Send + 'static, stream: Stream) {
        self.lock().open += 1;
        let log = self.clone();
        thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                log.lock().lines.push((stream, text));
                line.clear();
            }
            log.lock().open -= 1;
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until both streams are at their end, after the process was.
    fn settle(&self) {
        // A grandchild may hold the streams open; then what came so far has to do.
        let begun = Instant::now();
        while self.lock().open > 0 && begun.elapsed() < Duration::from_secs(1) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lock().lines.len()
    }

    /// Whether nothing was printed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands every line from number `from` on to `look`, until it finds something.
    pub fn find<T>(&self, from: usize, mut look: impl FnMut(&str) -> Option<T>) -> Option<T> {
        // Looked at a piece at a time, so that the reader is not held up by who looks.
        let mut from = from;
        loop {
            let piece: Vec<String> = {
                let lines = self.lock();
                lines.lines.iter().skip(from).take(1000).map(|(_, line)| line.clone()).collect()
            };
            if piece.is_empty() {
                return None;
            }
            from += piece.len();
            if let Some(found) = piece.iter().find_map(|line| look(line)) {
                return Some(found);
            }
        }
    }

    /// All lines.
    pub fn text(&self) -> String {
        self.lock().lines.iter().map(|(_, line)| format!("{line}\n")).collect()
    }

    /// All lines of one stream.
    pub fn text_of(&self, wanted: Stream) -> String {
        let lines = self.lock();
        let wanted = lines.lines.iter().filter(|(stream, _)| *stream == wanted);
        wanted.map(|(_, line)| format!("{line}\n")).collect()
    }
}

/// Raises this process's limit of open files to what the scenarios hold, and returns what it is;
/// processes started afterwards inherit it.
///
/// # Panics
/// When it stays below 4,096: then the scenarios say nothing.
pub fn raise_descriptor_limit() -> u64 {
    const WANTED: u64 = 20_000;
    let limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= WANTED);
    if !enough(limit.current) {
        let maximum = limit.maximum.map(|most| if is_root() { most.max(WANTED) } else { most });
        let current = maximum.map_or(Some(WANTED), |most| Some(most.min(WANTED)));
        let _refused = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    }
    let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    assert!(now >= 4096, "only {now} open files are allowed: ulimit -n {WANTED}");
    now
}

/// Whether this is root.
pub fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// Makes an empty folder for a server that runs [`Program::unprivileged`].
///
/// # Panics
/// When it cannot be made.
pub fn folder_for_server() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    give_to_server(folder.path());
    folder
}

/// Writes a file that only a server that runs [`Program::unprivileged`] may read.
///
/// # Panics
/// When it cannot be written.
pub fn write_for_server(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).expect("the file is written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    give_to_server(path);
}

fn give_to_server(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
}

/// Waits until a TCP port accepts.
///
/// # Panics
/// When it does not within 30 s.
pub fn accepts(address: std::net::SocketAddr) {
    eventually(&format!("{address} accepts"), Duration::from_secs(30), || {
        std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    });
}
