//! Reads the table of expectations.

/// One manifest and what must hold of it.
#[derive(Debug, Default)]
pub(crate) struct Case {
    /// The name of its file.
    pub(crate) name: String,
    /// Whether it is in the suite of this version.
    only: Option<String>,
    /// Whether the ReferenceGrants are taken away.
    pub(crate) without_grants: bool,
    /// What the test itself adds to it.
    pub(crate) more: String,
    /// Kind, name and check of each expectation.
    pub(crate) expected: Vec<String>,
}

impl Case {
    /// Whether the suite of this version has it.
    pub(crate) fn is_in(&self, version: &str) -> bool {
        self.only.as_ref().is_none_or(|minor| version.starts_with(minor.as_str()))
    }
}

/// The whole table.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = vec![];
    for line in include_str!("expected.txt").lines() {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let Some(content) = line.strip_prefix("  ") else {
            cases.push(head(line));
            continue;
        };
        let case = cases.last_mut().expect("a manifest before what is expected of it");
        match content.strip_prefix("| ") {
            Some(more) => case.more += &format!("{more}\n"),
            None => case.expected.push(content.to_owned()),
        }
    }
    cases
}

fn head(line: &str) -> Case {
    let (name, flags) = line.split_once(" [").unwrap_or((line, ""));
    let mut case = Case { name: name.to_owned(), ..Case::default() };
    for flag in flags.trim_end_matches(']').split(", ").filter(|flag| !flag.is_empty()) {
        match flag {
            "without grants" => case.without_grants = true,
            minor => case.only = Some(minor.to_owned()),
        }
    }
    case
}
