//! UDP: datagrams of one client form a flow, and a flow keeps its endpoint and its source port.
//!
//! The decisions are pure and take time and randomness as arguments: [`table`] decides who is let
//! in and who has to go, [`ports`] which source port a flow towards an endpoint gets. `shell`
//! moves the bytes, `admission` opens flows, `flow` counts them.
//!
//! What ends a flow: its idle time; its endpoint, when that leaves or refuses; the flow limit, for
//! new flows; the end of its listener's drain time. Nothing else does. In particular a flow whose
//! route changed goes on until it is idle, as a TCP connection would; the change holds for the
//! flows after it.

mod admission;
mod flow;
mod local;
mod order;
mod poller;
pub mod ports;
mod refused;
mod shell;
pub mod table;
mod upstream;

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::AsFd;
use std::rc::Rc;

use socket2::SockRef;

pub(crate) use local::Local;

use crate::sys;
use crate::worker::Worker;
use local::Binds;
use shell::Shell;

/// What a listener's socket may hold of datagrams that wait for us; the kernel lowers it to
/// `net.core.rmem_max`. Room for a burst of the largest datagrams, or some 10 ms of small ones at
/// full speed.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// Sets what a listener's socket needs beside its address, before it is bound.
pub(crate) fn prepare(socket: impl AsFd, bound: IpAddr) -> io::Result<()> {
    sys::report_local_address(&socket, bound)?;
    sys::report_overflow(&socket)?;
    upstream::allow_fragments(&socket, bound)?;
    SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER)
}

/// Serves a socket until the sender of its bind is gone, and then as long as its flows live and
/// may. A bind that comes back before that goes on with the socket and the flows it had.
pub(crate) async fn serve(worker: Rc<Worker>, socket: UdpSocket, mut binds: Binds) {
    let bind = binds.borrow_and_update().clone();
    let Err(binds) = worker.udp().hand_over(bind.key, binds) else { return };
    let Some(listener) = bind.only_listener().cloned() else { return };
    match tokio::net::UdpSocket::from_std(socket) {
        Ok(socket) => Shell::new(worker, socket, bind, listener).run(binds).await,
        Err(error) => {
            tracing::error!(%error, socket = %bind.key, "cannot serve a UDP socket");
        }
    }
}
