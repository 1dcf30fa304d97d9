//! What the controller may do in a cluster: nothing by wildcard, nothing that leads to more rights,
//! each right with its reason, and all of it on the page `docs/reference/permissions.md`, which
//! `UPDATE_GOLDEN=1` rewrites.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use tidy::config::{self, Document, words};
use tidy::tree;

/// Where the rules are; nothing else has any.
const RULES: &str = "config/rbac/base";

/// The roles in the order of the page, with what holds of each.
const ROLES: [(&str, &str); 3] = [
    ("tidegate-controller-cluster", "On what has no namespace; in both kinds of installation."),
    (
        "tidegate-controller-namespace",
        "In every namespace with `config/rbac/cluster`, or in each listed one with \
         `config/rbac/namespaced`.",
    ),
    ("tidegate-controller", "In the controller's own namespace; in both kinds of installation."),
];

/// One rule of a role.
struct Rule {
    role: String,
    reason: String,
    groups: Vec<String>,
    resources: Vec<String>,
    names: Vec<String>,
    verbs: Vec<String>,
}

fn rules() -> Vec<Rule> {
    let mut reasons: Vec<String> =
        config::files(RULES).iter().flat_map(|file| reasons(&file.text)).collect();
    reasons.reverse();
    let of = |list: &Value| words(list).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let mut rules = Vec::new();
    for document in roles() {
        for rule in document.value["rules"].as_array().expect("rules") {
            rules.push(Rule {
                role: document.name().to_owned(),
                reason: reasons.pop().expect("as many comments as rules"),
                groups: of(&rule["apiGroups"]),
                resources: of(&rule["resources"]),
                names: of(&rule["resourceNames"]),
                verbs: of(&rule["verbs"]),
            });
        }
    }
    assert!(reasons.is_empty(), "more comments than rules");
    rules
}

fn roles() -> impl Iterator<Item = Document> {
    config::documents("config")
        .into_iter()
        .filter(|document| matches!(document.kind(), "Role" | "ClusterRole"))
}

/// The comment above each rule of a file, in order.
fn reasons(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("  # ") {
            Some(part) => comment.push(part),
            None if line.starts_with("  - apiGroups:") => {
                found.push(std::mem::take(&mut comment).join(" "));
            }
            None => comment.clear(),
        }
    }
    found
}

#[test]
fn all_rules_stand_in_one_folder() {
    let names: Vec<String> = roles()
        .map(|role| {
            assert_eq!(role.folder(), RULES, "{} has rules", role.path);
            role.name().to_owned()
        })
        .collect();
    let expected: Vec<&str> = ROLES.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names.iter().collect::<std::collections::BTreeSet<_>>().len(),
        expected.len(),
        "{names:?}"
    );
    assert!(expected.iter().all(|name| names.iter().any(|found| found == name)), "{names:?}");
}

#[test]
fn every_right_has_a_reason() {
    for rule in rules() {
        let what = format!("{} {:?} {:?}", rule.role, rule.resources, rule.verbs);
        assert!(rule.reason.starts_with("To "), "{what}: {:?} is no reason", rule.reason);
        assert!(rule.reason.ends_with('.'), "{what}: {:?} is no sentence", rule.reason);
    }
}

#[test]
fn no_right_is_given_wholesale_or_leads_to_others() {
    let verbs = ["get", "list", "watch", "create", "update", "patch", "delete"];
    let never = [
        "certificatesigningrequests",
        "clusterrolebindings",
        "clusterroles",
        "mutatingwebhookconfigurations",
        "nodes",
        "nodes/proxy",
        "pods/attach",
        "pods/ephemeralcontainers",
        "pods/exec",
        "pods/portforward",
        "pods/proxy",
        "rolebindings",
        "roles",
        "serviceaccounts/token",
        "services/proxy",
        "validatingwebhookconfigurations",
    ];
    for rule in rules() {
        let what = format!("{} {:?}", rule.role, rule.resources);
        for word in rule.groups.iter().chain(&rule.resources).chain(&rule.verbs) {
            assert!(!word.contains('*'), "{what}: a wildcard");
        }
        for verb in &rule.verbs {
            assert!(verbs.contains(&verb.as_str()), "{what}: the verb {verb}");
        }
        for resource in &rule.resources {
            assert!(!never.contains(&resource.as_str()), "{what}: {resource}");
        }
    }
}

