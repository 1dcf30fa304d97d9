//! One document to one object, or to the objects of a `List`.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::parse::{Document, quote};
use super::places::{Location, Place};
use super::tree::{Mark, Node, Value};
use super::{ManifestError, Manifests};
use crate::objects::ByKey;
use crate::schema::{self, Report, Values, nearest};
use crate::{Kind, ObjectKey, ObjectRef};

/// Reads a document. Empty ones are skipped.
pub(super) fn read(document: Document, path: &Arc<PathBuf>, manifests: &mut Manifests) {
    let Document { root, faults } = document;
    if faults.is_empty() {
        Reader { path, manifests }.read(root);
        return;
    }
    let object = identify(&root).ok().and_then(|kind| name(kind, &root));
    for fault in faults {
        let error = ManifestError {
            location: Location::new(path, fault.at),
            problem: match &object {
                Some(object) => format!("{object}: {}", fault.problem),
                None => fault.problem,
            },
            object: object.clone(),
            field: None,
            unreadable: false,
        };
        manifests.errors.push(error);
    }
}

struct Reader<'a> {
    path: &'a Arc<PathBuf>,
    manifests: &'a mut Manifests,
}

impl Reader<'_> {
    fn read(&mut self, mut root: Node) {
        if is_list(&root) {
            return self.read_list(root);
        }
        match &mut root.value {
            Value::Null => return,
            // Controllers own the status; what a file says of it is not looked at.
            Value::Map(entries) => entries.retain(|entry| entry.key != "status"),
            _ => {
                let problem = "not an object, expected a map with apiVersion, kind and metadata";
                return self.refuse(root.at, None, None, problem.to_owned());
            }
        }
        let kind = match identify(&root) {
            Ok(kind) => kind,
            Err(unknown) if unknown.foreign => {
                self.manifests.foreign += 1;
                return;
            }
            Err(unknown) => {
                return self.refuse(unknown.at, None, Some(unknown.field), unknown.problem);
            }
        };
        let place = Place::of(&root, self.path);
        forget_empty_namespace(&mut root);
        let values = if kind == Kind::Secret { Values::Hidden } else { Values::Shown };
        let mut report = Report::new(values);
        schema::check(schema::of(kind), &mut root, &mut report);
        let object = name(kind, &root);
        if !report.problems.is_empty() {
            return self.refuse_all(&report, kind, object, &place);
        }
        let Some(object) = object else { return };
        if let Some(first) = self.manifests.locations.find(&object, None) {
            let (file, line) = (first.path.display(), first.line);
            let problem = format!("{object}: stands in the files twice, first in {file}:{line}");
            return self.refuse(root.at, Some(object), None, problem);
        }
        match insert(&object, root, self.manifests) {
            Ok(()) => self.manifests.locations.insert(object, place),
            Err(Unfit { at, problem }) => {
                let problem = format!("{object}: {problem}");
                self.refuse(at, Some(object), None, problem);
            }
        }
    }

    fn read_list(&mut self, root: Node) {
        let Value::Map(entries) = root.value else { return };
        for entry in entries {
            match (entry.key.as_str(), entry.node.value) {
                ("items", Value::List(items)) => items.into_iter().for_each(|item| self.read(item)),
                ("items", Value::Null) | ("apiVersion" | "kind" | "metadata", _) => {}
                ("items", _) => {
                    let problem = "List: items: expected a list of objects".to_owned();
                    self.refuse(entry.node.at, None, Some("items".to_owned()), problem);
                }
                (key, _) => {
                    let problem =
                        format!("List: {}: unknown field; known fields: items", quote(key));
                    self.refuse(entry.at, None, None, problem);
                }
            }
        }
    }

    fn refuse(
        &mut self,
        at: Mark,
        object: Option<ObjectRef>,
        field: Option<String>,
        problem: String,
    ) {
        let location = Location::new(self.path, at);
        let error = ManifestError { location, object, field, unreadable: false, problem };
        self.manifests.errors.push(error);
    }

    fn refuse_all(
        &mut self,
        report: &Report,
        kind: Kind,
        object: Option<ObjectRef>,
        place: &Place,
    ) {
        let name = match &object {
            Some(object) => object.to_string(),
            None => format!("{kind} without a name"),
        };
        let last = report.is_full().then(|| report.problems.len() - 1);
        for (index, problem) in report.problems.iter().enumerate() {
            let mut text = match problem.field.as_str() {
                "" => format!("{name}: {}", problem.text),
                field => format!("{name}: {field}: {}", problem.text),
            };
            if Some(index) == last {
                text.push_str(" (further problems of this object are not listed)");
            }
            self.manifests.errors.push(ManifestError {
                location: match problem.at {
                    Some(at) => Location::new(self.path, at),
                    None => place.find(&problem.field).clone(),
                },
                object: object.clone(),
                field: Some(problem.field.clone()).filter(|field| !field.is_empty()),
                unreadable: false,
                problem: text,
            });
        }
    }
}

