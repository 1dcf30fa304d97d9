//! Applies snapshots: owns the sockets, tells the workers what to serve on them, and reports what
//! it could bind. The only place that knows old and new at once.

mod bound;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use snapshot::{ApplyReport, BindKey, BindState, Published, Snapshot, Transport};
use tokio::sync::{mpsc, oneshot, watch};

use crate::access_log;
use crate::budget::memory::MemoryGroup;
use crate::clock::{Millis, millis};
use crate::cluster::Clusters;
use crate::compiled::{BindLife, CompiledBind, Compiler, Terminators};
use crate::diff::{BindChange, diff};
use crate::socket::{self, Probe};
use crate::worker::{Command, Handle, Shared};

/// First retry of a failed bind; doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(100);
/// A port that is freed is taken within this time.
const RETRY_MAX: Duration = Duration::from_secs(1);

/// Above so many sockets each new bind gets one socket instead of one for each worker.
const SOCKETS_MAX: usize = 4096;

/// How often memory is looked at, where it has a limit.
const MEMORY_POLL: Duration = Duration::from_millis(500);

/// How often a draining process looks whether everything has ended.
const DRAIN_POLL: Duration = Duration::from_millis(20);
/// What connections that were told to end take at most to do so.
const CUT_DEADLINE: Duration = Duration::from_secs(2);

/// How a shutdown went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Every connection and flow ended by itself.
    Drained,
    /// The time was over, or the end was forced, while something was still open.
    Cut,
}

/// A request to end.
#[derive(Debug)]
pub(crate) struct Request {
    /// How long connections and flows may live on.
    pub(crate) grace: Duration,
    /// Told how it went.
    pub(crate) done: oneshot::Sender<Shutdown>,
}

/// The one that applies snapshots.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    workers: Vec<Handle>,
    access_log: access_log::Writer,
    memory: Option<MemoryGroup>,
    clusters: Clusters,
    terminators: Terminators,
    binds: BTreeMap<BindKey, Active>,
    /// Sockets that are no longer served and may still have connections or flows.
    former: Vec<(BindKey, Weak<BindLife>)>,
    current: Arc<Snapshot>,
    version: u64,
    reports: watch::Sender<ApplyReport>,
}

/// A bind of the current snapshot.
struct Active {
    spec: Arc<snapshot::Bind>,
    state: State,
}

enum State {
    /// The workers serve what was last sent.
    Bound { publisher: watch::Sender<Arc<CompiledBind>>, life: Arc<BindLife>, sockets: usize },
    /// The socket could not be opened; tried again.
    Failed { state: BindState, retry_at: Instant, delay: Duration },
}

impl Supervisor {
    /// Supervises `workers`.
    pub(crate) fn new(
        shared: Arc<Shared>,
        workers: Vec<Handle>,
        access_log: access_log::Writer,
        memory: Option<MemoryGroup>,
        reports: watch::Sender<ApplyReport>,
    ) -> Self {
        Self {
            shared,
            workers,
            access_log,
            memory,
            clusters: Clusters::default(),
            terminators: Terminators::default(),
            binds: BTreeMap::new(),
            former: Vec::new(),
            current: Arc::default(),
            version: 0,
            reports,
        }
    }

    /// Applies snapshots until told to end, or until nobody can tell any more.
    pub(crate) async fn run(
        mut self,
        mut snapshots: watch::Receiver<Published>,
        mut requests: mpsc::UnboundedReceiver<Request>,
    ) {
        let mut has_source = true;
        let first = snapshots.borrow_and_update().clone();
        self.apply(&first);
        let request = loop {
            let retry_at = self.next_retry();
            tokio::select! {
                biased;
                request = requests.recv() => break request,
                changed = snapshots.changed(), if has_source => match changed {
                    Ok(()) => {
                        let next = snapshots.borrow_and_update().clone();
                        self.apply(&next);
                    }
                    // Without a source what was last published goes on.
                    Err(_) => has_source = false,
                },
                () = sleep_until(retry_at), if retry_at.is_some() => self.retry(),
                () = tokio::time::sleep(MEMORY_POLL), if self.memory.is_some() => self.look_at_memory(),
            }
        };
        self.end(request, requests).await;
    }

    fn look_at_memory(&self) {
        let Some(memory) = &self.memory else { return };
        let now = memory.shedding();
        let before = self.shared.budget.shed(now);
        if now != before {
            tracing::warn!(sheds = ?now, limit = memory.limit(), "memory pressure changed");
        }
    }

