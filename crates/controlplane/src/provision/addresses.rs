//! The addresses that the Services in front of proxies were given. Pure.

use std::collections::BTreeMap;

use gwapi::ObjectKey;
use kube::core::DynamicObject;
use translate::ServiceAddresses;

use crate::owned::{Owned, OwnedKind};

/// By Gateway, in the order of the Services' names.
pub fn addresses(owned: &Owned) -> BTreeMap<ObjectKey, ServiceAddresses> {
    let mut addresses: BTreeMap<ObjectKey, ServiceAddresses> = BTreeMap::new();
    for ((kind, _), object) in &owned.objects {
        if *kind != OwnedKind::Service {
            continue;
        }
        if let Some(gateway) = Owned::gateway_of(object) {
            let assigned = &mut addresses.entry(gateway).or_default().assigned;
            for address in of(object) {
                if !assigned.contains(&address) {
                    assigned.push(address);
                }
            }
        }
    }
    addresses
}

/// What one Service was given: by its load balancer, or its address in the cluster where it has
/// none in front.
fn of(service: &DynamicObject) -> Vec<String> {
    let list = |path: &str| service.data.pointer(path).and_then(|list| list.as_array());
    if service.data.pointer("/spec/type").is_some_and(|r#type| r#type == "LoadBalancer") {
        let ingress = list("/status/loadBalancer/ingress").into_iter().flatten();
        ingress
            .filter_map(|one| one.get("ip").or_else(|| one.get("hostname"))?.as_str())
            .map(str::to_owned)
            .collect()
    } else {
        let addresses = list("/spec/clusterIPs").into_iter().flatten();
        addresses
            .filter_map(|address| address.as_str().filter(|address| *address != "None"))
            .map(str::to_owned)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;

    fn service(name: &str, data: Value) -> ((OwnedKind, ObjectKey), Arc<DynamicObject>) {
        let mut object = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "edge", "ownerReferences": [{
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": "l4",
                "uid": "1", "controller": true,
            }]},
        });
        object.as_object_mut().expect("an object").extend(data.as_object().expect("one").clone());
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        ((OwnedKind::Service, ObjectKey::new("edge", name)), Arc::new(object))
    }

    #[test]
    fn every_service_of_a_gateway_adds_its_addresses_once() {
        let balanced = |name, ingress: Value| {
            let status = json!({"loadBalancer": {"ingress": ingress}});
            service(name, json!({"spec": {"type": "LoadBalancer"}, "status": status}))
        };
        let owned = Owned {
            objects: [
                balanced("l4", json!([{"ip": "192.0.2.1"}])),
                balanced("l4-1", json!([{"hostname": "lb.example"}, {"ip": "192.0.2.1"}])),
                balanced("l4-2", json!(null)),
            ]
            .into(),
            ..Owned::default()
        };
        let addresses = addresses(&owned);
        let found = &addresses.get(&ObjectKey::new("edge", "l4")).expect("known").assigned;
        assert_eq!(found, &["192.0.2.1", "lb.example"]);
    }

    #[test]
    fn a_service_inside_the_cluster_has_its_address_there() {
        let spec = json!({"spec": {"type": "ClusterIP", "clusterIPs": ["10.0.0.7", "fd00::7"]}});
        let owned = Owned { objects: [service("l4", spec)].into(), ..Owned::default() };
        let addresses = addresses(&owned);
        let found = &addresses.get(&ObjectKey::new("edge", "l4")).expect("known").assigned;
        assert_eq!(found, &["10.0.0.7", "fd00::7"]);
    }
}
