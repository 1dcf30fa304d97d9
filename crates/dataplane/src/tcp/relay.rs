//! Moves bytes between a client and a backend until both are done or one of them fails.
//!
//! One future for both directions, written by hand, because its size is what an idle connection
//! costs. It owns no buffer: bytes are read into the worker's scratch buffer and written at once;
//! only what a slow receiver leaves is copied out, and freed when it is gone. What to do next is
//! decided by [`pump`]; this file does it.

mod pump;
mod residual;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use snapshot::Timeouts;
use tokio::io::ReadBuf;

use super::Leg;
use crate::clock::{NEVER, millis};
use crate::connection::Session;
use crate::deadlines::Slot;
use crate::outcome::{Close, Side};
use crate::worker::Worker;
use pump::{Action, Event, Pump};
use residual::Residual;

/// Bytes one connection may move before others get their turn.
const TURN: u32 = 1 << 20;

/// A client and a backend, and what is on its way between them.
pub(crate) struct Relay<C: Leg, B: Leg> {
    client: C,
    backend: B,
    up: Direction,
    down: Direction,
    /// The side that finished first.
    first_done: Option<Side>,
    slot: usize,
    half_close: u64,
    has_idle_limit: bool,
    session: Session,
}

/// One direction: its decisions and what its receiver has not taken.
struct Direction {
    pump: Pump,
    residual: Residual,
}

/// Where a direction stopped.
enum Stop {
    /// It waits for a peer, or is done.
    Waiting,
    /// It had its turn.
    Yielded,
}

impl<C: Leg, B: Leg> Relay<C, B> {
    /// Relays from now on. `head` was read from the client already and goes to the backend first.
    pub(crate) fn new(
        client: C,
        backend: B,
        session: Session,
        timeouts: &Timeouts,
        head: &[u8],
    ) -> Self {
        let worker = session.worker();
        let slot = worker.deadlines().insert(Slot {
            life: session.life().clone(),
            endpoint: session.lease().endpoint().clone(),
            backend_drain: millis(timeouts.backend_drain),
            idle: timeouts.idle.map_or(NEVER, millis),
            active_at: worker.shared().clock.now(),
            half_closed_until: NEVER,
            waker: None,
            verdict: None,
        });
        let up = Direction::new(worker, head);
        let down = Direction::new(worker, &[]);
        Self {
            client,
            backend,
            up,
            down,
            first_done: None,
            slot,
            half_close: millis(timeouts.half_close),
            has_idle_limit: timeouts.idle.is_some(),
            session,
        }
    }

    /// Ends both sides with a reset: neither may take the cut stream for a whole one.
    fn cut(&mut self, close: Close) {
        self.client.reset();
        self.backend.reset();
        self.session.close(close);
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Stop, Close> {
        let worker = self.session.worker();
        let mut moved = Moved { up: 0, down: 0 };
        let up = self.up.run(
            cx,
            worker,
            (&mut self.client, Side::Client),
            (&mut self.backend, Side::Backend),
            &mut moved.up,
        );
        let down = up.and_then(|up| {
            let down = self.down.run(
                cx,
                worker,
                (&mut self.backend, Side::Backend),
                (&mut self.client, Side::Client),
                &mut moved.down,
            )?;
            Ok(if matches!((&up, &down), (Stop::Waiting, Stop::Waiting)) {
                up
            } else {
                Stop::Yielded
            })
        });
        if moved.up + moved.down > 0 {
            if self.has_idle_limit {
                worker.deadlines().touch(self.slot, worker.shared().clock.now());
            }
            self.session.moved(moved.up, moved.down);
        }
        down
    }

    /// Notes which side finished first, and gives the other its time.
    fn note_half_close(&mut self) {
        let first = match (self.up.pump.is_done(), self.down.pump.is_done()) {
            (false, false) => return,
            (true, _) => Side::Client,
            (false, true) => Side::Backend,
        };
        if self.first_done.is_none() {
            self.first_done = Some(first);
            let worker = self.session.worker();
            let until = worker.shared().clock.now().saturating_add(self.half_close);
            worker.deadlines().half_closed(self.slot, until);
        }
    }
}

struct Moved {
    up: u64,
    down: u64,
}

impl<C: Leg, B: Leg> Future for Relay<C, B> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let deadlines = this.session.worker().deadlines();
        if let Some(reason) = deadlines.verdict(this.slot, cx.waker()) {
            this.cut(Close::ours(reason));
            return Poll::Ready(());
        }
        let stop = match this.turn(cx) {
            Ok(stop) => stop,
            Err(close) => {
                this.cut(close);
                return Poll::Ready(());
            }
        };
        if this.up.pump.is_done() && this.down.pump.is_done() {
            this.note_half_close();
            let first = this.first_done.unwrap_or(Side::Client);
            this.session.close(Close::finished(first));
            return Poll::Ready(());
        }
        this.note_half_close();
        if matches!(stop, Stop::Yielded) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<C: Leg, B: Leg> Drop for Relay<C, B> {
    fn drop(&mut self) {
        let worker = self.session.worker();
        worker.deadlines().remove(self.slot);
        self.up.residual.clear(worker);
        self.down.residual.clear(worker);
    }
}

impl Direction {
    fn new(worker: &Worker, head: &[u8]) -> Self {
        let mut residual = Residual::default();
        residual.keep(worker, head);
        // A head is a ClientHello of at most a few records.
        Self { pump: Pump::new(u32::try_from(head.len()).unwrap_or(u32::MAX)), residual }
    }

