//! Worlds from manifests, and what they translate to when every socket could be opened.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use gwapi::manifest::{Source, read};
use gwapi::{CONTROLLER_NAME, ObjectKey, Objects};
use snapshot::{ApplyReport, BindKey, BindState};
use translate::{
    Addresses, Proxy, ResolvedNames, ServiceAddresses, Settings, Translation, World, translate,
};

/// Everything that decides a translation, owned.
#[derive(Clone, Debug)]
pub(crate) struct OwnedWorld {
    pub(crate) objects: Objects,
    pub(crate) settings: Settings,
    pub(crate) own: Vec<IpAddr>,
    /// Addresses of Services; `None` for a standalone world.
    pub(crate) services: Option<BTreeMap<ObjectKey, ServiceAddresses>>,
    pub(crate) applied: BTreeMap<Proxy, ApplyReport>,
    pub(crate) names: ResolvedNames,
    pub(crate) now: i64,
}

impl OwnedWorld {
    /// A standalone world of these objects, on all IPv4 addresses, in January 2027.
    pub(crate) fn standalone(objects: Objects) -> Self {
        Self {
            objects,
            settings: Settings {
                controller_name: CONTROLLER_NAME.to_owned(),
                bundle_version: None,
                reserved_ports: vec![19000],
                trust_endpoints: true,
            },
            own: vec![Ipv4Addr::UNSPECIFIED.into()],
            services: None,
            applied: BTreeMap::new(),
            names: ResolvedNames::new(),
            now: 1_800_000_000,
        }
    }

    /// Translates it as it is.
    pub(crate) fn translate(&self) -> Translation {
        translate(&World {
            objects: &self.objects,
            settings: &self.settings,
            addresses: match &self.services {
                Some(services) => Addresses::Services(services),
                None => Addresses::Own(&self.own),
            },
            applied: &self.applied,
            names: &self.names,
            now: self.now,
        })
    }

    /// Translates it twice: first to learn the sockets, then with a report that they are open,
    /// save those that `otherwise` has another word for.
    pub(crate) fn translate_bound(
        &mut self,
        otherwise: &BTreeMap<BindKey, Option<BindState>>,
    ) -> Translation {
        let first = self.translate();
        for (proxy, snapshot) in &first.snapshots {
            let states = snapshot.binds.keys().filter_map(|key| {
                let state = otherwise.get(key).cloned().unwrap_or(Some(BindState::Bound));
                Some((*key, state?))
            });
            let report = ApplyReport { version: 1, binds: states.collect() };
            self.applied.insert(proxy.clone(), report);
        }
        self.translate()
    }
}

/// The objects of a YAML text; panics with what is wrong with it.
pub(crate) fn objects(path: &str, text: String) -> Objects {
    let manifests = read(&[Source { path: PathBuf::from(path), text }]);
    let errors: Vec<_> = manifests.errors.iter().map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    manifests.objects
}
