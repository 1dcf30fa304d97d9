//! What is served after a sequence of readings. Each case is a list of readings; a reading is a
//! list of files; the loader is the real one.

use std::path::PathBuf;

use super::*;

const FOLDER: &str = "conf";

fn service(name: &str, port: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: db}}\n\
         spec: {{ports: [{{port: {port}}}]}}\n---\n"
    )
}

fn found(files: &[(&str, &str)]) -> Found {
    let file =
        |(name, text): &(&str, &str)| (PathBuf::from(FOLDER).join(name), Ok(Arc::from(*text)));
    Found { files: files.iter().map(file).collect(), ..Default::default() }
}

fn missing() -> Found {
    let unknown = [(PathBuf::from(FOLDER), Problem::Missing(FOLDER.into()))];
    Found { unknown: unknown.into(), ..Default::default() }
}

/// The services served, as `name:port`, with `*` for those kept.
fn served(loaded: &Loaded) -> Vec<String> {
    let service = |(key, service): (&gwapi::ObjectKey, &Arc<gwapi::Service>)| {
        let object = ObjectRef::new(gwapi::Kind::Service, key.clone());
        let kept = if loaded.kept.contains(&object) { "*" } else { "" };
        format!("{}:{}{kept}", key.name, service.spec.ports[0].port)
    };
    loaded.objects.services.iter().map(service).collect()
}

#[track_caller]
fn check(readings: &[(Found, &[&str], usize)]) {
    let mut memory = LastGood::default();
    for (step, (found, expected, problems)) in readings.iter().enumerate() {
        let found = Found { files: found.files.clone(), unknown: found.unknown.clone() };
        let loaded = memory.update(found);
        assert_eq!(served(&loaded), *expected, "step {step}: {:?}", loaded.problems);
        assert_eq!(loaded.problems.len(), *problems, "step {step}: {:?}", loaded.problems);
    }
}

#[test]
fn a_broken_file_keeps_its_objects_and_no_others() {
    let (a, b) = (service("a", "1"), service("b", "1"));
    check(&[
        (found(&[("a.yaml", &a), ("b.yaml", &b)]), &["a:1", "b:1"], 0),
        (found(&[("a.yaml", "kind: [")]), &["a:1*"], 1),
        (found(&[("a.yaml", "kind: [ "), ("b.yaml", &b)]), &["a:1*", "b:1"], 1),
        (found(&[("a.yaml", &service("a", "2"))]), &["a:2"], 0),
    ]);
}

#[test]
fn an_invalid_object_keeps_its_last_valid_version() {
    let two = |port: &str| service("a", port) + &service("b", "1");
    check(&[
        (found(&[("a.yaml", &two("1"))]), &["a:1", "b:1"], 0),
        (found(&[("a.yaml", &two("70000"))]), &["a:1*", "b:1"], 1),
        (found(&[("a.yaml", &service("a", "70000"))]), &["a:1*"], 1),
        (found(&[("a.yaml", &two("2"))]), &["a:2", "b:1"], 0),
    ]);
}

#[test]
fn an_invalid_object_that_moved_to_another_file_is_kept_too() {
    check(&[
        (found(&[("a.yaml", &service("a", "1"))]), &["a:1"], 0),
        (found(&[("b.yaml", &service("a", "70000"))]), &["a:1*"], 1),
    ]);
}

#[test]
fn a_deleted_file_removes_its_objects() {
    check(&[
        (
            found(&[("a.yaml", &service("a", "1")), ("b.yaml", &service("b", "1"))]),
            &["a:1", "b:1"],
            0,
        ),
        (found(&[("b.yaml", &service("b", "1"))]), &["b:1"], 0),
    ]);
}

#[test]
fn a_vanished_folder_keeps_everything_until_it_is_back() {
    let a = service("a", "1");
    check(&[
        (found(&[("a.yaml", &a)]), &["a:1"], 0),
        (missing(), &["a:1"], 1),
        (missing(), &["a:1"], 1),
        (found(&[("b.yaml", &service("b", "1"))]), &["b:1"], 0),
    ]);
}

#[test]
fn a_file_that_cannot_be_read_keeps_its_objects() {
    let path = PathBuf::from(FOLDER).join("a.yaml");
    let problem = Problem::Unreadable { path: path.clone(), reason: "permission denied".into() };
    let unreadable = Found { files: [(path, Err(problem))].into(), ..Default::default() };
    let a = service("a", "1");
    check(&[(found(&[("a.yaml", &a)]), &["a:1"], 0), (unreadable, &["a:1"], 1)]);
}

#[test]
fn a_document_without_a_name_may_be_the_object_that_vanished() {
    let nameless = "apiVersion: v1\nkind: Servise\nmetadata: {name: a}\n---\n";
    let with = |text: &str| format!("{text}{nameless}");
    check(&[
        (found(&[("a.yaml", &service("a", "1"))]), &["a:1"], 0),
        (found(&[("a.yaml", nameless)]), &["a:1*"], 1),
        (found(&[("a.yaml", &service("a", "1"))]), &["a:1"], 0),
        // A document that never was readable hides nothing that is deleted later.
        (found(&[("a.yaml", &with(&service("a", "1")))]), &["a:1"], 1),
        (found(&[("a.yaml", nameless)]), &[], 1),
    ]);
}

#[test]
fn the_file_that_had_an_object_keeps_it_when_another_one_repeats_it() {
    let one = service("a", "1");
    check(&[
        (found(&[("b.yaml", &one)]), &["a:1"], 0),
        (found(&[("a.yaml", &service("a", "2")), ("b.yaml", &one)]), &["a:1"], 1),
        (found(&[("a.yaml", &service("a", "2"))]), &["a:2"], 0),
    ]);
    check(&[(found(&[("a.yaml", &service("a", "2")), ("b.yaml", &one)]), &["a:2"], 1)]);
}

#[test]
fn a_repeated_object_is_reported_where_it_is_repeated() {
    let mut memory = LastGood::default();
    let loaded =
        memory.update(found(&[("a.yaml", &service("a", "2")), ("b.yaml", &service("a", "1"))]));
    let problems: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        ["conf/b.yaml:1:1: Service db/a: is already in conf/a.yaml:1; that one is used"]
    );
}
