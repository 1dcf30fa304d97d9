//! What every object's status has to be, beside the objects as they were when that was decided.

use std::collections::BTreeSet;
use std::sync::Arc;

use gwapi::{
    BackendTlsPolicy, Gateway, GatewayClass, GatewayParameters, HttpRoute, Kind, ListenerSet,
    ObjectKey, ObjectMeta, ObjectRef, TcpRoute, TlsRoute, UdpRoute,
};
use kube::Resource;
use serde_json::{Value, json};
use translate::Translation;

use super::merge::Wanted;
use crate::Loaded;

/// What statuses have to be.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The objects that were decided about.
    pub loaded: Arc<Loaded>,
    /// What was decided.
    pub translation: Arc<Translation>,
    /// Gateways whose status, and that of their ListenerSets, stays what it is for now. Routes and
    /// policies do not depend on what proxies say.
    pub held: BTreeSet<ObjectKey>,
}

/// One object and what its status has to be.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    object: &'a dyn Described,
    /// What we want to say.
    pub(super) wanted: Wanted<'a>,
    /// Whether it stays what it is for now.
    pub(crate) is_held: bool,
}

impl<'a> Target<'a> {
    pub(crate) fn metadata(&self) -> &'a ObjectMeta {
        self.object.metadata()
    }

    /// As much of the object as [`super::merge::merge`] reads, from memory: fields that our types
    /// do not know are missing in it.
    pub(crate) fn cached(&self) -> Value {
        let metadata = self.metadata();
        json!({
            "metadata": {
                "uid": metadata.uid,
                "generation": metadata.generation,
                "namespace": metadata.namespace,
            },
            "status": self.object.status(),
        })
    }

    /// Where the object is served, as the URL path of its kind's collection.
    pub(super) fn collection(&self, version: Option<&str>) -> String {
        self.object.collection(version)
    }

    /// Whether nothing about it is different: the object in memory is the same one, and so is
    /// what we want to say of it.
    pub(super) fn is_same_as(&self, other: &Target<'_>) -> bool {
        let at = |target: &Target<'_>| std::ptr::from_ref(target.object).cast::<()>();
        at(self) == at(other) && self.wanted == other.wanted && self.is_held == other.is_held
    }
}

/// An object that has a status of ours.
trait Described: Sync {
    fn metadata(&self) -> &ObjectMeta;
    fn status(&self) -> Value;
    fn collection(&self, version: Option<&str>) -> String;
}

