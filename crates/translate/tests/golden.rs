//! Manifests in, statuses, snapshot and findings out: `golden/<concept>/<sentence>.{in,out}.yaml`.
//!
//! An input is ordinary manifests under a first line that states the rule. Certificates stand in it
//! as `${base64:NAME}` (a Secret's value) and `${text:NAME}` (a ConfigMap's), from the folder
//! `golden/certificates`. Further leading comments set the scene:
//!
//! - `# applied: none`, or `# applied: tcp/0.0.0.0:5432 PortInUse`: what the data plane reports
//!   instead of having bound everything (`Missing` for no word on one socket);
//! - `# own: 127.0.0.1 ::1`: the addresses of the standalone process;
//! - `# services: edge/l4=203.0.113.7,198.51.100.1`: a cluster, and what its Services were given;
//! - `# problem: TEXT`: what keeps those Services or their proxies away;
//! - `# trust: tenants` or `operator`: who wrote the EndpointSlices;
//! - `# names: db.internal=10.0.0.7`: what DNS names resolve to;
//! - `# now: 1900000000`: the wall clock;
//! - `# bundle: v1.7.0`: the version of the CRDs.
//!
//! `UPDATE_GOLDEN=1` writes what comes out; then read it.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/render.rs"]
mod render;
#[path = "support/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gwapi::ObjectKey;
use snapshot::{BindKey, BindState, Transport};
use translate::ServiceAddresses;
use world::OwnedWorld;

#[test]
fn every_input_translates_to_its_output() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut inputs = vec![];
    find_inputs(&folder, &mut inputs);
    inputs.sort();
    assert!(inputs.len() >= 120, "only {} inputs", inputs.len());
    let wrong: Vec<_> = inputs.iter().filter_map(|input| check(input, &folder)).collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), inputs.len(), wrong.join("\n"));
}

fn find_inputs(folder: &Path, inputs: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            find_inputs(&path, inputs);
        } else if path.to_string_lossy().ends_with(".in.yaml") {
            inputs.push(path);
        }
    }
}

/// Says what differs, if something does.
fn check(input: &Path, folder: &Path) -> Option<String> {
    let name = input.strip_prefix(folder).expect("below the folder").display().to_string();
    let text = fs::read_to_string(input).expect("an input");
    assert!(text.starts_with("# "), "{name}: the first line states the rule");
    let output = PathBuf::from(input.to_string_lossy().replace(".in.yaml", ".out.yaml"));
    let found = render::translation(&translate(&name, &text));
    let expected = fs::read_to_string(&output).unwrap_or_default();
    if found == expected {
        return None;
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&output, found).expect("a writable folder");
        return None;
    }
    let mut lines =
        expected.lines().zip(found.lines()).filter(|(expected, found)| expected != found);
    let (expected, found) = lines.next().unwrap_or(("(shorter)", "(longer)"));
    Some(format!("{name}\n  expected {expected}\n  found    {found}"))
}

fn translate(name: &str, text: &str) -> translate::Translation {
    let objects = world::objects(name, certificates::fill(text));
    let mut world = OwnedWorld::standalone(objects);
    let mut otherwise = BTreeMap::new();
    let mut has_answered = true;
    let comments = text.lines().map_while(|line| line.strip_prefix("# "));
    for (directive, value) in comments.skip(1).filter_map(|line| line.split_once(": ")) {
        match (directive, value) {
            ("applied", "none") => has_answered = false,
            ("applied", value) => otherwise.extend([applied(value)]),
            ("own", value) => world.own = words(value, |word| word.parse().expect("an address")),
            ("services", value) => {
                world.services = Some(words(value, service).into_iter().collect());
                world.settings.trust_endpoints = false;
                world.settings.bundle_version = Some("v1.7.0".to_owned());
            }
            ("problem", value) => {
                for service in world.services.iter_mut().flat_map(|services| services.values_mut())
                {
                    service.problems.push(value.to_owned());
                }
            }
            ("trust", value) => world.settings.trust_endpoints = value == "operator",
            ("names", value) => {
                world.names = words(value, |word| {
                    let (name, addresses) = word.split_once('=').expect("name=addresses");
                    let addresses =
                        addresses.split(',').map(|text| text.parse().expect("an address"));
                    (name.to_owned(), addresses.collect())
                })
                .into_iter()
                .collect();
            }
            ("now", value) => world.now = value.parse().expect("seconds"),
            ("bundle", value) => {
                world.settings.bundle_version = (value != "none").then(|| value.to_owned());
            }
            _ => {}
        }
    }
    if has_answered { world.translate_bound(&otherwise) } else { world.translate() }
}

fn words<T>(text: &str, read: impl Fn(&str) -> T) -> Vec<T> {
    text.split_whitespace().map(read).collect()
}

fn service(word: &str) -> (ObjectKey, ServiceAddresses) {
    let (key, assigned) = word.split_once('=').expect("namespace/name=addresses");
    let (namespace, name) = key.split_once('/').expect("namespace/name");
    let assigned = assigned.split(',').filter(|address| !address.is_empty()).map(str::to_owned);
    let given = ServiceAddresses { assigned: assigned.collect(), problems: vec![] };
    (ObjectKey::new(namespace, name), given)
}

fn applied(text: &str) -> (BindKey, Option<BindState>) {
    let (key, state) = text.split_once(' ').expect("a socket and a state");
    let (transport, address) = key.split_once('/').expect("transport/address");
    let address: std::net::SocketAddr = address.parse().expect("a socket address");
    let key = BindKey {
        transport: if transport == "udp" { Transport::Udp } else { Transport::Tcp },
        port: address.port().try_into().expect("a port"),
        address: address.ip(),
    };
    let state = match state {
        "PortInUse" => Some(BindState::PortInUse("address already in use".to_owned())),
        "AddressNotAvailable" => {
            Some(BindState::AddressNotAvailable("cannot assign requested address".to_owned()))
        }
        "Failed" => Some(BindState::Failed("permission denied".to_owned())),
        "Missing" => None,
        other => panic!("{other} is no state"),
    };
    (key, state)
}
