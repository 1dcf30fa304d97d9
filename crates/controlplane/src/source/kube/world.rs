//! Everything the watches know, put together: changes in, [`Loaded`] out. Pure.
//!
//! The rules. A list replaces what its watch knew, at once and when it is complete. An object that
//! cannot be read stays as it was, and is told. A watch that has no right to read keeps what it
//! knew. A kind is empty only when the API server has said that it does not serve it. Of Secrets
//! and ConfigMaps only those are held that something refers to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gwapi::{Kind, ObjectKey, ObjectRef, Objects};

use super::discovery::Served;
use super::item::{self, Definition, Incoming, Item, Items};
use super::machine::Change;
use super::references;
use super::topic::{Topic, WatchId};
use super::version::Version;
use crate::owned::Owned;
use crate::source::{Cluster, Loaded, Problem};

/// The kinds of which only what is referred to is held.
const BY_REFERENCE: [Kind; 2] = [Kind::Secret, Kind::ConfigMap];

/// What follows from a change, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// Nothing that anybody sees.
    None,
    /// Only endpoints are different.
    Endpoints,
    /// Anything else.
    Objects,
}

/// A list that is being read.
#[derive(Debug, Default)]
struct Pages {
    items: Items,
    unreadable: BTreeMap<ObjectKey, String>,
    unheld: BTreeSet<ObjectKey>,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub(crate) struct World {
    objects: Objects,
    owned: Owned,
    definitions: BTreeMap<ObjectKey, Arc<Definition>>,
    /// What is served and the watches that follow from it; `None` before that is known.
    plan: Option<(Served, BTreeSet<WatchId>)>,
    /// Watches that have told all there is, or that there is no right to.
    answered: BTreeSet<WatchId>,
    synced: bool,
    pages: BTreeMap<WatchId, Pages>,
    unreadable: BTreeMap<(WatchId, ObjectKey), String>,
    troubles: BTreeMap<WatchId, String>,
    /// What is referred to; `None` before all that refers is known, when everything is held.
    wanted: Option<BTreeSet<ObjectRef>>,
    /// What exists and is not held.
    unheld: BTreeSet<ObjectRef>,
    /// What exists, is referred to, and is being fetched.
    missing: BTreeSet<ObjectRef>,
    /// The versions of what was fetched: its watch may still bring older news.
    fetched: BTreeMap<ObjectRef, Version>,
}

impl World {
    /// Whether every watch has told all there is.
    pub(crate) fn is_synced(&self) -> bool {
        self.synced
    }

    /// Whether something that is referred to is still being fetched.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.missing.is_empty()
    }

    /// What there is to watch has become known, or is different.
    pub(crate) fn plan(&mut self, served: Served, watches: BTreeSet<WatchId>) -> Effect {
        let is_planned = |id: &WatchId| watches.contains(id);
        self.answered.retain(is_planned);
        self.pages.retain(|id, _| is_planned(id));
        self.troubles.retain(|id, _| is_planned(id));
        self.unreadable.retain(|(id, _), _| is_planned(id));
        for kind in Kind::ALL.into_iter().filter(|kind| !served.contains_key(kind)) {
            for key in self.keys(Topic::Read(kind), None) {
                item::take(&mut self.objects, kind, &key);
            }
        }
        self.plan = Some((served, watches));
        self.answer(None);
        Effect::Objects
    }

    /// Takes in what a watch has to say.
    pub(crate) fn apply(&mut self, id: &WatchId, change: Change) -> Effect {
        if self.plan.as_ref().is_some_and(|(_, watches)| !watches.contains(id)) {
            // The last words of a watch that is no more.
            return Effect::None;
        }
        match change {
            Change::Page { first, items } => {
                self.page(id, first, items);
                Effect::None
            }
            Change::Listed => self.listed(id),
            Change::Changed(incoming) => self.changed(id, incoming),
            Change::Deleted(key, version) => self.deleted(id, &key, version.as_ref()),
            Change::Denied => {
                self.answer(Some(id));
                Effect::Objects
            }
            Change::Trouble(trouble) => {
                match trouble {
                    Some(trouble) => self.troubles.insert(id.clone(), trouble),
                    None => self.troubles.remove(id),
                };
                Effect::Objects
            }
        }
    }

