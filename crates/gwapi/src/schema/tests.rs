//! Every rule that ties fields together: what breaks it, what does not, and what is said.

use crate::testing::errors_of;

/// Reads an object of a kind of Gateway API with this spec, in flow style on line 4.
fn check(kind: &str, spec: &str, expected: &[&str]) {
    let text = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\nmetadata: {{name: a}}\n{{spec}}"
    )
    .replace("{spec}", &format!("spec: {spec}\n"));
    check_text(&text, expected);
}

fn check_text(text: &str, expected: &[&str]) {
    let errors = errors_of(text);
    let found: Vec<&str> = errors
        .iter()
        // The object is the same in every case.
        .map(|error| error.split_once(": ").map_or(error.as_str(), |(_, rest)| rest))
        .map(|error| error.split_once(": ").map_or(error, |(_, rest)| rest))
        .collect();
    assert_eq!(found, expected, "\n{text}\n{errors:#?}");
}

fn check_listeners(listeners: &str, expected: &[&str]) {
    check("Gateway", &format!("{{gatewayClassName: a, listeners: {listeners}}}"), expected);
    check("ListenerSet", &format!("{{parentRef: {{name: a}}, listeners: {listeners}}}"), expected);
}

#[test]
fn plain_protocols_have_no_tls() {
    for protocol in ["HTTP", "TCP", "UDP"] {
        let problem = format!(
            "spec.listeners[0].tls: found tls, expected none because protocol is {protocol}"
        );
        for tls in ["mode: Passthrough", "certificateRefs: [{name: a}]"] {
            check_listeners(
                &format!("[{{name: a, port: 1, protocol: {protocol}, tls: {{{tls}}}}}]"),
                &[&problem],
            );
        }
        check_listeners(&format!("[{{name: a, port: 1, protocol: {protocol}}}]"), &[]);
    }
    check_listeners("[{name: a, port: 1, protocol: a.dev/b, tls: {mode: Passthrough}}]", &[]);
}

#[test]
fn https_terminates() {
    let passthrough = "spec.listeners[0].tls.mode: found Passthrough, expected Terminate because \
                       protocol is HTTPS";
    check_listeners(
        "[{name: a, port: 1, protocol: HTTPS, tls: {mode: Passthrough}}]",
        &[passthrough],
    );
    check_listeners("[{name: a, port: 1, protocol: HTTPS}]", &[]);
    check_listeners(
        "[{name: a, port: 1, protocol: HTTPS, tls: {certificateRefs: [{name: a}]}}]",
        &[],
    );
}

#[test]
fn tls_has_a_mode() {
    let missing = "spec.listeners[0].tls: missing, expected mode Terminate or Passthrough because \
                   protocol is TLS";
    check_listeners("[{name: a, port: 1, protocol: TLS}]", &[missing]);
    check_listeners(
        "[{name: a, port: 1, protocol: TLS, tls: {certificateRefs: [{name: a}]}}]",
        &[],
    );
    check_listeners("[{name: a, port: 1, protocol: TLS, tls: {mode: Passthrough}}]", &[]);
}

#[test]
fn terminate_has_certificates_or_options() {
    let none = "spec.listeners[0].tls: found no certificate, expected certificateRefs or options \
                because mode is Terminate";
    for tls in ["{}", "{mode: Terminate}", "{certificateRefs: []}", "{options: {}}"] {
        check_listeners(&format!("[{{name: a, port: 1, protocol: TLS, tls: {tls}}}]"), &[none]);
    }
    for tls in ["{certificateRefs: [{name: a}]}", "{options: {a.dev/b: c}}", "{mode: Passthrough}"]
    {
        check_listeners(&format!("[{{name: a, port: 1, protocol: TLS, tls: {tls}}}]"), &[]);
    }
}

#[test]
fn l4_protocols_have_no_hostname() {
    for protocol in ["TCP", "UDP"] {
        check_listeners(
            &format!("[{{name: a, port: 1, protocol: {protocol}, hostname: a.example}}]"),
            &[&format!(
                "spec.listeners[0].hostname: found \"a.example\", expected none because \
                 protocol is {protocol}"
            )],
        );
    }
    check_listeners("[{name: a, port: 1, protocol: HTTP, hostname: '*.example'}]", &[]);
    check_listeners(
        "[{name: a, port: 1, protocol: HTTP, hostname: 'a.*'}]",
        &["spec.listeners[0].hostname: found \"a.*\", expected a lower-case host name such as \
           db.example.com or *.example.com"],
    );
}

