//! Who gets the traffic of a listener that several routes attach to: the oldest. Knows no
//! backends.

use std::collections::BTreeMap;

use snapshot::PathMatch;

use crate::attach::Attachments;
use crate::hostnames::{Hostname, overlap};
use crate::listeners::{Listener, ListenerId};
use crate::routes::{Route, RouteId, RouteKind, find};

/// The routes of each listener that get traffic, and those that do not.
#[derive(Default)]
pub(crate) struct Claims {
    by_listener: BTreeMap<ListenerId, Claim>,
}

/// Who gets what of one listener.
#[derive(Default)]
pub(crate) struct Claim {
    /// The route of everything that no hostname decides.
    pub(crate) everything: Option<RouteId>,
    /// The route of each hostname, as the routes have them: not cut to the listener's, so that the
    /// more specific route wins also where the listener is more specific than both.
    pub(crate) by_hostname: BTreeMap<Hostname, RouteId>,
    /// The route of each host (`None` is every host) and path, and its rule.
    pub(crate) by_request: BTreeMap<(Option<Hostname>, PathMatch), (RouteId, usize)>,
    /// Routes that asked for what an older one has.
    pub(crate) losses: Vec<Loss>,
}

/// One thing that a route asked for and does not get.
pub(crate) struct Loss {
    /// The route.
    pub(crate) loser: RouteId,
    /// The older route.
    pub(crate) winner: RouteId,
    /// The hostname that both ask for; `None` for every one.
    pub(crate) hostname: Option<Hostname>,
    /// The path that both ask for; of several the first.
    pub(crate) path: Option<PathMatch>,
}

/// Settles the claims of all listeners.
///
/// Spec: GEP-2644, GEP-2645 and the comment of `TLSRoute.spec.hostnames`: the oldest route wins,
/// then the first by namespace and name; all of them stay accepted.
pub(crate) fn settle(
    listeners: &[Listener<'_>],
    routes: &[Route<'_>],
    attachments: &Attachments<'_>,
) -> Claims {
    let settled = listeners.iter().filter_map(|listener| {
        let attached = attachments.by_listener.get(&listener.id)?;
        let mut attached: Vec<_> = attached.iter().filter_map(|id| find(routes, *id)).collect();
        attached.sort_by_key(|route| route.age);
        let mut claim = Claim::default();
        for route in attached {
            claim.add(route, listener);
        }
        Some((listener.id, claim))
    });
    Claims { by_listener: settled.collect() }
}

impl Claims {
    /// Who gets what of this listener; `None` if nothing is attached.
    pub(crate) fn of(&self, listener: ListenerId) -> Option<&Claim> {
        self.by_listener.get(&listener)
    }
}

impl Claim {
    /// Adds the next younger route.
    fn add(&mut self, route: &Route<'_>, listener: &Listener<'_>) {
        let within = |name: &&Hostname| overlap(listener.hostname.as_ref(), Some(name));
        let hostnames = route.hostnames.iter().flatten().filter(within);
        match route.kind {
            RouteKind::Tcp | RouteKind::Udp => match self.everything {
                None => self.everything = Some(route.id),
                Some(winner) => self.lose(route.id, winner, None, None),
            },
            RouteKind::Tls => {
                for hostname in hostnames {
                    match self.by_hostname.get(hostname) {
                        None => _ = self.by_hostname.insert(hostname.clone(), route.id),
                        Some(&winner) => {
                            self.lose(route.id, winner, Some(hostname.clone()), None);
                        }
                    }
                }
            }
            RouteKind::Http if route.hostnames.is_none() => self.add_requests(route, None),
            RouteKind::Http => {
                hostnames.for_each(|hostname| self.add_requests(route, Some(hostname)));
            }
        }
    }

    fn add_requests(&mut self, route: &Route<'_>, hostname: Option<&Hostname>) {
        for (index, rule) in route.rules.iter().enumerate() {
            for path in &rule.paths {
                let request = (hostname.cloned(), path.clone());
                match self.by_request.get(&request) {
                    None => _ = self.by_request.insert(request, (route.id, index)),
                    // Spec: of the rules of one route the first.
                    Some(&(winner, _)) if winner == route.id => {}
                    Some(&(winner, _)) => self.lose(route.id, winner, request.0, Some(request.1)),
                }
            }
        }
    }

    /// One loss for each hostname and winner is enough to know.
    fn lose(
        &mut self,
        loser: RouteId,
        winner: RouteId,
        hostname: Option<Hostname>,
        path: Option<PathMatch>,
    ) {
        let of_loser = self.losses.iter().rev().take_while(|loss| loss.loser == loser);
        let is_same = |loss: &Loss| loss.winner == winner && loss.hostname == hostname;
        if !of_loser.into_iter().any(is_same) {
            self.losses.push(Loss { loser, winner, hostname, path });
        }
    }
}