    fn answer(&mut self, id: Option<&WatchId>) {
        self.answered.extend(id.cloned());
        self.synced |=
            self.plan.as_ref().is_some_and(|(_, watches)| watches.is_subset(&self.answered));
    }

    fn page(&mut self, id: &WatchId, first: bool, items: Vec<Incoming>) {
        let mut pages = self.pages.remove(id).filter(|_| !first).unwrap_or_default();
        for Incoming { key, item, .. } in items {
            match item {
                Ok(_) if !self.holds(id.topic, &key) => drop(pages.unheld.insert(key)),
                // Equal objects are shared, or a list would need the memory of its kind twice.
                Ok(item) => {
                    let known = self.find(id.topic, &key).filter(|known| *known == item);
                    pages.items.insert(key, known.unwrap_or(item));
                }
                Err(reason) => drop(pages.unreadable.insert(key, reason)),
            }
        }
        self.pages.insert(id.clone(), pages);
    }

    fn listed(&mut self, id: &WatchId) -> Effect {
        let Pages { items, unreadable, unheld } = self.pages.remove(id).unwrap_or_default();
        let synced = self.synced;
        self.answer(Some(id));
        let mut effect = if synced == self.synced { Effect::None } else { Effect::Objects };
        for key in self.keys(id.topic, id.namespace.as_deref()) {
            // What was not held when its page came may have been fetched since.
            let is_there = items.contains_key(&key)
                || unreadable.contains_key(&key)
                || unheld.contains(&key) && self.holds(id.topic, &key);
            if !is_there {
                self.take(id.topic, &key);
                effect = effect.max(effect_of(id.topic));
            }
        }
        for (key, item) in items {
            if self.put(id.topic, key, item) {
                effect = effect.max(effect_of(id.topic));
            }
        }
        if let Topic::Read(kind) = id.topic {
            let elsewhere = |object: &ObjectRef| {
                object.kind != kind
                    || id.namespace.as_ref().is_some_and(|of| **of != *object.key.namespace)
            };
            self.unheld.retain(elsewhere);
            self.fetched.retain(|object, _| elsewhere(object));
            let still = |object: &ObjectRef| elsewhere(object) || unheld.contains(&object.key);
            self.missing.retain(still);
            let unheld = unheld.into_iter().map(|key| ObjectRef::new(kind, key));
            let is_news = |object: &ObjectRef| {
                !self.missing.contains(object) && !self.objects.contains(object)
            };
            self.unheld.extend(unheld.filter(is_news));
        }
        let before: BTreeMap<_, _> =
            self.unreadable.extract_if(.., |(of, _), _| of == id).collect();
        let now: BTreeMap<_, _> =
            unreadable.into_iter().map(|(key, reason)| ((id.clone(), key), reason)).collect();
        if before != now {
            effect = Effect::Objects;
        }
        self.unreadable.extend(now);
        effect
    }

    fn changed(&mut self, id: &WatchId, incoming: Incoming) -> Effect {
        let Incoming { key, version, item } = incoming;
        if self.was_fetched_newer(id, &key, version.as_ref()) {
            return Effect::None;
        }
        let fault = (id.clone(), key.clone());
        match item {
            Ok(item) => {
                let was_unreadable = self.unreadable.remove(&fault).is_some();
                let held = self.holds(id.topic, &key);
                if let Topic::Read(kind) = id.topic {
                    let object = ObjectRef::new(kind, key.clone());
                    self.missing.remove(&object);
                    if !held {
                        self.unheld.insert(object);
                        return Effect::None;
                    }
                    self.unheld.remove(&object);
                }
                match self.put(id.topic, key, item) {
                    true => effect_of(id.topic),
                    false if was_unreadable => Effect::Objects,
                    false => Effect::None,
                }
            }
            Err(reason) => {
                let same = self.unreadable.insert(fault, reason.clone()) == Some(reason);
                if same { Effect::None } else { Effect::Objects }
            }
        }
    }

