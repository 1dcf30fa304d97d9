//! Ends the TLS session of a client whose ClientHello has been read: waits for a slot to compute
//! our answer in, then for the client's, both under the one deadline that counts from accept.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::TlsStream;

use super::Turned;
use crate::budget::memory::Shedding;
use crate::connection::Connection;
use crate::metrics::{CONNECT_BOUNDS, ListenerSeries};
use crate::outcome::{Refusal, TlsSide};
use crate::tls::{Offer, Rewind, Terminator};
use crate::worker::Worker;

/// A client's plaintext.
pub(super) type Stream = TlsStream<Rewind<TcpStream>>;

/// How long a handshake waits for a slot. Longer, and under a flood all of them would time out
/// with their work half done.
const SLOT_WAIT: Duration = Duration::from_secs(1);

/// Does the handshake of `client`, whose first bytes are `head`.
pub(super) async fn terminate(
    worker: &Rc<Worker>,
    connection: &mut Connection,
    terminator: &Terminator,
    series: &Arc<ListenerSeries>,
    client: TcpStream,
    head: Vec<u8>,
    offer: &Offer,
) -> Result<Box<Stream>, Turned> {
    if worker.shared().budget.shedding() >= Shedding::Handshakes {
        return Err(Turned::reset(client, Refusal::MemoryBudget));
    }
    let deadline = Instant::from_std(connection.accepted() + connection.bind().timeouts.handshake);
    let patience = deadline.min(Instant::now() + SLOT_WAIT);
    let Ok(Ok(slot)) = timeout_at(patience, worker.handshakes().acquire()).await else {
        series.handshake(TlsSide::Client, "no_slot");
        return Err(Turned::close(client, Refusal::Handshake));
    };
    let started = Instant::now();
    let name = connection.tls().server_name.clone();
    let stream = Rewind::new(head, client);
    let mut handshake = pin!(terminator.accept(stream, name.as_ref(), offer, deadline));
    // The hello is here, so the first poll does all the costly work: key exchange and signature.
    // Held until the client's answer, 64 clients that never answer would shut out everyone else.
    let first = poll_fn(|cx| Poll::Ready(handshake.as_mut().poll(cx))).await;
    drop(slot);
    let result = match first {
        Poll::Ready(result) => result,
        Poll::Pending => handshake.await,
    };
    match result {
        Ok((stream, established)) => {
            let took = started.elapsed();
            series.handshake(TlsSide::Client, "ok");
            series.workers.at(worker.id()).handshake_duration.observe(&CONNECT_BOUNDS, took);
            connection.tls().session = Some((established, took));
            Ok(Box::new(stream))
        }
        Err(error) => {
            series.handshake(TlsSide::Client, error.label());
            Err(Turned { client: None, reason: Refusal::Handshake, manner: super::Manner::Close })
        }
    }
}
