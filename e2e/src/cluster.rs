//! The real cluster of `e2e/cluster`, through kubectl as a person uses it. Tests make namespaces of
//! their own in it; what they hold is removed with their guard.
//!
//! Backends of most tests are peers in the test's own process: a Service without selector whose
//! EndpointSlice names the node. So a test sees each connection from both ends.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::eventually_some;

/// The node's own address: where peers of a test listen and pods reach them.
pub const NODE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(172, 30, 100, 1));
/// The namespace of the controller.
pub const SYSTEM: &str = "tidegate";
/// How long anything in a cluster may take that pods have to be started for.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// An address of the node for a peer, which no other peer of this process has.
pub fn peer() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(21_000);
    SocketAddr::new(NODE, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Where built programs and the cluster's state are.
fn cache() -> PathBuf {
    match std::env::var_os("TIDEGATE_E2E_CACHE") {
        Some(cache) => PathBuf::from(cache),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache"),
    }
}

/// The folder of what runs: logs, pids, kubeconfig.
pub fn state() -> PathBuf {
    cache().join("state")
}

/// Runs kubectl with some input; what it printed, or what it complained of.
pub fn try_kubectl(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(cache().join("bin/kubectl"))
        .args(arguments)
        .env("KUBECONFIG", state().join("admin.kubeconfig"))
        .env("KUBECACHEDIR", state().join("kubectl"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("kubectl: {error}; `make cluster-up` first"))?;
    let mut stdin = child.stdin.take().ok_or("kubectl has no input")?;
    // One that ends early says why on stderr.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!(
            "kubectl {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
}

/// Runs kubectl.
///
/// # Panics
/// When it fails.
pub fn kubectl(arguments: &[&str]) -> String {
    try_kubectl(arguments, "").unwrap_or_else(|error| panic!("{error}"))
}

/// Applies manifests.
///
/// # Panics
/// When they are refused.
pub fn apply(manifests: &str) {
    try_kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], manifests)
        .unwrap_or_else(|error| panic!("{error}\n{manifests}"));
}

/// Deletes what manifests name, and does not wait.
///
/// # Panics
/// When it is refused.
pub fn delete(manifests: &str) {
    try_kubectl(&["delete", "--wait=false", "--ignore-not-found", "-f", "-"], manifests)
        .unwrap_or_else(|error| panic!("{error}\n{manifests}"));
}

/// Reads an object, or a list of them, as JSON; `None` when there is none.
pub fn get(arguments: &[&str]) -> Option<Value> {
    let mut all = vec!["get", "-o", "json"];
    all.extend(arguments);
    serde_json::from_str(&try_kubectl(&all, "").ok()?).ok()
}

/// A process of the cluster.
#[derive(Debug)]
pub struct Component {
    name: String,
    pid: Pid,
}

impl Component {
    /// One that `e2e/cluster` started, by the pid that was kept.
    ///
    /// # Panics
    /// When it does not run.
    pub fn find(name: &str) -> Self {
        let kept = fs::read_to_string(state().join("run").join(name)).expect("a cluster runs");
        let pid = kept.split_whitespace().next().and_then(|pid| pid.parse().ok());
        let pid = pid.and_then(Pid::from_raw).expect("a pid");
        Self { name: name.to_owned(), pid }
    }

    /// Its pid.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Kills it and starts it again as it was started.
    ///
    /// # Panics
    /// When it does not come back.
    pub fn restart(self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/restart.sh");
        let status = Command::new(script)
            .arg(&self.name)
            .env("TIDEGATE_E2E_CACHE", cache())
            .status()
            .expect("the script runs");
        assert!(status.success(), "{} does not come back", self.name);
    }
}

/// The one process whose command line has all these words.
///
/// # Panics
/// When there is none, or more than one.
pub fn process_of(words: &[&str]) -> Component {
    the_one("cmdline", words)
}

/// The one process of a pod that knows its own name.
///
/// # Panics
/// When there is none, or more than one.
pub fn process_of_pod(name: &str) -> Component {
    the_one("environ", &[&format!("POD_NAME={name} ")])
}

fn the_one(file: &str, words: &[&str]) -> Component {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let text = fs::read(entry.path().join(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).replace('\0', " ");
        if words.iter().all(|word| text.contains(word)) {
            found.extend(Pid::from_raw(pid));
        }
    }
    let [pid] = found[..] else { panic!("{words:?}: {found:?}") };
    Component { name: words.join(" "), pid }
}

/// A namespace that goes with its guard.
#[derive(Debug)]
pub struct Namespace(String);