    fn apply(&mut self, published: &Published) {
        let old = std::mem::replace(&mut self.current, published.snapshot.clone());
        let new = published.snapshot.clone();
        self.version = published.version;
        let mut sweep = self.clusters.apply(&old, &new, self.shared.clock.now());
        let changes = diff(&old, &new);
        for change in &changes {
            match change {
                BindChange::Close(key) => {
                    sweep = true;
                    self.close(key);
                }
                BindChange::Update(key, bind) => self.update(key, bind),
                BindChange::Open(key, bind) => {
                    let state = self.open(key, bind, RETRY_MIN);
                    state.warn_of_failure(key);
                    self.binds.insert(*key, Active { spec: bind.clone(), state });
                }
            }
        }
        if sweep {
            self.tell_all(|| Command::Sweep);
        }
        tracing::info!(version = self.version, changes = changes.len(), "applied a snapshot");
        self.shared.metrics.applied(|applied| {
            applied.version = published.version;
            applied.at = Some(SystemTime::now());
            applied.certificates = bound::certificates(&new);
            applied.clusters = bound::clusters(&new, &mut self.clusters);
        });
        self.report();
    }

    fn close(&mut self, key: &BindKey) {
        let Some(active) = self.binds.remove(key) else { return };
        if let State::Bound { life, .. } = active.state {
            // The publisher is dropped with the state: workers stop accepting.
            let drain = millis(active.spec.timeouts.drain);
            life.end(self.shared.clock.now().saturating_add(drain));
            self.former.push((*key, Arc::downgrade(&life)));
            tracing::info!(bind = %key, "closed a socket");
        }
    }

    fn update(&mut self, key: &BindKey, bind: &Arc<snapshot::Bind>) {
        let Some(active) = self.binds.get_mut(key) else { return };
        active.spec = bind.clone();
        if let State::Bound { publisher, life, .. } = &active.state {
            let (publisher, life) = (publisher.clone(), life.clone());
            publisher.send_replace(self.compile(key, bind, life));
        }
    }

    fn compile(
        &mut self,
        key: &BindKey,
        bind: &snapshot::Bind,
        life: Arc<BindLife>,
    ) -> Arc<CompiledBind> {
        let mut compiler = Compiler {
            clusters: &mut self.clusters,
            metrics: &self.shared.metrics,
            terminators: &mut self.terminators,
        };
        Arc::new(compiler.bind(*key, bind, life))
    }

    fn open(&mut self, key: &BindKey, bind: &Arc<snapshot::Bind>, delay: Duration) -> State {
        let count = self.sockets_for_a_bind();
        let sockets = match socket::open(key, count, self.probe(key)) {
            Ok(sockets) => sockets,
            Err(error) => {
                let state = socket::bind_failure(&error);
                return State::Failed { state, retry_at: Instant::now() + delay, delay };
            }
        };
        let life = Arc::new(BindLife::new(self.shared.budget.share(count)));
        let compiled = self.compile(key, bind, life.clone());
        let (publisher, _) = watch::channel(compiled);
        let first = if count == 1 { bound::owner(key, self.workers.len()) } else { 0 };
        for (socket, worker) in sockets.into_iter().zip(self.workers.iter().cycle().skip(first)) {
            worker.tell(Command::Serve(socket, publisher.subscribe()));
        }
        tracing::info!(bind = %key, sockets = count, "opened a socket");
        State::Bound { publisher, life, sockets: count }
    }

    /// One socket for each worker, unless that would take too many descriptors.
    fn sockets_for_a_bind(&self) -> usize {
        let open: usize = self
            .binds
            .values()
            .map(|active| match active.state {
                State::Bound { sockets, .. } => sockets,
                State::Failed { .. } => 0,
            })
            .sum();
        let quarter = usize::try_from(self.shared.budget.total() / 4).unwrap_or(usize::MAX);
        let most = SOCKETS_MAX.min(quarter);
        if open + self.workers.len() > most { 1 } else { self.workers.len() }
    }

    /// Whether another holder of the port would be another process.
    fn probe(&mut self, key: &BindKey) -> Probe {
        self.former.retain(|(_, life)| life.strong_count() > 0);
        // A UDP socket that drains is still open; a TCP one is closed at once.
        let draining = self.former.iter().map(|(key, _)| key);
        let draining = draining.filter(|key| key.transport == Transport::Udp);
        let bound = self.binds.iter().filter(|(_, active)| active.state.is_bound());
        let mut own = bound.map(|(key, _)| key).chain(draining);
        if own.any(|own| bound::overlap(own, key)) { Probe::Skip } else { Probe::Ask }
    }

    fn next_retry(&self) -> Option<Instant> {
        self.binds.values().filter_map(|active| active.state.retry_at()).min()
    }

