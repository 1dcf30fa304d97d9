//! Any bytes as a file: the loader neither panics nor hangs, and is the same every time.
#![no_main]

use gwapi::manifest::{Source, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = Source::from_bytes("fuzz.yaml".into(), bytes.to_vec()) else { return };
    let manifests = read(&[source]);
    for error in &manifests.errors {
        assert!(error.location.line > 0 && error.location.column > 0, "{error}");
        assert!(!error.unreadable || manifests.objects.refs().is_empty(), "{error}");
    }
    for object in manifests.objects.refs() {
        assert!(manifests.locations.find(&object, Some("metadata.name")).is_some(), "{object}");
    }
});