#[test]
fn listeners_differ_in_name_and_in_port_protocol_and_hostname() {
    check_listeners(
        "[{name: a, port: 1, protocol: TCP}, {name: a, port: 2, protocol: TCP}]",
        &["spec.listeners[1].name: found \"a\", which [0] has already"],
    );
    check_listeners(
        "[{name: a, port: 1, protocol: TCP}, {name: b, port: 1, protocol: UDP}, \
          {name: c, port: 1, protocol: TCP}]",
        &["spec.listeners[2].port: found TCP port 1 without hostname, which [0] has already"],
    );
    check_listeners(
        "[{name: a, port: 1, protocol: HTTP, hostname: a.example}, \
          {name: b, port: 1, protocol: HTTP}, \
          {name: c, port: 1, protocol: HTTP, hostname: a.example}]",
        &["spec.listeners[2].port: found HTTP port 1 with hostname \"a.example\", \
           which [0] has already"],
    );
}

#[test]
fn addresses_fit_their_type_and_are_unique() {
    let check = |addresses: &str, expected: &[&str]| {
        let listeners = "[{name: a, port: 1, protocol: TCP}]";
        let spec =
            format!("{{gatewayClassName: a, listeners: {listeners}, addresses: {addresses}}}");
        check("Gateway", &spec, expected);
    };
    check("[{value: 192.0.2.1}, {value: '2001:db8::1'}, {}, {}, {type: IPAddress}]", &[]);
    check("[{type: Hostname, value: a.example}, {type: NamedAddress, value: any Thing}]", &[]);
    check(
        "[{type: Hostname, value: a}, {type: NamedAddress, value: a}, {type: b.c/d, value: a}]",
        &[],
    );
    let no_ip = |found| {
        format!("spec.addresses[0].value: found {found:?}, expected an IPv4 or IPv6 address")
    };
    for found in ["a.example", "", "192.0.2.300", "192.0.2.1/24"] {
        check(&format!("[{{value: '{found}'}}]"), &[&no_ip(found)]);
    }
    check(
        "[{type: Hostname, value: A_b}]",
        &["spec.addresses[0].value: found \"A_b\", expected a lower-case host name such as \
           db.example.com or *.example.com"],
    );
    check(
        "[{value: 192.0.2.1}, {value: 192.0.2.2}, {type: IPAddress, value: 192.0.2.1}]",
        &["spec.addresses[2].value: found \"192.0.2.1\", which [0] has already"],
    );
    check(
        "[{type: Hostname, value: a}, {type: Hostname, value: a}]",
        &["spec.addresses[1].value: found \"a\", which [0] has already"],
    );
    check(
        "[{type: Address}]",
        &["spec.addresses[0].type: found \"Address\", expected IPAddress, Hostname, NamedAddress \
           or a type such as example.com/name"],
    );
}

#[test]
fn keys_of_infrastructure_are_qualified_and_short() {
    let check = |infrastructure: &str, expected: &[&str]| {
        let listeners = "[{name: a, port: 1, protocol: TCP}]";
        let spec = format!(
            "{{gatewayClassName: a, listeners: {listeners}, infrastructure: {infrastructure}}}"
        );
        check("Gateway", &spec, expected);
    };
    check("{labels: {a: b, a.dev/B_c.d: ''}, annotations: {a.dev/b: 'any text'}}", &[]);
    let expected = "expected a name of at most 63 characters, with or without a DNS name and a \
                    slash before it";
    for field in ["labels", "annotations"] {
        for key in ["-a", "A.dev/b", "a.dev/", "/a", "a b"] {
            check(
                &format!("{{{field}: {{'{key}': b}}}}"),
                &[&format!("spec.infrastructure.{field}: found key {key:?}, {expected}")],
            );
        }
        let long = format!("{}/a", "a".repeat(253));
        check(
            &format!("{{{field}: {{? {long} : b}}}}"),
            &[&format!(
                "spec.infrastructure.{field}: found a key with a prefix of 253 characters, \
                 expected at most 252"
            )],
        );
    }
    check(
        "{labels: {a: b/c}}",
        &["spec.infrastructure.labels.a: found \"b/c\", expected a label value: at most 63 \
           letters, digits, dashes, dots and underscores"],
    );
    check(
        "{labels: {a: b, c: d, e: f, g: h, i: j, k: l, m: n1, o: p, q: r}}",
        &["spec.infrastructure.labels: found 9 entries, expected at most 8"],
    );
}