    fn retry(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self
            .binds
            .iter()
            .filter(|(_, active)| active.state.retry_at().is_some_and(|at| at <= now))
            .map(|(key, active)| (*key, active.spec.clone(), active.state.next_delay()))
            .collect();
        for (key, spec, delay) in due {
            let state = self.open(&key, &spec, delay);
            if let Some(active) = self.binds.get_mut(&key) {
                // Said once, not at every retry.
                if active.state.report() != state.report() {
                    state.warn_of_failure(&key);
                }
                active.state = state;
            }
        }
        self.report();
    }

    fn report(&self) {
        let binds: BTreeMap<_, _> =
            self.binds.iter().map(|(key, active)| (*key, active.state.report())).collect();
        self.shared.metrics.applied(|applied| {
            applied.bound = bound::listeners(&self.current, &binds);
        });
        let report = ApplyReport { version: self.version, binds };
        self.reports.send_if_modified(|last| {
            let is_news = *last != report;
            *last = report;
            is_news
        });
    }

    fn tell_all(&self, command: impl Fn() -> Command) {
        for worker in &self.workers {
            worker.tell(command());
        }
    }

    /// Stops accepting and lets what is open end; by `request` in its time, else at once.
    async fn end(
        mut self,
        request: Option<Request>,
        mut requests: mpsc::UnboundedReceiver<Request>,
    ) {
        let (grace, mut waiting) = match request {
            Some(request) => (request.grace, vec![request.done]),
            None => (Duration::ZERO, Vec::new()),
        };
        let ends_at = self.shared.clock.now().saturating_add(millis(grace));
        for active in std::mem::take(&mut self.binds).into_values() {
            if let State::Bound { life, .. } = active.state {
                life.end(ends_at);
            }
        }
        for life in self.former.drain(..).filter_map(|(_, life)| life.upgrade()) {
            life.end(ends_at);
        }
        let outcome = match self.shared.budget.used() {
            0 => Shutdown::Drained,
            _ => self.drain(ends_at, &mut requests, &mut waiting).await,
        };
        if outcome == Shutdown::Cut {
            self.cut().await;
        }
        let Self { shared, workers, mut access_log, .. } = self;
        drop(shared);
        // Joining blocks, for about as long as a task takes to be dropped.
        let ended = tokio::task::spawn_blocking(move || {
            workers.into_iter().for_each(Handle::join);
            access_log.finish();
        });
        if ended.await.is_err() {
            tracing::error!("ending the workers panicked");
        }
        requests.close();
        while let Some(request) = requests.recv().await {
            waiting.push(request.done);
        }
        for done in waiting {
            let _ = done.send(outcome);
        }
    }

    /// Waits until everything has ended, the time is over, or somebody asks again.
    async fn drain(
        &mut self,
        ends_at: Millis,
        requests: &mut mpsc::UnboundedReceiver<Request>,
        waiting: &mut Vec<oneshot::Sender<Shutdown>>,
    ) -> Shutdown {
        self.tell_all(|| Command::Sweep);
        loop {
            // Nothing is cut before `ends_at`: what is gone before then has ended by itself.
            let is_empty = self.shared.budget.used() == 0;
            if self.shared.clock.now() >= ends_at {
                return Shutdown::Cut;
            }
            if is_empty {
                return Shutdown::Drained;
            }
            tokio::select! {
                again = requests.recv() => {
                    waiting.extend(again.map(|request| request.done));
                    self.shared.forced.store(true, Relaxed);
                    return Shutdown::Cut;
                }
                () = tokio::time::sleep(DRAIN_POLL) => {}
            }
        }
    }

    /// Gives what must end now a moment to do so with a reset and an access line.
    async fn cut(&mut self) {
        self.tell_all(|| Command::Sweep);
        let patience = Instant::now() + CUT_DEADLINE;
        while self.shared.budget.used() > 0 && Instant::now() < patience {
            tokio::time::sleep(DRAIN_POLL).await;
        }
    }
}

impl State {
    fn is_bound(&self) -> bool {
        matches!(self, Self::Bound { .. })
    }

    fn warn_of_failure(&self, key: &BindKey) {
        if let Self::Failed { state, .. } = self {
            tracing::warn!(bind = %key, ?state, "a socket could not be opened");
        }
    }

    fn retry_at(&self) -> Option<Instant> {
        match self {
            Self::Bound { .. } => None,
            Self::Failed { retry_at, .. } => Some(*retry_at),
        }
    }

    fn next_delay(&self) -> Duration {
        match self {
            Self::Bound { .. } => RETRY_MIN,
            Self::Failed { delay, .. } => (*delay * 2).min(RETRY_MAX),
        }
    }

    fn report(&self) -> BindState {
        match self {
            Self::Bound { .. } => BindState::Bound,
            Self::Failed { state, .. } => state.clone(),
        }
    }
}

/// Sleeps until `at`; for ever without one.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
