//! Starts everything, in the order in which nothing misses an event, and ends it: the lease is
//! given back and the streams end in good order, so that another replica goes on at once.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use controlplane::Loaded;
use controlplane::ca::{self, CaConfig};
use controlplane::cluster::{self, ClusterView, Inputs, Outputs};
use controlplane::events::{self, Reporter};
use controlplane::identity::Identities;
use controlplane::leader::{self, LeaseConfig, Office, Term, term};
use controlplane::metrics::certificates::CertificateTimes;
use controlplane::metrics::{self, Counters, StatusWrites};
use controlplane::provision::{self, ProxySettings};
use controlplane::source::kube as cluster_source;
use controlplane::source::kube::{Health, Scope};
use controlplane::status::{self, Desired};
use kube::{Client, Config};
use prometheus_client::registry::Registry;
use stream::server::Bounds;
use stream::{Reports, Server};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use translate::Settings;

use super::answers;
use super::door::Door;
use super::subject::Controller;
use crate::admin::{self, Admin, Phase, Surface};
use crate::cli::ControllerArgs;
use crate::drain::Signals;
use crate::exit::Exit;
use crate::serving::register_build;
use crate::threads::{ThreadError, runtime, spawn};

/// How long the end may take: to give back the lease and to end streams.
const ENDING: Duration = Duration::from_secs(8);

