//! Which versions of which kinds the API server serves: asked of its discovery documents.
//!
//! They are small and everybody may read them, unlike CustomResourceDefinitions. A kind is absent
//! only if the server has said so, in complete answers; an error says nothing.

use std::collections::{BTreeMap, BTreeSet};

use gwapi::Kind;
use http::Request;
use kube::Client;
use serde::Deserialize;

use super::item::plural;
use super::machine::Fault;
use super::wire;

/// The version at which each kind is read. A kind that is absent is not served.
pub(crate) type Served = BTreeMap<Kind, String>;

/// Whether a kind is part of every Kubernetes.
fn is_built_in(kind: Kind) -> bool {
    matches!(kind.group(), "" | "discovery.k8s.io")
}

/// Asks the API server.
pub(crate) async fn ask(client: &Client) -> Result<Served, Fault> {
    let groups: BTreeSet<_> = Kind::ALL.into_iter().map(Kind::group).collect();
    let mut resources = BTreeSet::new();
    for group in groups.into_iter().filter(|group| {
        Kind::ALL.into_iter().any(|kind| kind.group() == *group && !is_built_in(kind))
    }) {
        for version in versions(client, group).await? {
            for resource in plurals(client, group, &version).await? {
                resources.insert((group, version.clone(), resource));
            }
        }
    }
    Ok(choose(&resources))
}

/// The preferred one of the versions that are served, for each kind.
fn choose(resources: &BTreeSet<(&str, String, String)>) -> Served {
    let version_of = |kind: Kind| {
        let mut versions = kind.versions().iter();
        let is_served = |version: &&&str| {
            is_built_in(kind)
                || resources.contains(&(
                    kind.group(),
                    (**version).to_string(),
                    plural(kind).to_owned(),
                ))
        };
        versions.find(is_served).map(|version| (kind, (*version).to_owned()))
    };
    Kind::ALL.into_iter().filter_map(version_of).collect()
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    versions: Vec<GroupVersion>,
}

#[derive(Deserialize)]
struct GroupVersion {
    version: String,
}

/// The versions of a group that are served and that we can read.
async fn versions(client: &Client, group: &str) -> Result<Vec<String>, Fault> {
    let Some(group_document) = document::<Group>(client, &format!("/apis/{group}")).await? else {
        return Ok(vec![]);
    };
    let readable = |version: &str| {
        let mut kinds = Kind::ALL.into_iter().filter(|kind| kind.group() == group);
        kinds.any(|kind| kind.versions().contains(&version))
    };
    let served = group_document.versions.into_iter().map(|version| version.version);
    Ok(served.filter(|version| readable(version)).collect())
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
}

async fn plurals(client: &Client, group: &str, version: &str) -> Result<Vec<String>, Fault> {
    let path = format!("/apis/{group}/{version}");
    let document = document::<Resources>(client, &path).await?;
    let resources = document.into_iter().flat_map(|document| document.resources);
    Ok(resources.map(|resource| resource.name).collect())
}

/// A discovery document; `None` if the server says that there is none.
async fn document<T: for<'a> Deserialize<'a>>(
    client: &Client,
    path: &str,
) -> Result<Option<T>, Fault> {
    let request =
        Request::get(path).body(Vec::new()).map_err(|error| Fault::Broken(error.to_string()))?;
    match wire::get(client, request, None).await {
        Ok(body) => match serde_json::from_slice(&body) {
            Ok(document) => Ok(Some(document)),
            Err(_) => Err(Fault::Garbled(format!("no discovery document at {path}"))),
        },
        Err(Fault::Refused(status, _)) if status.code == 404 => Ok(None),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use gwapi::GATEWAY_GROUP;

    use super::*;

    #[test]
    fn the_newest_version_that_is_served_is_read() {
        let resources = [
            ("v1", "tlsroutes"),
            ("v1alpha3", "tlsroutes"),
            ("v1alpha2", "tcproutes"),
            ("v1beta1", "referencegrants"),
            ("v9", "udproutes"),
        ]
        .map(|(version, plural)| (GATEWAY_GROUP, version.to_owned(), plural.to_owned()));
        let served = choose(&resources.into());
        let version = |kind: Kind| served.get(&kind).map(String::as_str);
        assert_eq!(version(Kind::TlsRoute), Some("v1"));
        assert_eq!(version(Kind::TcpRoute), Some("v1alpha2"));
        assert_eq!(version(Kind::ReferenceGrant), Some("v1beta1"));
        assert_eq!(version(Kind::UdpRoute), None);
        assert_eq!(version(Kind::Gateway), None);
        assert_eq!(version(Kind::EndpointSlice), Some("v1"));
    }
}
