//! System calls that no safe crate offers: many datagrams per call, each with the local address
//! it was sent to, two socket options, and the registration of a descriptor with the runtime.
//!
//! The only place of the workspace with `unsafe`: each block states why it is sound, each function
//! has a test against real sockets. What can be plain byte handling is: [`address`] and
//! [`control`] encode and decode the kernel's structures in safe code. This module knows nothing
//! of flows or listeners.

mod address;
mod control;
mod inbox;
mod option;
mod outbox;
mod watch;

pub(crate) use inbox::{BATCH, Inbox, Received};
pub(crate) use option::{report_local_address, report_overflow};
pub(crate) use outbox::{Envelope, send_connected, send_from};
pub(crate) use watch::Watched;
