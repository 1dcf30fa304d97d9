//! `tidegate check`: each folder below `tests/golden/check` with the text that is printed for it.
//! `UPDATE_GOLDEN=1` rewrites the texts.

use std::fs;
use std::path::Path;

use e2e::process::Stream;
use e2e::{Authority, Program, gateway::binary, manifests as m};
use serde_json::Value;

use crate::{DEADLINE, tidegate};

/// Exit code and standard output of `check`, run in `folder`.
fn check(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut process = Program::new("sh")
        .args(["-c", "cd \"$1\" && shift && exec \"$@\"", "sh"])
        .arg(folder)
        .arg(binary("tidegate"))
        .arg("check")
        .args(arguments.iter().copied())
        .start();
    let status = process.wait(DEADLINE).expect("it ends");
    (status.code().expect("it was not killed"), process.log.text_of(Stream::Out))
}

#[test]
fn every_folder_is_told_as_written_down() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/check");
    let mut count = 0;
    for case in fs::read_dir(cases).expect("a folder").flatten() {
        let case = case.path();
        let (code, text) = check(&case, &["manifests"]);
        assert!(text.trim_end().ends_with(&format!("exit {code}")), "{text}");
        let expected = case.join("check.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&expected, &text).expect("written");
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(text, expected, "{}", case.display());
        count += 1;
    }
    assert!(count >= 5, "only {count} folders");
}

/// The text of one case, for what has to be in it whatever its layout.
fn golden(case: &str) -> (i32, Value) {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/check").join(case);
    let (code, text) = check(&case, &["manifests", "-o", "json"]);
    (code, serde_json::from_str(&text).expect("JSON"))
}

#[test]
fn each_of_seven_pitfalls_is_named_with_object_and_field() {
    let (code, report) = golden("seven-pitfalls");
    assert_eq!(code, 1);
    let mut found = Vec::new();
    for object in report["objects"].as_array().expect("objects") {
        for finding in object["findings"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let name = format!(
                "{} {}/{}",
                text(&object["kind"]),
                text(&object["namespace"]),
                text(&object["name"])
            );
            found.push((name, text(&finding["id"]), text(&finding["field"])));
            assert!(finding["place"]["line"].is_u64(), "{finding}");
        }
    }
    let problems = report["problems"].as_array().expect("problems");
    for problem in problems {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        found.push((text(&problem["object"]), String::new(), text(&problem["field"])));
        assert!(problem["line"].is_u64(), "{problem}");
    }
    let pitfalls = [
        ("Gateway edge/host-on-tcp", "spec.listeners[0].hostname"),
        ("TCPRoute edge/no-such-port", "spec.rules[0].backendRefs[0].port"),
        ("UDPRoute edge/udp-on-tcp", "spec.rules[0].backendRefs[0]"),
        ("TCPRoute edge/no-grant", "spec.rules[0].backendRefs[0]"),
        ("UDPRoute edge/wrong-kind", "spec.parentRefs[0]"),
        ("TCPRoute shop/wrong-namespace", "spec.parentRefs[0]"),
        ("Gateway edge/l4", "spec.listeners[3].tls.certificateRefs[0]"),
    ];
    for (object, field) in pitfalls {
        assert!(
            found.iter().any(|(name, _, at)| name == object && at.starts_with(field)),
            "{object} {field} in {found:#?}"
        );
    }
    let summary = &report["summary"];
    assert_eq!(summary["errors"].as_u64(), Some(7), "{found:#?}");
}

#[test]
fn input_that_cannot_be_read_is_exit_2() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(check(folder.path(), &["nowhere"]).0, 2);
    fs::write(folder.path().join("a.yaml"), "kind: [").expect("a file");
    let (code, text) = check(folder.path(), &["a.yaml"]);
    assert_eq!(code, 2);
    assert!(text.contains("a.yaml:"), "{text}");
    let mut process = tidegate().arg("check").start();
    assert_eq!(process.wait(DEADLINE).expect("it ends").code(), Some(2));
}

#[test]
fn warnings_fail_only_when_strict() {
    let folder = tempfile::tempdir().expect("a folder");
    let manifests = m::gateway(&[m::Listener::tcp("pg", 2000)])
        + &m::tcp_route("pg", "pg", "pg")
        + &m::service("pg", "TCP", &[]);
    fs::write(folder.path().join("a.yaml"), manifests).expect("a file");
    let (code, text) = check(folder.path(), &["."]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(", 1 warning;"), "{text}");
    assert_eq!(check(folder.path(), &[".", "--strict"]).0, 1);
}

#[test]
fn json_and_yaml_say_the_same_with_the_same_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = Authority::new("test").issue(&["db.example.com"]);
    let manifests = m::gateway(&[
        m::Listener::terminate("good", 2000, "db.example.com", "good"),
        m::Listener::terminate("bad", 2001, "db.example.com", "missing"),
    ]) + &m::secret("good", &identity);
    fs::write(folder.path().join("a.yaml"), manifests).expect("a file");
    let (json_code, json) = check(folder.path(), &[".", "-o", "json"]);
    let (yaml_code, yaml) = check(folder.path(), &[".", "-o", "yaml"]);
    let (text_code, _) = check(folder.path(), &["."]);
    assert_eq!([json_code, yaml_code, text_code], [1; 3]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let yaml: Value = serde_saphyr::from_str(&yaml).expect("YAML");
    assert_eq!(json, yaml);
    assert_eq!(json["apiVersion"], "cli.tidegate.dev/v1");
    let listeners = &json["objects"]
        .as_array()
        .expect("objects")
        .iter()
        .find(|object| object["kind"] == "Gateway")
        .expect("a Gateway")["listeners"];
    assert_eq!(listeners[0]["programmed"], true);
    assert_eq!(listeners[1]["programmed"], false);
}

#[test]
fn colour_is_only_there_when_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.yaml"), m::gateway(&[m::Listener::tcp("pg", 2000)]))
        .expect("a file");
    assert!(!check(folder.path(), &["."]).1.contains('\x1b'));
    assert!(check(folder.path(), &[".", "--color", "always"]).1.contains('\x1b'));
}
