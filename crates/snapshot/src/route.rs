//! Where a connection or flow goes: a weighted choice of targets.

use std::sync::Arc;

use serde::Serialize;

use crate::{BackendName, ClusterKey, RouteName};

/// One route as a listener uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Its name, for logs and metrics.
    pub name: Arc<RouteName>,
    /// The choices. Those that cannot be served are here too, with their weight: their share is
    /// refused, never given to the others.
    pub targets: Vec<Weighted>,
}

/// A target and its share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Weighted {
    /// The share, relative to the sum of all; 0 is never chosen. At most 1,000,000.
    pub weight: u32,
    /// Where the share goes.
    pub target: Target,
}

/// Where a share goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// To an endpoint of this cluster.
    Cluster(ClusterKey),
    /// Nowhere: TCP is reset, datagrams are dropped.
    Reject(Rejection),
}

/// Why a share is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// The backend as the route names it.
    pub backend: Arc<BackendName>,
    /// The reason in the words of the route's condition, for example `RefNotPermitted`.
    pub reason: String,
}

impl Route {
    /// The sum of all weights; at most 16 × 1,000,000.
    pub fn total_weight(&self) -> u64 {
        self.targets.iter().map(|target| u64::from(target.weight)).sum()
    }

    /// The target at `point` of the line on which every target takes its weight. `point` should be
    /// drawn evenly from 0 to [`Route::total_weight`] exclusive; `None` when it is beyond the end,
    /// which it always is if all weights are 0.
    pub fn pick(&self, point: u64) -> Option<&Target> {
        self.targets.get(self.position(point)?).map(|weighted| &weighted.target)
    }

    /// Like [`Route::pick`], but says where in [`Route::targets`] it is.
    pub fn position(&self, point: u64) -> Option<usize> {
        let mut end = 0;
        self.targets.iter().position(|weighted| {
            end += u64::from(weighted.weight);
            point < end
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(weights: &[u32]) -> Route {
        let targets = weights
            .iter()
            .enumerate()
            .map(|(i, &weight)| Weighted {
                weight,
                target: Target::Cluster(ClusterKey::new(i.to_string())),
            })
            .collect();
        Route { name: Arc::new(RouteName::default()), targets }
    }

    #[test]
    fn every_point_of_the_line_belongs_to_the_target_that_covers_it() {
        let route = route(&[2, 0, 3]);
        let picked: Vec<_> = (0..6).map(|point| route.pick(point).cloned()).collect();
        let cluster = |i: usize| Some(Target::Cluster(ClusterKey::new(i.to_string())));
        assert_eq!(picked, [cluster(0), cluster(0), cluster(2), cluster(2), cluster(2), None]);
    }

    #[test]
    fn all_weights_zero_picks_nothing() {
        assert_eq!(route(&[0, 0]).pick(0), None);
        assert_eq!(route(&[]).pick(0), None);
    }

    #[test]
    fn sixteen_full_weights_do_not_overflow() {
        assert_eq!(route(&[1_000_000; 16]).total_weight(), 16_000_000);
    }
}
