//! What came of what was provisioned: the addresses that Services were given, and what is known to
//! keep proxies or addresses away. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gwapi::ObjectKey;
use kube::core::DynamicObject;
use serde_json::Value;
use translate::ServiceAddresses;

use super::Problems;
use super::desired::LiveServices;
use super::service::Live;
use crate::owned::{Owned, OwnedKind};

/// By Gateway: IPv4 first, then IPv6, then names, each in the order of the Services. Who reads a
/// status takes the first address, and IPv4 is what every client has.
pub fn addresses(owned: &Owned, problems: &Problems) -> BTreeMap<ObjectKey, ServiceAddresses> {
    let mut all: BTreeMap<ObjectKey, ServiceAddresses> = BTreeMap::new();
    for (gateway, problems) in problems {
        all.entry(gateway.clone()).or_default().problems.extend(problems.iter().cloned());
    }
    for ((kind, key), object) in &owned.objects {
        let Some(gateway) = Owned::gateway_of(object) else { continue };
        let found = all.entry(gateway).or_default();
        match kind {
            OwnedKind::Service if object.metadata.deletion_timestamp.is_none() => {
                for address in given(object) {
                    if !found.assigned.contains(&address) {
                        found.assigned.push(address);
                    }
                }
                found.problems.extend(refused_ports(key, object));
            }
            OwnedKind::Deployment => found.problems.extend(failed_pods(key, object)),
            _ => {}
        }
    }
    for found in all.values_mut() {
        found.assigned.sort_by_key(|address| match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 0,
            Ok(IpAddr::V6(_)) => 1,
            Err(_) => 2,
        });
    }
    all
}

/// What a Service was given: by its load balancer, or its address inside the cluster where there is
/// none in front. Its node ports are at every node, whose addresses nobody asked for.
fn given(service: &DynamicObject) -> Vec<String> {
    let texts = |values: Vec<&Value>| -> Vec<String> {
        values.into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    if is_balanced(service) {
        let ingress = list(service, "/status/loadBalancer/ingress");
        texts(ingress.filter_map(|one| one.get("ip").or_else(|| one.get("hostname"))).collect())
    } else {
        let addresses = texts(list(service, "/spec/clusterIPs").collect());
        addresses.into_iter().filter(|address| address != "None").collect()
    }
}

fn is_balanced(service: &DynamicObject) -> bool {
    service.data.pointer("/spec/type").is_some_and(|found| found == "LoadBalancer")
}

fn list<'a>(object: &'a DynamicObject, path: &str) -> impl Iterator<Item = &'a Value> {
    object.data.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

/// Ports that a load balancer cannot have: cloud providers say so in a condition or beside the
/// address.
fn refused_ports(key: &ObjectKey, service: &DynamicObject) -> Vec<String> {
    let condition = true_condition(service, "LoadBalancerPortsError").map(|said| said.to_owned());
    let ports = list(service, "/status/loadBalancer/ingress")
        .flat_map(|ingress| ingress["ports"].as_array().into_iter().flatten())
        .filter_map(|port| Some(format!("port {}: {}", port["port"], port["error"].as_str()?)));
    condition.into_iter().chain(ports).map(|said| format!("Service {}: {said}", key.name)).collect()
}

/// Pods that the API server does not let be: a quota, a Pod Security Standard, a missing account.
fn failed_pods(key: &ObjectKey, deployment: &DynamicObject) -> Option<String> {
    let said = true_condition(deployment, "ReplicaFailure")?;
    Some(format!("Deployment {}: {said}", key.name))
}

fn true_condition<'a>(object: &'a DynamicObject, r#type: &str) -> Option<&'a str> {
    let mut conditions = list(object, "/status/conditions");
    let condition = conditions.find(|one| one["type"] == r#type && one["status"] == "True")?;
    condition["message"].as_str().or_else(|| condition["reason"].as_str())
}

