//! A worker: one thread, one single-threaded runtime, and everything that lives and dies on it.
//!
//! [`Worker`] is the context that TCP, TLS and UDP code is handed: its number for the counters,
//! the scratch buffer, the deadlines, and [`Shared`] for what all workers have in common. Workers
//! never talk to each other.
//!
//! A socket is served by one task: `serve(Rc<Worker>, socket, watch::Receiver<Arc<CompiledBind>>)`.
//! The receiver's value is what to do now; a closed channel means that the bind is gone: take
//! nothing new, and end what is open at [`CompiledBind`]`.life.ends_at()`, or at once when
//! [`Shared::forced`] is set.

use std::any::Any;
use std::cell::{Cell, RefCell, RefMut};
use std::fs::File;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use futures_util::FutureExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, watch};

use crate::access_log::{self, Ids};
use crate::budget::Budget;
use crate::clock::Clock;
use crate::compiled::CompiledBind;
use crate::deadlines::Deadlines;
use crate::metrics::Metrics;
use crate::socket::Listening;
use crate::{tcp, udp};

/// The largest read: past it, throughput gains nothing measurable.
pub(crate) const SCRATCH: usize = 256 * 1024;

/// TLS handshakes that may be computed at once: the processor, not memory, is what is scarce.
const HANDSHAKES: usize = 64;

/// What all workers have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    /// How many workers there are.
    pub(crate) workers: usize,
    /// The one clock.
    pub(crate) clock: Clock,
    /// Counts, by listener, route and backend.
    pub(crate) metrics: Metrics,
    /// Lines at the end of connections and flows.
    pub(crate) access_log: access_log::Sender,
    /// Names connections and flows.
    pub(crate) ids: Ids,
    /// Descriptors for connections and flows.
    pub(crate) budget: Arc<Budget>,
    /// Bytes one worker may hold for peers that do not read.
    pub(crate) residual_limit: u64,
    /// Whether everything must end at once.
    pub(crate) forced: AtomicBool,
}

/// The context of everything on one worker's thread.
#[derive(Debug)]
pub(crate) struct Worker {
    id: usize,
    shared: Arc<Shared>,
    scratch: RefCell<Box<[u8]>>,
    residual: Cell<u64>,
    deadlines: Deadlines,
    udp: udp::Local,
    random: RefCell<fastrand::Rng>,
    handshakes: Rc<Semaphore>,
    /// Given up when descriptors run out, so that a connection can be accepted and closed.
    spare: RefCell<Option<File>>,
}

impl Worker {
    /// A context outside any thread of its own.
    pub(crate) fn new(id: usize, shared: Arc<Shared>) -> Rc<Self> {
        Rc::new(Self {
            id,
            scratch: RefCell::new(vec![0; SCRATCH].into_boxed_slice()),
            residual: Cell::new(0),
            deadlines: Deadlines::default(),
            udp: udp::Local::new(id, shared.workers),
            random: RefCell::new(fastrand::Rng::new()),
            handshakes: Rc::new(Semaphore::new(HANDSHAKES)),
            spare: RefCell::new(spare()),
            shared,
        })
    }

    /// Its number, from 0: the index of its metric cells.
    pub(crate) fn id(&self) -> usize {
        self.id
    }

    /// What all workers have in common.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Room to read into, between two awaits only.
    pub(crate) fn scratch(&self) -> RefMut<'_, Box<[u8]>> {
        self.scratch.borrow_mut()
    }

    /// Bytes held on this worker for peers that do not read.
    pub(crate) fn residual(&self) -> &Cell<u64> {
        &self.residual
    }

    /// What ends relayed connections.
    pub(crate) fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// What UDP listeners share.
    pub(crate) fn udp(&self) -> &udp::Local {
        &self.udp
    }

    /// Random numbers, between two awaits only.
    pub(crate) fn random(&self) -> RefMut<'_, fastrand::Rng> {
        self.random.borrow_mut()
    }

    /// Slots for TLS handshakes.
    pub(crate) fn handshakes(&self) -> &Rc<Semaphore> {
        &self.handshakes
    }

    /// Runs `with_one_more` with one descriptor more than there is; false if even the spare one
    /// is in use.
    pub(crate) fn with_spare_descriptor(&self, with_one_more: impl FnOnce()) -> bool {
        let had_one = self.spare.borrow_mut().take().is_some();
        if had_one {
            with_one_more();
        }
        *self.spare.borrow_mut() = spare();
        had_one
    }

    /// Runs a task of this worker. A panic ends that task only, and is counted.
    pub(crate) fn spawn(self: &Rc<Self>, task: impl Future<Output = ()> + 'static) {
        let worker = self.clone();
        // Nothing of a panicked task is used again: it is dropped, and what it shares with others
        // (counters, the scratch buffer) is whole after every statement. Combinators, because an
        // async block would hold the task twice.
        tokio::task::spawn_local(AssertUnwindSafe(task).catch_unwind().map(move |result| {
            if let Err(panic) = result {
                worker.shared.metrics.panics().inc();
                tracing::error!(panic = panic_text(&*panic), "the task of a connection panicked");
            }
        }));
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}

/// What the supervisor tells a worker.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve this socket until the sender of the bind is gone.
    Serve(Listening, watch::Receiver<Arc<CompiledBind>>),
    /// Look for connections that must end.
    Sweep,
}

/// A running worker. Dropping it makes the thread end, and with it what lives there.
#[derive(Debug)]
pub(crate) struct Handle {
    commands: UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

impl Handle {
    /// Tells the worker something; one that is gone does not listen.
    pub(crate) fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Ends the thread, and with it what still lives there. Blocks until it has ended.
    pub(crate) fn join(self) {
        drop(self.commands);
        if self.thread.join().is_err() {
            tracing::error!("a worker thread panicked");
        }
    }
}

/// Starts a worker's thread.
pub(crate) fn spawn(id: usize, shared: Arc<Shared>) -> std::io::Result<Handle> {
    let (commands, received) = unbounded_channel();
    let (started, is_up) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(format!("worker-{id}")).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(Default::default());
        match runtime {
            Ok(runtime) => {
                let _ = started.send(Ok(()));
                runtime.block_on(run(Worker::new(id, shared), received));
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    })?;
    is_up.recv().map_err(std::io::Error::other)??;
    Ok(Handle { commands, thread })
}

async fn run(worker: Rc<Worker>, mut commands: UnboundedReceiver<Command>) {
    let sweeper = worker.clone();
    worker.spawn(async move { sweeper.deadlines.run(&sweeper.shared).await });
    while let Some(command) = commands.recv().await {
        match command {
            Command::Serve(Listening::Tcp(socket), bind) => {
                worker.spawn(tcp::accept(worker.clone(), socket, bind));
            }
            Command::Serve(Listening::Udp(socket), bind) => {
                worker.spawn(udp::serve(worker.clone(), socket, bind));
            }
            Command::Sweep => worker.deadlines.sweep_soon(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