fn is_list(root: &Node) -> bool {
    root.text("kind") == Some("List") && root.text("apiVersion") == Some("v1")
}

/// Why the kind of a document is not known.
struct Unknown {
    at: Mark,
    field: String,
    problem: String,
    /// Whether it belongs to somebody else: folders hold Deployments beside routes.
    foreign: bool,
}

/// Kinds of the core group that nothing here reads. The group is shared, so they are listed: any
/// other word is a mistake.
const FOREIGN_CORE: [&str; 10] = [
    "Endpoints",
    "LimitRange",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "PodTemplate",
    "ReplicationController",
    "ResourceQuota",
    "ServiceAccount",
];

/// Whether nobody can have meant one of our kinds: neither the group is one of ours nor the word
/// near one of ours.
fn is_foreign(kind: &str, group: &str) -> bool {
    let names = Kind::ALL.into_iter().map(Kind::as_str);
    match group {
        "" => FOREIGN_CORE.contains(&kind),
        _ => Kind::ALL.iter().all(|known| known.group() != group) && nearest(kind, names).is_none(),
    }
}

fn identify(root: &Node) -> Result<Kind, Unknown> {
    let header = |field: &str| match root.get(field) {
        Some(node) => match node.as_text() {
            Some(text) => Ok((text.to_owned(), node.at)),
            None => {
                let problem = format!("{field}: expected a string");
                Err(Unknown { at: node.at, field: field.to_owned(), problem, foreign: false })
            }
        },
        None => {
            let problem =
                format!("{field}: missing, expected a map with apiVersion, kind and metadata");
            Err(Unknown { at: root.at, field: field.to_owned(), problem, foreign: false })
        }
    };
    let (version, version_at) = header("apiVersion")?;
    let (found, found_at) = header("kind")?;
    let (group, short) = version.split_once('/').unwrap_or(("", version.as_str()));
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == found) else {
        let problem = unknown_kind(&found, &version, group);
        let foreign = is_foreign(&found, group);
        return Err(Unknown { at: found_at, field: "kind".to_owned(), problem, foreign });
    };
    if group == kind.group() && kind.versions().contains(&short) {
        return Ok(kind);
    }
    let prefix =
        if kind.group().is_empty() { String::new() } else { kind.group().to_owned() + "/" };
    let expected: Vec<String> =
        kind.versions().iter().map(|version| format!("{prefix}{version}")).collect();
    Err(Unknown {
        at: version_at,
        field: "apiVersion".to_owned(),
        problem: format!(
            "{kind}: apiVersion: found {}, expected {}",
            quote(&version),
            expected.join(" or ")
        ),
        foreign: false,
    })
}

fn unknown_kind(kind: &str, version: &str, group: &str) -> String {
    if kind == "GRPCRoute" && group == crate::GATEWAY_GROUP {
        return format!(
            "{kind} is not supported: Tidegate routes connections, not calls; \
             use TCPRoute or TLSRoute"
        );
    }
    let hint = match nearest(kind, Kind::ALL.into_iter().map(Kind::as_str)) {
        Some(name) => format!("did you mean {name}?"),
        None => {
            let known: Vec<&str> = Kind::ALL.into_iter().map(Kind::as_str).collect();
            format!("known kinds: {}", known.join(", "))
        }
    };
    format!("unknown kind {} of {}; {hint}", quote(kind), quote(version))
}

