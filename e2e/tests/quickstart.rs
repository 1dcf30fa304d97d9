//! What `make run` starts, to the point where it would serve until Ctrl-C.

use std::time::Duration;

use e2e::{Program, gateway::binary, output};

#[test]
fn the_quickstart_answers_four_times() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let state = tempfile::tempdir().expect("a temporary folder");
    let demo = Program::new(binary("tidegate-demo"))
        .arg("--gateway")
        .arg(binary("tidegate"))
        .arg("--config")
        .arg(format!("{root}/config/standalone/quickstart"))
        .arg("--state")
        .arg(state.path())
        .arg("--once");
    let text = output(&demo, Duration::from_secs(60));
    for answer in [
        "OK, high",
        "192.0.2.7",
        "“hello from the vault, which decrypted this itself”; certificate of the backend",
        "“hello from the shop, for which Tidegate decrypted this”; certificate of the gateway",
    ] {
        assert!(text.contains(answer), "{answer:?} is not in\n{text}");
    }
}
