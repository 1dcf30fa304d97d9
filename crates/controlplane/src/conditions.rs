//! Every condition of every object in one list, for metrics and reports. Pure; decides nothing.

use gwapi::{Kind, ObjectKey, ObjectRef, ParentRef};
use translate::Statuses;
use translate::status::{Condition, ListenerStatus, RouteStatus};

/// One condition and where it sits.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed<'a> {
    /// The object.
    pub object: ObjectRef,
    /// The part of the object: the name of a listener, the parent of a route as
    /// `namespace/name#listener`, the Gateway of a policy; empty for the object itself.
    pub section: String,
    /// What is said.
    pub condition: &'a Condition,
}

/// Lists the conditions of all objects, by kind, then by object.
pub fn all(statuses: &Statuses) -> Vec<Placed<'_>> {
    let mut list = List(Vec::new());
    for (key, status) in &statuses.gateway_classes {
        list.add(Kind::GatewayClass, key, "", &status.conditions);
    }
    for (key, status) in &statuses.gateways {
        list.add(Kind::Gateway, key, "", &status.conditions);
        list.listeners(Kind::Gateway, key, &status.listeners);
    }
    for (key, status) in &statuses.listener_sets {
        list.add(Kind::ListenerSet, key, "", &status.conditions);
        list.listeners(Kind::ListenerSet, key, &status.listeners);
    }
    let routes = [
        (Kind::TcpRoute, &statuses.tcp_routes),
        (Kind::UdpRoute, &statuses.udp_routes),
        (Kind::TlsRoute, &statuses.tls_routes),
        (Kind::HttpRoute, &statuses.http_routes),
    ];
    for (kind, of_kind) in routes {
        for (key, status) in of_kind {
            list.route(kind, key, status);
        }
    }
    for (key, status) in &statuses.backend_tls_policies {
        for ancestor in &status.ancestors {
            let gateway = ancestor.gateway.to_string();
            list.add(Kind::BackendTlsPolicy, key, &gateway, &ancestor.conditions);
        }
    }
    for (key, status) in &statuses.gateway_parameters {
        list.add(Kind::GatewayParameters, key, "", &status.conditions);
    }
    list.0
}

/// A parentRef in one word: `namespace/name#listener`, with `:port` where it asks for one.
pub fn parent(parent: &ParentRef, route: &ObjectKey) -> String {
    let namespace = parent.namespace.as_deref().unwrap_or(&route.namespace);
    let mut text = format!("{namespace}/{}", parent.name);
    if let Some(section) = &parent.section_name {
        text.extend(["#", section]);
    }
    if let Some(port) = parent.port {
        text.push_str(&format!(":{port}"));
    }
    text
}

struct List<'a>(Vec<Placed<'a>>);

impl<'a> List<'a> {
    fn add(&mut self, kind: Kind, key: &ObjectKey, section: &str, conditions: &'a [Condition]) {
        self.0.extend(conditions.iter().map(|condition| Placed {
            object: ObjectRef::new(kind, key.clone()),
            section: section.to_owned(),
            condition,
        }));
    }

    fn listeners(&mut self, kind: Kind, key: &ObjectKey, listeners: &'a [ListenerStatus]) {
        for listener in listeners {
            self.add(kind, key, &listener.name, &listener.conditions);
        }
    }

    fn route(&mut self, kind: Kind, key: &ObjectKey, status: &'a RouteStatus) {
        for entry in &status.parents {
            self.add(kind, key, &parent(&entry.parent_ref, key), &entry.conditions);
        }
    }
}

#[cfg(test)]
mod tests {
    use translate::status::{GatewayStatus, ParentStatus};

    use super::*;

    fn condition(r#type: &'static str) -> Condition {
        Condition {
            r#type,
            status: true,
            reason: r#type,
            message: String::new(),
            observed_generation: 1,
            causes: vec![],
        }
    }

    #[test]
    fn every_condition_has_its_place() {
        let key = ObjectKey::new("edge", "l4");
        let listener = ListenerStatus {
            name: "pg".to_owned(),
            conditions: vec![condition("Programmed")],
            ..Default::default()
        };
        let parent_ref = ParentRef {
            name: "l4".to_owned(),
            namespace: Some("edge".to_owned()),
            section_name: Some("pg".to_owned()),
            port: Some(5432),
            ..Default::default()
        };
        let mut statuses = Statuses::default();
        statuses.gateways.insert(
            key,
            GatewayStatus {
                conditions: vec![condition("Accepted")],
                listeners: vec![listener],
                ..Default::default()
            },
        );
        statuses.tcp_routes.insert(
            ObjectKey::new("db", "pg"),
            RouteStatus {
                parents: vec![ParentStatus { parent_ref, conditions: vec![condition("Accepted")] }],
            },
        );
        let places: Vec<_> = all(&statuses)
            .iter()
            .map(|placed| {
                format!("{} [{}] {}", placed.object, placed.section, placed.condition.r#type)
            })
            .collect();
        assert_eq!(
            places,
            [
                "Gateway edge/l4 [] Accepted",
                "Gateway edge/l4 [pg] Programmed",
                "TCPRoute db/pg [edge/l4#pg:5432] Accepted",
            ]
        );
    }
}
