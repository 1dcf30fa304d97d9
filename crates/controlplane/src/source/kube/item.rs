//! One object of a watch, read from JSON and cut down to what is used of it.
//!
//! An object that cannot be read is not an error of the watch: it is an [`Incoming`] that says so,
//! and the world keeps the object's last good form.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use gwapi::core::SERVICE_NAME_LABEL;
use gwapi::{Kind, ObjectKey, Objects};
use kube::core::DynamicObject;
use serde_json::Value;

use super::topic::Topic;
use super::version::Version;
use crate::owned::{GATEWAY_NAME_LABEL, OwnedKind, ProxyPod};

/// The kinds that are translated: variant of [`Kind`] and type in `gwapi`, field of [`Objects`],
/// plural in the API. A new kind is one line.
macro_rules! read_kinds {
    ($($kind:ident, $field:ident, $plural:literal;)*) => {
        /// An object of any watched kind.
        #[derive(Clone, PartialEq)]
        #[allow(clippy::large_enum_variant, reason = "every variant is one pointer wide")]
        pub(crate) enum Item {
            $($kind(Arc<gwapi::$kind>),)*
            Owned(OwnedKind, Arc<DynamicObject>),
            Pod(Arc<ProxyPod>),
            Definition(Arc<Definition>),
        }

        /// The plural of a kind that is translated.
        pub(crate) fn plural(kind: Kind) -> &'static str {
            match kind { $(Kind::$kind => $plural,)* }
        }

        fn read_kind(kind: Kind, json: Value) -> Result<Item, serde_json::Error> {
            match kind {
                $(Kind::$kind => Ok(Item::$kind(Arc::new(serde_json::from_value(json)?))),)*
            }
        }

        /// The object of this name, if it is there.
        pub(crate) fn find(objects: &Objects, kind: Kind, key: &ObjectKey) -> Option<Item> {
            match kind {
                $(Kind::$kind => objects.$field.get(key).cloned().map(Item::$kind),)*
            }
        }

        /// Puts an object in. What is not translated has no place here.
        pub(crate) fn put(objects: &mut Objects, key: ObjectKey, item: Item) {
            match item {
                $(Item::$kind(object) => drop(objects.$field.insert(key, object)),)*
                Item::Owned(..) | Item::Pod(_) | Item::Definition(_) => {}
            }
        }

        /// Takes an object out; whether it was there.
        pub(crate) fn take(objects: &mut Objects, kind: Kind, key: &ObjectKey) -> bool {
            match kind { $(Kind::$kind => objects.$field.remove(key).is_some(),)* }
        }

        /// The keys of a kind.
        pub(crate) fn keys(objects: &Objects, kind: Kind) -> Vec<&ObjectKey> {
            match kind { $(Kind::$kind => objects.$field.keys().collect(),)* }
        }
    };
}

read_kinds! {
    GatewayClass, gateway_classes, "gatewayclasses";
    Gateway, gateways, "gateways";
    ListenerSet, listener_sets, "listenersets";
    TcpRoute, tcp_routes, "tcproutes";
    UdpRoute, udp_routes, "udproutes";
    TlsRoute, tls_routes, "tlsroutes";
    HttpRoute, http_routes, "httproutes";
    ReferenceGrant, reference_grants, "referencegrants";
    BackendTlsPolicy, backend_tls_policies, "backendtlspolicies";
    GatewayParameters, gateway_parameters, "gatewayparameters";
    Service, services, "services";
    EndpointSlice, endpoint_slices, "endpointslices";
    Secret, secrets, "secrets";
    ConfigMap, config_maps, "configmaps";
    Namespace, namespaces, "namespaces";
}

/// What is read of a CustomResourceDefinition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Definition {
    /// `metadata.resourceVersion`: any change may mean another served version.
    pub(crate) version: String,
    /// The annotation `gateway.networking.k8s.io/bundle-version`.
    pub(crate) bundle_version: Option<String>,
}

/// An object as it came.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) key: ObjectKey,
    pub(crate) version: Option<Version>,
    /// The object, or why it cannot be read.
    pub(crate) item: Result<Item, String>,
}

impl fmt::Debug for Item {
    /// Never the content: it may be a Secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Item")
    }
}

