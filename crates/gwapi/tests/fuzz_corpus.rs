//! Replays the seeds of the fuzz target `manifest` without a fuzzer.

use std::path::Path;
use std::time::{Duration, Instant};

use gwapi::manifest::{Source, read};

#[test]
fn every_seed_is_read_in_no_time_and_alike_each_time() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/manifest");
    let mut kinds = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the seeds") {
        let path = entry.expect("a seed").path();
        let bytes = std::fs::read(&path).expect("a seed");
        let Ok(source) = Source::from_bytes(path.clone(), bytes) else { continue };
        let started = Instant::now();
        let manifests = read(std::slice::from_ref(&source));
        assert!(started.elapsed() < Duration::from_secs(1), "{}", path.display());
        let again = read(&[source]);
        assert_eq!(manifests.objects, again.objects);
        assert_eq!(manifests.errors, again.errors);
        for object in manifests.objects.refs() {
            assert!(manifests.locations.find(&object, Some("metadata.name")).is_some());
            kinds.insert(object.kind);
        }
    }
    assert_eq!(kinds.len(), gwapi::Kind::ALL.len(), "a seed for every kind that loads: {kinds:?}");
}
