//! Connections that have not shown a good token yet. There is room for so many; one more closes the
//! oldest. Whoever is honest needs milliseconds, so a flood of connections that do nothing keeps
//! nobody out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Those who are unknown yet.
#[derive(Debug)]
pub(super) struct Strangers {
    most: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: BTreeMap<u64, CancellationToken>,
}

/// One of them, until dropped.
#[derive(Debug)]
pub(super) struct Stranger {
    all: Arc<Strangers>,
    number: u64,
}

impl Strangers {
    /// Room for `most`.
    pub(super) fn new(most: usize) -> Self {
        Self { most, queue: Mutex::default() }
    }

    /// One more, with what closes it; says whether another had to go.
    pub(super) fn arrive(self: &Arc<Self>, kill: CancellationToken) -> (Stranger, bool) {
        let mut queue = self.lock();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, kill);
        let oldest = if queue.waiting.len() > self.most { queue.waiting.pop_first() } else { None };
        drop(queue);
        if let Some((_, oldest)) = &oldest {
            oldest.cancel();
        }
        (Stranger { all: self.clone(), number }, oldest.is_some())
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.all.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_closes_the_oldest_and_those_who_left_do_not_count() {
        let strangers = Arc::new(Strangers::new(2));
        let kills: Vec<_> = (0..4).map(|_| CancellationToken::new()).collect();
        let first = strangers.arrive(kills[0].clone());
        let second = strangers.arrive(kills[1].clone());
        drop(first);
        let third = strangers.arrive(kills[2].clone());
        assert!(kills.iter().all(|kill| !kill.is_cancelled()) && !third.1);
        let fourth = strangers.arrive(kills[3].clone());
        let closed: Vec<_> = kills.iter().map(CancellationToken::is_cancelled).collect();
        assert_eq!(closed, [false, true, false, false]);
        assert!(fourth.1);
        drop((second, third, fourth));
        assert!(strangers.lock().waiting.is_empty());
    }
}
