//! TLSRoute: connections whose server name it matches take it.

use gwapi::Objects;

use super::{Route, RouteKind, l4_route};
use crate::hostnames::Hostname;

/// Reads all of them. A hostname that is none matches nothing.
pub(super) fn read(objects: &Objects) -> impl Iterator<Item = Route<'_>> {
    objects.tls_routes.iter().map(|(key, object)| {
        let spec = &object.spec;
        let mut hostnames: Vec<_> =
            spec.hostnames.iter().filter_map(|text| Hostname::parse(text)).collect();
        hostnames.sort();
        hostnames.dedup();
        let route = l4_route(RouteKind::Tls, key, &object.metadata, &spec.parent_refs, &spec.rules);
        Route { hostnames: Some(hostnames), ..route }
    })
}
