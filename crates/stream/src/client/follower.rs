//! What a message of the controller does to what a proxy holds. Sans-IO: bytes in, decisions out.

use std::sync::Arc;

use prost::Message;
use prost::bytes::Bytes;
use snapshot::Snapshot;

use super::state::Rejected;
use crate::adopt::{Served, adopt};
use crate::delta::{self, Mismatch};
use crate::fleet::Fleet;
use crate::hash::SnapshotHash;
use crate::packed::{self, Packed, Unfit};
use crate::wire::message::{Full, Hello, ToController, ToProxy, Update, Word};
use crate::wire::{self, SCHEMA};

/// What to do after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// What is held is what the controller named; serve [`Follower::served`].
    Taken,
    /// Nothing has changed; ask for the whole snapshot.
    AskForAll(Rejected),
    /// Nothing has changed, and the whole snapshot is on its way.
    Skipped,
    /// Nothing has changed, and asking would not help: end the stream.
    GiveUp(Rejected),
}

/// What a proxy holds of its controller's words.
#[derive(Debug)]
pub struct Follower {
    fleet: Fleet,
    reads: u32,
    /// As the controller named it.
    held: Option<Packed>,
    served: Served,
    awaits_all: bool,
}

impl Follower {
    /// Follows the snapshots of `fleet`, beginning with nothing.
    pub fn new(fleet: Fleet) -> Self {
        Self::reading(fleet, SCHEMA)
    }

    /// The same with another newest schema: for tests of what an older build does.
    pub fn reading(fleet: Fleet, reads: u32) -> Self {
        Self { fleet, reads, held: None, served: Served::default(), awaits_all: false }
    }

    /// Begins with what a file kept.
    pub fn start_from(&mut self, kept: Packed) {
        self.hold(kept);
    }

    /// What to serve, and what of the controller's wishes is not.
    pub fn served(&self) -> &Served {
        &self.served
    }

    /// The snapshot to serve.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.served.snapshot
    }

    /// The controller's name of what is held.
    pub fn hash(&self) -> Option<SnapshotHash> {
        self.held.as_ref().map(Packed::hash)
    }

    /// The first message of a stream.
    pub fn hello(&mut self) -> Bytes {
        self.awaits_all = false;
        let hash = self.hash().map(|hash| Bytes::copy_from_slice(hash.as_bytes()));
        let hello = Hello { schema: self.reads, hash: hash.unwrap_or_default() };
        let word = Word::Hello(hello.encode_to_vec().into());
        ToController { word: Some(word) }.encode_to_vec().into()
    }

    /// Takes a message.
    pub fn receive(&mut self, message: Bytes) -> Received {
        let Ok(ToProxy { update: Some(update) }) = ToProxy::decode(message) else {
            return self.reject(Rejected::Malformed);
        };
        match update {
            Update::Full(bytes) => self.full(&bytes),
            Update::Delta(_) if self.awaits_all => Received::Skipped,
            Update::Delta(bytes) => self.delta(&bytes),
        }
    }

    fn full(&mut self, bytes: &Bytes) -> Received {
        let read = wire::read_part::<Full>(bytes).map_err(Unfit::from);
        let unfit = match read.and_then(|message| packed::read_full(&self.fleet, message)) {
            Ok(packed) => {
                self.hold(packed);
                return Received::Taken;
            }
            Err(unfit) => unfit,
        };
        self.reject(match unfit {
            Unfit::Malformed(_) => Rejected::Malformed,
            Unfit::OtherFleet(..) => return Received::GiveUp(Rejected::OtherFleet),
            Unfit::Hash => Rejected::Hash,
        })
    }

    fn delta(&mut self, bytes: &Bytes) -> Received {
        let Ok(delta) = wire::read_part(bytes).and_then(delta::read) else {
            return self.reject(Rejected::Malformed);
        };
        // Without a snapshot there is nothing to change: a controller that thinks otherwise is
        // asked for all.
        let applied = match &self.held {
            Some(held) => delta::apply(held, &delta),
            None => Err(Mismatch::Base),
        };
        match applied {
            Ok(packed) => {
                self.hold(packed);
                Received::Taken
            }
            Err(Mismatch::Base) => self.reject(Rejected::DeltaBase),
            Err(Mismatch::Result) => self.reject(Rejected::DeltaResult),
        }
    }

    fn hold(&mut self, packed: Packed) {
        self.awaits_all = false;
        if self.hash() == Some(packed.hash()) {
            return;
        }
        self.served = adopt(&self.served, &packed, self.reads);
        self.held = Some(packed);
    }

    /// Asks once; if the answer is no good either, the stream is not worth keeping.
    fn reject(&mut self, why: Rejected) -> Received {
        if std::mem::replace(&mut self.awaits_all, true) {
            return Received::GiveUp(why);
        }
        Received::AskForAll(why)
    }
}

/// Asks for the whole snapshot.
pub(super) fn ask_for_all() -> Bytes {
    ToController { word: Some(Word::Resync(Bytes::new())) }.encode_to_vec().into()
}

/// Answers with a report.
pub(super) fn report(told: &wire::report::Told) -> Bytes {
    ToController { word: Some(Word::Report(wire::report::write(told))) }.encode_to_vec().into()
}