macro_rules! described {
    ($($kind:ty),*) => {
        $(impl Described for $kind {
            fn metadata(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn status(&self) -> Value {
                // Statuses are plain data, which always becomes JSON.
                serde_json::to_value(&self.status).unwrap_or_default()
            }

            fn collection(&self, version: Option<&str>) -> String {
                let preferred = Default::default();
                let group = <$kind>::group(&preferred);
                let preferred_version = <$kind>::version(&preferred);
                let version = version.unwrap_or(&preferred_version);
                let plural = <$kind>::plural(&preferred);
                match &self.metadata.namespace {
                    Some(namespace) => {
                        format!("/apis/{group}/{version}/namespaces/{namespace}/{plural}")
                    }
                    None => format!("/apis/{group}/{version}/{plural}"),
                }
            }
        })*
    };
}

described!(
    GatewayClass,
    Gateway,
    ListenerSet,
    TcpRoute,
    UdpRoute,
    TlsRoute,
    HttpRoute,
    BackendTlsPolicy,
    GatewayParameters
);

/// The kinds that have a status, in the order in which they are written: what others wait for
/// first.
const KINDS: [Kind; 9] = [
    Kind::GatewayClass,
    Kind::TcpRoute,
    Kind::UdpRoute,
    Kind::TlsRoute,
    Kind::HttpRoute,
    Kind::Gateway,
    Kind::ListenerSet,
    Kind::BackendTlsPolicy,
    Kind::GatewayParameters,
];

impl Desired {
    /// Calls `see` for every object that has a status of ours, or could have one.
    pub(super) fn each(&self, mut see: impl FnMut(Kind, &ObjectKey, Target<'_>)) {
        let objects = &self.loaded.objects;
        for kind in KINDS {
            let mut with = |key: &ObjectKey| {
                if let Some(target) = self.find(kind, key) {
                    see(kind, key, target);
                }
            };
            match kind {
                Kind::GatewayClass => objects.gateway_classes.keys().for_each(&mut with),
                Kind::Gateway => objects.gateways.keys().for_each(&mut with),
                Kind::ListenerSet => objects.listener_sets.keys().for_each(&mut with),
                Kind::TcpRoute => objects.tcp_routes.keys().for_each(&mut with),
                Kind::UdpRoute => objects.udp_routes.keys().for_each(&mut with),
                Kind::TlsRoute => objects.tls_routes.keys().for_each(&mut with),
                Kind::HttpRoute => objects.http_routes.keys().for_each(&mut with),
                Kind::BackendTlsPolicy => objects.backend_tls_policies.keys().for_each(&mut with),
                Kind::GatewayParameters => objects.gateway_parameters.keys().for_each(&mut with),
                _ => {}
            }
        }
    }

    /// One object; `None` if it is not there or nothing may be said of it.
    pub(crate) fn find(&self, kind: Kind, key: &ObjectKey) -> Option<Target<'_>> {
        let (objects, statuses) = (&self.loaded.objects, &self.translation.statuses);
        let (object, wanted): (&dyn Described, _) = match kind {
            Kind::GatewayClass => {
                let object = &**objects.gateway_classes.get(key)?;
                (object, Wanted::GatewayClass(statuses.gateway_classes.get(key)?))
            }
            Kind::Gateway => {
                let object = &**objects.gateways.get(key)?;
                (object, Wanted::Gateway(statuses.gateways.get(key)))
            }
            Kind::ListenerSet => {
                let object = &**objects.listener_sets.get(key)?;
                (object, Wanted::ListenerSet(statuses.listener_sets.get(key)))
            }
            Kind::TcpRoute => {
                let object = &**objects.tcp_routes.get(key)?;
                (object, Wanted::Route(statuses.tcp_routes.get(key)))
            }
            Kind::UdpRoute => {
                let object = &**objects.udp_routes.get(key)?;
                (object, Wanted::Route(statuses.udp_routes.get(key)))
            }
            Kind::TlsRoute => {
                let object = &**objects.tls_routes.get(key)?;
                (object, Wanted::Route(statuses.tls_routes.get(key)))
            }
            Kind::HttpRoute => {
                let object = &**objects.http_routes.get(key)?;
                (object, Wanted::Route(statuses.http_routes.get(key)))
            }
            Kind::BackendTlsPolicy => {
                let object = &**objects.backend_tls_policies.get(key)?;
                (object, Wanted::BackendTlsPolicy(statuses.backend_tls_policies.get(key)))
            }
            Kind::GatewayParameters => {
                let object = &**objects.gateway_parameters.get(key)?;
                (object, Wanted::GatewayParameters(statuses.gateway_parameters.get(key)?))
            }
            _ => return None,
        };
        Some(Target { object, wanted, is_held: self.is_held(kind, key) })
    }

    fn is_held(&self, kind: Kind, key: &ObjectKey) -> bool {
        match kind {
            Kind::Gateway => self.held.contains(key),
            Kind::ListenerSet if !self.held.is_empty() => {
                let set = self.loaded.objects.listener_sets.get(key);
                set.is_some_and(|set| {
                    let parent = &set.spec.parent_ref;
                    let namespace = parent.namespace.as_ref().unwrap_or(&key.namespace);
                    let gateway = ObjectKey::new(namespace.as_str(), parent.name.as_str());
                    self.held.contains(&gateway)
                })
            }
            _ => false,
        }
    }

    /// The version that an object's kind is served at, if the cluster said so.
    pub(crate) fn served(&self, object: &ObjectRef) -> Option<&str> {
        self.loaded.cluster.as_ref()?.served.get(&object.kind).map(String::as_str)
    }
}
