//! Every manifest that the documents show is one that `tidegate check` finds nothing wrong with:
//! the YAML blocks of a page, taken together, are a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::{Program, gateway::binary, output};

#[test]
fn manifests_in_documents_are_right() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut pages = vec![root.join("README.md")];
    markdown(&root.join("docs"), &mut pages);
    let mut checked = 0;
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page");
        let blocks = yaml_blocks(&text);
        if blocks.is_empty() {
            continue;
        }
        checked += 1;
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (number, block) in blocks.iter().enumerate() {
            fs::write(folder.path().join(format!("{number}.yaml")), block).expect("written");
        }
        println!("{}: {} manifests", page.display(), blocks.len());
        check(folder.path());
    }
    assert!(checked > 0, "no page shows a manifest");
}

#[test]
fn the_quickstart_is_right_but_for_the_certificate_made_at_its_start() {
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/standalone/quickstart");
    let mut process = Program::new(binary("tidegate")).args(["check", quickstart]).start();
    let status = process.wait(Duration::from_secs(20)).expect("it ends");
    let text = process.log.text();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("shop-certificate"), "{text}");
}

/// Runs `tidegate check`, which fails if anything is wrong.
fn check(folder: &Path) {
    let program = Program::new(binary("tidegate")).arg("check").arg(folder);
    output(&program, Duration::from_secs(20));
}

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}

/// The contents of ```` ```yaml ```` blocks.
fn yaml_blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        match &mut open {
            None if line.trim() == "```yaml" => open = Some(String::new()),
            None => {}
            Some(_) if line.trim() == "```" => blocks.extend(open.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    blocks
}
