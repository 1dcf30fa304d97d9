//! What holds for every world, tried on random ones: small enough that everything collides, and
//! never passed through the manifest loader, so that nothing about them has been checked.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "properties/hostile.rs"]
mod hostile;
#[path = "properties/reachable.rs"]
mod reachable;
#[path = "properties/references.rs"]
mod references;
#[path = "properties/skeleton.rs"]
mod skeleton;
#[path = "properties/unchecked.rs"]
mod unchecked;
#[path = "support/world.rs"]
#[allow(dead_code)]
mod world;

use std::collections::BTreeSet;

use gwapi::reasons::Reason;
use proptest::prelude::*;
use snapshot::{App, Target, TlsMode};
use translate::findings::IDS;
use translate::status::Condition;
use translate::{Proxy, Translation};

use hostile::{Document, build, documents};
use reachable::reachable;

/// Enough that each of a dozen mutants of the rules was found; seconds, not minutes.
const CASES: u32 = 256;

fn config() -> ProptestConfig {
    ProptestConfig { cases: CASES, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_world_translates(documents in documents()) {
        let translation = build(&documents).translate_bound(&Default::default());
        check_invariants(&translation)?;
    }

    #[test]
    fn every_order_of_objects_gives_the_same(
        (documents, shuffled) in documents().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        prop_assert_eq!(build(&documents).translate(), build(&shuffled).translate());
    }

    #[test]
    fn a_report_changes_statuses_and_never_snapshots(documents in documents()) {
        let mut world = build(&documents);
        let before = world.translate();
        let bound = world.translate_bound(&Default::default());
        prop_assert_eq!(&before.snapshots, &bound.snapshots);
        prop_assert_eq!(bound, world.translate());
    }

    #[test]
    fn an_old_status_changes_nothing(documents in documents()) {
        let with_status = documents.iter().map(|document| {
            let mut document = document.clone();
            if document.kind.ends_with("Route") {
                document.value["status"] = serde_json::json!({"parents": [{
                    "parentRef": {"name": "g0"}, "controllerName": "example.com/other", "conditions": [],
                }]});
            }
            document
        });
        let with_status: Vec<_> = with_status.collect();
        prop_assert_eq!(build(&documents).translate(), build(&with_status).translate());
    }

    #[test]
    fn objects_that_nobody_admits_change_nothing_elsewhere(
        (here, elsewhere) in (documents(), documents())
    ) {
        let here: Vec<_> = here.into_iter().map(Document::admitting_only_its_own).collect();
        let elsewhere = elsewhere.into_iter().filter_map(|document| document.moved_to("elsewhere"));
        let alone = build(&here).in_a_cluster().translate();
        let together: Vec<_> = here.iter().cloned().chain(elsewhere).collect();
        let together = build(&together).in_a_cluster().translate();
        prop_assert_eq!(without(alone, "elsewhere"), without(together, "elsewhere"));
    }

    #[test]
    fn taking_a_grant_away_opens_nothing(documents in documents(), pick in any::<prop::sample::Index>()) {
        let is_grant = |document: &&Document| document.kind == "ReferenceGrant";
        let grants: Vec<_> = documents.iter().filter(is_grant).cloned().collect();
        prop_assume!(!grants.is_empty());
        let taken = pick.get(&grants);
        let fewer: Vec<_> = documents.iter().filter(|document| *document != taken).cloned().collect();
        let before = reachable(&build(&documents).in_a_cluster().translate());
        let after = reachable(&build(&fewer).in_a_cluster().translate());
        let opened: Vec<_> = after.difference(&before).collect();
        prop_assert!(opened.is_empty(), "{opened:?}");
    }
}

/// What no world may break.
fn check_invariants(translation: &Translation) -> Result<(), TestCaseError> {
    for snapshot in translation.snapshots.values() {
        for bind in snapshot.binds.values() {
            for route in bind.routes() {
                for weighted in &route.targets {
                    if let Target::Cluster(key) = &weighted.target {
                        prop_assert!(snapshot.clusters.contains_key(key), "{key} is missing");
                    }
                }
            }
            if let App::Tls(app) = &bind.app {
                for listener in app.listeners.values() {
                    if let TlsMode::Terminate(server) = &listener.mode {
                        prop_assert!(!server.identities.is_empty());
                    }
                }
            }
        }
        for cluster in snapshot.clusters.values() {
            let sorted = cluster.endpoints.is_sorted_by(|a, b| a.address < b.address);
            prop_assert!(sorted, "{:?}", cluster.endpoints);
        }
    }
    for (proxy, snapshot) in &translation.snapshots {
        let Proxy::Gateway(gateway) = proxy else { continue };
        let fleet = translation.fleets.get(gateway).and_then(Option::as_ref);
        for bind in snapshot.binds.keys() {
            let leads =
                fleet.is_some_and(|fleet| fleet.ports.contains(&(bind.transport, bind.port)));
            prop_assert!(leads, "no port of {gateway} leads to {bind}");
        }
    }
    for conditions in all_conditions(translation) {
        let types: BTreeSet<_> = conditions.iter().map(|condition| condition.r#type).collect();
        prop_assert_eq!(types.len(), conditions.len());
        prop_assert!(conditions.len() <= 8);
        for condition in conditions {
            prop_assert!(!condition.message.is_empty(), "{condition:?}");
            prop_assert!(condition.message.len() <= 32_768);
            prop_assert_eq!(condition.observed_generation, hostile::GENERATION);
        }
    }
    prop_assert!(translation.findings.is_sorted());
    for finding in &translation.findings {
        let is_reason = Reason::ALL.iter().any(|reason| reason.as_str() == finding.id);
        prop_assert!(is_reason || IDS.contains(&finding.id.as_str()), "{}", finding.id);
    }
    Ok(())
}

fn all_conditions(translation: &Translation) -> Vec<&[Condition]> {
    let statuses = &translation.statuses;
    let mut all: Vec<&[Condition]> = vec![];
    all.extend(statuses.gateway_classes.values().map(|status| status.conditions.as_slice()));
    for status in statuses.gateways.values() {
        all.push(&status.conditions);
        all.extend(status.listeners.iter().map(|listener| listener.conditions.as_slice()));
    }
    for status in statuses.listener_sets.values() {
        all.push(&status.conditions);
        all.extend(status.listeners.iter().map(|listener| listener.conditions.as_slice()));
    }
    let l4 = [&statuses.tcp_routes, &statuses.udp_routes, &statuses.tls_routes];
    for routes in l4.into_iter().chain([&statuses.http_routes]) {
        for status in routes.values() {
            all.extend(status.parents.iter().map(|parent| parent.conditions.as_slice()));
        }
    }
    for status in statuses.backend_tls_policies.values() {
        all.extend(status.ancestors.iter().map(|ancestor| ancestor.conditions.as_slice()));
    }
    all
}

/// What is left of a translation for those outside a namespace.
fn without(mut translation: Translation, namespace: &str) -> Translation {
    let statuses = &mut translation.statuses;
    statuses.gateways.retain(|key, _| key.namespace != namespace);
    statuses.listener_sets.retain(|key, _| key.namespace != namespace);
    statuses.tcp_routes.retain(|key, _| key.namespace != namespace);
    statuses.udp_routes.retain(|key, _| key.namespace != namespace);
    statuses.tls_routes.retain(|key, _| key.namespace != namespace);
    statuses.http_routes.retain(|key, _| key.namespace != namespace);
    statuses.backend_tls_policies.retain(|key, _| key.namespace != namespace);
    statuses.gateway_parameters.retain(|key, _| key.namespace != namespace);
    translation.fleets.retain(|key, _| key.namespace != namespace);
    translation.findings.retain(|finding| finding.object.key.namespace != namespace);
    translation.snapshots.retain(|proxy, _| match proxy {
        Proxy::Standalone => true,
        Proxy::Gateway(key) => key.namespace != namespace,
    });
    translation
}
