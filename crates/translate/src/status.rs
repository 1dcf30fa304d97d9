//! What every object's status must say. Times are not set here: the writer sets them.

mod class;
pub(crate) mod condition;
mod gateway;
mod listener;
mod listener_set;
mod parameters;
mod policy;
mod route;

use std::collections::BTreeMap;

use gwapi::listeners::RouteGroupKind;
use gwapi::reasons::{ConditionType, Reason};
use gwapi::{ObjectKey, ParentRef};
use serde::Serialize;

use crate::World;
use crate::acceptance::Acceptance;
use crate::attach::Attachments;
use crate::backend_tls::Policies;
use crate::backends::BackendsByRoute;
use crate::claims::Claims;
use crate::classes::Classes;
use crate::gateways::Gateway;
use crate::listener_sets::ListenerSet;
use crate::listeners::Listener;
use crate::routes::{Route, RouteKind};

/// One condition, without its transition time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Its type, for example `Accepted`.
    pub r#type: &'static str,
    /// Whether it is true.
    pub status: bool,
    /// Its reason, CamelCase.
    pub reason: &'static str,
    /// Object, field and expected value in words.
    pub message: String,
    /// `metadata.generation` of the object that the condition sits on.
    pub observed_generation: i64,
    /// Why, one entry for each field at fault, the worst first; empty where nothing is at fault.
    /// Not part of the status that is written: `reason` and `message` sum it up.
    #[serde(skip)]
    pub causes: Vec<Cause>,
}

impl Condition {
    /// The field most at fault, as a path from the object's root.
    pub fn field(&self) -> Option<&str> {
        self.causes.first().and_then(|cause| cause.field.as_deref())
    }
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The reason it gives a condition.
    pub reason: Reason,
    /// The field at fault, as a path from the object's root.
    pub field: Option<String>,
    /// What is wrong, with the value found and the value expected.
    pub message: String,
    /// What would repair it.
    pub fix: Option<String>,
}

/// The status of every object that is ours to describe.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Statuses {
    pub gateway_classes: BTreeMap<ObjectKey, GatewayClassStatus>,
    pub gateways: BTreeMap<ObjectKey, GatewayStatus>,
    pub listener_sets: BTreeMap<ObjectKey, ListenerSetStatus>,
    pub tcp_routes: BTreeMap<ObjectKey, RouteStatus>,
    pub udp_routes: BTreeMap<ObjectKey, RouteStatus>,
    pub tls_routes: BTreeMap<ObjectKey, RouteStatus>,
    pub http_routes: BTreeMap<ObjectKey, RouteStatus>,
    pub backend_tls_policies: BTreeMap<ObjectKey, PolicyStatus>,
    pub gateway_parameters: BTreeMap<ObjectKey, GatewayParametersStatus>,
}

/// Status of a GatewayClass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassStatus {
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Feature names, sorted.
    pub supported_features: Vec<&'static str>,
}

/// Status of a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// Addresses really bound: type (`IPAddress` or `Hostname`) and value.
    pub addresses: Vec<(&'static str, String)>,
    /// ListenerSets that are selected and accepted.
    pub attached_listener_sets: i32,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// The Gateway's own listeners, in the order of the spec.
    pub listeners: Vec<ListenerStatus>,
}

/// Status of a ListenerSet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerSetStatus {
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Its listeners, in the order of the spec.
    pub listeners: Vec<ListenerStatus>,
}

/// Status of one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// Kinds that may attach: those listed (or the protocol's default) that we support.
    #[serde(serialize_with = "kinds_as_text")]
    pub supported_kinds: Vec<RouteGroupKind>,
    /// Routes with Accepted=True here.
    pub attached_routes: i32,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

fn kinds_as_text<S: serde::Serializer>(
    kinds: &[RouteGroupKind],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(kinds.iter().map(|kind| format!("{}/{}", kind.group, kind.kind)))
}

/// Our part of a route's status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RouteStatus {
    /// One entry for every parentRef that leads to a Gateway of ours, in the order of the spec.
    pub parents: Vec<ParentStatus>,
}

/// What we say of one parentRef.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentStatus {
    /// The parentRef, word for word.
    pub parent_ref: ParentRef,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// Our part of a policy's status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PolicyStatus {
    /// One entry for every Gateway of ours that the policy works on; sorted.
    pub ancestors: Vec<AncestorStatus>,
}

/// What we say of one Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AncestorStatus {
    /// The Gateway.
    pub gateway: ObjectKey,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// Status of GatewayParameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GatewayParametersStatus {
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// Everything that was decided: what statuses tell.
#[derive(Clone, Copy)]
pub(crate) struct Outcome<'l, 'a> {
    pub(crate) world: &'l World<'a>,
    pub(crate) classes: &'l Classes<'a>,
    pub(crate) gateways: &'l [Gateway<'a>],
    pub(crate) sets: &'l [ListenerSet<'a>],
    pub(crate) listeners: &'l [Listener<'a>],
    pub(crate) acceptance: &'l Acceptance,
    pub(crate) routes: &'l [Route<'a>],
    pub(crate) attachments: &'l Attachments<'a>,
    pub(crate) claims: &'l Claims,
    pub(crate) backends: &'l BackendsByRoute<'a>,
    pub(crate) policies: &'l Policies<'a>,
}

/// Tells everything that was decided.
pub(crate) fn tell(outcome: &Outcome<'_, '_>) -> Statuses {
    let mut statuses = Statuses {
        gateway_classes: class::statuses(outcome).collect(),
        gateway_parameters: parameters::statuses(outcome).collect(),
        ..Statuses::default()
    };
    let of_listeners = listener::statuses(outcome);
    for gateway in outcome.gateways {
        let status = gateway::status(gateway, outcome, &of_listeners);
        statuses.gateways.insert(gateway.key.clone(), status);
    }
    for set in outcome.sets {
        if let Some(gateway) = statuses.gateways.get(set.gateway.key) {
            let status = listener_set::status(set, gateway, outcome, &of_listeners);
            statuses.listener_sets.insert(set.key.clone(), status);
        }
    }
    let listeners = outcome.listeners.iter().map(|listener| (listener.id, listener)).collect();
    let losses = route::losses(outcome);
    for route in outcome.routes {
        if let Some(status) = route::status(route, outcome, &listeners, &losses) {
            let of_kind = match route.kind {
                RouteKind::Tcp => &mut statuses.tcp_routes,
                RouteKind::Udp => &mut statuses.udp_routes,
                RouteKind::Tls => &mut statuses.tls_routes,
                RouteKind::Http => &mut statuses.http_routes,
            };
            of_kind.insert(route.key.clone(), status);
        }
    }
    let uses = policy::uses(outcome);
    for policy in outcome.policies.iter() {
        if let Some(status) = policy::status(policy, outcome, &uses) {
            statuses.backend_tls_policies.insert(policy.key.clone(), status);
        }
    }
    statuses
}

/// Whether the condition of this type is there and true.
pub(crate) fn is_true(conditions: &[Condition], r#type: ConditionType) -> bool {
    conditions.iter().any(|condition| condition.r#type == r#type.as_str() && condition.status)
}
