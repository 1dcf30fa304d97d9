//! Counts `metadata.generation` as an API server does: it starts at 1 and goes up by one whenever
//! the spec of an object changes, so that `observedGeneration` in a status means the same for
//! files and for a cluster. Pure.

use std::sync::Arc;

use gwapi::objects::ByKey;
use gwapi::{ObjectMeta, Objects};

/// Sets the generation of every object that has a status, given the objects served before. An
/// object that did not change at all is shared with `before`.
pub(super) fn count(objects: &mut Objects, before: &Objects) {
    macro_rules! count {
        ($($kind:ident),*) => {$(
            for_kind(
                &mut objects.$kind,
                &before.$kind,
                |a, b| a.spec == b.spec,
                |object| &mut object.metadata,
            );
        )*};
    }
    count!(
        gateway_classes,
        gateways,
        listener_sets,
        tcp_routes,
        udp_routes,
        tls_routes,
        http_routes,
        backend_tls_policies
    );
}

fn for_kind<T: Clone + PartialEq>(
    objects: &mut ByKey<T>,
    before: &ByKey<T>,
    same_spec: impl Fn(&T, &T) -> bool,
    metadata: impl Fn(&mut T) -> &mut ObjectMeta,
) {
    for (key, object) in objects {
        let old = before.get(key);
        if old.is_some_and(|old| Arc::ptr_eq(old, object)) {
            continue;
        }
        let generation = old.map_or(1, |old| {
            let last = metadata(&mut T::clone(old)).generation.unwrap_or(1);
            if same_spec(old, object) { last } else { last + 1 }
        });
        metadata(Arc::make_mut(object)).generation = Some(generation);
        if let Some(old) = old.filter(|old| *old == object) {
            *object = Arc::clone(old);
        }
    }
}

#[cfg(test)]
mod tests {
    use gwapi::{ObjectKey, ParentRef, TcpRoute};

    use super::*;

    fn objects(label: &str, parent: &str) -> Objects {
        let mut route = TcpRoute::default();
        route.metadata.labels = Some([("a".to_owned(), label.to_owned())].into());
        route.spec.parent_refs.push(ParentRef { name: parent.to_owned(), ..Default::default() });
        let mut objects = Objects::default();
        objects.tcp_routes.insert(ObjectKey::new("db", "pg"), Arc::new(route));
        objects
    }

    #[test]
    fn the_generation_goes_up_when_the_spec_changes_and_only_then() {
        let mut before = Objects::default();
        let generations =
            [("x", "a"), ("y", "a"), ("y", "b"), ("y", "b"), ("y", "a")].map(|(label, parent)| {
                let mut now = objects(label, parent);
                count(&mut now, &before);
                before = now;
                before.tcp_routes.values().next().expect("route").metadata.generation
            });
        assert_eq!(generations, [Some(1), Some(1), Some(2), Some(2), Some(3)]);
    }

    #[test]
    fn an_unchanged_object_is_shared() {
        let mut before = objects("x", "a");
        count(&mut before, &Objects::default());
        let mut now = objects("x", "a");
        count(&mut now, &before);
        let first =
            |objects: &Objects| Arc::as_ptr(objects.tcp_routes.values().next().expect("route"));
        assert_eq!(first(&before), first(&now));
    }
}
