//! Documents keep up with the code: links lead somewhere.

use std::path::{Component, Path, PathBuf};

use tidy::tree;

#[test]
fn links_between_documents_resolve() {
    let root = tree::root();
    for file in tree::files(&[".md"]) {
        for link in links(&file.text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
            let target =
                if path.is_empty() { PathBuf::from(&file.path) } else { folder.join(path) };
            let target = root.join(plain(&target));
            assert!(target.exists(), "{}: {link} leads nowhere", file.path);
            if !anchor.is_empty() && target.extension().is_some_and(|ending| ending == "md") {
                let text = std::fs::read_to_string(&target).expect("a document");
                assert!(
                    headings(&text).any(|heading| slug(heading) == anchor),
                    "{}: {link} names no heading",
                    file.path
                );
            }
        }
    }
}

/// The targets of `[text](target)`, outside code blocks.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        let mut rest = line;
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            let Some(end) = rest.find(')') else { break };
            found.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
    }
    found
}

fn headings(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim())
}

/// The anchor that a heading gets: lower case, punctuation dropped, blanks as hyphens.
fn slug(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Resolves `..` without asking the file system.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Reasons of conditions that are well: nothing to shoot.
const GOOD: [&str; 6] = [
    "Accepted",
    "AddressesAssigned",
    "NoConflicts",
    "Programmed",
    "ResolvedRefs",
    "SupportedVersion",
];

#[test]
fn every_reason_and_finding_is_explained() {
    let root = tree::root();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a file");
    let page = read("docs/troubleshooting.md");
    let known: Vec<&str> = headings(&page).collect();
    let reference = read("docs/reference/conditions.md");
    let reasons = reasons(&read("crates/gwapi/src/reasons.rs"));
    assert!(reasons.len() > 30, "the list of reasons is read: {reasons:?}");
    for reason in &reasons {
        let named = reference.contains(&format!("`{reason}`")) || GOOD.contains(&&**reason);
        assert!(named, "docs/reference/conditions.md does not name {reason}");
        if !GOOD.contains(&&**reason) {
            assert!(known.contains(&&**reason), "docs/troubleshooting.md has no heading {reason}");
        }
    }
    let findings = findings();
    assert!(
        findings.iter().any(|id| id == "no-ready-endpoints"),
        "findings are read: {findings:?}"
    );
    for finding in &findings {
        assert!(known.contains(&&**finding), "docs/troubleshooting.md has no heading {finding}");
    }
    for heading in page.lines().filter_map(|line| line.strip_prefix("### ")) {
        let exists = reasons.iter().chain(&findings).any(|id| id == heading);
        assert!(exists, "docs/troubleshooting.md explains {heading}, which nothing says");
    }
}

/// The words of `enum Reason`: the texts between `Reason {` and the end of its block.
fn reasons(source: &str) -> Vec<String> {
    let block = source.split("    Reason {").nth(1).expect("the enum is there");
    let block = block.split("\n    }").next().unwrap_or_default();
    let texts = block.lines().filter_map(|line| line.split('"').nth(1));
    texts.map(str::to_owned).collect()
}

/// The ids of findings: kebab-case texts in the sources of `translate` and of the program.
fn findings() -> Vec<String> {
    let mut found: Vec<String> = tree::files(&[".rs"])
        .iter()
        .filter(|file| file.path.starts_with("crates/translate/src/"))
        .filter(|file| !file.path.ends_with("tests.rs"))
        .flat_map(|file| {
            file.text.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        })
        .filter(|text| {
            text.contains('-')
                && text.starts_with(|c: char| c.is_ascii_lowercase())
                && text
                    .split('-')
                    .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase()))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn files_that_the_architecture_names_exist() {
    let root = tree::root();
    let page = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("a page");
    let spans = page.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let mut checked = 0;
    for span in spans {
        let Some((name, path)) = span.split_once('/') else { continue };
        let sources = root.join("crates").join(name).join("src");
        if sources.exists() && (path.ends_with(".rs") || path.ends_with('/')) {
            checked += 1;
            assert!(sources.join(path).exists(), "ARCHITECTURE.md: there is no {span}");
        }
    }
    assert!(checked > 10, "only {checked} files were found on the page");
}
