//! Which object's status is looked at next. Pure; instants are arguments.
//!
//! Namespaces take turns, so that one with ten thousand routes does not hold up the others. Within
//! one, objects that nobody has described yet come first: somebody waits for them. An object is in
//! the queue once, however often it changes; what is written is what holds when its turn comes.

use std::collections::BTreeMap;

use gwapi::ObjectRef;
use tokio::time::Instant;

/// The objects that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// By namespace, then whether it was described before, then in the order of arrival.
    lanes: BTreeMap<String, BTreeMap<(bool, u64), ObjectRef>>,
    entries: BTreeMap<ObjectRef, Entry>,
    arrivals: u64,
    /// The namespace that had its turn last.
    last: Option<String>,
}

#[derive(Debug)]
struct Entry {
    place: (bool, u64),
    since: Instant,
    not_before: Instant,
}

impl Queue {
    /// Puts an object in the queue, not to be taken before then. One that is there already keeps
    /// its place, if the new one is not better.
    pub(super) fn push(
        &mut self,
        object: ObjectRef,
        was_described: bool,
        now: Instant,
        not_before: Instant,
    ) {
        self.arrivals += 1;
        let mut place = (was_described, self.arrivals);
        let mut since = now;
        if let Some(old) = self.entries.get(&object) {
            place = place.min(old.place);
            since = old.since;
        }
        self.remove(&object);
        let lane = self.lanes.entry(object.key.namespace.clone()).or_default();
        lane.insert(place, object.clone());
        self.entries.insert(object, Entry { place, since, not_before });
    }

    /// Takes an object out.
    pub(super) fn remove(&mut self, object: &ObjectRef) {
        let Some(entry) = self.entries.remove(object) else { return };
        let namespace = &object.key.namespace;
        if let Some(lane) = self.lanes.get_mut(namespace) {
            lane.remove(&entry.place);
            if lane.is_empty() {
                self.lanes.remove(namespace);
            }
        }
    }

    /// The next object whose time has come, and since when it waits. `may` says from when on an
    /// object may be taken, for reasons that the queue does not know; `None` is not now.
    pub(super) fn take(
        &mut self,
        now: Instant,
        may: impl Fn(&ObjectRef) -> Option<Instant>,
    ) -> Option<(ObjectRef, Instant)> {
        let after = self.last.clone().unwrap_or_default();
        let has_turn = |namespace: &&String| self.last.is_none() || **namespace > after;
        let later = self.lanes.keys().filter(has_turn);
        let earlier = self.lanes.keys().filter(|namespace| !has_turn(namespace));
        let is_due = |object: &&ObjectRef| {
            let entry = self.entries.get(object);
            entry.is_some_and(|entry| entry.not_before <= now)
                && may(object).is_some_and(|from| from <= now)
        };
        let lane = |namespace| self.lanes.get(namespace)?.values().find(is_due).cloned();
        let found = later.chain(earlier).find_map(lane)?;
        self.last = Some(found.key.namespace.clone());
        let since = self.entries.get(&found).map_or(now, |entry| entry.since);
        self.remove(&found);
        Some((found, since))
    }

    /// When the first object can be taken; a time that is over if it is now.
    pub(super) fn due(
        &self,
        now: Instant,
        may: impl Fn(&ObjectRef) -> Option<Instant>,
    ) -> Option<Instant> {
        let mut first: Option<Instant> = None;
        for (object, entry) in &self.entries {
            let Some(from) = may(object) else { continue };
            let at = from.max(entry.not_before);
            if at <= now {
                return Some(at);
            }
            first = Some(first.map_or(at, |first| first.min(at)));
        }
        first
    }

    /// How many objects wait.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gwapi::{Kind, ObjectKey};

    use super::*;

    fn route(namespace: &str, name: &str) -> ObjectRef {
        ObjectRef::new(Kind::TcpRoute, ObjectKey::new(namespace, name))
    }

    fn order(queue: &mut Queue, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| queue.take(now, |_| Some(now)))
            .map(|(object, _)| object.key.to_string())
            .collect()
    }

    #[test]
    fn namespaces_take_turns() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for name in ["1", "2", "3"] {
            queue.push(route("big", name), true, now, now);
        }
        queue.push(route("small", "1"), true, now, now);
        queue.push(route("alpha", "1"), true, now, now);
        assert_eq!(order(&mut queue, now), ["alpha/1", "big/1", "small/1", "big/2", "big/3"]);
    }

    #[test]
    fn what_nobody_described_yet_comes_first() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.push(route("db", "old"), true, now, now);
        queue.push(route("db", "new"), false, now, now);
        assert_eq!(order(&mut queue, now), ["db/new", "db/old"]);
    }

    #[test]
    fn an_object_waits_once_and_keeps_its_place() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.push(route("db", "a"), true, now, now);
        queue.push(route("db", "b"), true, now, now);
        let later = now + Duration::from_secs(1);
        queue.push(route("db", "a"), true, later, later);
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.take(later, |_| Some(now)), Some((route("db", "a"), now)));
        assert_eq!(order(&mut queue, later), ["db/b"]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn what_is_not_due_or_not_allowed_is_passed_over() {
        let now = Instant::now();
        let (later, much_later) = (now + Duration::from_secs(5), now + Duration::from_secs(9));
        let mut queue = Queue::default();
        queue.push(route("db", "a"), true, now, later);
        queue.push(route("db", "b"), true, now, now);
        let not_b = |object: &ObjectRef| (object.key.name != "b").then_some(now);
        assert_eq!(queue.take(now, not_b), None);
        assert_eq!(queue.due(now, not_b), Some(later));
        assert_eq!(queue.due(now, |_| Some(much_later)), Some(much_later));
        assert_eq!(queue.due(now, |_| Some(now)), Some(now));
        assert_eq!(queue.take(now, |_| Some(now)), Some((route("db", "b"), now)));
        assert_eq!(order(&mut queue, later), ["db/a"]);
    }

    #[test]
    fn what_was_taken_out_leaves_nothing_behind() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.push(route("db", "a"), true, now, now);
        queue.remove(&route("db", "a"));
        queue.remove(&route("db", "a"));
        assert_eq!(queue.take(now, |_| Some(now)), None);
        assert_eq!((queue.len(), queue.lanes.len()), (0, 0));
    }
}
