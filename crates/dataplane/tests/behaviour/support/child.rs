//! A data plane in a process of its own, with a limit of descriptors and memory that is only its.
//!
//! The child is this test binary, told by its environment to serve instead of to test.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::process::{self, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Resource, Rlimit, setrlimit};
use snapshot::{BindKey, Port, Snapshot, Transport};

use super::Proxy;
use super::world::{World, to};

const ORDER: &str = "TIDEGATE_TEST_CHILD";

/// The parent's handle.
pub struct Child {
    process: process::Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Serves `keys` with one TCP backend, with so many descriptors. `test` is the full name of
    /// the calling test, which begins with [`is_child`].
    pub fn start(test: &str, descriptors: u64, keys: &[BindKey], backend: SocketAddr) -> Self {
        let sockets = keys.iter().map(|key| format!(" {}", key.socket_addr())).collect::<String>();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", test])
            .env(ORDER, format!("{descriptors} {backend}{sockets}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut this = Self { process, orders, answers };
        this.answer();
        this
    }

    /// A metric of the child; a word after its name is the reason wanted.
    pub fn metric(&mut self, name: &str) -> f64 {
        self.order(name).parse().unwrap()
    }

    /// Has the child open files until it can open no more.
    pub fn hoard_descriptors(&mut self) {
        self.order("hoard");
    }

    /// Has the child close those files.
    pub fn release_descriptors(&mut self) {
        self.order("release");
    }

    fn order(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> String {
        // The harness writes lines of its own, and one without a line feed.
        let mut lines = self.answers.by_ref().map(Result::unwrap);
        let answer = lines.find_map(|line| Some(line.split_once("answer ")?.1.to_owned()));
        answer.unwrap()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether this process is such a child; then it has served until its parent was gone.
pub async fn is_child() -> bool {
    let Ok(order) = std::env::var(ORDER) else { return false };
    let mut words = order.split(' ');
    let descriptors = words.next().unwrap().parse().unwrap();
    // The soft limit is lower: the data plane is to raise it.
    let limit = Rlimit { current: Some(descriptors / 2), maximum: Some(descriptors) };
    setrlimit(Resource::Nofile, limit).unwrap();
    let mut addresses = words.map(|address| address.parse::<SocketAddr>().unwrap());
    let mut snapshot = Snapshot::default().cluster("a", &[addresses.next().unwrap()]);
    for address in addresses {
        let port = Port::new(address.port()).unwrap();
        let key = BindKey { transport: Transport::Tcp, port, address: address.ip() };
        snapshot = snapshot.tcp(key, vec![to("a", 1)]);
    }
    let proxy = Proxy::serving(&snapshot).await;
    let mut answers = std::io::stdout();
    writeln!(answers, "answer ready").unwrap();
    let mut hoard = Vec::new();
    for order in std::io::stdin().lines() {
        let order = order.unwrap();
        match order.split_once(' ').unwrap_or((&order, "")) {
            ("hoard", _) => {
                hoard.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
                writeln!(answers, "answer {}", hoard.len()).unwrap();
            }
            ("release", _) => {
                hoard.clear();
                writeln!(answers, "answer done").unwrap();
            }
            (name, "") => writeln!(answers, "answer {}", proxy.metric(name, &[])).unwrap(),
            (name, reason) => {
                let value = proxy.metric(name, &[("reason", reason)]);
                writeln!(answers, "answer {value}").unwrap();
            }
        }
    }
    true
}