/// Why `controller` could not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("no cluster: neither a ServiceAccount nor a kubeconfig can be used")]
    Config(#[source] kube::config::InferConfigError),
    #[error("the admin endpoint cannot listen on {0}")]
    Admin(SocketAddr, #[source] io::Error),
    #[error("snapshots cannot be served on {0}")]
    Stream(SocketAddr, #[source] io::Error),
    #[error(transparent)]
    Thread(#[from] ThreadError),
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
}

/// Starts, works until a signal, ends.
pub(super) fn start(args: &ControllerArgs) -> Result<Exit, StartError> {
    let main = runtime()?;
    // Before anything that takes time: the first process of a container has no default for a signal
    // that comes before it is asked for.
    let mut signals = main.block_on(async { Signals::new() }).map_err(StartError::Signals)?;
    let bind = |address| admin::bind(address).map_err(|error| StartError::Admin(address, error));
    let (endpoint, health) = (bind(args.admin)?, bind(args.health)?);
    let stream_socket = admin::bind(args.stream_address)
        .map_err(|error| StartError::Stream(args.stream_address, error))?;

    let config = main.block_on(Config::infer()).map_err(StartError::Config)?;
    let host = args.name.clone().unwrap_or_else(host_name);
    let lease = LeaseConfig {
        duration: args.lease_duration,
        ..LeaseConfig::new(&args.namespace, "tidegate-controller", leader::identity(&host))
    };

    let (view, views) = watch::channel(Arc::new(ClusterView::default()));
    let (feeds, feeds_out) = watch::channel(None);
    let (office, term) = term();
    let stop = CancellationToken::new();
    let (loaded, objects) = watch::channel(Arc::new(Loaded::default()));
    let (health_of_watches, watches) = watch::channel(Health::default());

    let (counters, writes) = (Counters::default(), StatusWrites::default());
    let times = CertificateTimes::default();
    let mut registry = Registry::default();
    register_build(&mut registry, "controller");
    metrics::cluster::register(&mut registry, &counters, views.clone(), term.clone());
    metrics::leading::register(&mut registry, &writes, term.clone());
    metrics::watches::register(&mut registry, watches);
    metrics::certificates::register(&mut registry, &times);
    let (phase, phases) = watch::channel(Phase::Serving);
    let subject = Controller { views: views.clone(), leading: term.flag() };
    let admin = Arc::new(Admin { subject: Box::new(subject), phases, registry, hosts: Vec::new() });
    let also = Arc::clone(&admin);
    spawn("admin", endpoint, |endpoint| admin::serve(endpoint, Surface::Full, admin))?;
    spawn("health", health, |endpoint| admin::serve(endpoint, Surface::Health, also))?;

    // Whoever has something to end in order holds one; the last one gone wakes the main thread.
    let (busy, mut idle) = mpsc::channel::<Infallible>(1);
    let election =
        Election { config: config.clone(), lease, office, stop: stop.clone(), _busy: busy.clone() };
    spawn("lease", election, Election::run)?;

    let (answers, answers_in) = watch::channel(Arc::default());
    let name = args.advertise.rsplit_once(':').map_or(&*args.advertise, |(host, _)| host);
    let name = name.to_owned();
    let (bundle, authority) = watch::channel(String::new());
    let streaming = Streaming {
        config: config.clone(),
        socket: stream_socket,
        feeds: feeds_out,
        serving: term.flag(),
        answers,
        stop: stop.clone(),
        ca: CaConfig {
            namespace: args.namespace.clone(),
            secret: "tidegate-ca".to_owned(),
            names: vec![format!("{name}.cluster.local"), name.clone()],
        },
        times,
        bundle,
        objects: objects.clone(),
        _busy: busy,
    };
    spawn("stream", streaming, Streaming::run)?;

    let control = Control {
        config,
        scope: scope(&args.watch_namespace),
        instance: host,
        proxies: ProxySettings {
            controller_name: gwapi::CONTROLLER_NAME.to_owned(),
            image: args.proxy_image.clone(),
            controller: args.advertise.clone(),
            server_name: name,
            reads_all_namespaces: args.watch_namespace.is_empty(),
        },
        authority,
        loaded,
        objects,
        health: health_of_watches,
        writes,
        answers: answers_in,
        feeds,
        view,
        views,
        term,
        counters,
    };
    spawn("control", control, Control::run)?;

    main.block_on(async {
        signals.next().await;
        phase.send_replace(Phase::Draining);
        stop.cancel();
        info!("stopping: the lease is given back, streams end");
        tokio::select! {
            _ = idle.recv() => {}
            () = tokio::time::sleep(ENDING) => {}
            () = signals.next() => {}
        }
        Ok(Exit::Ok)
    })
}

fn scope(namespaces: &[String]) -> Scope {
    if namespaces.is_empty() {
        Scope::Cluster
    } else {
        Scope::Namespaces(namespaces.iter().cloned().collect())
    }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What the lease's thread owns.
struct Election {
    config: Config,
    lease: LeaseConfig,
    office: Office,
    stop: CancellationToken,
    _busy: mpsc::Sender<Infallible>,
}

impl Election {
    async fn run(self) {
        match leader::client(self.config, &self.lease) {
            Ok(client) => {
                leader::hold(client, self.lease, self.office, self.stop.cancelled()).await;
            }
            Err(error) => error!(%error, "no client for the lease"),
        }
    }
}

/// What the stream's thread owns.
struct Streaming {
    config: Config,
    socket: std::net::TcpListener,
    feeds: watch::Receiver<cluster::Feeds>,
    serving: watch::Receiver<bool>,
    answers: watch::Sender<cluster::Answers>,
    stop: CancellationToken,
    ca: CaConfig,
    times: CertificateTimes,
    bundle: watch::Sender<String>,
    objects: watch::Receiver<Arc<Loaded>>,
    _busy: mpsc::Sender<Infallible>,
}

impl Streaming {
    async fn run(self) {
        let (client, listener) = match (
            Client::try_from(self.config),
            TcpListener::from_std(self.socket),
        ) {
            (Ok(client), Ok(listener)) => (client, listener),
            (client, listener) => {
                error!(client = ?client.err(), listener = ?listener.err(), "snapshots cannot be served");
                return;
            }
        };
        let (fed, feeds) = watch::channel(None);
        let (reports, reported) = watch::channel(Reports::default());
        let issued = ca::open(client.clone(), self.ca, self.times).await;
        let server = Server {
            listener,
            tls: issued.tls,
            feeds,
            auth: Door(Identities::new(client, self.objects)),
            reports,
            bounds: Bounds::default(),
            counters: Arc::default(),
        };
        let around = async {
            tokio::join!(
                issued.keeper.keep(),
                hand_on(issued.bundle, self.bundle),
                answers::feed(self.feeds.clone(), self.serving, fed),
                answers::collect(reported, self.feeds, self.answers),
            )
        };
        tokio::select! {
            () = stream::serve(server, self.stop) => {}
            _ = around => {}
        }
    }
}

/// What the control thread owns.
struct Control {
    config: Config,
    scope: Scope,
    /// The name of this replica.
    instance: String,
    proxies: ProxySettings,
    authority: watch::Receiver<String>,
    loaded: watch::Sender<Arc<Loaded>>,
    objects: watch::Receiver<Arc<Loaded>>,
    health: watch::Sender<Health>,
    writes: StatusWrites,
    answers: watch::Receiver<cluster::Answers>,
    feeds: watch::Sender<cluster::Feeds>,
    view: watch::Sender<Arc<ClusterView>>,
    views: watch::Receiver<Arc<ClusterView>>,
    term: Term,
    counters: Counters,
}

impl Control {
    async fn run(self) {
        let client = match cluster_source::client(self.config) {
            Ok(client) => client,
            Err(error) => {
                error!(%error, "no client for the cluster");
                return;
            }
        };
        let settings = Settings {
            controller_name: gwapi::CONTROLLER_NAME.to_owned(),
            bundle_version: None,
            reserved_ports: Vec::new(),
            trust_endpoints: false,
        };
        let (problems, known_problems) = watch::channel(Arc::default());
        let inputs =
            Inputs { loaded: self.objects, answers: self.answers, problems: known_problems };
        let reporter =
            Reporter { controller: settings.controller_name.clone(), instance: self.instance };
        let outputs = Outputs { feeds: self.feeds, view: self.view };
        let (desired, wanted) = watch::channel(Arc::new(Desired::default()));
        tokio::join!(
            desire(self.views.clone(), desired),
            status::writer::run(
                client.clone(),
                settings.controller_name.clone(),
                wanted.clone(),
                self.term.clone(),
                self.writes,
            ),
            events::run(client.clone(), reporter, wanted, self.term.clone()),
            cluster_source::follow(client.clone(), self.scope, self.loaded, self.health),
            cluster::run(settings, inputs, outputs, self.counters),
            provision::run(client, self.proxies, self.views, self.authority, self.term, problems),
        );
    }
}

/// Hands on what proxies have to trust.
async fn hand_on(mut from: watch::Receiver<String>, to: watch::Sender<String>) {
    loop {
        to.send_replace(from.borrow_and_update().clone());
        if from.changed().await.is_err() {
            return;
        }
    }
}

/// Tells what has to be written. Nothing is until everything is known once.
async fn desire(
    mut views: watch::Receiver<Arc<ClusterView>>,
    desired: watch::Sender<Arc<Desired>>,
) {
    while views.changed().await.is_ok() {
        let view = Arc::clone(&views.borrow_and_update());
        desired.send_replace(Arc::new(view.desired()));
    }
}