impl Namespace {
    /// Makes one that admits only pods of the `restricted` Pod Security Standard.
    pub fn new(of: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("e2e-{of}-{}-{number}", std::process::id());
        apply(&format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: \
             {{e2e: {of}, pod-security.kubernetes.io/enforce: restricted}}}}}}"
        ));
        Self(name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Applies manifests; `NAMESPACE` in them stands for this one.
    pub fn apply(&self, manifests: &str) {
        apply(&manifests.replace("NAMESPACE", &self.0));
    }

    /// Deletes what manifests name.
    pub fn delete(&self, manifests: &str) {
        delete(&manifests.replace("NAMESPACE", &self.0));
    }

    /// Reads an object, or a list of them, as JSON.
    pub fn get(&self, arguments: &[&str]) -> Option<Value> {
        let mut all = vec!["-n", &self.0];
        all.extend(arguments);
        get(&all)
    }

    /// Waits until a condition of an object has a status, and gives the condition.
    ///
    /// # Panics
    /// When `deadline` passes.
    pub fn until_condition(
        &self,
        object: &str,
        r#type: &str,
        status: &str,
        deadline: Duration,
    ) -> Value {
        let what = format!("{object} of {} is {type}={status}", self.0);
        eventually_some(&what, deadline, || {
            let object = self.get(&[object])?;
            let generation = object["metadata"]["generation"].as_i64();
            conditions(&object)
                .into_iter()
                .find(|condition| {
                    condition["type"] == *r#type
                        && condition["status"] == *status
                        && condition["observedGeneration"].as_i64() == generation
                })
                .cloned()
        })
    }

    /// Waits until a Gateway is programmed and gives its first address.
    ///
    /// # Panics
    /// When that takes too long.
    pub fn address_of(&self, gateway: &str) -> IpAddr {
        let object = format!("gateway/{gateway}");
        self.until_condition(&object, "Programmed", "True", PATIENCE);
        let gateway = self.get(&[&object]).expect("it is there");
        let address = &gateway["status"]["addresses"][0]["value"];
        address.as_str().and_then(|address| address.parse().ok()).expect("an IP address")
    }

    /// The UIDs of the pods of a Gateway's proxies, sorted.
    pub fn proxies_of(&self, gateway: &str) -> Vec<String> {
        let label = format!("gateway.networking.k8s.io/gateway-name={gateway}");
        let pods = self.get(&["pods", "-l", &label]).unwrap_or_default();
        let uid = |pod: &Value| pod["metadata"]["uid"].as_str().map(str::to_owned);
        let mut uids: Vec<_> =
            pods["items"].as_array().into_iter().flatten().filter_map(uid).collect();
        uids.sort();
        uids
    }

    /// A Service whose one endpoint is a peer of this process, for TCP and UDP alike.
    pub fn backend(&self, name: &str, at: SocketAddr) {
        self.apply(&backend(name, &[at]));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = try_kubectl(&["delete", "namespace", "--wait=false", &self.0], "");
    }
}

/// Every condition of an object: its own, those of its listeners, of its parents and ancestors.
pub fn conditions(object: &Value) -> Vec<&Value> {
    let status = &object["status"];
    let nested = ["listeners", "parents", "ancestors"].into_iter();
    let nested = nested.flat_map(|list| status[list].as_array().into_iter().flatten());
    std::iter::once(status)
        .chain(nested)
        .flat_map(|holder| holder["conditions"].as_array().into_iter().flatten())
        .collect()
}

/// A Service `name` on ports 80/TCP and 80/UDP with an EndpointSlice of these peers.
pub fn backend(name: &str, at: &[SocketAddr]) -> String {
    let port = at.first().map_or(80, SocketAddr::port);
    let endpoints: Vec<_> = at
        .iter()
        .map(|at| format!("{{addresses: [{}], conditions: {{ready: true}}}}", at.ip()))
        .collect();
    let endpoints = endpoints.join(", ");
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: NAMESPACE}}
spec:
  ports:
  - {{name: tcp, port: 80, protocol: TCP, targetPort: {port}}}
  - {{name: udp, port: 80, protocol: UDP, targetPort: {port}}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, namespace: NAMESPACE, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
endpoints: [{endpoints}]
ports:
- {{name: tcp, port: {port}, protocol: TCP}}
- {{name: udp, port: {port}, protocol: UDP}}
"
    )
}

/// Runs `attempt` until it succeeds; how long that took.
///
/// # Panics
/// When `deadline` passes.
pub async fn until_ok<T, E: std::fmt::Debug>(
    what: &str,
    deadline: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> (T, Duration) {
    let begun = Instant::now();
    loop {
        match attempt().await {
            Ok(done) => return (done, begun.elapsed()),
            Err(error) => {
                assert!(
                    begun.elapsed() < deadline,
                    "after {deadline:?} still not: {what}: {error:?}"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