    fn deleted(&mut self, id: &WatchId, key: &ObjectKey, version: Option<&Version>) -> Effect {
        if self.was_fetched_newer(id, key, version) {
            return Effect::None;
        }
        if let Topic::Read(kind) = id.topic {
            let object = ObjectRef::new(kind, key.clone());
            self.unheld.remove(&object);
            self.missing.remove(&object);
        }
        let told = self.unreadable.remove(&(id.clone(), key.clone())).is_some();
        match self.take(id.topic, key) {
            true => effect_of(id.topic),
            false if told => Effect::Objects,
            false => Effect::None,
        }
    }

    /// Whether this is news of an object from before it was fetched.
    fn was_fetched_newer(
        &mut self,
        id: &WatchId,
        key: &ObjectKey,
        version: Option<&Version>,
    ) -> bool {
        let Topic::Read(kind) = id.topic else { return false };
        let object = ObjectRef::new(kind, key.clone());
        let (Some(fetched), Some(version)) = (self.fetched.get(&object), version) else {
            return false;
        };
        if version.is_older_than(fetched) {
            return true;
        }
        self.fetched.remove(&object);
        false
    }

    /// Finds out what is referred to now, lets go of the rest, and says what has to be fetched.
    pub(crate) fn settle(&mut self) -> Vec<ObjectRef> {
        let wanted = references::of(&self.objects);
        self.fetched.retain(|object, _| wanted.contains(object));
        for kind in BY_REFERENCE {
            for key in self.keys(Topic::Read(kind), None) {
                let object = ObjectRef::new(kind, key);
                if !wanted.contains(&object) {
                    item::take(&mut self.objects, kind, &object.key);
                    self.unheld.insert(object);
                }
            }
        }
        let unwanted: Vec<_> =
            self.missing.extract_if(.., |object| !wanted.contains(object)).collect();
        self.unheld.extend(unwanted);
        let fetch: Vec<_> = self.unheld.extract_if(.., |object| wanted.contains(object)).collect();
        self.missing.extend(fetch.iter().cloned());
        self.wanted = Some(wanted);
        fetch
    }

    /// Takes in what was fetched, unless the watch has told of it meanwhile.
    pub(crate) fn fetched(&mut self, object: &ObjectRef, found: Option<Incoming>) -> Effect {
        if !self.missing.remove(object) {
            return Effect::None;
        }
        if let Some(version) = found.as_ref().and_then(|found| found.version.clone()) {
            self.fetched.insert(object.clone(), version);
        }
        match found.map(|incoming| incoming.item) {
            Some(Ok(item)) => drop(self.put(Topic::Read(object.kind), object.key.clone(), item)),
            Some(Err(reason)) => {
                let id = self.watch_of(object);
                self.unreadable.insert((id, object.key.clone()), reason);
            }
            // Its watch will say so too.
            None => {}
        }
        Effect::Objects
    }

    fn watch_of(&self, object: &ObjectRef) -> WatchId {
        let topic = Topic::Read(object.kind);
        let of = |namespace| WatchId { topic, namespace };
        let namespaced = of(Some(Arc::from(object.key.namespace.as_str())));
        let is_planned =
            self.plan.as_ref().is_some_and(|(_, watches)| watches.contains(&namespaced));
        if is_planned { namespaced } else { of(None) }
    }

    fn holds(&self, topic: Topic, key: &ObjectKey) -> bool {
        match (topic, &self.wanted) {
            (Topic::Read(kind), Some(wanted)) if BY_REFERENCE.contains(&kind) => {
                wanted.contains(&ObjectRef::new(kind, key.clone()))
            }
            _ => true,
        }
    }