#[test]
fn frontend_tls_has_one_entry_for_a_port() {
    let check = |frontend: &str, expected: &[&str]| {
        let listeners = "[{name: a, port: 1, protocol: TCP}]";
        let spec = format!(
            "{{gatewayClassName: a, listeners: {listeners}, tls: {{frontend: {frontend}}}}}"
        );
        check("Gateway", &spec, expected);
    };
    check("{default: {}, perPort: [{port: 1, tls: {}}, {port: 2, tls: {}}]}", &[]);
    check(
        "{default: {}, perPort: [{port: 1, tls: {}}, {port: 1, tls: {}}]}",
        &["spec.tls.frontend.perPort[1].port: found 1, which [0] has already"],
    );
    check("{perPort: []}", &["spec.tls.frontend.default: missing, expected a map"]);
    check(
        "{default: {validation: {caCertificateRefs: [{name: a}]}}}",
        &[
            "spec.tls.frontend.default.validation.caCertificateRefs[0].group: missing, expected an \
             API group such as gateway.networking.k8s.io, or \"\" for the core group",
            "spec.tls.frontend.default.validation.caCertificateRefs[0].kind: missing, expected a \
             kind such as Service: letters, digits and dashes",
        ],
    );
}

#[test]
fn parents_name_all_sections_or_none_and_each_once() {
    for kind in ["TCPRoute", "UDPRoute", "TLSRoute"] {
        let hostnames = if kind == "TLSRoute" { "hostnames: [a.example], " } else { "" };
        let check = |refs: &str, expected: &[&str]| {
            let rules = "rules: [{backendRefs: [{name: a, port: 1}]}]";
            check(kind, &format!("{{{hostnames}parentRefs: {refs}, {rules}}}"), expected);
        };
        check("[{name: a}, {name: b}, {name: a, kind: ListenerSet}, {name: a, namespace: b}]", &[]);
        check("[{name: a, sectionName: a}, {name: a, sectionName: b}, {name: b}]", &[]);
        // Word for word these are two parents.
        check("[{name: a}, {name: a, namespace: default}]", &[]);
        check(
            "[{name: a, sectionName: b}, {name: a}]",
            &[
                "spec.parentRefs[1].sectionName: missing, expected a name because [0] refers to the \
               same Gateway a with one",
            ],
        );
        check(
            "[{name: a}, {name: a}]",
            &[
                "spec.parentRefs[1]: found Gateway a again, expected sectionName to tell it from [0]",
            ],
        );
        // The standard channel does not tell them apart by port.
        check(
            "[{name: a, port: 1}, {name: a, port: 2}]",
            &[
                "spec.parentRefs[1]: found Gateway a again, expected sectionName to tell it from [0]",
            ],
        );
        check(
            "[{name: a, sectionName: b}, {name: a, sectionName: b, port: 1}]",
            &["spec.parentRefs[1]: found Gateway a section \"b\", which [0] has already"],
        );
    }
}

#[test]
fn a_service_is_referred_to_with_a_port() {
    for kind in ["TCPRoute", "UDPRoute", "TLSRoute"] {
        let hostnames = if kind == "TLSRoute" { "hostnames: [a.example], " } else { "" };
        let check = |backends: &str, expected: &[&str]| {
            check(kind, &format!("{{{hostnames}rules: [{{backendRefs: {backends}}}]}}"), expected);
        };
        check("[{name: a, port: 1}, {name: a, kind: Pool}, {name: a, group: b.dev}]", &[]);
        for backend in ["{name: a}", "{name: a, group: '', kind: Service}"] {
            check(
                &format!("[{backend}]"),
                &["spec.rules[0].backendRefs[0].port: missing, expected the port number of the \
                   Service (1 to 65535)"],
            );
        }
        check("[]", &["spec.rules[0].backendRefs: found an empty list, expected 1 to 16 items"]);
        check(
            "[{name: a, port: 1, weight: 1000001}]",
            &["spec.rules[0].backendRefs[0].weight: found 1000001, expected 0 to 1000000"],
        );
    }
    check("TCPRoute", "{rules: []}", &["spec.rules: found an empty list, expected exactly 1 item"]);
    check(
        "TCPRoute",
        "{rules: [{backendRefs: []}, {backendRefs: []}]}",
        &["spec.rules: found 2 items, expected exactly 1 item"],
    );
}

