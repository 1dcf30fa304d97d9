//! The accept loop of one socket on one worker: admits connections within the budgets and never
//! ends by an error. Decides nothing about where a connection goes.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::budget::Cost;
use crate::budget::memory::Shedding;
use crate::compiled::CompiledBind;
use crate::connection::Connection;
use crate::outcome::Refusal;
use crate::socket::{canonical, reset_on_close};
use crate::worker::Worker;

/// How long a full process leaves new connections in the kernel's queue before it looks again.
const PAUSE: Duration = Duration::from_millis(50);

/// Connections accepted before others get their turn.
const BURST: u32 = 16;

/// Accepts on `socket` until the sender of the bind is gone.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    socket: std::net::TcpListener,
    mut binds: watch::Receiver<Arc<CompiledBind>>,
) {
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => {
            let bind = binds.borrow().key;
            tracing::error!(%bind, %error, "a socket could not be watched");
            return;
        }
    };
    let mut bind = binds.borrow_and_update().clone();
    let mut burst = 0;
    // Accepted when there was room that another worker has taken since; waits like those that the
    // kernel still holds.
    let mut waiting: Option<Accepted> = None;
    loop {
        let paused = !bind.life.has_room(Cost::Connection);
        if !paused && let Some(accepted) = waiting.take() {
            waiting = admit(&worker, &bind, accepted);
            continue;
        }
        tokio::select! {
            biased;
            changed = binds.changed() => match changed {
                Ok(()) => bind = binds.borrow_and_update().clone(),
                Err(_) => return,
            },
            () = tokio::time::sleep(PAUSE), if paused => {}
            accepted = listener.accept(), if !paused => match accepted {
                Ok(accepted) => {
                    waiting = admit(&worker, &bind, accepted);
                    burst += 1;
                    if burst >= BURST {
                        burst = 0;
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    exhausted(&worker, &bind, &listener, &error).await;
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}

/// A connection and where it is from.
type Accepted = (TcpStream, SocketAddr);

/// Errors of accept(2) that were the connection's, not ours.
fn concerns_one_connection(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [
        Errno::CONNABORTED,
        Errno::PROTO,
        Errno::PERM,
        Errno::INTR,
        Errno::NETDOWN,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::NETUNREACH,
        Errno::OPNOTSUPP,
        Errno::TIMEDOUT,
    ]
    .iter()
    .any(|errno| Errno::from_io_error(error) == Some(*errno))
}

/// No descriptor or no memory for another connection. With the spare descriptor the one that
/// waits longest learns so at once instead of hanging.
async fn exhausted(
    worker: &Rc<Worker>,
    bind: &Arc<CompiledBind>,
    listener: &TcpListener,
    error: &io::Error,
) {
    let errno = rustix::io::Errno::from_io_error(error);
    let no_descriptor =
        errno == Some(rustix::io::Errno::MFILE) || errno == Some(rustix::io::Errno::NFILE);
    if !no_descriptor {
        tracing::warn!(bind = %bind.key, %error, "accept failed");
        return;
    }
    worker.with_spare_descriptor(|| {
        if let Ok((socket, client)) = rustix::net::acceptfrom(listener) {
            reset_on_close(&socket);
            let client = client.and_then(|client| SocketAddr::try_from(client).ok());
            let local = bind.key.socket_addr();
            let client = client.map_or(local, canonical);
            Connection::new(worker.clone(), bind.clone(), client, local).refuse(Refusal::FdBudget);
        }
    });
}

/// Takes up one accepted connection, or gives it back for want of descriptors.
fn admit(
    worker: &Rc<Worker>,
    bind: &Arc<CompiledBind>,
    (stream, client): Accepted,
) -> Option<Accepted> {
    let Some(permit) = bind.life.admit(Cost::Connection) else { return Some((stream, client)) };
    let local = local_address(worker, bind, &stream);
    let mut connection = Connection::new(worker.clone(), bind.clone(), canonical(client), local);
    let admitted = match worker.shared().budget.shedding() {
        Shedding::Connections => Err(Refusal::MemoryBudget),
        _ => connection.admit(permit),
    };
    match admitted {
        Ok(()) => worker.spawn(super::serve(worker.clone(), connection, stream)),
        Err(reason) => {
            reset_on_close(&stream);
            drop(stream);
            connection.refuse(reason);
        }
    }
    None
}

/// The address the client spoke to, for the log.
fn local_address(worker: &Worker, bind: &CompiledBind, stream: &TcpStream) -> SocketAddr {
    let bound = bind.key.socket_addr();
    if bound.ip().is_unspecified() && worker.shared().access_log.is_on() {
        return stream.local_addr().map_or(bound, canonical);
    }
    bound
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::worker::tests::{bind, worker};

    #[test]
    fn scarce_memory_resets_new_connections_and_counts_them() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(Default::default())
            .unwrap();
        runtime.block_on(async {
            let worker = worker(0);
            worker.shared().budget.shed(Shedding::Connections);
            let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            let address = socket.local_addr().unwrap();
            let (_publisher, binds) = watch::channel(bind(&worker));
            worker.spawn(accept(worker.clone(), socket, binds));
            let client = tokio::task::spawn_blocking(move || {
                std::net::TcpStream::connect(address)?.read(&mut [0])
            });
            let error = client.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            let listener = worker.shared().metrics.listener(&Arc::default());
            let refused = &listener.workers.at(0).refused;
            assert_eq!(refused.get(Refusal::MemoryBudget.index()), 1);
            assert_eq!(worker.shared().budget.used(), 0);
        });
    }

    #[test]
    fn errors_of_one_connection_are_no_reason_to_pause() {
        use rustix::io::Errno;
        let concerns = |errno: Errno| concerns_one_connection(&errno.into());
        assert!([Errno::CONNABORTED, Errno::PROTO, Errno::INTR].map(concerns) == [true; 3]);
        assert!([Errno::MFILE, Errno::NFILE, Errno::NOBUFS].map(concerns) == [false; 3]);
    }
}
