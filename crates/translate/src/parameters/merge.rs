//! One set of parameters laid over another: a field that the upper one sets wins. Our own groups of
//! fields are merged field by field; maps, lists and Kubernetes' own types are taken as a whole.

use gwapi::parameters::{
    AccessLog, DisruptionBudget, GatewayParametersSpec, Logging, Pod, Ports, Resources,
    ServiceParameters,
};

/// What may stand over another value of its type.
trait Over: Clone {
    fn over(&self, lower: &Self) -> Self;
}

/// Merges every field of a group: those named after `groups` by their own fields, the others as a
/// whole. A field that is named in neither list does not compile.
macro_rules! merge_fields {
    ($type:ident { $($whole:ident),* $(; groups $($group:ident),*)? }) => {
        impl Over for $type {
            fn over(&self, lower: &Self) -> Self {
                Self {
                    $($whole: self.$whole.clone().or_else(|| lower.$whole.clone()),)*
                    $($($group: group(self.$group.as_ref(), lower.$group.as_ref()),)*)?
                }
            }
        }
    };
}

fn group<T: Over>(upper: Option<&T>, lower: Option<&T>) -> Option<T> {
    match (upper, lower) {
        (Some(upper), Some(lower)) => Some(upper.over(lower)),
        (upper, lower) => upper.or(lower).cloned(),
    }
}

merge_fields!(GatewayParametersSpec {
    replicas, image, workers, drain_timeout, pre_stop_delay;
    groups resources, logging, ports, pod, service, pod_disruption_budget
});
merge_fields!(Resources { limits, requests });
merge_fields!(Logging { level; groups access });
merge_fields!(AccessLog { format });
merge_fields!(Ports { admin, health });
merge_fields!(Pod {
    annotations,
    node_selector,
    tolerations,
    affinity,
    topology_spread_constraints,
    priority_class_name,
    termination_grace_period_seconds
});
merge_fields!(ServiceParameters {
    r#type,
    load_balancer_class,
    external_traffic_policy,
    mixed_protocol,
    allocate_load_balancer_node_ports,
    node_ports,
    load_balancer_source_ranges,
    address_from,
    address_annotation
});
merge_fields!(DisruptionBudget { enabled, max_unavailable });

/// `upper` over `lower`.
pub(super) fn over(
    upper: &GatewayParametersSpec,
    lower: &GatewayParametersSpec,
) -> GatewayParametersSpec {
    upper.over(lower)
}
