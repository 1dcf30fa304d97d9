//! Reads the ClientHello of a new connection, under the one deadline that nothing extends. What it
//! means is decided by the parser; where it leads to, by the caller.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::ready;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::connection::Connection;
use crate::outcome::Refusal;
use crate::tls::client_hello::LIMIT;
use crate::tls::{Bad, Hello, Offer, Parser};
use crate::worker::Worker;

/// A ClientHello as it came, and what is needed of it later.
pub(super) struct Heard {
    /// Every byte read from the client.
    pub(super) head: Vec<u8>,
    /// The protocols offered.
    pub(super) offer: Offer,
}

/// Waits for a whole ClientHello. What it says is noted at `connection`, if it is well-formed.
pub(super) async fn hear(
    worker: &Rc<Worker>,
    connection: &mut Connection,
    client: &mut TcpStream,
) -> Result<Heard, Refusal> {
    let deadline = Instant::from_std(connection.accepted() + connection.bind().timeouts.hello);
    let hearing = read_hello(worker, connection, client);
    timeout_at(deadline, hearing).await.unwrap_or(Err(Refusal::HelloTimeout))
}

async fn read_hello(
    worker: &Rc<Worker>,
    connection: &mut Connection,
    client: &mut TcpStream,
) -> Result<Heard, Refusal> {
    let mut parser = Parser::default();
    let mut head = Vec::new();
    loop {
        match read_more(worker, client, &mut head).await {
            Ok(0) | Err(_) if head.is_empty() => return Err(Refusal::Probe),
            Ok(0) | Err(_) => return Err(Refusal::NotTls),
            Ok(_) => {}
        }
        let offer = match parser.parse(&head) {
            Hello::Incomplete => continue,
            Hello::Bad(bad) => {
                if let Bad::Name(name) = bad {
                    connection.tls().bad_server_name = Some(name.to_string().into());
                }
                return Err(Refusal::NotTls);
            }
            Hello::Complete(hello) => {
                connection.tls().server_name = hello.server_name().cloned();
                Offer::of(&hello)
            }
        };
        connection.tls().offer = offer.clone();
        return Ok(Heard { head, offer });
    }
}

/// Appends what the client has sent to `head`, up to [`LIMIT`] in all. The parser has given its
/// verdict before that, so there is always room.
async fn read_more(
    worker: &Worker,
    client: &mut TcpStream,
    head: &mut Vec<u8>,
) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut scratch = worker.scratch();
        let room = scratch.get_mut(..LIMIT.saturating_sub(head.len())).unwrap_or_default();
        let mut buffer = ReadBuf::new(room);
        ready!(Pin::new(&mut *client).poll_read(cx, &mut buffer))?;
        head.extend_from_slice(buffer.filled());
        Ok(buffer.filled().len()).into()
    })
    .await
}