#[test]
fn only_what_is_ours_is_written() {
    let writes = ["create", "update", "patch", "delete"];
    for rule in rules() {
        let written: Vec<&str> =
            rule.verbs.iter().map(String::as_str).filter(|verb| writes.contains(verb)).collect();
        if written.is_empty() {
            continue;
        }
        for resource in &rule.resources {
            let is_allowed = match resource.as_str() {
                "configmaps"
                | "serviceaccounts"
                | "services"
                | "deployments"
                | "poddisruptionbudgets" => rule.role == "tidegate-controller-namespace",
                "events" | "tokenreviews" => !written.contains(&"delete"),
                "gatewayclasses" => written == ["patch"],
                // Of others' namespaces no Secret is ever written.
                "secrets" | "leases" => {
                    let named = written == ["create"] || !rule.names.is_empty();
                    rule.role == "tidegate-controller" && named
                }
                other => other.ends_with("/status") && !written.contains(&"create"),
            };
            assert!(is_allowed, "{} may {written:?} {resource}", rule.role);
        }
    }
}

#[test]
fn nobody_but_the_controller_has_rights() {
    let mut bindings = 0;
    for document in config::documents("config") {
        if !matches!(document.kind(), "RoleBinding" | "ClusterRoleBinding") {
            continue;
        }
        bindings += 1;
        let role = document.value["roleRef"]["name"].as_str().expect("a role");
        let kind = document.value["roleRef"]["kind"].as_str().expect("a kind of role");
        assert!(
            roles().any(|found| (found.kind(), found.name()) == (kind, role)),
            "{}: there is no {kind} {role}",
            document.path
        );
        for subject in document.value["subjects"].as_array().expect("subjects") {
            let of = |field: &str| subject[field].as_str().unwrap_or_default();
            assert_eq!(
                (of("kind"), of("namespace"), of("name")),
                ("ServiceAccount", "tidegate", "tidegate-controller"),
                "{}",
                document.path
            );
        }
    }
    assert!(bindings >= 4, "only {bindings} bindings");
}

#[test]
fn the_page_of_permissions_says_the_rules() {
    let path = tree::root().join("docs/reference/permissions.md");
    let expected = page(&rules());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &expected).expect("written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "run `make golden` and read the difference");
}

fn page(rules: &[Rule]) -> String {
    let mut page = String::from(INTRODUCTION);
    for (role, where_) in ROLES {
        let kind = roles().find(|found| found.name() == role).expect("a role");
        let _ = write!(page, "\n## {} `{role}`\n\n{where_}\n\n", kind.kind());
        page.push_str("| On | May | Why |\n|---|---|---|\n");
        for rule in rules.iter().filter(|rule| rule.role == role) {
            let group = match rule.groups.concat().as_str() {
                "" => "core".to_owned(),
                group => group.to_owned(),
            };
            let mut on: Vec<String> =
                rule.resources.iter().map(|resource| format!("`{resource}`")).collect();
            if !rule.names.is_empty() {
                let names = rule.names.join("`, `");
                let last = on.last_mut().expect("a resource");
                let _ = write!(last, " named `{names}`");
            }
            let (on, may) = (on.join(", "), rule.verbs.join(", "));
            let _ = writeln!(page, "| {on} ({group}) | {may} | {} |", rule.reason);
        }
    }
    page.push_str(END);
    page
}

const INTRODUCTION: &str = "\
# Permissions

For whom: whoever has to agree to an installation. How long: three minutes. This page is written by
`make golden` from [config/rbac/base](../../config/rbac/base), and a test compares the two.

Proxies have none: their ServiceAccount is bound to no role, and the token for the API server is not
mounted. What follows is the controller's. What it means that the controller has it is said in
[security](../explanation/security.md#what-the-controller-can-do).
";

const END: &str = "
There is no wildcard and none of `escalate`, `bind`, `impersonate`, `exec`, `attach`, `nodes/proxy`,
webhook configurations or token requests.
";
