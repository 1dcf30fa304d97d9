//! The command line: every command, flag, default and example, and nothing of what they do.

mod cluster;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use cluster::{ControllerArgs, ProxyArgs};

use crate::exit::Exit;
use crate::listen::Spec;
use crate::{check, controller, crds, proxy, run};

const DOCS: &str = "Documentation: https://tidegate.dev/docs/cli";

/// Gateway API for everything that is not HTTP: TCPRoute, UDPRoute and TLSRoute
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, after_help = DOCS, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve traffic as the manifests in some folders say, and follow their changes
    #[command(after_help = RUN_EXAMPLES, args_override_self = true)]
    Run(Box<RunArgs>),
    /// Validate manifests and report what would be served
    #[command(after_help = CHECK_EXAMPLES, args_override_self = true)]
    Check(CheckArgs),
    /// In a cluster: reconcile Gateways and routes, write their status, run their proxies
    #[command(after_help = cluster::CONTROLLER_EXAMPLES, args_override_self = true)]
    Controller(Box<ControllerArgs>),
    /// In a cluster: serve the traffic of one Gateway, as the controller says
    #[command(after_help = cluster::PROXY_EXAMPLES, args_override_self = true)]
    Proxy(Box<ProxyArgs>),
    /// Print the CustomResourceDefinitions of Tidegate's own kinds
    #[command(after_help = CRDS_EXAMPLES)]
    Crds,
    /// Print the version
    #[command(after_help = VERSION_EXAMPLES)]
    Version,
}

const RUN_EXAMPLES: &str = "\
Examples:
  tidegate run --config manifests
  tidegate run --listen tcp:5432=10.0.0.7:5432 --listen udp:53=10.0.0.8:53
  tidegate run --listen tls:443:db1.example.com=10.0.0.7:5432 --print

A second SIGTERM or SIGINT ends at once.
Exit codes: 0 drained, 1 could not start, 2 usage, 3 connections were cut.

Documentation: https://tidegate.dev/docs/cli";

const CHECK_EXAMPLES: &str = "\
Examples:
  tidegate check manifests
  tidegate check manifests -o json
  tidegate check manifests/gateway.yaml manifests/routes --strict

Exit codes: 0 nothing wrong, 1 something would not be served, 2 unreadable input or usage.

Documentation: https://tidegate.dev/docs/cli";

const CRDS_EXAMPLES: &str = "\
Examples:
  tidegate crds

Documentation: https://tidegate.dev/docs/cli";

const VERSION_EXAMPLES: &str = "\
Examples:
  tidegate version

Documentation: https://tidegate.dev/docs/cli";

/// What `run` is told.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Folder (with everything below it) or file of manifests; repeatable
    #[arg(long, value_name = "PATH", help_heading = "Input", required_unless_present = "listen")]
    pub config: Vec<PathBuf>,
    /// Forward a port without a manifest: PROTOCOL:PORT[:HOSTNAME]=HOST:PORT[,HOST:PORT]...,
    /// with tcp, udp or tls; repeatable
    #[arg(long, value_name = "SPEC", help_heading = "Input")]
    pub listen: Vec<Spec>,
    /// Print the manifests that --listen stands for and exit
    #[arg(long, help_heading = "Input", requires = "listen", conflicts_with = "config")]
    pub print: bool,
    /// How often files are read even if no change was noticed
    #[arg(long, value_name = "TIME", help_heading = "Input", default_value = "30s", value_parser = duration)]
    pub rescan_interval: Duration,

    /// Address that Gateways without spec.addresses bind; repeatable [default: all of this host]
    #[arg(long, value_name = "IP", help_heading = "Traffic")]
    pub address: Vec<IpAddr>,
    /// Threads that serve traffic [default: one for each CPU]
    #[arg(long, value_name = "N", help_heading = "Traffic", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
    /// How long new connections are accepted after SIGTERM, while /readyz already fails
    #[arg(long, value_name = "TIME", help_heading = "Traffic", default_value = "0s", value_parser = duration)]
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
    /// Host name that requests to the admin endpoint may use besides localhost; repeatable
    #[arg(long, value_name = "NAME", help_heading = "Observation")]
    pub admin_host: Vec<String>,
    /// Lines on stdout about finished connections; auto is text on a terminal, else JSON
    #[arg(long, value_name = "FORMAT", help_heading = "Observation", default_value = "auto")]
    pub access_log: AccessLog,
    #[command(flatten)]
    pub log: LogArgs,
}