    /// Runs until a peer must be waited for or the turn is over. Counts in `moved` what the
    /// receiver took.
    fn run(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        (sender, sender_side): (&mut impl Leg, Side),
        (receiver, receiver_side): (&mut impl Leg, Side),
        moved: &mut u64,
    ) -> Result<Stop, Close> {
        let mut scratch = worker.scratch();
        let mut unread = TURN;
        // Where in the scratch buffer the unwritten bytes of the last read are.
        let mut held = 0..0;
        let mut action = self.pump.step(Event::Resumed);
        loop {
            let event = match action {
                Action::Read(_) if unread == 0 => return Ok(Stop::Yielded),
                Action::Read(most) => {
                    let Some(most) = residual::allowed_read(cx, worker, receiver, most) else {
                        return Ok(Stop::Waiting);
                    };
                    let room = scratch.get_mut(..most as usize).unwrap_or_default();
                    match read(sender, cx, room) {
                        Poll::Pending => Event::ReadBlocked,
                        Poll::Ready(Ok(0)) => Event::End,
                        Poll::Ready(Ok(count)) => {
                            held = 0..count;
                            unread = unread.saturating_sub(count as u32);
                            Event::Read(count as u32)
                        }
                        Poll::Ready(Err(error)) => return Err(Close::failed(sender_side, &error)),
                    }
                }
                Action::Write => {
                    let read = scratch.get(held.clone()).unwrap_or_default();
                    let bytes = if read.is_empty() { self.residual.bytes() } else { read };
                    match Pin::new(&mut *receiver).poll_write(cx, bytes) {
                        Poll::Pending => {
                            if !read.is_empty() {
                                self.residual.keep(worker, read);
                                held = 0..0;
                            }
                            Event::WriteBlocked
                        }
                        Poll::Ready(Ok(0)) => {
                            let error = io::ErrorKind::WriteZero.into();
                            return Err(Close::failed(receiver_side, &error));
                        }
                        Poll::Ready(Ok(count)) => {
                            *moved += count as u64;
                            if read.is_empty() {
                                self.residual.took(worker, count);
                            } else {
                                held.start += count;
                            }
                            Event::Wrote(count as u32)
                        }
                        Poll::Ready(Err(error)) => {
                            return Err(Close::failed(receiver_side, &error));
                        }
                    }
                }
                Action::Flush => match Pin::new(&mut *receiver).poll_flush(cx) {
                    Poll::Pending => Event::WriteBlocked,
                    Poll::Ready(Ok(())) => Event::Flushed,
                    Poll::Ready(Err(error)) => return Err(Close::failed(receiver_side, &error)),
                },
                Action::ShutDown => match Pin::new(&mut *receiver).poll_shutdown(cx) {
                    Poll::Pending => Event::WriteBlocked,
                    // It is closed both ways already, which is as shut down as can be.
                    Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::NotConnected => {
                        Event::WasShutDown
                    }
                    Poll::Ready(Ok(())) => Event::WasShutDown,
                    Poll::Ready(Err(error)) => return Err(Close::failed(receiver_side, &error)),
                },
                Action::AwaitSender | Action::AwaitReceiver | Action::Finished => {
                    return Ok(Stop::Waiting);
                }
            };
            action = self.pump.step(event);
        }
    }
}

/// Reads into `room`; 0 is the end. A TLS peer that leaves without its closing alert has ended
/// too: the protocol above knows whether something is missing.
fn read(sender: &mut impl Leg, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(room);
    match ready!(Pin::new(sender).poll_read(cx, &mut buffer)) {
        Ok(()) => Poll::Ready(Ok(buffer.filled().len())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(0)),
        Err(error) => Poll::Ready(Err(error)),
    }
}

#[cfg(test)]
mod tests;
