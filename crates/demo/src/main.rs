//! What `make run` starts: four small servers, Tidegate in front of them with the manifests of
//! `config/standalone/quickstart`, and one client call to each, printed line by line. Knows the
//! ports and names of those manifests and nothing else of Tidegate than its command line.

#![allow(clippy::print_stdout, clippy::print_stderr)] // printing is what this program is for

mod backends;
mod calls;
mod certificates;
mod gateway;

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::certificates::Certificates;
use crate::gateway::Gateway;

/// Where the gateway listens: `gateway.yaml`.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;
pub(crate) const DATABASE_PORT: u16 = 17379;
pub(crate) const DNS_PORT: u16 = 17053;
pub(crate) const TLS_PORT: u16 = 17443;
/// Names of the two TLS services: `gateway.yaml`, `vault.yaml`, `shop.yaml`.
pub(crate) const VAULT: &str = "vault.example.com";
pub(crate) const SHOP: &str = "shop.example.com";
/// The name that the DNS server knows besides.
pub(crate) const WWW: &str = "www.example.com";

/// Serve a database, a DNS server and two TLS services through one Tidegate
#[derive(Debug, Parser)]
struct Arguments {
    /// The `tidegate` program
    #[arg(long)]
    gateway: PathBuf,
    /// The folder of manifests
    #[arg(long)]
    config: PathBuf,
    /// A folder for certificates made at this start
    #[arg(long)]
    state: PathBuf,
    /// Stop after the calls instead of serving until Ctrl-C
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    println!("Tidegate quickstart: one process, four services, ordinary Gateway API manifests\n");
    let certificates = Certificates::make(&arguments.state)?;
    println!("  made       certificates in {}", arguments.state.display());
    backends::start(&certificates).await?;
    println!("  started    a database, a DNS server and two web servers, all of this demo");

    let configs = [arguments.config.clone(), certificates.manifests.clone()];
    let mut gateway = Gateway::start(&arguments.gateway, &configs)?;
    tokio::select! {
        ready = gateway.ready() => ready?,
        _ = interrupt.recv() => return gateway.stop().await,
        _ = terminate.recv() => return gateway.stop().await,
    }
    println!("  ready      the gateway serves {ADDRESS}, http://{}/metrics\n", gateway::ADMIN);

    let result = calls::all(&certificates).await;
    if arguments.once || result.is_err() {
        gateway.stop().await?;
        return result;
    }

    print_what_to_try(&certificates);
    tokio::select! {
        ended = gateway.ended() => Err(ended),
        _ = interrupt.recv() => gateway.stop().await,
        _ = terminate.recv() => gateway.stop().await,
    }
}

fn print_what_to_try(certificates: &Certificates) {
    let trust = |service: &str, path: &std::path::Path| {
        println!(
            "  curl --cacert {} --connect-to {service}::{ADDRESS}: https://{service}:{TLS_PORT}/",
            path.display()
        );
    };
    println!("\nAll four have answered. Try them yourself:\n");
    println!("  redis-cli -p {DATABASE_PORT} set tide low");
    println!("  dig @{ADDRESS} -p {DNS_PORT} {WWW}");
    trust(VAULT, &certificates.vault_authority);
    trust(SHOP, &certificates.shop_authority);
    println!("\nEdit a file of config/standalone/quickstart and watch it change. Ctrl-C stops.\n");
}
