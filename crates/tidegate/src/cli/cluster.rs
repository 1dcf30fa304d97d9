//! The command lines of the two commands that run in a cluster.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use gwapi::ObjectKey;

use super::{AccessLog, LogArgs, duration};

pub(super) const CONTROLLER_EXAMPLES: &str = "\
Examples:
  tidegate controller --proxy-image tidegate/tidegate:0.1.0
  tidegate controller --proxy-image tidegate/tidegate:0.1.0 --watch-namespace edge

It finds the cluster by its ServiceAccount, or by KUBECONFIG.
Exit codes: 0 stopped, 1 could not start or lost its lease for good, 2 usage.

Documentation: https://tidegate.dev/docs/cli";

pub(super) const PROXY_EXAMPLES: &str = "\
Examples:
  tidegate proxy --gateway edge/l4 --controller tidegate-controller.tidegate.svc:18000

The controller starts proxies; there is rarely a reason to start one by hand.
A second SIGTERM or SIGINT ends at once.
Exit codes: 0 drained, 1 could not start, 2 usage, 3 connections were cut.

Documentation: https://tidegate.dev/docs/cli";

/// `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Namespaced(pub(crate) ObjectKey);

impl FromStr for Namespaced {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name))
                if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
            {
                Ok(Self(ObjectKey::new(namespace, name)))
            }
            _ => Err(format!("`{text}` is not NAMESPACE/NAME")),
        }
    }
}

/// What `controller` is told.
#[derive(Debug, Args)]
pub(crate) struct ControllerArgs {
    /// Namespace of the controller: where its lease and its certificate authority are kept
    #[arg(
        long,
        value_name = "NAMESPACE",
        help_heading = "Cluster",
        env = "POD_NAMESPACE",
        default_value = "tidegate"
    )]
    pub namespace: String,
    /// Name of this replica in the lease [default: the host's name]
    #[arg(long, value_name = "NAME", help_heading = "Cluster", env = "POD_NAME")]
    pub name: Option<String>,
    /// Read this namespace only; repeatable [default: all]
    #[arg(long, value_name = "NAMESPACE", help_heading = "Cluster")]
    pub watch_namespace: Vec<String>,
    /// How long a leader that is gone keeps others waiting
    #[arg(long, value_name = "TIME", help_heading = "Cluster", default_value = "15s", value_parser = duration)]
    pub lease_duration: Duration,

    /// Image of the proxies
    #[arg(long, value_name = "IMAGE", help_heading = "Proxies")]
    pub proxy_image: String,
    /// Where snapshots are served to proxies
    #[arg(long, value_name = "ADDR", help_heading = "Proxies", default_value = "0.0.0.0:18000")]
    pub stream_address: SocketAddr,
    /// Where proxies find --stream-address; its host is the name in the controller's certificate
    #[arg(
        long,
        value_name = "HOST:PORT",
        help_heading = "Proxies",
        default_value = "tidegate-controller.tidegate.svc:18000"
    )]
    pub advertise: String,

    /// Where /livez /readyz /metrics /snapshot /status are served
    #[arg(
        long,
        value_name = "ADDR",
        help_heading = "Observation",
        default_value = "127.0.0.1:19000"
    )]
    pub admin: SocketAddr,
    /// Where /livez /readyz /metrics are served to probes and scrapers
    #[arg(
        long,
        value_name = "ADDR",
        help_heading = "Observation",
        default_value = "0.0.0.0:19001"
    )]
    pub health: SocketAddr,
    #[command(flatten)]
    pub log: LogArgs,
}

/// What `proxy` is told.
#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    /// The Gateway to serve
    #[arg(long, value_name = "NAMESPACE/NAME", help_heading = "Controller")]
    pub gateway: Namespaced,
    /// Where the controller is found
    #[arg(
        long,
        value_name = "HOST:PORT",
        help_heading = "Controller",
        default_value = "tidegate-controller.tidegate.svc:18000"
    )]
    pub controller: String,
    /// Name that the controller's certificate must carry [default: the host of --controller]
    #[arg(long, value_name = "NAME", help_heading = "Controller")]
    pub server_name: Option<String>,
    /// Certificate authorities that may have signed the controller's certificate, PEM
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Controller",
        default_value = "/etc/tidegate/ca/ca.crt"
    )]
    pub ca: PathBuf,
    /// Token that proves who this proxy is
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Controller",
        default_value = "/var/run/secrets/tidegate/token"
    )]
    pub token: PathBuf,
    /// Folder for the last good snapshot: in memory, because it holds private keys
    #[arg(
        long,
        value_name = "DIR",
        help_heading = "Controller",
        default_value = "/var/lib/tidegate"
    )]
    pub state: PathBuf,

    /// Threads that serve traffic [default: one for each CPU]
    #[arg(long, value_name = "N", help_heading = "Traffic", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
    /// How long new connections are accepted after SIGTERM, while /readyz already fails
    #[arg(long, value_name = "TIME", help_heading = "Traffic", default_value = "10s", value_parser = duration)]
    pub pre_stop_delay: Duration,
    /// How long connections live on after that
    #[arg(long, value_name = "TIME", help_heading = "Traffic", default_value = "5m", value_parser = duration)]
    pub drain_timeout: Duration,

    /// Where /livez /readyz /metrics /snapshot /status are served
    #[arg(
        long,
        value_name = "ADDR",
        help_heading = "Observation",
        default_value = "127.0.0.1:19000"
    )]
    pub admin: SocketAddr,
    /// Where /livez /readyz /metrics are served to probes and scrapers
    #[arg(
        long,
        value_name = "ADDR",
        help_heading = "Observation",
        default_value = "0.0.0.0:19001"
    )]
    pub health: SocketAddr,
    /// Lines on stdout about finished connections; auto is text on a terminal, else JSON
    #[arg(long, value_name = "FORMAT", help_heading = "Observation", default_value = "auto")]
    pub access_log: AccessLog,
    #[command(flatten)]
    pub log: LogArgs,
}
