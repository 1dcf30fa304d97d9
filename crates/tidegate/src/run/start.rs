//! Starts everything, in the order in which nothing misses an event.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use controlplane::metrics::{self, Counters};
use controlplane::reconcile::{self, Fixed, Inputs, Outputs};
use controlplane::source::dns::{self, Resolved};
use controlplane::source::files::{self, Follow};
use controlplane::{Loaded, View};
use gwapi::manifest::Source;
use prometheus_client::registry::Registry;
use snapshot::{ApplyReport, Published};
use tokio::sync::watch;
use tracing::info;

use super::subject::Standalone;
use crate::admin::{self, Admin, Surface};
use crate::check::settings;
use crate::cli::RunArgs;
use crate::exit::Exit;
use crate::serving::{dataplane_config, register_build};
use crate::threads::{ThreadError, runtime, spawn};
use crate::{announce, drain};

/// Why `run` could not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("{0}: no such file or directory")]
    Missing(PathBuf),
    #[error("the admin endpoint cannot listen on {0}")]
    Admin(std::net::SocketAddr, #[source] io::Error),
    #[error(transparent)]
    Thread(#[from] ThreadError),
    #[error("the data plane cannot be started")]
    DataPlane(#[source] dataplane::StartError),
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
}

/// Starts, serves until a signal, ends.
pub(super) fn start(args: &RunArgs, listen: Option<String>) -> Result<Exit, StartError> {
    let main = runtime()?;
    // Before anything that takes time: the first process of a container has no default for a signal
    // that comes before it is asked for.
    let signals = main.block_on(async { drain::Signals::new() }).map_err(StartError::Signals)?;
    if let Some(missing) = args.config.iter().find(|path| !path.exists()) {
        return Err(StartError::Missing(missing.clone()));
    }
    let endpoint = admin::bind(args.admin).map_err(|error| StartError::Admin(args.admin, error))?;
    let local = endpoint.local_addr().map_err(|error| StartError::Admin(args.admin, error))?;

    let follow = Follow {
        paths: args.config.clone(),
        given: listen
            .map(|text| Source { path: PathBuf::from("--listen"), text })
            .into_iter()
            .collect(),
        rescan: args.rescan_interval,
    };
    let addresses = if args.address.is_empty() { all_addresses() } else { args.address.clone() };
    let fixed = Fixed { settings: settings(vec![local.port()]), addresses };

    let counters = Counters::default();
    let (published, snapshots) = watch::channel(Published::default());
    let (view, views) = watch::channel(Arc::new(View::default()));
    let mut registry = Registry::default();
    let (dataplane, applied) = {
        let _inside = main.enter();
        dataplane::start(dataplane_config(args.workers, args.access_log), snapshots.clone())
            .map_err(StartError::DataPlane)?
    };
    registry.register_collector(Box::new(dataplane.metrics()));
    metrics::register(&mut registry, &counters, views.clone());
    register_build(&mut registry, "standalone");

    let (phase, phases) = watch::channel(admin::Phase::Serving);
    let hosts = args.admin_host.clone();
    let subject = Box::new(Standalone(views.clone()));
    let admin = Arc::new(Admin { subject, phases, registry, hosts });
    spawn("admin", endpoint, move |endpoint| admin::serve(endpoint, Surface::Full, admin))?;
    info!(url = %format_args!("http://{local}/status"), "admin endpoint");

    let control = Control { follow, fixed, published, view, applied: applied.clone(), counters };
    spawn("control", control, Control::run)?;

    main.block_on(async {
        tokio::spawn(announce::follow(applied, snapshots));
        let times =
            drain::Times { pre_stop_delay: args.pre_stop_delay, drain_timeout: args.drain_timeout };
        Ok(drain::serve(&dataplane, signals, &phase, times).await)
    })
}

/// What the control thread owns.
struct Control {
    follow: Follow,
    fixed: Fixed,
    published: watch::Sender<Published>,
    view: watch::Sender<Arc<View>>,
    applied: watch::Receiver<ApplyReport>,
    counters: Counters,
}

impl Control {
    async fn run(self) {
        let loaded: Arc<Loaded> = files::load(&self.follow);
        files::log_problems(&[], &loaded.problems);
        let (loaded_sender, loaded) = watch::channel(loaded);
        let (wanted, names_wanted) = watch::channel(BTreeSet::new());
        let (resolved, names) = watch::channel(Resolved::default());
        let inputs = Inputs { loaded, applied: self.applied, names };
        let outputs = Outputs { published: self.published, view: self.view, wanted };
        tokio::join!(
            files::follow(self.follow, loaded_sender),
            dns::follow(names_wanted, resolved, dns::lookup),
            reconcile::run(self.fixed, inputs, outputs, self.counters),
        );
    }
}

/// Every address of this host: IPv4, and IPv6 where the kernel has it.
fn all_addresses() -> Vec<IpAddr> {
    let mut addresses = vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        addresses.push(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    }
    addresses
}