    fn find(&self, topic: Topic, key: &ObjectKey) -> Option<Item> {
        match topic {
            Topic::Read(kind) => item::find(&self.objects, kind, key),
            Topic::Owned(kind) => {
                let object = self.owned.objects.get(&(kind, key.clone()));
                object.map(|object| Item::Owned(kind, Arc::clone(object)))
            }
            Topic::Pods => self.owned.pods.get(key).cloned().map(Item::Pod),
            Topic::Definitions => self.definitions.get(key).cloned().map(Item::Definition),
        }
    }

    /// Whether it is different from what was there.
    fn put(&mut self, topic: Topic, key: ObjectKey, item: Item) -> bool {
        if self.find(topic, &key).is_some_and(|known| known == item) {
            return false;
        }
        match item {
            Item::Owned(kind, object) => drop(self.owned.objects.insert((kind, key), object)),
            Item::Pod(pod) => drop(self.owned.pods.insert(key, pod)),
            Item::Definition(definition) => drop(self.definitions.insert(key, definition)),
            item => item::put(&mut self.objects, key, item),
        }
        true
    }

    fn take(&mut self, topic: Topic, key: &ObjectKey) -> bool {
        match topic {
            Topic::Read(kind) => item::take(&mut self.objects, kind, key),
            Topic::Owned(kind) => self.owned.objects.remove(&(kind, key.clone())).is_some(),
            Topic::Pods => self.owned.pods.remove(key).is_some(),
            Topic::Definitions => self.definitions.remove(key).is_some(),
        }
    }

    fn keys(&self, topic: Topic, namespace: Option<&str>) -> Vec<ObjectKey> {
        let of = |key: &&ObjectKey| namespace.is_none_or(|namespace| key.namespace == namespace);
        match topic {
            Topic::Read(kind) => {
                item::keys(&self.objects, kind).into_iter().filter(of).cloned().collect()
            }
            Topic::Owned(kind) => {
                let keys = self.owned.objects.keys().filter(|(owned, _)| *owned == kind);
                keys.map(|(_, key)| key).filter(of).cloned().collect()
            }
            Topic::Pods => self.owned.pods.keys().filter(of).cloned().collect(),
            Topic::Definitions => self.definitions.keys().cloned().collect(),
        }
    }

    /// What is to be served.
    pub(crate) fn loaded(&self) -> Loaded {
        let mut problems = vec![];
        let mut kept = BTreeSet::new();
        for ((id, key), reason) in &self.unreadable {
            match id.topic {
                Topic::Read(kind) => {
                    let object = ObjectRef::new(kind, key.clone());
                    if self.objects.contains(&object) {
                        kept.insert(object.clone());
                    }
                    problems.push(Problem::Object { object, reason: reason.clone() });
                }
                _ => {
                    let reason = format!("{} {key}: {reason}", id.topic.kind());
                    problems.push(Problem::Watch { what: id.to_string(), reason });
                }
            }
        }
        problems.extend(
            self.troubles.iter().map(|(id, reason)| Problem::Watch {
                what: id.to_string(),
                reason: reason.clone(),
            }),
        );
        Loaded {
            objects: self.objects.clone(),
            problems,
            kept,
            cluster: Some(Cluster {
                bundle_version: self.bundle_version(),
                synced: self.synced,
                owned: self.owned.clone(),
                served: self.plan.iter().flat_map(|(served, _)| served.clone()).collect(),
            }),
            ..Loaded::default()
        }
    }

    /// Of the Gateway CRD, for all of them come in one bundle; else of any other.
    fn bundle_version(&self) -> Option<String> {
        let name = format!("gateways.{}", gwapi::GATEWAY_GROUP);
        let gateway = self.definitions.get(&ObjectKey::new("", name));
        let group = format!(".{}", gwapi::GATEWAY_GROUP);
        let others = self.definitions.iter().filter(|(key, _)| key.name.ends_with(&group));
        let mut candidates = gateway.into_iter().chain(others.map(|(_, definition)| definition));
        candidates.find_map(|definition| definition.bundle_version.clone())
    }
}

fn effect_of(topic: Topic) -> Effect {
    match topic {
        Topic::Read(Kind::EndpointSlice) => Effect::Endpoints,
        _ => Effect::Objects,
    }
}

#[cfg(test)]
mod tests;
