//! Which kinds of routes a listener takes: those its protocol can carry, cut to those it lists.

use gwapi::GATEWAY_GROUP;
use gwapi::listeners::RouteGroupKind;
use gwapi::reasons::Reason;

use super::tls::Tls;
use super::{Listener, Protocol};
use crate::routes::RouteKind;
use crate::status::Cause;

/// The kinds of routes that a listener takes.
#[derive(Default)]
pub(crate) struct SupportedKinds {
    /// In the order in which they are listed, each once.
    pub(crate) usable: Vec<RouteKind>,
}

impl SupportedKinds {
    /// For `supportedKinds` of a status; the group is always written out.
    pub(crate) fn for_status(&self) -> Vec<RouteGroupKind> {
        let named = |kind: &RouteKind| RouteGroupKind {
            group: GATEWAY_GROUP.to_owned(),
            kind: kind.as_str().to_owned(),
        };
        self.usable.iter().map(named).collect()
    }
}

impl Listener<'_> {
    /// Reads `allowedRoutes.kinds`. What is listed in vain is said; the rest works on.
    ///
    /// A TCPRoute may stand beside TLSRoutes where TLS ends, as the fallback of clients whose
    /// server name no TLSRoute has; only where it is listed, for by default TLS means TLSRoute.
    pub(super) fn read_kinds(&mut self, protocol: Protocol) {
        let (default, possible): (RouteKind, &[RouteKind]) = match protocol {
            Protocol::Tcp => (RouteKind::Tcp, &[RouteKind::Tcp]),
            Protocol::Udp => (RouteKind::Udp, &[RouteKind::Udp]),
            Protocol::Tls if matches!(self.tls, Some(Tls::Passthrough)) => {
                (RouteKind::Tls, &[RouteKind::Tls])
            }
            Protocol::Tls => (RouteKind::Tls, &[RouteKind::Tls, RouteKind::Tcp]),
            Protocol::Http | Protocol::Https => (RouteKind::Http, &[RouteKind::Http]),
        };
        if self.spec.kinds.is_empty() {
            self.kinds.usable.push(default);
        }
        for (index, listed) in self.spec.kinds.iter().enumerate() {
            let found = possible
                .iter()
                .find(|kind| listed.group == GATEWAY_GROUP && listed.kind == kind.as_str());
            match found {
                Some(kind) if self.kinds.usable.contains(kind) => {}
                Some(kind) => self.kinds.usable.push(*kind),
                None => {
                    let field = self.field(&format!("allowedRoutes.kinds[{index}]"));
                    let mode = match self.tls {
                        _ if protocol != Protocol::Tls => "",
                        Some(Tls::Passthrough) => " in mode Passthrough",
                        Some(Tls::Terminate(_)) => " in mode Terminate",
                        None => "",
                    };
                    let expected: Vec<_> = possible.iter().map(|kind| kind.as_str()).collect();
                    let group = match listed.group.as_str() {
                        GATEWAY_GROUP => String::new(),
                        other => format!(" of group {other:?}"),
                    };
                    let message = format!(
                        "{}{group} cannot attach to protocol {}{mode}: expected {}",
                        listed.kind,
                        protocol.as_str(),
                        expected.join(" or ")
                    );
                    self.unresolved.push(Cause::new(Reason::InvalidRouteKinds, field, message));
                }
            }
        }
    }
}
