//! How source files look: an opening paragraph, a bounded length, names that say something, and
//! nothing that belongs to one machine.

use tidy::tree;

/// A file longer than this holds more than one idea.
const LONGEST: usize = 600;

/// File names that say what kind of thing is inside instead of which.
const EMPTY_NAMES: [&str; 9] = [
    "mod.rs",
    "util.rs",
    "utils.rs",
    "common.rs",
    "helpers.rs",
    "helper.rs",
    "types.rs",
    "consts.rs",
    "manager.rs",
];

#[test]
fn every_source_file_begins_with_what_it_decides() {
    for file in tree::files(&[".rs"]) {
        let first = file.text.lines().find(|line| !line.starts_with("#!"));
        assert!(
            first.is_some_and(|line| line.starts_with("//!")),
            "{} does not begin with //!",
            file.path
        );
    }
}

#[test]
fn no_source_file_is_too_long() {
    for file in tree::files(&[".rs"]) {
        let lines = file.text.lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines, more than {LONGEST}", file.path);
    }
}

#[test]
fn file_names_say_what_is_inside() {
    for file in tree::files(&[".rs"]) {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        assert!(!EMPTY_NAMES.contains(&name), "{}: give it the name of its idea", file.path);
    }
}

#[test]
fn no_test_is_switched_off_and_no_work_is_left_marked() {
    // Spelled in two parts, so that this file does not find itself.
    let marks = [
        concat!("#[ign", "ore"),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    for file in tree::files(&[".rs", ".toml", ".yaml", ".sh"]) {
        for (number, line) in file.text.lines().enumerate() {
            for mark in marks {
                assert!(!line.contains(mark), "{}:{}: {mark}", file.path, number + 1);
            }
        }
    }
}

#[test]
fn nothing_belongs_to_one_machine() {
    let marks = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("index.crates", ".io"),
        concat!("static.crates", ".io"),
        concat!("proxy.golang", ".org"),
        concat!("registry.", "npmjs"),
    ];
    for file in tree::files(&[]) {
        for (number, line) in file.text.lines().enumerate() {
            for mark in marks {
                assert!(!line.contains(mark), "{}:{}: {mark}", file.path, number + 1);
            }
        }
    }
}