/// What is known of the Services that were made for each Gateway.
pub(super) fn live_services<'a>(
    objects: impl Iterator<Item = (&'a (OwnedKind, ObjectKey), &'a DynamicObject)>,
    annotation: impl Fn(&ObjectKey) -> Option<String>,
) -> BTreeMap<ObjectKey, LiveServices> {
    let mut services: BTreeMap<ObjectKey, LiveServices> = BTreeMap::new();
    for ((kind, key), object) in objects {
        if *kind == OwnedKind::Service
            && let Some(gateway) = Owned::gateway_of(object)
        {
            let asks_for = match annotation(&gateway) {
                Some(annotation) => {
                    let annotations = object.metadata.annotations.as_ref();
                    annotations.and_then(|all| all.get(&annotation)).map(String::as_str)
                }
                None => object.data.pointer("/spec/loadBalancerIP").and_then(Value::as_str),
            };
            let given = if is_balanced(object) { given(object) } else { vec![] };
            let live = Live {
                asks_for: asks_for.and_then(|text| text.parse().ok()),
                given: given.iter().find_map(|text| text.parse().ok()),
                is_given: !given.is_empty(),
            };
            services.entry(gateway).or_default().insert(key.name.clone(), live);
        }
    }
    services
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn object(
        kind: OwnedKind,
        name: &str,
        data: Value,
    ) -> ((OwnedKind, ObjectKey), Arc<DynamicObject>) {
        let mut object = json!({"metadata": {"name": name, "namespace": "edge", "ownerReferences": [{
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": "l4",
            "uid": "1", "controller": true,
        }]}});
        object.as_object_mut().expect("an object").extend(data.as_object().expect("one").clone());
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        ((kind, ObjectKey::new("edge", name)), Arc::new(object))
    }

    fn balanced(name: &str, status: Value) -> ((OwnedKind, ObjectKey), Arc<DynamicObject>) {
        let data = json!({"spec": {"type": "LoadBalancer"}, "status": status});
        object(OwnedKind::Service, name, data)
    }

    fn of<const N: usize>(
        objects: [((OwnedKind, ObjectKey), Arc<DynamicObject>); N],
    ) -> ServiceAddresses {
        let owned = Owned { objects: objects.into(), ..Owned::default() };
        addresses(&owned, &Problems::new()).remove(&ObjectKey::new("edge", "l4")).expect("known")
    }

    #[test]
    fn every_service_of_a_gateway_adds_its_addresses_once_ipv4_first() {
        let ingress = |list: Value| json!({"loadBalancer": {"ingress": list}});
        let found = of([
            balanced("l4", ingress(json!([{"hostname": "lb.example"}, {"ip": "2001:db8::1"}]))),
            balanced("l4-1", ingress(json!([{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}]))),
            balanced("l4-2", json!({})),
        ]);
        assert_eq!(found.assigned, ["192.0.2.1", "2001:db8::1", "lb.example"]);
        assert_eq!(found.problems, [""; 0]);
    }

    #[test]
    fn a_service_inside_the_cluster_has_its_address_there() {
        for r#type in ["ClusterIP", "NodePort"] {
            let spec = json!({"spec": {"type": r#type, "clusterIPs": ["10.0.0.7", "fd00::7"]}});
            assert_eq!(
                of([object(OwnedKind::Service, "l4", spec)]).assigned,
                ["10.0.0.7", "fd00::7"]
            );
        }
    }

    #[test]
    fn what_load_balancers_and_deployments_say_is_passed_on() {
        let refused = json!({
            "conditions": [{"type": "LoadBalancerPortsError", "status": "True",
                "reason": "LoadBalancerMixedProtocolNotSupported", "message": "mixed protocol"}],
            "loadBalancer": {"ingress": [
                {"ip": "192.0.2.1", "ports": [{"port": 53, "error": "PortsBusy"}, {"port": 54}]},
            ]},
        });
        let failed = json!({"status": {"conditions": [
            {"type": "Available", "status": "True", "message": "fine"},
            {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"},
        ]}});
        let found = of([balanced("l4", refused), object(OwnedKind::Deployment, "l4", failed)]);
        assert_eq!(
            found.problems,
            [
                "Service l4: mixed protocol",
                "Service l4: port 53: PortsBusy",
                "Deployment l4: exceeded quota"
            ]
        );
    }
}