/// How a command that keeps running logs.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Format of the log on stderr; auto is text on a terminal, else JSON
    #[arg(
        long = "log-format",
        value_name = "FORMAT",
        help_heading = "Observation",
        default_value = "auto"
    )]
    pub format: LogFormat,
    /// What is logged: error, warn, info, debug, trace or a filter like dataplane=debug
    #[arg(
        long = "log-level",
        value_name = "LEVEL",
        help_heading = "Observation",
        env = "RUST_LOG",
        default_value = "info"
    )]
    pub level: String,
}

/// What `check` is told.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Folders (with everything below them) and files of manifests
    #[arg(value_name = "PATH", required = true, help_heading = "Input")]
    pub paths: Vec<PathBuf>,
    /// Form of the answer
    #[arg(short, long, value_name = "FORMAT", help_heading = "Output", default_value = "text")]
    pub output: Output,
    /// Let warnings fail the check too
    #[arg(long, help_heading = "Output")]
    pub strict: bool,
    /// Colour the text; auto is on a terminal unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", help_heading = "Output", default_value = "auto")]
    pub color: Color,
}

/// Form of `check`'s answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Text,
    Yaml,
    Json,
}

/// When text has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// Form of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccessLog {
    Auto,
    Text,
    Json,
    Off,
}

/// Form of the program's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Auto,
    Text,
    Json,
}

impl Cli {
    /// Reads the command line; prints help, version or a usage error and exits where that is all
    /// there is to do.
    pub(crate) fn parse_arguments() -> Self {
        Self::parse()
    }

    /// Does what was asked.
    pub(crate) fn run(self) -> Exit {
        match self.command {
            Command::Run(args) => run::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Controller(args) => controller::run(&args),
            Command::Proxy(args) => proxy::run(&args),
            Command::Crds => crds::run(),
            Command::Version => {
                print(&format!("tidegate {}\n", env!("CARGO_PKG_VERSION")));
                Exit::Ok
            }
        }
    }
}

/// Writes an answer to stdout. A reader that went away is not an error of ours.
pub(crate) fn print(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Says on stderr why a command cannot be done.
pub(crate) fn complain(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "error: {text}");
}

/// Reads a time like `500ms`, `30s`, `5m` or `1h`: the forms of Gateway API durations (GEP-2257).
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time like 500ms, 30s, 5m or 1h");
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u32 = rest[..digits].parse().map_err(|_| wrong())?;
        let after = &rest[digits..];
        let (unit, length) = [
            ("ms", Duration::from_millis(1)),
            ("h", Duration::from_secs(3600)),
            ("m", Duration::from_secs(60)),
            ("s", Duration::from_secs(1)),
        ]
        .into_iter()
        .find(|(unit, _)| after.starts_with(unit))
        .ok_or_else(wrong)?;
        total += length.checked_mul(number).ok_or_else(wrong)?;
        rest = &after[unit.len()..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn the_last_of_two_values_wins_and_lists_grow() {
        let words = "tidegate run --config a --config b --drain-timeout 1s --drain-timeout 2s";
        let cli = Cli::try_parse_from(words.split(' ')).expect("a command line");
        let Command::Run(args) = cli.command else { panic!("it says run") };
        assert_eq!(args.config, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(args.drain_timeout, Duration::from_secs(2));
    }

    #[test]
    fn durations_are_read_as_gateway_api_writes_them() {
        let cases = [
            ("0s", Some(0)),
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("1h5m", Some(3_900_000)),
            ("1m30s500ms", Some(90_500)),
            ("", None),
            ("5", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("1d", None),
            ("99999999999s", None),
        ];
        for (text, millis) in cases {
            assert_eq!(duration(text).ok(), millis.map(Duration::from_millis), "{text}");
        }
    }
}
