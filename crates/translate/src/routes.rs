//! TCPRoute, UDPRoute, TLSRoute and HTTPRoute in one form. After this file nothing reads a kind's own type;
//! what a kind means is what [`RouteKind`] says.

mod http;
mod tcp;
mod tls;
mod udp;

use std::sync::Arc;

use gwapi::reasons::Reason;
use gwapi::routes::RouteRule;
use gwapi::{BackendRef, Kind, ObjectKey, ObjectMeta, ObjectRef, Objects, ParentRef};
use snapshot::{PathMatch, RouteName, Transport};

use crate::hostnames::Hostname;
use crate::precedence::Age;
use crate::status::Cause;

/// The kinds of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RouteKind {
    Tcp,
    Udp,
    Tls,
    Http,
}

impl RouteKind {
    /// The kind as an object has it.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Tcp => Kind::TcpRoute,
            Self::Udp => Kind::UdpRoute,
            Self::Tls => Kind::TlsRoute,
            Self::Http => Kind::HttpRoute,
        }
    }

    /// As manifests spell it.
    pub(crate) fn as_str(self) -> &'static str {
        self.kind().as_str()
    }

    /// What its backends are spoken to with.
    pub(crate) fn transport(self) -> Transport {
        match self {
            Self::Tcp | Self::Tls | Self::Http => Transport::Tcp,
            Self::Udp => Transport::Udp,
        }
    }
}

/// The place of a route among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RouteId(usize);

/// A route of any kind.
pub(crate) struct Route<'a> {
    /// Its place.
    pub(crate) id: RouteId,
    /// Its kind.
    pub(crate) kind: RouteKind,
    /// Its key.
    pub(crate) key: &'a ObjectKey,
    /// Its metadata.
    pub(crate) metadata: &'a ObjectMeta,
    /// Its place in the order of precedence.
    pub(crate) age: Age<'a>,
    /// Its name for logs and metrics.
    pub(crate) name: Arc<RouteName>,
    /// Where it wants to attach.
    pub(crate) parents: &'a [ParentRef],
    /// The server names or hosts it matches; `None` for all of them.
    pub(crate) hostnames: Option<Vec<Hostname>>,
    /// Where its traffic goes: of a kind other than HTTPRoute, one rule.
    pub(crate) rules: Vec<Rule<'a>>,
    /// Why it can attach nowhere.
    pub(crate) refusal: Option<Cause>,
}

/// One rule of a route.
pub(crate) struct Rule<'a> {
    /// The paths it matches; empty for a kind that knows none.
    pub(crate) paths: Vec<PathMatch>,
    /// Where its traffic goes.
    pub(crate) backends: Vec<&'a BackendRef>,
}

impl Route<'_> {
    /// The object.
    pub(crate) fn object(&self) -> ObjectRef {
        ObjectRef::new(self.kind.kind(), self.key.clone())
    }
}

/// Every route: TCPRoutes, UDPRoutes, TLSRoutes, then HTTPRoutes, each by key.
pub(crate) fn read(objects: &Objects) -> Vec<Route<'_>> {
    let mut routes: Vec<_> = tcp::read(objects).chain(udp::read(objects)).collect();
    routes.extend(tls::read(objects).chain(http::read(objects)));
    for (place, route) in routes.iter_mut().enumerate() {
        route.id = RouteId(place);
    }
    routes
}

/// The route of this place.
pub(crate) fn find<'r, 'a>(routes: &'r [Route<'a>], id: RouteId) -> Option<&'r Route<'a>> {
    routes.get(id.0)
}

/// A route of a kind with exactly one rule.
fn l4_route<'a>(
    kind: RouteKind,
    key: &'a ObjectKey,
    metadata: &'a ObjectMeta,
    parents: &'a [ParentRef],
    rules: &'a [RouteRule],
) -> Route<'a> {
    // Spec: exactly one rule at v1. Clusters that serve only v1alpha2 let through more, and to
    // serve the first of several would be to ignore the others.
    let (rules, refusal) = match rules {
        [rule] => {
            let backends = rule.backend_refs.iter().collect();
            (vec![Rule { paths: vec![], backends }], None)
        }
        _ => {
            let message = format!("{} rules: expected exactly 1", rules.len());
            (vec![], Some(Cause::new(Reason::UnsupportedValue, "spec.rules", message)))
        }
    };
    Route { rules, refusal, ..route(kind, key, metadata, parents) }
}

/// What all kinds have in common.
fn route<'a>(
    kind: RouteKind,
    key: &'a ObjectKey,
    metadata: &'a ObjectMeta,
    parents: &'a [ParentRef],
) -> Route<'a> {
    Route {
        id: RouteId(0),
        kind,
        key,
        metadata,
        age: Age::of(key, metadata),
        name: Arc::new(RouteName {
            kind: kind.as_str().to_owned(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        }),
        parents,
        hostnames: None,
        rules: vec![],
        refusal: None,
    }
}
