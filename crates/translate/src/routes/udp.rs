//! UDPRoute: every flow of a listener takes it.

use gwapi::Objects;

use super::{Route, RouteKind, l4_route};

/// Reads all of them.
pub(super) fn read(objects: &Objects) -> impl Iterator<Item = Route<'_>> {
    objects.udp_routes.iter().map(|(key, object)| {
        let spec = &object.spec;
        l4_route(RouteKind::Udp, key, &object.metadata, &spec.parent_refs, &spec.rules)
    })
}