/// The name of an object, as far as it has a valid one.
fn name(kind: Kind, root: &Node) -> Option<ObjectRef> {
    let metadata = root.get("metadata")?;
    let name = metadata.text("name").filter(|name| !name.is_empty() && name.len() <= 253)?;
    let namespace = match kind.is_namespaced() {
        true => metadata.text("namespace").unwrap_or("default"),
        false => "",
    };
    Some(ObjectRef::new(kind, ObjectKey::new(namespace, name)))
}

/// `namespace: ""` is how templates say "none", to `kubectl` too.
fn forget_empty_namespace(root: &mut Node) {
    let Value::Map(entries) = &mut root.value else { return };
    for entry in entries.iter_mut().filter(|entry| entry.key == "metadata") {
        if let Value::Map(metadata) = &mut entry.node.value {
            metadata.retain(|entry| entry.key != "namespace" || entry.node.as_text() != Some(""));
        }
    }
}

/// Why a checked object does not fit its type.
struct Unfit {
    at: Mark,
    problem: String,
}

fn insert(object: &ObjectRef, root: Node, manifests: &mut Manifests) -> Result<(), Unfit> {
    let at = root.at;
    let mut json = root.into_json();
    if object.kind == Kind::Secret {
        merge_string_data(&mut json);
    }
    let objects = &mut manifests.objects;
    let key = object.key.clone();
    let result = match object.kind {
        Kind::GatewayClass => put(&mut objects.gateway_classes, key, json),
        Kind::Gateway => put(&mut objects.gateways, key, json),
        Kind::ListenerSet => put(&mut objects.listener_sets, key, json),
        Kind::TcpRoute => put(&mut objects.tcp_routes, key, json),
        Kind::UdpRoute => put(&mut objects.udp_routes, key, json),
        Kind::TlsRoute => put(&mut objects.tls_routes, key, json),
        Kind::HttpRoute => put(&mut objects.http_routes, key, json),
        Kind::ReferenceGrant => put(&mut objects.reference_grants, key, json),
        Kind::BackendTlsPolicy => put(&mut objects.backend_tls_policies, key, json),
        Kind::GatewayParameters => put(&mut objects.gateway_parameters, key, json),
        Kind::Service => put(&mut objects.services, key, json),
        Kind::EndpointSlice => put(&mut objects.endpoint_slices, key, json),
        Kind::Secret => put(&mut objects.secrets, key, json),
        Kind::ConfigMap => put(&mut objects.config_maps, key, json),
        Kind::Namespace => put(&mut objects.namespaces, key, json),
    };
    result.map_err(|error| Unfit {
        at,
        // The message of serde may repeat a value.
        problem: match object.kind {
            Kind::Secret => "does not fit its type".to_owned(),
            _ => format!("does not fit its type: {error}"),
        },
    })
}

fn put<T: DeserializeOwned>(
    objects: &mut ByKey<T>,
    key: ObjectKey,
    json: Json,
) -> Result<(), serde_json::Error> {
    objects.insert(key, Arc::new(serde_json::from_value(json)?));
    Ok(())
}

/// `stringData` is `data` for writers: its values are plain, and they win.
fn merge_string_data(secret: &mut Json) {
    let Some(plain) = secret.get_mut("stringData").map(Json::take) else { return };
    let Json::Object(plain) = plain else { return };
    let Some(secret) = secret.as_object_mut() else { return };
    secret.remove("stringData");
    let data = secret.entry("data").or_insert_with(|| Json::Object(serde_json::Map::new()));
    for (key, value) in plain {
        let value = value.as_str().unwrap_or_default();
        data[key] = STANDARD.encode(value).into();
    }
}

#[cfg(test)]
mod tests;