/// Name and version of an object, as far as it has them.
pub(crate) fn identify(json: &Value) -> Option<(ObjectKey, Option<Version>)> {
    let metadata = json.get("metadata")?;
    let text = |field: &str| metadata.get(field).and_then(Value::as_str);
    let name = text("name").filter(|name| !name.is_empty())?;
    let key = ObjectKey::new(text("namespace").unwrap_or_default(), name);
    Some((key, text("resourceVersion").map(Version::from)))
}

/// Reads an object; `None` if it does not even say which one it is.
pub(crate) fn read(topic: Topic, mut json: Value) -> Option<Incoming> {
    let (key, version) = identify(&json)?;
    let item = match topic {
        Topic::Read(kind) => {
            slim(kind, &mut json);
            read_kind(kind, json).map_err(|error| unreadable(kind, &error))
        }
        Topic::Owned(kind) => read_owned(topic, kind, json),
        Topic::Pods => Ok(Item::Pod(Arc::new(pod(&json)))),
        Topic::Definitions => Ok(Item::Definition(Arc::new(definition(&json)))),
    };
    Some(Incoming { key, version, item })
}

fn unreadable(kind: Kind, error: &serde_json::Error) -> String {
    match kind {
        // The message of serde may repeat a value.
        Kind::Secret => "does not fit its type".to_owned(),
        _ => format!("does not fit its type: {error}"),
    }
}

/// Drops what is not used. For the core kinds that is their version too, so that a change of
/// something that nobody reads (a Service's status, a slice's trigger time) changes nothing here.
fn slim(kind: Kind, json: &mut Value) {
    if let Some(metadata) = json.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        match kind {
            Kind::Service | Kind::EndpointSlice | Kind::Secret | Kind::ConfigMap => {
                metadata.retain(|field, _| {
                    matches!(field.as_str(), "name" | "namespace" | "uid" | "labels")
                });
                if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
                    labels.retain(|label, _| {
                        kind == Kind::EndpointSlice && label == SERVICE_NAME_LABEL
                    });
                }
            }
            Kind::Namespace => {
                metadata.retain(|field, _| matches!(field.as_str(), "name" | "uid" | "labels"))
            }
            _ => {
                if let Some(annotations) =
                    metadata.get_mut("annotations").and_then(Value::as_object_mut)
                {
                    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
                }
            }
        }
    }
    let wanted: &[&str] = match kind {
        Kind::Secret => &["tls.crt", "tls.key"],
        Kind::ConfigMap => &["ca.crt"],
        _ => return,
    };
    if let Some(data) = json.get_mut("data").and_then(Value::as_object_mut) {
        data.retain(|name, _| wanted.contains(&name.as_str()));
    }
}

fn read_owned(topic: Topic, kind: OwnedKind, mut json: Value) -> Result<Item, String> {
    if let Some(object) = json.as_object_mut() {
        // Items of a list have neither.
        let version = match topic.group() {
            "" => "v1".to_owned(),
            group => format!("{group}/v1"),
        };
        object.entry("apiVersion").or_insert_with(|| version.into());
        object.entry("kind").or_insert_with(|| topic.kind().into());
    }
    let object = serde_json::from_value(json);
    object.map(|object| Item::Owned(kind, Arc::new(object))).map_err(|error| error.to_string())
}

fn pod(json: &Value) -> ProxyPod {
    let metadata = &json["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let owners = metadata["ownerReferences"].as_array();
    let owner = owners.into_iter().flatten().find(|owner| owner["controller"] == true);
    let conditions = json["status"]["conditions"].as_array();
    ProxyPod {
        uid: text(&metadata["uid"]),
        owner: owner.map(|owner| (text(&owner["kind"]), text(&owner["name"]), text(&owner["uid"]))),
        gateway: text(&metadata["labels"][GATEWAY_NAME_LABEL]),
        service_account: text(&json["spec"]["serviceAccountName"]),
        ready: conditions
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True"),
        terminating: metadata["deletionTimestamp"].is_string(),
    }
}

fn definition(json: &Value) -> Definition {
    let metadata = &json["metadata"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Definition {
        version: text(&metadata["resourceVersion"]).unwrap_or_default(),
        bundle_version: text(&metadata["annotations"]["gateway.networking.k8s.io/bundle-version"]),
    }
}

/// Objects by name, of one kind.
pub(crate) type Items = BTreeMap<ObjectKey, Item>;