#[test]
fn host_names_are_lower_case_names_with_at_most_a_first_wildcard() {
    let check = |hostnames: &str, expected: &[&str]| {
        let rules = "rules: [{backendRefs: [{name: a, port: 1}]}]";
        check("TLSRoute", &format!("{{hostnames: {hostnames}, {rules}}}"), expected);
    };
    check("[a, a.example, '*.example', 1a.example, 1.2.3.4.example, 1.2.3.400]", &[]);
    check(
        "[192.0.2.1]",
        &["spec.hostnames[0]: found the IP address \"192.0.2.1\", expected a host name"],
    );
    for name in ["A.example", "a.*.example", "*a.example", "*", "a_b", "2001:db8::1", "a.", ".a"] {
        check(
            &format!("[a.example, '{name}']"),
            &[&format!(
                "spec.hostnames[1]: found {name:?}, expected a lower-case host name such as \
                 db.example.com or *.example.com"
            )],
        );
    }
    check("[]", &["spec.hostnames: found an empty list, expected 1 to 1024 items"]);
    check("null", &["spec.hostnames: missing, expected 1 to 1024 items"]);
}

#[test]
fn a_backend_policy_has_one_source_of_authorities_and_fitting_names() {
    let check_validation = |validation: &str, expected: &[&str]| {
        let targets = "[{group: '', kind: Service, name: a}]";
        let spec =
            format!("{{targetRefs: {targets}, validation: {{hostname: a.example, {validation}}}}}");
        check("BackendTLSPolicy", &spec, expected);
    };
    let ca = "caCertificateRefs: [{group: '', kind: ConfigMap, name: a}]";
    let system = "wellKnownCACertificates: System";
    check_validation(ca, &[]);
    check_validation(system, &[]);
    check_validation(&format!("{system}, caCertificateRefs: []"), &[]);
    check_validation(
        "caCertificateRefs: []",
        &["spec.validation: found no certificate authority, expected caCertificateRefs or \
           wellKnownCACertificates"],
    );
    check_validation(
        &format!("{ca}, {system}"),
        &["spec.validation.wellKnownCACertificates: found \"System\" beside 1 caCertificateRefs, \
           expected one of the two"],
    );
    let names = |names: &str, expected: &[&str]| {
        check_validation(&format!("{system}, subjectAltNames: [{names}]"), expected);
    };
    let at = "spec.validation.subjectAltNames[0]";
    names("{type: Hostname, hostname: '*.a.example'}, {type: URI, uri: 'spiffe://a/b'}", &[]);
    names(
        "{type: Hostname}",
        &[&format!("{at}.hostname: missing, expected one because type is Hostname")],
    );
    names(
        "{type: URI, hostname: a, uri: 'spiffe://a/b'}",
        &[&format!("{at}.hostname: found \"a\", expected none because type is URI")],
    );
    names("{type: URI}", &[&format!("{at}.uri: missing, expected one because type is URI")]);
    names(
        "{type: Hostname, hostname: a, uri: 'spiffe://a/b'}",
        &[&format!("{at}.uri: found \"spiffe://a/b\", expected none because type is Hostname")],
    );
}

#[test]
fn policy_targets_name_all_sections_or_none_and_each_once() {
    let check = |targets: &str, expected: &[&str]| {
        let validation = "{hostname: a.example, wellKnownCACertificates: System}";
        check(
            "BackendTLSPolicy",
            &format!("{{targetRefs: {targets}, validation: {validation}}}"),
            expected,
        );
    };
    let a = "group: '', kind: Service, name: a";
    let b = "group: '', kind: Service, name: b";
    check(&format!("[{{{a}, sectionName: a}}, {{{a}, sectionName: b}}, {{{b}}}]"), &[]);
    check(
        &format!("[{{{a}}}, {{{a}, sectionName: b}}]"),
        &[
            "spec.targetRefs[0].sectionName: missing, expected a name because [1] refers to the same \
           Service a with one",
        ],
    );
    check(
        &format!("[{{{a}}}, {{{b}}}, {{{b}}}]"),
        &["spec.targetRefs[2]: found Service b again, expected sectionName to tell it from [1]"],
    );
    check(
        &format!("[{{{a}, sectionName: a}}, {{{a}, sectionName: a}}]"),
        &["spec.targetRefs[1]: found Service a section \"a\", which [0] has already"],
    );
}

