//! Starts everything, in the order in which nothing misses an event.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use snapshot::Published;
use stream::client::Timing;
use stream::{Client, Fleet, LinkState};
use tokio::sync::watch;
use tracing::info;

use super::metrics;
use super::subject::Proxy;
use crate::admin::{self, Admin, Phase, Surface};
use crate::cli::ProxyArgs;
use crate::exit::Exit;
use crate::serving::{dataplane_config, register_build};
use crate::threads::{ThreadError, runtime, spawn};
use crate::{announce, drain};

/// Why `proxy` could not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("the admin endpoint cannot listen on {0}")]
    Admin(SocketAddr, #[source] io::Error),
    #[error(transparent)]
    Thread(#[from] ThreadError),
    #[error("the data plane cannot be started")]
    DataPlane(#[source] dataplane::StartError),
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
}

/// Starts, serves until a signal, ends.
pub(super) fn start(args: &ProxyArgs) -> Result<Exit, StartError> {
    let main = runtime()?;
    // Before anything that takes time: the first process of a container has no default for a signal
    // that comes before it is asked for.
    let signals = main.block_on(async { drain::Signals::new() }).map_err(StartError::Signals)?;
    let bind = |address| admin::bind(address).map_err(|error| StartError::Admin(address, error));
    let (endpoint, health) = (bind(args.admin)?, bind(args.health)?);
    let gateway = &args.gateway.0;
    info!(%gateway, controller = args.controller, "proxy starts");

    let (published, snapshots) = watch::channel(Published::default());
    let (link, links) = watch::channel(LinkState::default());
    let (dataplane, applied) = {
        let _inside = main.enter();
        let config = dataplane_config(args.workers, args.access_log);
        dataplane::start(config, snapshots.clone()).map_err(StartError::DataPlane)?
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(dataplane.metrics()));
    metrics::register(&mut registry, links.clone());
    register_build(&mut registry, "proxy");

    let (phase, phases) = watch::channel(Phase::Serving);
    let subject = Proxy {
        gateway: gateway.to_string(),
        published: snapshots.clone(),
        applied: applied.clone(),
        link: links,
    };
    let admin = Arc::new(Admin { subject: Box::new(subject), phases, registry, hosts: Vec::new() });
    let also = Arc::clone(&admin);
    spawn("admin", endpoint, |endpoint| admin::serve(endpoint, Surface::Full, admin))?;
    spawn("health", health, |endpoint| admin::serve(endpoint, Surface::Health, also))?;

    let client = client(args);
    let reports = applied.clone();
    spawn("stream", (), move |()| stream::follow(client, reports, published, link))?;

    main.block_on(async {
        tokio::spawn(announce::follow(applied, snapshots));
        let times =
            drain::Times { pre_stop_delay: args.pre_stop_delay, drain_timeout: args.drain_timeout };
        Ok(drain::serve(&dataplane, signals, &phase, times).await)
    })
}

fn client(args: &ProxyArgs) -> Client {
    let host = args.controller.rsplit_once(':').map_or(&*args.controller, |(host, _)| host);
    Client {
        endpoint: args.controller.clone(),
        server_name: args.server_name.clone().unwrap_or_else(|| host.to_owned()),
        ca: args.ca.clone(),
        token: args.token.clone(),
        state: args.state.clone(),
        fleet: Fleet::new(args.gateway.0.to_string()),
        timing: Timing::default(),
    }
}
