//! Tells which flows of a listener have answers waiting.
//!
//! An `epoll(7)` of our own for the sockets of all flows, itself watched by the runtime: a flow
//! costs no user memory here, where a registration and a task with the runtime would cost it
//! several hundred bytes. Knows nothing of what flows are.

use std::io;
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::table::FlowId;
use crate::sys::Watched;

/// Flows reported by one call.
const FLOWS: usize = 64;

/// The sockets of a listener's flows.
pub(super) struct Poller {
    epoll: Watched,
    events: Vec<Event>,
}

impl Poller {
    /// Opens an epoll and registers it with the runtime of this thread.
    pub(super) fn new() -> io::Result<Self> {
        let epoll = Watched::new(epoll::create(CreateFlags::CLOEXEC)?)?;
        Ok(Self { epoll, events: Vec::with_capacity(FLOWS) })
    }

    /// Watches the socket of a flow until it is closed. Level-triggered: a flow that was not read
    /// to the end is reported again, after all others.
    pub(super) fn add(&self, socket: impl AsFd, id: FlowId) -> io::Result<()> {
        let data = EventData::new_u64(id.to_bits());
        Ok(epoll::add(self.epoll.fd(), socket, data, EventFlags::IN)?)
    }

    /// Waits until a flow has something to read.
    pub(super) async fn ready(&self) {
        self.epoll.ready().await;
    }

    /// Collects flows that have something to read and says how many; [`Self::ready`] waits for
    /// more only after there was none.
    pub(super) fn collect(&mut self) -> usize {
        let Self { epoll, events } = self;
        events.clear();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let collected =
            epoll.read(|epoll| match epoll::wait(epoll, spare_capacity(events), Some(&now)) {
                Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
                Ok(count) => Ok(count),
                Err(error) => Err(error.into()),
            });
        collected.unwrap_or(0)
    }

    /// The flows that were collected; some may have ended since.
    pub(super) fn collected(&self) -> impl Iterator<Item = FlowId> {
        self.events.iter().map(|event| FlowId::from_bits(event.data.u64()))
    }
}
