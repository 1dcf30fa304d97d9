//! The whole page once, in both alphabets; the golden files show it for real manifests.

use gwapi::{Kind, ObjectKey, ObjectRef};

use super::*;
use crate::check::report::{Place, ProblemReport, SaidBy, Summary};

fn place(line: u32) -> Option<Place> {
    Some(Place { file: "manifests/gateway.yaml".to_owned(), line: Some(line), column: Some(1) })
}

fn listener(name: &str, protocol: &str, port: i32, programmed: bool) -> ListenerReport {
    ListenerReport {
        name: name.to_owned(),
        protocol: protocol.to_owned(),
        port,
        hostname: None,
        programmed,
        attached_routes: 1,
        conditions: vec![],
        routes: vec![],
    }
}

fn backend(name: &str, weight: u32, endpoints: usize) -> BackendReport {
    BackendReport { backend: name.to_owned(), weight, endpoints, refused: None }
}

fn object(kind: Kind, name: &str, line: u32) -> ObjectReport {
    ObjectReport {
        object: ObjectRef::new(kind, ObjectKey::new("edge", name)),
        place: place(line),
        kept: false,
        class: None,
        addresses: vec![],
        conditions: vec![],
        listeners: vec![],
        parents: vec![],
        findings: vec![],
    }
}

fn report() -> Report {
    let mut gateway = object(Kind::Gateway, "l4", 3);
    gateway.class = Some("tidegate".to_owned());
    gateway.conditions.push(crate::check::report::ConditionReport {
        r#type: "Accepted",
        status: "True",
        reason: "Accepted",
        message: String::new(),
    });
    let mut pg = listener("pg", "TCP", 5432, true);
    pg.routes.push(RouteReport {
        route: "TCPRoute db/pg".to_owned(),
        hostnames: vec![],
        backends: vec![backend("db/pg:5432", 9, 2), backend("db/new:5432", 1, 1)],
    });
    let mut sni = listener("sni", "TLS", 443, false);
    sni.hostname = Some("*.example.com".to_owned());
    gateway.listeners = vec![pg, listener("dns", "UDP", 53, true), sni];
    gateway.findings.push(FindingReport {
        severity: Severity::Error,
        id: "InvalidCertificateRef".to_owned(),
        message: "Secret edge/wild-tls does not exist".to_owned(),
        field: Some("spec.listeners[2].tls.certificateRefs[0]".to_owned()),
        place: place(31),
        fix: None,
        docs: "tidegate.dev/e/InvalidCertificateRef".to_owned(),
        conditions: vec![SaidBy {
            section: "sni".to_owned(),
            r#type: "ResolvedRefs",
            status: "False",
        }],
    });
    let mut route = object(Kind::TcpRoute, "orders", 40);
    route.kept = true;
    route.findings.push(FindingReport {
        severity: Severity::Warning,
        id: "no-ready-endpoints".to_owned(),
        message: "Service edge/orders has no ready endpoint".to_owned(),
        field: None,
        place: None,
        fix: Some("start one".to_owned()),
        docs: "tidegate.dev/e/no-ready-endpoints".to_owned(),
        conditions: vec![],
    });
    Report {
        api_version: "cli.tidegate.dev/v1",
        kind: "Report",
        summary: Summary {
            foreign: 0,
            objects: 7,
            errors: 2,
            warnings: 1,
            sockets: vec!["tcp/5432".to_owned(), "udp/53".to_owned()],
        },
        problems: vec![ProblemReport {
            place: Place { file: "a.yaml".to_owned(), line: Some(2), column: Some(7) },
            object: None,
            field: None,
            message: "not YAML".to_owned(),
            unreadable: true,
        }],
        objects: vec![gateway, object(Kind::TcpRoute, "fine", 20), route],
    }
}

const UNICODE: &str = "\
✖ a.yaml:2:7: not YAML
Gateway edge/l4  (class tidegate)                                         manifests/gateway.yaml:3
  ✔ pg  TCP :5432                      TCPRoute db/pg → 90% db/pg:5432 (2 endpoints), 10% db/new:5432 (1 endpoint)
  ✔ dns UDP :53                        no route: datagrams are dropped
  ✖ sni TLS :443 *.example.com         not programmed: Secret edge/wild-tls does not exist
          ResolvedRefs=False InvalidCertificateRef   spec.listeners[2].tls.certificateRefs[0]  gateway.yaml:31
          tidegate.dev/e/InvalidCertificateRef
TCPRoute edge/orders                                                      manifests/gateway.yaml:40
  ! what stands there now cannot be read; this is its last valid version
  ! Service edge/orders has no ready endpoint
          no-ready-endpoints
          fix: start one   tidegate.dev/e/no-ready-endpoints
7 objects, 2 errors, 1 warning; would listen on tcp/5432 udp/53                               exit 1
";

#[test]
fn a_report_reads_as_a_page() {
    let style = Style { color: false, unicode: true };
    assert_eq!(render(&report(), style, Tense::Would(Exit::Failed)), UNICODE);
}

#[test]
fn the_same_page_fits_a_terminal_without_utf8() {
    let ascii = render(&report(), Style { color: false, unicode: false }, Tense::Does);
    assert!(ascii.is_ascii(), "{ascii}");
    let expected = ["  ok pg", "TCPRoute db/pg -> 90%", "  x sni", "listening on tcp/5432"];
    for part in expected {
        assert!(ascii.contains(part), "{part} in\n{ascii}");
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    let style = Style { color: true, unicode: true };
    let coloured = render(&report(), style, Tense::Would(Exit::Failed));
    let mut plain = coloured.replace("\x1b[0m", "");
    for code in ["\x1b[31m", "\x1b[32m", "\x1b[33m"] {
        assert!(plain.contains(code));
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, UNICODE);
}
