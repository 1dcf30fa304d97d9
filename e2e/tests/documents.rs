//! The documents against the program: every manifest they show is one that `tidegate check` finds
//! nothing wrong with (the YAML blocks of a page, taken together, are a folder), and the pages of
//! flags and metrics name exactly what there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::process::Stream;
use e2e::{Gateway, Program, gateway::binary, manifests as m, output};
use serde_json::Value;

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
        let found = errors(folder.path());
        // What the page is about brings the certificates.
        let is_allowed =
            |id: &String| page.ends_with("cert-manager.md") && id == "InvalidCertificateRef";
        let wrong: Vec<_> = found.iter().filter(|id| !is_allowed(id)).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", page.display());
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

/// What `tidegate check` finds wrong: ids of findings, and the words for what cannot be read.
fn errors(folder: &Path) -> Vec<String> {
    let program = Program::new(binary("tidegate")).args(["check", "--output", "json"]).arg(folder);
    let mut process = program.start();
    process.wait(Duration::from_secs(20)).expect("it ends");
    let text = process.log.text_of(Stream::Out);
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let unread = list(&report["problems"]).into_iter().map(|problem| problem["message"].clone());
    let found = list(&report["objects"]).into_iter().flat_map(|object| list(&object["findings"]));
    let found = found.filter(|finding| finding["severity"] == "error");
    let found = found.map(|finding| finding["id"].clone());
    unread.chain(found).map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
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

/// Labels that a scraper adds itself: ours of that name would be renamed or lost.
const LABELS_OF_SCRAPERS: [&str; 7] =
    ["namespace", "pod", "container", "service", "endpoint", "job", "instance"];

#[test]
fn the_page_of_metrics_names_exactly_what_there_is() {
    let listeners = [m::Listener::tcp("tcp", 7000), m::Listener::udp("udp", 7000)];
    // A backend with a DNS name, which has metrics of its own.
    let named = m::service("named", "TCP", &["127.0.0.1:7000".parse().expect("an address")])
        .replace("addressType: IPv4", "addressType: FQDN")
        .replace("127.0.0.1", "localhost");
    let route = m::tcp_route("tcp", "tcp", "named");
    let gateway = Gateway::start(&[m::gateway(&listeners), named, route].concat());
    let oldest = "tidegate_dns_oldest_answer_timestamp_seconds";
    gateway.until_metric(oldest, &[], |time| time > 0.0);
    let (_, text) = gateway.get("/metrics").expect("metrics");
    let exported: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .map(family)
        .collect();
    let page = page("docs/reference/metrics.md");
    // The last section is about a process that is not run here.
    let page = page.split("\n## Controller").next().expect("a page");
    let documented: BTreeSet<&str> = code_spans(page)
        .filter(|span| span.starts_with("tidegate_") || span.starts_with("process_"))
        .map(family)
        .collect();
    assert_eq!(exported, documented);
    for sample in gateway.metrics().samples() {
        for label in sample.labels.keys() {
            assert!(!LABELS_OF_SCRAPERS.contains(&label.as_str()), "{}: {label}", sample.name);
        }
    }
    gateway.finish();
}

#[test]
fn the_page_of_commands_names_exactly_the_flags_there_are() {
    let page = page("docs/reference/cli.md");
    let documented: BTreeSet<&str> =
        code_spans(&page).flat_map(str::split_whitespace).filter_map(flag).collect();
    let help: String = ["run", "check", "controller", "proxy", "crds", "version"]
        .iter()
        .map(|command| {
            let program = Program::new(binary("tidegate")).args([command, "--help"]);
            output(&program, Duration::from_secs(20))
        })
        .collect();
    let there: BTreeSet<&str> =
        help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter_map(flag).collect();
    assert_eq!(documented, there);
}

/// A metric's name without the endings that its type adds.
fn family(name: &str) -> &str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    name.strip_suffix("_info").unwrap_or(name)
}

fn flag(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--")?;
    let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    named.then_some(word)
}

/// The texts between single backticks.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn page(path: &str) -> String {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    fs::read_to_string(root.join(path)).expect("a page")
}
