//! Endpoints that have just refused a flow: for a moment, others are asked first.
//!
//! Nothing listens at such an endpoint, and as its flows end, it is also the least busy one:
//! without a memory the next flow would go there again. Pure: time is an argument.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an endpoint is passed over. A server that restarts is back sooner than users notice.
const MEMORY: Duration = Duration::from_secs(3);
/// Endpoints remembered; the oldest is forgotten first.
const CAPACITY: usize = 32;

/// The endpoints that refused last.
#[derive(Debug, Default)]
pub(super) struct Refused {
    endpoints: VecDeque<(SocketAddr, Instant)>,
}

impl Refused {
    /// Takes note that `endpoint` refused.
    pub(super) fn remember(&mut self, now: Instant, endpoint: SocketAddr) {
        self.endpoints.retain(|(other, _)| *other != endpoint);
        if self.endpoints.len() == CAPACITY {
            self.endpoints.pop_front();
        }
        self.endpoints.push_back((endpoint, now));
    }

    /// The endpoints to pass over while there are others.
    pub(super) fn recent(&mut self, now: Instant) -> impl Iterator<Item = SocketAddr> {
        self.endpoints.retain(|(_, at)| now.saturating_duration_since(*at) < MEMORY);
        self.endpoints.iter().map(|(endpoint, _)| *endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn an_endpoint_is_passed_over_for_a_moment() {
        let (mut refused, now) = (Refused::default(), Instant::now());
        refused.remember(now, endpoint(1));
        refused.remember(now + Duration::from_secs(2), endpoint(2));
        let recent: Vec<_> = refused.recent(now + Duration::from_secs(2)).collect();
        assert_eq!(recent, [endpoint(1), endpoint(2)]);
        let recent: Vec<_> = refused.recent(now + Duration::from_secs(3)).collect();
        assert_eq!(recent, [endpoint(2)]);
        assert_eq!(refused.recent(now + Duration::from_secs(5)).count(), 0);
    }

    #[test]
    fn memory_is_bounded_and_holds_each_endpoint_once() {
        let (mut refused, now) = (Refused::default(), Instant::now());
        for port in 0..100 {
            refused.remember(now, endpoint(port));
            refused.remember(now, endpoint(port));
        }
        let recent: Vec<_> = refused.recent(now).collect();
        assert_eq!(recent, (68..100).map(endpoint).collect::<Vec<_>>());
    }
}