#[test]
fn paths_of_http_routes_are_normal() {
    let check = |path: &str, expected: Option<&str>| {
        let problem = expected.map(|expected| {
            let value = path.rsplit_once("value: ").map(|(_, value)| value.trim_matches('\''));
            let value = value.unwrap_or_default();
            format!("spec.rules[0].matches[0].path.value: found {value:?}, expected {expected}")
        });
        check(
            "HTTPRoute",
            &format!("{{rules: [{{matches: [{{path: {{{path}}}}}]}}]}}"),
            problem.as_slice().iter().map(String::as_str).collect::<Vec<_>>().as_slice(),
        );
    };
    let bytes =
        "a path of letters, digits and -/._~!$&'()*+,;=:@, others as %20, without %2f and #";
    for (path, expected) in [
        ("", None),
        ("type: Exact", None),
        ("value: /a.b/..c/%20", None),
        ("type: RegularExpression, value: a//#", None),
        ("value: a", Some("a path that begins with /")),
        ("value: /a//b", Some("a path without //, /. and /..")),
        ("value: /a/./b", Some("a path without //, /. and /..")),
        ("type: Exact, value: /a/..", Some("a path without //, /. and /..")),
        ("value: /a%2Fb", Some(bytes)),
        ("value: '/a#b'", Some(bytes)),
        ("value: '/a b'", Some(bytes)),
        ("value: /a%2", Some(bytes)),
    ] {
        check(path, expected);
    }
}

#[test]
fn rules_of_http_routes_have_names_of_their_own_and_few_matches() {
    check("HTTPRoute", "{rules: [{name: a}, {name: b}, {}, {}]}", &[]);
    check(
        "HTTPRoute",
        "{rules: [{name: a}, {}, {name: a}]}",
        &["spec.rules[2].name: found \"a\", which [0] has already"],
    );
    let matches = |count: usize| format!("{{matches: [{}]}}", vec!["{}"; count].join(", "));
    let (most, one) = (matches(64), matches(1));
    check("HTTPRoute", &format!("{{rules: [{most}, {most}]}}"), &[]);
    check(
        "HTTPRoute",
        &format!("{{rules: [{most}, {most}, {one}]}}"),
        &["spec.rules: found 129 matches in total, expected at most 128"],
    );
}

#[test]
fn an_http_route_without_rules_matches_every_path() {
    let text = "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: HTTPRoute\n\
                metadata: {name: a}\nspec: {rules: [RULE]}\n";
    for rule in ["", "{}", "{matches: [{}]}", "{matches: [{path: {}}]}"] {
        let text = match rule {
            "" => text.replace("{rules: [RULE]}", "{}"),
            rule => text.replace("RULE", rule),
        };
        let manifests = crate::testing::read_text(&text);
        let route = manifests.objects.http_routes.values().next().expect("a route");
        let path = route.spec.rules[0].matches[0].path.as_ref().expect("a path");
        assert_eq!((path.kind.as_deref(), path.value.as_deref()), (Some("PathPrefix"), Some("/")));
    }
}

#[test]
fn classes_and_namespaces_belong_to_no_namespace() {
    for (version, kind, spec) in [
        ("gateway.networking.k8s.io/v1", "GatewayClass", "spec: {controllerName: a.dev/b}"),
        ("v1", "Namespace", ""),
    ] {
        let text = |metadata: &str| {
            format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{{metadata}}}\n{spec}\n")
        };
        check_text(&text("name: a"), &[]);
        check_text(
            &text("name: a, namespace: b"),
            &["metadata.namespace: found \"b\", expected none: this kind has no namespace"],
        );
    }
}

#[test]
fn annotations_and_labels_of_any_object_are_bounded() {
    let check = |metadata: &str, expected: &[&str]| {
        let text = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: a, {metadata}}}\n");
        check_text(&text, expected);
    };
    check("annotations: {a.dev/b: any text, A.dev/c: ''}, labels: {a.dev/b: c}", &[]);
    check(&format!("annotations: {{a: {}}}", "x".repeat((256 << 10) - 1)), &[]);
    check(
        &format!("annotations: {{a: {}}}", "x".repeat(256 << 10)),
        &["metadata.annotations: found 262145 bytes in total, expected at most 262144"],
    );
    check(
        &format!("labels: {{a: {}}}", "x".repeat(64)),
        &["metadata.labels.a: found 64 characters, expected at most 63"],
    );
    check(
        "annotations: {a/: b}",
        &[
            "metadata.annotations: found key \"a/\", expected a name of at most 63 characters, with \
           or without a DNS name and a slash before it",
        ],
    );
}
