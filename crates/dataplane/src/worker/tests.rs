//! A worker without its thread: what it takes over, and what it refuses.

use std::net::SocketAddr;

use snapshot::{
    App, Bind, BindKey, ClusterKey, Limits, Port, Route, Snapshot, Target, TcpApp, Timeouts,
    Transport, Weighted,
};

use super::*;
use crate::cluster::Clusters;
use crate::compiled::{BindLife, CompiledApp, CompiledTarget, Compiler, Terminators};
use crate::connection::{Connection, Session};

/// A worker's context without its thread.
pub(crate) fn worker(residual_limit: u64) -> Rc<Worker> {
    let metrics = Metrics::new(1);
    let off = access_log::AccessLog {
        format: access_log::Format::Off,
        writer: Box::new(std::io::sink()),
    };
    let (sender, _) = access_log::start(off, metrics.clone()).unwrap();
    let shared = Shared {
        workers: 1,
        clock: Clock::start(),
        metrics,
        access_log: sender,
        ids: Ids::default(),
        budget: Budget::new(1000),
        residual_limit,
        forced: AtomicBool::new(false),
    };
    Worker::new(0, Arc::new(shared))
}

/// A TCP bind with one backend of one endpoint.
pub(crate) fn bind(worker: &Worker) -> Arc<CompiledBind> {
    let address: SocketAddr = ([127, 0, 0, 1], 9).into();
    let state = snapshot::EndpointState::Ready;
    let cluster = snapshot::Cluster {
        name: Arc::default(),
        endpoints: vec![snapshot::Endpoint { address, state }],
        tls: None,
    };
    let key = ClusterKey::new("a");
    let snapshot =
        Snapshot { clusters: [(key.clone(), Arc::new(cluster))].into(), ..Snapshot::default() };
    let target = Weighted { weight: 1, target: Target::Cluster(key) };
    let route = Route { name: Arc::default(), targets: vec![target] };
    let app = TcpApp { listener: Arc::default(), route: Some(Arc::new(route)) };
    let bind =
        Bind { app: App::Tcp(app), timeouts: Timeouts::default(), limits: Limits::default() };
    let mut clusters = Clusters::default();
    clusters.apply(&Snapshot::default(), &snapshot, 0);
    let mut compiler = Compiler {
        clusters: &mut clusters,
        metrics: &worker.shared().metrics,
        terminators: &mut Terminators::default(),
    };
    let port = Port::new(9).unwrap();
    let key = BindKey { transport: Transport::Tcp, port, address: address.ip() };
    let life = Arc::new(BindLife::new(worker.shared().budget.share(1)));
    Arc::new(compiler.bind(key, &bind, life))
}

/// A connection that was admitted.
pub(crate) fn connection(worker: &Rc<Worker>) -> Connection {
    let address = ([127, 0, 0, 1], 9).into();
    let mut connection = Connection::new(worker.clone(), bind(worker), address, address);
    let permit = connection.bind().life.admit(crate::budget::Cost::Connection).unwrap();
    connection.admit(permit).unwrap();
    connection
}

/// A relayed connection.
pub(crate) fn opened(worker: &Rc<Worker>) -> Session {
    let connection = connection(worker);
    let bind = connection.bind();
    let CompiledApp::Tcp(app) = &bind.app else { panic!("a TCP bind") };
    let route = app.route.as_ref().unwrap();
    let Some(CompiledTarget::Backend(backend)) = route.pick(&mut worker.random()) else {
        panic!("a backend")
    };
    let lease = backend.cluster.pick(&[], &mut worker.random()).unwrap();
    connection.open(route, backend, lease, std::time::Duration::ZERO)
}

#[test]
fn a_panic_ends_its_own_task_and_is_counted() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
    runtime.unwrap().block_on(async {
        let worker = worker(0);
        let session = opened(&worker);
        worker.spawn(async move {
            let _session = session;
            panic!("on purpose");
        });
        let (sender, receiver) = tokio::sync::oneshot::channel();
        worker.spawn(async move { sender.send("alive").unwrap() });
        assert_eq!(receiver.await, Ok("alive"));
        let metrics = &worker.shared().metrics;
        assert_eq!(metrics.panics().get(), 1);
        assert_eq!(metrics.active().at(0).get(), 0, "what it held is given back");
        assert_eq!(worker.shared().budget.used(), 0);
    });
}

#[test]
fn the_spare_descriptor_is_there_again_after_use() {
    let worker = worker(0);
    for _ in 0..2 {
        let mut ran = false;
        assert!(worker.with_spare_descriptor(|| ran = true));
        assert!(ran);
    }
}
