//! What the rest of the program is told of the election: whether this replica leads *now*. The end
//! of the term is asked of the clock, not of a task: a process that was stopped and goes on must
//! know before its first write, whatever task wakes first.

use tokio::sync::watch;
use tokio::time::Instant;

/// The writing half: set by [`super::hold`].
#[derive(Debug)]
pub struct Office {
    until: watch::Sender<Option<Instant>>,
    flag: watch::Sender<bool>,
}

/// The reading half. Cheap to clone and to ask.
#[derive(Clone, Debug)]
pub struct Term {
    until: watch::Receiver<Option<Instant>>,
    flag: watch::Receiver<bool>,
}

/// A term that nobody holds yet.
pub fn term() -> (Office, Term) {
    let (until, until_receiver) = watch::channel(None);
    let (flag, flag_receiver) = watch::channel(false);
    (Office { until, flag }, Term { until: until_receiver, flag: flag_receiver })
}

impl Office {
    /// Sets until when this replica leads.
    pub fn set(&self, until: Option<Instant>) {
        self.until.send_replace(until);
        let leads = self.leads();
        self.flag.send_if_modified(|flag| std::mem::replace(flag, leads) != leads);
    }

    pub(super) fn leads(&self) -> bool {
        self.until.borrow().is_some_and(|until| Instant::now() < until)
    }
}

impl Term {
    /// Whether this replica leads now. To be asked before each write.
    pub fn leads(&self) -> bool {
        self.until.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Waits until this replica leads.
    ///
    /// # Errors
    /// The election is over.
    pub async fn begins(&mut self) -> Result<(), watch::error::RecvError> {
        while !self.leads() {
            self.changed().await?;
        }
        Ok(())
    }

    /// Waits until the replica begins or ends to lead. An error means that the election is over.
    ///
    /// # Errors
    /// The election is over.
    pub async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        self.flag.changed().await
    }

    /// The same as a flag, for those who watch it beside other channels. It can be late by what it
    /// takes to run a task.
    pub fn flag(&self) -> watch::Receiver<bool> {
        self.flag.clone()
    }
}
