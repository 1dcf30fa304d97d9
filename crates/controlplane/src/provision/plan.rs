//! Which requests make what is there into what has to be there. Pure.
//!
//! Whatever is done of a plan, the next one goes on from there and comes to the same end: nothing is
//! remembered but what the API server has. An object of our name that is not ours is never touched.

use std::collections::BTreeMap;
use std::sync::Arc;

use gwapi::{Gateway, ObjectKey};
use kube::core::DynamicObject;
use serde_json::Value;

use super::addresses::live_services;
use super::desired::{CONTROLLER_ANNOTATION, Wanted, desired};
use super::differs::{differs, needs_replacing};
use super::{ProxySettings, Subject};
use crate::Loaded;
use crate::owned::Owned;
use translate::Translation;

/// Everything that decides a plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct World<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) translation: &'a Translation,
    pub(super) settings: &'a ProxySettings,
    /// The PEM that proxies prove the controller by.
    pub(super) authority: &'a str,
    /// What was provisioned, as the API server has it.
    pub(super) live: &'a BTreeMap<Subject, Arc<DynamicObject>>,
}

/// One request to make.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Make it so.
    Apply {
        /// What.
        subject: Subject,
        /// The object as it is applied.
        object: Value,
        /// The UID of the object that is there; `None` if none is.
        uid: Option<String>,
        /// What of it is not so, if it is there.
        differs: Option<String>,
    },
    /// Remove it, if it still is the object of this UID.
    Delete {
        /// What.
        subject: Subject,
        /// Its UID.
        uid: String,
    },
}

impl Step {
    pub(super) fn subject(&self) -> &Subject {
        match self {
            Self::Apply { subject, .. } | Self::Delete { subject, .. } => subject,
        }
    }
}

/// What is to be done for one Gateway, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// What cannot be done, in words.
    pub(super) problems: Vec<String>,
}

/// The plan of every Gateway for which something is to be said or done. `is_settled` says of a
/// difference that the API server insists on it.
pub(super) fn plan(
    world: &World<'_>,
    is_settled: impl Fn(&Subject, &Value, &DynamicObject) -> bool,
) -> BTreeMap<ObjectKey, Plan> {
    let mut live: BTreeMap<ObjectKey, Vec<(&Subject, &DynamicObject)>> = BTreeMap::new();
    for (subject, object) in world.live {
        if let Some(gateway) = Owned::gateway_of(object) {
            live.entry(gateway).or_default().push((subject, object.as_ref()));
        }
    }
    let annotation = |gateway: &ObjectKey| {
        let fleet = world.translation.fleets.get(gateway)?.as_ref()?;
        fleet.parameters.service.address_annotation.clone()
    };
    let objects = world.live.iter().map(|(subject, object)| (subject, object.as_ref()));
    let services = live_services(objects, annotation);
    let mut plans = BTreeMap::new();
    let fleets = &world.translation.fleets;
    for (key, fleet) in fleets {
        let Some(gateway) = world.loaded.objects.gateways.get(key) else { continue };
        let there = live.remove(key).unwrap_or_default();
        let (Some(fleet), None) = (fleet, &gateway.metadata.deletion_timestamp) else { continue };
        let known = services.get(key).cloned().unwrap_or_default();
        let wanted = desired(key, gateway, fleet, world.settings, world.authority, &known);
        let plan = of_fleet(world, gateway, wanted, &there, &is_settled);
        plans.insert(key.clone(), plan);
    }
    // What is left is of Gateways that are gone or not ours any more.
    for (key, there) in live {
        if fleets.contains_key(&key) {
            continue;
        }
        let steps = there.into_iter().filter(|(_, object)| is_of_this_controller(world, object));
        let steps = steps.filter_map(|(subject, object)| removal(subject, object)).collect();
        plans.insert(key, Plan { steps, problems: vec![] });
    }
    plans.retain(|_, plan| !plan.steps.is_empty() || !plan.problems.is_empty());
    plans
}

fn of_fleet(
    world: &World<'_>,
    gateway: &Gateway,
    wanted: Wanted,
    there: &[(&Subject, &DynamicObject)],
    is_settled: &impl Fn(&Subject, &Value, &DynamicObject) -> bool,
) -> Plan {
    let uid = gateway.metadata.uid.as_deref();
    let (mut first, mut applied, mut last, mut problems) = (vec![], vec![], vec![], vec![]);
    for (subject, object) in there {
        let is_kept = subject.0 == crate::owned::OwnedKind::Service && wanted.keeps_services;
        if wanted.objects.contains_key(subject) || is_kept || !is_of_this_controller(world, object)
        {
            continue;
        }
        // A Service may have the address that another one is to ask for.
        let early = subject.0 == crate::owned::OwnedKind::Service;
        if early { &mut first } else { &mut last }.extend(removal(subject, object));
    }
    for (subject, object) in wanted.objects {
        let Some(live) = world.live.get(&subject) else {
            applied.push(Step::Apply { subject, object, uid: None, differs: None });
            continue;
        };
        if live.metadata.deletion_timestamp.is_some() {
            // Its name is free when it is gone.
            continue;
        }
        if owner_uid(live) != uid {
            match is_left_over(world, live) {
                // Of a Gateway of the same name that is gone.
                true => first.extend(removal(&subject, live)),
                false => problems.push(taken(&subject)),
            }
        } else if needs_replacing(&object, live) {
            first.extend(removal(&subject, live));
        } else if let Some(path) = differs(&object, live)
            && !is_settled(&subject, &object, live)
        {
            let uid = live.metadata.uid.clone();
            applied.push(Step::Apply { subject, object, uid, differs: Some(path) });
        }
    }
    first.extend(applied);
    first.extend(last);
    Plan { steps: first, problems }
}

/// Why nothing can be made.
pub(super) fn taken((kind, key): &Subject) -> String {
    format!(
        "{kind} {} is there already and was not made for this Gateway: it stays as it is",
        key.name
    )
}

/// The UID of the Gateway that an object belongs to.
pub(super) fn owner_uid(object: &DynamicObject) -> Option<&str> {
    let owners = object.metadata.owner_references.as_deref().unwrap_or_default();
    let gateway = owners.iter().find(|owner| owner.controller == Some(true))?;
    let group = gateway.api_version.split('/').next();
    let is_gateway = gateway.kind == "Gateway" && group == Some(gwapi::GATEWAY_GROUP);
    is_gateway.then_some(gateway.uid.as_str())
}

/// Whether an object was made by this installation; others may have Gateways in this cluster too.
fn is_of_this_controller(world: &World<'_>, object: &DynamicObject) -> bool {
    let annotations = object.metadata.annotations.as_ref();
    let controller = annotations.and_then(|all| all.get(CONTROLLER_ANNOTATION));
    controller == Some(&world.settings.controller_name)
}

/// Whether an object of ours belongs to a Gateway that is not there any more.
fn is_left_over(world: &World<'_>, object: &DynamicObject) -> bool {
    let uid = owner_uid(object);
    let mut gateways = world.loaded.objects.gateways.values();
    uid.is_some()
        && is_of_this_controller(world, object)
        && !gateways.any(|gateway| gateway.metadata.uid.as_deref() == uid)
}

fn removal(subject: &Subject, object: &DynamicObject) -> Option<Step> {
    let uid = object.metadata.uid.clone()?;
    let is_going = object.metadata.deletion_timestamp.is_some();
    (!is_going).then(|| Step::Delete { subject: subject.clone(), uid })
}
