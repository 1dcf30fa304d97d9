//! Which Service of type LoadBalancer gets which address of a pool: what a cloud does for a
//! cluster, and what no part of Kubernetes does by itself. A pure function of all Services; the
//! program `tidegate-e2e-allocator` carries out what it says.
//!
//! One address belongs to one Service. A Service keeps what it has. One that asks for an address
//! (`spec.loadBalancerIP`) gets that or none: an address outside the pool, or another Service's,
//! leaves its status empty. Services with a `loadBalancerClass` are somebody else's.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;
use k8s_openapi::api::core::v1::Service;

/// The addresses to give: those of a network that hosts can have.
#[derive(Clone, Copy, Debug)]
pub struct Pool(Ipv4Net);

impl FromStr for Pool {
    type Err = ipnet::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Pool {
    fn has(self, address: Ipv4Addr) -> bool {
        self.0.contains(&address) && address != self.0.network() && address != self.0.broadcast()
    }
}

/// A status to write: `address` is all that the Service is to have, `None` nothing at all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The Service's namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its address from now on.
    pub address: Option<Ipv4Addr>,
}

/// What has to be written so that every Service has the address that it should. The order of
/// `services` does not matter: older ones come first.
#[must_use]
pub fn assign(pool: Pool, services: &[Service]) -> Vec<Change> {
    let mut services: Vec<&Service> = services.iter().collect();
    services.sort_by_key(|service| {
        let meta = &service.metadata;
        (meta.creation_timestamp.clone(), meta.namespace.clone(), meta.name.clone())
    });

    let mut taken = BTreeSet::new();
    let mut waiting = Vec::new();
    let mut changes = Vec::new();
    for service in services {
        let held = address(service);
        match kept(pool, service) {
            // A Service that is being deleted holds its address until it is gone.
            Some(kept) if taken.insert(kept) => {}
            _ if wants(service) => waiting.push(service),
            _ if held.is_some_and(|held| pool.has(held)) => changes.push(change(service, None)),
            _ => {}
        }
    }
    // Who asks for one address goes before those that any address will do for.
    waiting.sort_by_key(|service| requested(service).is_none());
    for service in waiting {
        let given = match requested(service) {
            Some(wish) => wish.parse().ok().filter(|&wish| pool.has(wish) && taken.insert(wish)),
            None => pool.0.hosts().find(|&free| pool.has(free) && taken.insert(free)),
        };
        if given != address(service) {
            changes.push(change(service, given));
        }
    }
    changes
}

/// The address that a Service has and may keep.
fn kept(pool: Pool, service: &Service) -> Option<Ipv4Addr> {
    let held = address(service).filter(|&held| pool.has(held))?;
    let wish = requested(service).is_none_or(|wish| wish == held.to_string());
    (is_ours(service) && wish).then_some(held)
}

fn wants(service: &Service) -> bool {
    is_ours(service) && service.metadata.deletion_timestamp.is_none()
}

fn is_ours(service: &Service) -> bool {
    service.spec.as_ref().is_some_and(|spec| {
        spec.type_.as_deref() == Some("LoadBalancer") && spec.load_balancer_class.is_none()
    })
}

fn requested(service: &Service) -> Option<&str> {
    service.spec.as_ref()?.load_balancer_ip.as_deref().filter(|wish| !wish.is_empty())
}

fn address(service: &Service) -> Option<Ipv4Addr> {
    let status = service.status.as_ref()?.load_balancer.as_ref()?;
    status.ingress.as_ref()?.first()?.ip.as_ref()?.parse().ok()
}

fn change(service: &Service, address: Option<Ipv4Addr>) -> Change {
    let meta = &service.metadata;
    Change {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
        address,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pool() -> Pool {
        "192.0.2.0/29".parse().expect("a network")
    }

    /// A Service of type LoadBalancer; younger with each letter of the alphabet.
    fn service(name: &str, spec: Value, address: Option<&str>) -> Service {
        let second = u32::from(name.as_bytes()[0] - b'a');
        let mut spec = spec;
        if spec.get("type").is_none() {
            spec["type"] = json!("LoadBalancer");
        }
        let ingress = address.map(|ip| json!([{ "ip": ip }]));
        serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "namespace": "default",
                "name": name,
                "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
            },
            "spec": spec,
            "status": { "loadBalancer": { "ingress": ingress } },
        }))
        .expect("a Service")
    }

    fn assigned(services: &[Service]) -> Vec<(String, Option<String>)> {
        assign(pool(), services)
            .into_iter()
            .map(|change| (change.name, change.address.map(|address| address.to_string())))
            .collect()
    }

    fn gets(name: &str, address: &str) -> (String, Option<String>) {
        (name.to_owned(), Some(address.to_owned()))
    }

    #[test]
    fn services_get_the_lowest_free_addresses_oldest_first() {
        let services = [
            service("c", json!({}), None),
            service("b", json!({}), Some("192.0.2.1")),
            service("a", json!({}), None),
        ];
        assert_eq!(assigned(&services), [gets("a", "192.0.2.2"), gets("c", "192.0.2.3")]);
    }

    #[test]
    fn a_wish_is_met_before_any_address_is_given_to_others() {
        let wish = json!({ "loadBalancerIP": "192.0.2.1" });
        let services = [service("a", json!({}), None), service("b", wish, None)];
        assert_eq!(assigned(&services), [gets("b", "192.0.2.1"), gets("a", "192.0.2.2")]);
    }

    #[test]
    fn an_address_outside_the_pool_or_of_another_service_is_refused_in_silence() {
        for wish in ["192.0.2.0", "192.0.2.7", "192.0.2.8", "198.51.100.1", "nonsense", "192.0.2.3"]
        {
            let services = [
                service("a", json!({}), Some("192.0.2.3")),
                service("b", json!({ "loadBalancerIP": wish }), None),
            ];
            assert_eq!(assigned(&services), [], "{wish}");
        }
    }

    #[test]
    fn a_new_wish_takes_the_old_address_back() {
        let wish = |address: &str| json!({ "loadBalancerIP": address });
        let moved = service("a", wish("192.0.2.4"), Some("192.0.2.1"));
        assert_eq!(assigned(&[moved]), [gets("a", "192.0.2.4")]);
        let refused = service("a", wish("198.51.100.1"), Some("192.0.2.1"));
        assert_eq!(assigned(&[refused]), [("a".to_owned(), None)]);
    }

    #[test]
    fn two_services_with_one_address_are_parted() {
        let services = [
            service("a", json!({}), Some("192.0.2.1")),
            service("b", json!({}), Some("192.0.2.1")),
        ];
        assert_eq!(assigned(&services), [gets("b", "192.0.2.2")]);
    }

    #[test]
    fn other_types_and_other_classes_get_nothing() {
        let services = [
            service("a", json!({ "type": "ClusterIP" }), None),
            service("b", json!({ "loadBalancerClass": "example.com/other" }), None),
            service("c", json!({ "type": "ClusterIP" }), Some("192.0.2.1")),
        ];
        assert_eq!(assigned(&services), [("c".to_owned(), None)]);
    }

    #[test]
    fn an_empty_pool_gives_nothing_and_what_comes_back_is_given_again() {
        let mut services: Vec<Service> = ["a", "b", "c", "d", "e", "f"]
            .iter()
            .zip(1..)
            .map(|(name, host)| service(name, json!({}), Some(&format!("192.0.2.{host}"))))
            .collect();
        services.push(service("g", json!({}), None));
        assert_eq!(assigned(&services), []);
        services.remove(3);
        assert_eq!(assigned(&services), [gets("g", "192.0.2.4")]);
    }
}
