//! What the tests of the conformance suite expect of their manifests, one expectation a line:
//! kind, name (with its namespace if it is not the suite's first, and `#listener`), and a
//! condition's status and, if the test names one, its reason.

/// One test.
#[derive(Default)]
pub(crate) struct Case {
    /// The name of its manifest.
    pub(crate) name: &'static str,
    /// What the test itself adds to it.
    pub(crate) more: &'static str,
    /// Whether the ReferenceGrants are taken away, as the test does half-way.
    pub(crate) without_grants: bool,
    /// Whether HTTP and HTTPS listeners stand for any listener.
    pub(crate) http_as_tls: bool,
    /// The minor version whose suite has it; empty for all.
    pub(crate) only: &'static str,
    /// What must hold.
    pub(crate) expected: &'static str,
}

/// All tests.
pub(crate) fn cases() -> Vec<Case> {
    let case = |name, expected| Case { name, expected, ..Case::default() };
    let http_as_tls = |name, expected| Case { http_as_tls: true, ..case(name, expected) };
    vec![
        case(
            "tcproute-invalid-backendref-nonexistent",
            "
                TCPRoute tcp-route-invalid-backend-ref-nonexistent ResolvedRefs=False/BackendNotFound",
        ),
        case(
            "tcproute-invalid-cross-namespace-backend-ref",
            "
                TCPRoute tcp-invalid-cross-namespace-backend-ref Accepted=True/Accepted
                TCPRoute tcp-invalid-cross-namespace-backend-ref ResolvedRefs=False/RefNotPermitted
                Gateway tcp-invalid-cross-namespace-backend-ref-gateway#tcp Programmed=True/Programmed",
        ),
        case(
            "tcproute-invalid-non-tcp-listener",
            "
                TCPRoute tcp-route Accepted=False/NotAllowedByListeners
                Gateway tcp-mixed-protocol-gateway#only-allow-http-routes attached=0",
        ),
        Case {
            more: r#"
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata:
  name: tcproute-attach-newer
  namespace: gateway-conformance-infra
  creationTimestamp: 2026-01-02T00:00:00Z
spec:
  parentRefs: [{name: tcp-multi-route-attach-gateway, sectionName: tcp}]
  rules: [{backendRefs: [{name: tcp-attach-backend-2, port: 3000}]}]"#,
            ..case(
                "tcproute-multiple-routes-attachment",
                "
                TCPRoute tcproute-attach-newer Accepted=True/Accepted
                TCPRoute tcproute-attach-older Accepted=True/Accepted
                TCPRoute tcproute-attach-older ResolvedRefs=True/ResolvedRefs
                Gateway tcp-multi-route-attach-gateway#tcp attached=2
                Gateway tcp-multi-route-attach-gateway#tcp Accepted=True/Accepted
                Gateway tcp-multi-route-attach-gateway#tcp ResolvedRefs=True/ResolvedRefs
                Gateway tcp-multi-route-attach-gateway#tcp Programmed=True/Programmed
                Gateway tcp-multi-route-attach-gateway#tcp kinds=TCPRoute",
            )
        },
        case(
            "tcproute-parentref-attach-all",
            "
                TCPRoute tcp-route-attach-all Accepted=True/Accepted
                TCPRoute tcp-route-attach-all ResolvedRefs=True/ResolvedRefs
                Gateway tcp-attach-all-gateway#one attached=1
                Gateway tcp-attach-all-gateway#one Accepted=True/Accepted
                Gateway tcp-attach-all-gateway#one ResolvedRefs=True/ResolvedRefs
                Gateway tcp-attach-all-gateway#one Programmed=True/Programmed
                Gateway tcp-attach-all-gateway#one kinds=TCPRoute
                Gateway tcp-attach-all-gateway#two attached=1
                Gateway tcp-attach-all-gateway#two Accepted=True/Accepted
                Gateway tcp-attach-all-gateway#two ResolvedRefs=True/ResolvedRefs
                Gateway tcp-attach-all-gateway#two Programmed=True/Programmed
                Gateway tcp-attach-all-gateway#two kinds=TCPRoute
                Gateway tcp-attach-all-gateway#three attached=1
                Gateway tcp-attach-all-gateway#three Accepted=True/Accepted
                Gateway tcp-attach-all-gateway#three ResolvedRefs=True/ResolvedRefs
                Gateway tcp-attach-all-gateway#three Programmed=True/Programmed
                Gateway tcp-attach-all-gateway#three kinds=TCPRoute
                Gateway tcp-attach-all-gateway#four attached=1
                Gateway tcp-attach-all-gateway#four Accepted=True/Accepted
                Gateway tcp-attach-all-gateway#four ResolvedRefs=True/ResolvedRefs
                Gateway tcp-attach-all-gateway#four Programmed=True/Programmed
                Gateway tcp-attach-all-gateway#four kinds=TCPRoute",
        ),
        case(
            "tcproute-parentref-port-and-section-name",
            "
                TCPRoute tcp-route-by-port Accepted=True/Accepted
                TCPRoute tcp-route-by-port ResolvedRefs=True/ResolvedRefs
                Gateway tcp-multi-listener-gateway#one attached=1
                Gateway tcp-multi-listener-gateway#one Accepted=True/Accepted
                Gateway tcp-multi-listener-gateway#one ResolvedRefs=True/ResolvedRefs
                Gateway tcp-multi-listener-gateway#one Programmed=True/Programmed
                Gateway tcp-multi-listener-gateway#one kinds=TCPRoute
                TCPRoute tcp-route-by-section Accepted=True/Accepted
                TCPRoute tcp-route-by-section ResolvedRefs=True/ResolvedRefs
                Gateway tcp-multi-listener-gateway#two attached=1
                Gateway tcp-multi-listener-gateway#two Accepted=True/Accepted
                Gateway tcp-multi-listener-gateway#two ResolvedRefs=True/ResolvedRefs
                Gateway tcp-multi-listener-gateway#two Programmed=True/Programmed
                Gateway tcp-multi-listener-gateway#two kinds=TCPRoute
                TCPRoute tcp-route-by-section-and-port Accepted=True/Accepted
                TCPRoute tcp-route-by-section-and-port ResolvedRefs=True/ResolvedRefs
                Gateway tcp-multi-listener-gateway#three attached=1
                Gateway tcp-multi-listener-gateway#three Accepted=True/Accepted
                Gateway tcp-multi-listener-gateway#three ResolvedRefs=True/ResolvedRefs
                Gateway tcp-multi-listener-gateway#three Programmed=True/Programmed
                Gateway tcp-multi-listener-gateway#three kinds=TCPRoute",
        ),
        case(
            "tcproute-reference-grant",
            "
                TCPRoute tcp-reference-grant Accepted=True/Accepted
                TCPRoute tcp-reference-grant ResolvedRefs=True/ResolvedRefs
                Gateway tcp-reference-grant-gateway#tcp attached=1
                Gateway tcp-reference-grant-gateway#tcp Accepted=True/Accepted
                Gateway tcp-reference-grant-gateway#tcp ResolvedRefs=True/ResolvedRefs
                Gateway tcp-reference-grant-gateway#tcp Programmed=True/Programmed
                Gateway tcp-reference-grant-gateway#tcp kinds=TCPRoute",
        ),
        Case {
            without_grants: true,
            ..case(
                "tcproute-reference-grant",
                "
                TCPRoute tcp-reference-grant Accepted=True/Accepted
                TCPRoute tcp-reference-grant ResolvedRefs=False/RefNotPermitted",
            )
        },
        case(
            "tcproute-weighted-routing",
            "
                TCPRoute tcp-weighted-route Accepted=True/Accepted
                TCPRoute tcp-weighted-route ResolvedRefs=True/ResolvedRefs
                Gateway tcp-weighted-gateway#tcp attached=1
                Gateway tcp-weighted-gateway#tcp Accepted=True/Accepted
                Gateway tcp-weighted-gateway#tcp ResolvedRefs=True/ResolvedRefs
                Gateway tcp-weighted-gateway#tcp Programmed=True/Programmed
                Gateway tcp-weighted-gateway#tcp kinds=TCPRoute",
        ),
        Case {
            only: "v1.7",
            ..case(
                "udproute-simple",
                "
                UDPRoute udp-route Accepted=True/Accepted
                UDPRoute udp-route ResolvedRefs=True/ResolvedRefs
                Gateway udp-gateway#udp attached=1
                Gateway udp-gateway#udp Accepted=True/Accepted
                Gateway udp-gateway#udp ResolvedRefs=True/ResolvedRefs
                Gateway udp-gateway#udp Programmed=True/Programmed
                Gateway udp-gateway#udp kinds=UDPRoute",
            )
        },
        Case {
            only: "v1.6",
            ..case(
                "udproute-simple",
                "
                UDPRoute udp-coredns Accepted=True/Accepted
                UDPRoute udp-coredns ResolvedRefs=True/ResolvedRefs
                Gateway udp-gateway#coredns attached=1
                Gateway udp-gateway#coredns Accepted=True/Accepted
                Gateway udp-gateway#coredns ResolvedRefs=True/ResolvedRefs
                Gateway udp-gateway#coredns Programmed=True/Programmed
                Gateway udp-gateway#coredns kinds=UDPRoute",
            )
        },
        case(
            "udproute-invalid-backendref-nonexistent",
            "
                UDPRoute udp-route-invalid-backend-ref-nonexistent ResolvedRefs=False/BackendNotFound",
        ),
        case(
            "udproute-invalid-cross-namespace-backend-ref",
            "
                UDPRoute udp-route-invalid-cross-namespace-backend-ref Accepted=True/Accepted
                UDPRoute udp-route-invalid-cross-namespace-backend-ref ResolvedRefs=False/RefNotPermitted",
        ),
        Case {
            more: r#"
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata:
  name: udproute-attach-newer
  namespace: gateway-conformance-infra
  creationTimestamp: 2026-01-02T00:00:00Z
spec:
  parentRefs: [{name: udp-multi-route-attach-gateway, sectionName: udp}]
  rules: [{backendRefs: [{name: udp-attach-backend-2, port: 8080}]}]"#,
            ..case(
                "udproute-multiple-routes-attachment",
                "
                UDPRoute udproute-attach-newer Accepted=True/Accepted
                UDPRoute udproute-attach-older Accepted=True/Accepted
                UDPRoute udproute-attach-older ResolvedRefs=True/ResolvedRefs
                Gateway udp-multi-route-attach-gateway#udp attached=2
                Gateway udp-multi-route-attach-gateway#udp Accepted=True/Accepted
                Gateway udp-multi-route-attach-gateway#udp ResolvedRefs=True/ResolvedRefs
                Gateway udp-multi-route-attach-gateway#udp Programmed=True/Programmed
                Gateway udp-multi-route-attach-gateway#udp kinds=UDPRoute",
            )
        },
        case(
            "udproute-not-allowed-by-listeners",
            "
                UDPRoute udproute-not-allowed-by-listeners Accepted=False/NotAllowedByListeners
                Gateway udproute-tls-only-gateway#tls attached=0",
        ),
        case(
            "udproute-parentref-attach-all-listeners",
            "
                UDPRoute udp-route-attach-all Accepted=True/Accepted
                UDPRoute udp-route-attach-all ResolvedRefs=True/ResolvedRefs
                Gateway udp-attach-all-listeners-gateway#udp-1 attached=1
                Gateway udp-attach-all-listeners-gateway#udp-1 Accepted=True/Accepted
                Gateway udp-attach-all-listeners-gateway#udp-1 ResolvedRefs=True/ResolvedRefs
                Gateway udp-attach-all-listeners-gateway#udp-1 Programmed=True/Programmed
                Gateway udp-attach-all-listeners-gateway#udp-1 kinds=UDPRoute
                Gateway udp-attach-all-listeners-gateway#udp-2 attached=1
                Gateway udp-attach-all-listeners-gateway#udp-2 Accepted=True/Accepted
                Gateway udp-attach-all-listeners-gateway#udp-2 ResolvedRefs=True/ResolvedRefs
                Gateway udp-attach-all-listeners-gateway#udp-2 Programmed=True/Programmed
                Gateway udp-attach-all-listeners-gateway#udp-2 kinds=UDPRoute
                Gateway udp-attach-all-listeners-gateway#udp-3 attached=1
                Gateway udp-attach-all-listeners-gateway#udp-3 Accepted=True/Accepted
                Gateway udp-attach-all-listeners-gateway#udp-3 ResolvedRefs=True/ResolvedRefs
                Gateway udp-attach-all-listeners-gateway#udp-3 Programmed=True/Programmed
                Gateway udp-attach-all-listeners-gateway#udp-3 kinds=UDPRoute",
        ),
        case(
            "udproute-parentref-port-and-section-name",
            "
                UDPRoute udp-route-by-port Accepted=True/Accepted
                UDPRoute udp-route-by-port ResolvedRefs=True/ResolvedRefs
                Gateway udp-multi-listener-gateway#by-port attached=1
                Gateway udp-multi-listener-gateway#by-port Accepted=True/Accepted
                Gateway udp-multi-listener-gateway#by-port ResolvedRefs=True/ResolvedRefs
                Gateway udp-multi-listener-gateway#by-port Programmed=True/Programmed
                Gateway udp-multi-listener-gateway#by-port kinds=UDPRoute
                UDPRoute udp-route-by-section Accepted=True/Accepted
                UDPRoute udp-route-by-section ResolvedRefs=True/ResolvedRefs
                Gateway udp-multi-listener-gateway#by-section attached=1
                Gateway udp-multi-listener-gateway#by-section Accepted=True/Accepted
                Gateway udp-multi-listener-gateway#by-section ResolvedRefs=True/ResolvedRefs
                Gateway udp-multi-listener-gateway#by-section Programmed=True/Programmed
                Gateway udp-multi-listener-gateway#by-section kinds=UDPRoute
                UDPRoute udp-route-by-section-and-port Accepted=True/Accepted
                UDPRoute udp-route-by-section-and-port ResolvedRefs=True/ResolvedRefs
                Gateway udp-multi-listener-gateway#by-section-and-port attached=1
                Gateway udp-multi-listener-gateway#by-section-and-port Accepted=True/Accepted
                Gateway udp-multi-listener-gateway#by-section-and-port ResolvedRefs=True/ResolvedRefs
                Gateway udp-multi-listener-gateway#by-section-and-port Programmed=True/Programmed
                Gateway udp-multi-listener-gateway#by-section-and-port kinds=UDPRoute",
        ),
        case(
            "udproute-reference-grant",
            "
                UDPRoute udp-route-reference-grant Accepted=True/Accepted
                UDPRoute udp-route-reference-grant ResolvedRefs=True/ResolvedRefs
                Gateway udp-gateway-reference-grant#udp attached=1
                Gateway udp-gateway-reference-grant#udp Accepted=True/Accepted
                Gateway udp-gateway-reference-grant#udp ResolvedRefs=True/ResolvedRefs
                Gateway udp-gateway-reference-grant#udp Programmed=True/Programmed
                Gateway udp-gateway-reference-grant#udp kinds=UDPRoute",
        ),
        Case {
            without_grants: true,
            ..case(
                "udproute-reference-grant",
                "
                UDPRoute udp-route-reference-grant ResolvedRefs=False/RefNotPermitted",
            )
        },
        case(
            "udproute-weighted-routing",
            "
                UDPRoute udp-weighted-route Accepted=True/Accepted
                UDPRoute udp-weighted-route ResolvedRefs=True/ResolvedRefs
                Gateway udp-weighted-gateway#udp attached=1
                Gateway udp-weighted-gateway#udp Accepted=True/Accepted
                Gateway udp-weighted-gateway#udp ResolvedRefs=True/ResolvedRefs
                Gateway udp-weighted-gateway#udp Programmed=True/Programmed
                Gateway udp-weighted-gateway#udp kinds=UDPRoute",
        ),
        case(
            "tlsroute-simple-same-namespace",
            "
                TLSRoute gateway-conformance-infra-test Accepted=True/Accepted
                TLSRoute gateway-conformance-infra-test ResolvedRefs=True/ResolvedRefs
                Gateway gateway-tlsroute#https attached=1
                Gateway gateway-tlsroute#https Accepted=True/Accepted
                Gateway gateway-tlsroute#https ResolvedRefs=True/ResolvedRefs
                Gateway gateway-tlsroute#https Programmed=True/Programmed
                Gateway gateway-tlsroute#https kinds=TLSRoute",
        ),
        case(
            "tlsroute-hostname-intersection",
            "
                TLSRoute tlsroute-more-specific-wc-hostname-x-1 Accepted=True/Accepted
                TLSRoute tlsroute-more-specific-wc-hostname-x-1 ResolvedRefs=True/ResolvedRefs
                TLSRoute tlsroute-exact-hostname-x-2 Accepted=True/Accepted
                TLSRoute tlsroute-exact-hostname-x-2 ResolvedRefs=True/ResolvedRefs
                TLSRoute tlsroute-less-specific-wc-hostname-x-2 Accepted=True/Accepted
                TLSRoute tlsroute-less-specific-wc-hostname-x-2 ResolvedRefs=True/ResolvedRefs
                TLSRoute tlsroute-exact-hostname-x-3 Accepted=True/Accepted
                TLSRoute tlsroute-exact-hostname-x-3 ResolvedRefs=True/ResolvedRefs
                TLSRoute tlsroute-more-specific-wc-hostname-x-3 Accepted=True/Accepted
                TLSRoute tlsroute-more-specific-wc-hostname-x-3 ResolvedRefs=True/ResolvedRefs
                TLSRoute tlsroute-exact-hostname-x-4 Accepted=True/Accepted
                TLSRoute tlsroute-exact-hostname-x-4 ResolvedRefs=True/ResolvedRefs
                TLSRoute tlsroute-less-specific-wc-hostname-x-4 Accepted=True/Accepted
                TLSRoute tlsroute-less-specific-wc-hostname-x-4 ResolvedRefs=True/ResolvedRefs",
        ),
        case(
            "tlsroute-invalid-backendref-nonexistent",
            "
                TLSRoute invalid-backend-ref-nonexistent Accepted=True/Accepted
                TLSRoute invalid-backend-ref-nonexistent ResolvedRefs=False/BackendNotFound",
        ),
        case(
            "tlsroute-invalid-backendref-unknown-kind",
            "
                TLSRoute invalid-backend-ref-unknown-kind Accepted=True/Accepted
                TLSRoute invalid-backend-ref-unknown-kind ResolvedRefs=False/InvalidKind",
        ),
        case(
            "tlsroute-invalid-no-matching-listener-hostname",
            "
                TLSRoute tlsroute-hostname-mismatch-1 Accepted=False/NoMatchingListenerHostname
                TLSRoute tlsroute-hostname-mismatch-2 Accepted=False/NoMatchingListenerHostname
                Gateway gateway-tls-exact-hostname#tls attached=0
                Gateway gateway-tls-wildcard-hostname#tls attached=0",
        ),
        case(
            "tlsroute-invalid-no-matching-listener",
            "
                TLSRoute tlsroute-not-allowed-protocol-http Accepted=False/NotAllowedByListeners
                TLSRoute tlsroute-not-allowed-protocol-https Accepted=False/NotAllowedByListeners
                TLSRoute tlsroute-no-matching-section-name Accepted=False/NoMatchingParent
                Gateway gateway-tlsroute-tls-passthrough-only#tls-passthrough attached=0
                Gateway gateway-tlsroute-http-only#http attached=0
                Gateway gateway-tlsroute-https-only#https attached=0",
        ),
        case(
            "tlsroute-invalid-reference-grant",
            "
                TLSRoute gateway-conformance-infra-test Accepted=True/Accepted
                TLSRoute gateway-conformance-infra-test ResolvedRefs=False/RefNotPermitted",
        ),
        case(
            "tlsroute-listener-passthrough-supported-kinds",
            "
                Gateway gateway-tlsroute-passthrough-supported-kind#tls-passthrough ResolvedRefs=False/InvalidRouteKinds
                Gateway gateway-tlsroute-passthrough-supported-kind#tls-passthrough kinds=TLSRoute
                Gateway gateway-tlsroute-passthrough-supported-kind#tls-passthrough attached=0",
        ),
        case(
            "tlsroute-listener-terminate-supported-kinds",
            "
                Gateway gateway-tlsroute-terminate-supported#tls-terminate Accepted=True/Accepted
                Gateway gateway-tlsroute-terminate-supported#tls-terminate kinds=TLSRoute",
        ),
        case(
            "tlsroute-terminate-simple-same-namespace",
            "
                TLSRoute tlsroute-terminated-test Accepted=True/Accepted
                TLSRoute tlsroute-terminated-test ResolvedRefs=True/ResolvedRefs
                Gateway gateway-tlsroute-terminate#tlsterminate attached=1
                Gateway gateway-tlsroute-terminate#tlsterminate Accepted=True/Accepted
                Gateway gateway-tlsroute-terminate#tlsterminate ResolvedRefs=True/ResolvedRefs
                Gateway gateway-tlsroute-terminate#tlsterminate Programmed=True/Programmed
                Gateway gateway-tlsroute-terminate#tlsterminate kinds=TLSRoute",
        ),
        case(
            "tlsroute-mixed-termination-same-namespace",
            "
                TLSRoute gateway-conformance-mixed-passthroughroute Accepted=True/Accepted
                TLSRoute gateway-conformance-mixed-passthroughroute ResolvedRefs=True/ResolvedRefs
                Gateway gateway-tlsroute-mixed-termination#tls-passthrough attached=1
                Gateway gateway-tlsroute-mixed-termination#tls-passthrough Accepted=True/Accepted
                Gateway gateway-tlsroute-mixed-termination#tls-passthrough ResolvedRefs=True/ResolvedRefs
                Gateway gateway-tlsroute-mixed-termination#tls-passthrough Programmed=True/Programmed
                Gateway gateway-tlsroute-mixed-termination#tls-passthrough kinds=TLSRoute
                TLSRoute gateway-conformance-mixed-terminateroute Accepted=True/Accepted
                TLSRoute gateway-conformance-mixed-terminateroute ResolvedRefs=True/ResolvedRefs
                Gateway gateway-tlsroute-mixed-termination#tls-terminate attached=1
                Gateway gateway-tlsroute-mixed-termination#tls-terminate Accepted=True/Accepted
                Gateway gateway-tlsroute-mixed-termination#tls-terminate ResolvedRefs=True/ResolvedRefs
                Gateway gateway-tlsroute-mixed-termination#tls-terminate Programmed=True/Programmed
                Gateway gateway-tlsroute-mixed-termination#tls-terminate kinds=TLSRoute",
        ),
        Case {
            only: "v1.7",
            more: r#"
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata:
  name: tlsroute-exact-hostname-x-newer
  namespace: gateway-conformance-infra
  creationTimestamp: 2026-01-02T00:00:00Z
spec:
  parentRefs: [{name: gw-tlsroute-exact-hostname-x}]
  hostnames: ["abc.example.com"]
  rules: [{backendRefs: [{name: tls-backend-2, port: 443}]}]"#,
            ..case(
                "tlsroute-multiple-routes-attachment-same-hostname-intersection",
                "
                TLSRoute tlsroute-wc-hostname-x-older ResolvedRefs=True
                TLSRoute tlsroute-exact-hostname-x-newer ResolvedRefs=True
                Gateway gw-tlsroute-exact-hostname-x#listener-exact-hostname attached=2",
            )
        },
        Case {
            only: "v1.7",
            ..case(
                "backendtlspolicy-tlsroute-terminate",
                "
                TLSRoute backendtlspolicy-tlsroute-terminate Accepted=True/Accepted
                TLSRoute backendtlspolicy-tlsroute-terminate ResolvedRefs=True/ResolvedRefs
                Gateway gateway-btls-tlsroute-terminate#tls-terminate attached=1
                Gateway gateway-btls-tlsroute-terminate#tls-terminate Accepted=True/Accepted
                Gateway gateway-btls-tlsroute-terminate#tls-terminate ResolvedRefs=True/ResolvedRefs
                Gateway gateway-btls-tlsroute-terminate#tls-terminate Programmed=True/Programmed
                Gateway gateway-btls-tlsroute-terminate#tls-terminate kinds=TLSRoute
                BackendTLSPolicy btls-tlsroute-terminate-test Accepted=True/Accepted
                BackendTLSPolicy btls-tlsroute-terminate-test ResolvedRefs=True/ResolvedRefs",
            )
        },
        http_as_tls(
            "listenerset-default-not-allowed",
            "
                Gateway gateway-default-does-not-allow-listenerset Accepted=True
                Gateway gateway-default-does-not-allow-listenerset sets=0
                ListenerSet listenerset-default-not-allowed Accepted=False/NotAllowed
                ListenerSet listenerset-default-not-allowed Programmed=False/NotAllowed",
        ),
        http_as_tls(
            "listenerset-allowed-namespace-none",
            "
                Gateway gateway-does-not-allow-listenerset Accepted=True
                Gateway gateway-does-not-allow-listenerset sets=0
                ListenerSet listenerset-not-allowed Accepted=False/NotAllowed
                ListenerSet listenerset-not-allowed Programmed=False/NotAllowed",
        ),
        http_as_tls(
            "listenerset-allowed-namespace-same",
            "
                Gateway gateway-allows-listenerset-in-same-namespace sets=1
                ListenerSet listenerset-in-same-namespace Accepted=True/Accepted
                ListenerSet listenerset-in-same-namespace Programmed=True
                ListenerSet listenerset-in-same-namespace#listenerset-in-same-namespace-listener Programmed=True
                ListenerSet gateway-api-listenerset-not-allowed-ns/listenerset-in-different-namespace Accepted=False/NotAllowed
                ListenerSet gateway-api-listenerset-not-allowed-ns/listenerset-in-different-namespace Programmed=False/NotAllowed",
        ),
        http_as_tls(
            "listenerset-allowed-namespace-selector",
            "
                Gateway gateway-allows-listenerset-in-selected-namespace sets=1
                ListenerSet gateway-api-listenerset-selector-allowed-ns/listenerset-in-selected-namespace Accepted=True/Accepted
                ListenerSet gateway-api-listenerset-selector-allowed-ns/listenerset-in-selected-namespace Programmed=True
                ListenerSet gateway-api-listenerset-selector-allowed-ns/listenerset-in-selected-namespace#listenerset-in-selected-namespace-listener Programmed=True
                ListenerSet gateway-api-listenerset-selector-not-allowed-ns/listenerset-not-in-selected-namespace Accepted=False/NotAllowed
                ListenerSet gateway-api-listenerset-selector-not-allowed-ns/listenerset-not-in-selected-namespace Programmed=False/NotAllowed",
        ),
        http_as_tls(
            "listenerset-hostname-conflict",
            "
                Gateway gateway-with-listenerset-hostname-conflict Accepted=True
                Gateway gateway-with-listenerset-hostname-conflict sets=2
                Gateway gateway-with-listenerset-hostname-conflict#gateway-listener Programmed=True
                Gateway gateway-with-listenerset-hostname-conflict#hostname-conflict-with-gateway-listener Programmed=True
                ListenerSet listenerset-with-hostname-conflict-with-gateway-1 Accepted=True
                ListenerSet listenerset-with-hostname-conflict-with-gateway-1 Programmed=True/Programmed
                ListenerSet listenerset-with-hostname-conflict-with-gateway-1#listener-set-1-listener Programmed=True
                ListenerSet listenerset-with-hostname-conflict-with-gateway-1#hostname-conflict-with-gateway-listener Accepted=False/HostnameConflict
                ListenerSet listenerset-with-hostname-conflict-with-gateway-1#hostname-conflict-with-gateway-listener Programmed=False/HostnameConflict
                ListenerSet listenerset-with-hostname-conflict-with-gateway-1#hostname-conflict-with-gateway-listener Conflicted=True/HostnameConflict
                ListenerSet listenerset-with-hostname-conflict-with-gateway-2 Accepted=False/ListenersNotValid
                ListenerSet listenerset-with-hostname-conflict-with-gateway-2 Programmed=False/ListenersNotValid
                ListenerSet listenerset-with-hostname-conflict-with-gateway-2#hostname-conflict-with-gateway-listener Accepted=False/HostnameConflict
                ListenerSet listenerset-with-hostname-conflict-with-gateway-2#hostname-conflict-with-gateway-listener Programmed=False/HostnameConflict
                ListenerSet listenerset-with-hostname-conflict-with-gateway-2#hostname-conflict-with-gateway-listener Conflicted=True/HostnameConflict
                ListenerSet listenerset-with-hostname-conflict-with-listener-set-1 Accepted=True
                ListenerSet listenerset-with-hostname-conflict-with-listener-set-1 Programmed=True/Programmed
                ListenerSet listenerset-with-hostname-conflict-with-listener-set-1#listener-set-2-listener Programmed=True
                ListenerSet listenerset-with-hostname-conflict-with-listener-set-1#hostname-conflict-with-listener-set-listener Accepted=False/HostnameConflict
                ListenerSet listenerset-with-hostname-conflict-with-listener-set-1#hostname-conflict-with-listener-set-listener Programmed=False/HostnameConflict
                ListenerSet listenerset-with-hostname-conflict-with-listener-set-1#hostname-conflict-with-listener-set-listener Conflicted=True/HostnameConflict
                ListenerSet listenerset-with-hostname-conflict-with-listener-set-2 Accepted=False/ListenersNotValid
                ListenerSet listenerset-with-hostname-conflict-with-listener-set-2 Programmed=False/ListenersNotValid
                ListenerSet listenerset-with-hostname-conflict-with-listener-set-2#hostname-conflict-with-listener-set-listener Accepted=False/HostnameConflict
                ListenerSet listenerset-with-hostname-conflict-with-listener-set-2#hostname-conflict-with-listener-set-listener Programmed=False/HostnameConflict
                ListenerSet listenerset-with-hostname-conflict-with-listener-set-2#hostname-conflict-with-listener-set-listener Conflicted=True/HostnameConflict
                ListenerSet listenerset-with-hostname-conflict-with-gateway-1#hostname-conflict-with-listener-set-listener Programmed=True",
        ),
        http_as_tls(
            "listenerset-protocol-conflict",
            "
                Gateway gateway-with-listenerset-protocol-conflict Accepted=True
                Gateway gateway-with-listenerset-protocol-conflict sets=2
                Gateway gateway-with-listenerset-protocol-conflict#gateway-listener Programmed=True
                Gateway gateway-with-listenerset-protocol-conflict#protocol-conflict-with-gateway-listener Programmed=True
                ListenerSet listenerset-with-protocol-conflict-with-gateway-1 Accepted=True
                ListenerSet listenerset-with-protocol-conflict-with-gateway-1 Programmed=True/Programmed
                ListenerSet listenerset-with-protocol-conflict-with-gateway-1#listener-set-1-listener Programmed=True
                ListenerSet listenerset-with-protocol-conflict-with-gateway-1#protocol-conflict-with-gateway-listener Accepted=False/ProtocolConflict
                ListenerSet listenerset-with-protocol-conflict-with-gateway-1#protocol-conflict-with-gateway-listener Programmed=False/ProtocolConflict
                ListenerSet listenerset-with-protocol-conflict-with-gateway-1#protocol-conflict-with-gateway-listener Conflicted=True/ProtocolConflict
                ListenerSet listenerset-with-protocol-conflict-with-gateway-2 Accepted=False/ListenersNotValid
                ListenerSet listenerset-with-protocol-conflict-with-gateway-2 Programmed=False/ListenersNotValid
                ListenerSet listenerset-with-protocol-conflict-with-gateway-2#protocol-conflict-with-gateway-listener Accepted=False/ProtocolConflict
                ListenerSet listenerset-with-protocol-conflict-with-gateway-2#protocol-conflict-with-gateway-listener Programmed=False/ProtocolConflict
                ListenerSet listenerset-with-protocol-conflict-with-gateway-2#protocol-conflict-with-gateway-listener Conflicted=True/ProtocolConflict
                ListenerSet listenerset-with-protocol-conflict-with-listener-set-1 Accepted=True
                ListenerSet listenerset-with-protocol-conflict-with-listener-set-1 Programmed=True/Programmed
                ListenerSet listenerset-with-protocol-conflict-with-listener-set-1#listener-set-2-listener Programmed=True
                ListenerSet listenerset-with-protocol-conflict-with-listener-set-1#protocol-conflict-with-listener-set-listener Accepted=False/ProtocolConflict
                ListenerSet listenerset-with-protocol-conflict-with-listener-set-1#protocol-conflict-with-listener-set-listener Programmed=False/ProtocolConflict
                ListenerSet listenerset-with-protocol-conflict-with-listener-set-1#protocol-conflict-with-listener-set-listener Conflicted=True/ProtocolConflict
                ListenerSet listenerset-with-protocol-conflict-with-listener-set-2 Accepted=False/ListenersNotValid
                ListenerSet listenerset-with-protocol-conflict-with-listener-set-2 Programmed=False/ListenersNotValid
                ListenerSet listenerset-with-protocol-conflict-with-listener-set-2#protocol-conflict-with-listener-set-listener Accepted=False/ProtocolConflict
                ListenerSet listenerset-with-protocol-conflict-with-listener-set-2#protocol-conflict-with-listener-set-listener Programmed=False/ProtocolConflict
                ListenerSet listenerset-with-protocol-conflict-with-listener-set-2#protocol-conflict-with-listener-set-listener Conflicted=True/ProtocolConflict
                ListenerSet listenerset-with-protocol-conflict-with-gateway-1#protocol-conflict-with-listener-set-listener Programmed=True",
        ),
        http_as_tls(
            "listenerset-reference-grant",
            "
                Gateway gateway-with-listener-sets-test-reference-grant Accepted=True
                ListenerSet listenerset-with-reference-grant Accepted=True
                ListenerSet listenerset-with-reference-grant Programmed=True
                ListenerSet listenerset-with-reference-grant#listenerset-with-reference-grant-listener ResolvedRefs=True
                ListenerSet gateway-api-listener-sets-test-reference-grant-ns/listenerset-without-reference-grant Accepted=False/ListenersNotValid
                ListenerSet gateway-api-listener-sets-test-reference-grant-ns/listenerset-without-reference-grant Programmed=False/ListenersNotValid
                ListenerSet gateway-api-listener-sets-test-reference-grant-ns/listenerset-without-reference-grant#listenerset-without-reference-grant-listener ResolvedRefs=False/RefNotPermitted",
        ),
        http_as_tls(
            "gateway-secret-missing-reference-grant",
            "
                Gateway gateway-secret-missing-reference-grant#https ResolvedRefs=False/RefNotPermitted",
        ),
        Case {
            only: "v1.7",
            http_as_tls: true,
            ..case(
                "gateway-secret-missing-reference-grant",
                "
                Gateway gateway-secret-missing-reference-grant#https-nonexistent-secret ResolvedRefs=False/RefNotPermitted",
            )
        },
        http_as_tls(
            "gateway-secret-invalid-reference-grant",
            "
                Gateway gateway-secret-invalid-reference-grant#https ResolvedRefs=False/RefNotPermitted",
        ),
        http_as_tls(
            "gateway-secret-reference-grant-specific",
            "
                Gateway gateway-secret-reference-grant-specific#https ResolvedRefs=True/ResolvedRefs
                Gateway gateway-secret-reference-grant-specific#https Programmed=True/Programmed",
        ),
        http_as_tls(
            "gateway-secret-reference-grant-all-in-namespace",
            "
                Gateway gateway-secret-reference-grant-all-in-namespace#https ResolvedRefs=True/ResolvedRefs
                Gateway gateway-secret-reference-grant-all-in-namespace#https Programmed=True/Programmed",
        ),
        http_as_tls(
            "gateway-invalid-tls-configuration",
            "
                Gateway gateway-certificate-nonexistent-secret#https ResolvedRefs=False/InvalidCertificateRef
                Gateway gateway-certificate-unsupported-group#https ResolvedRefs=False/InvalidCertificateRef
                Gateway gateway-certificate-unsupported-kind#https ResolvedRefs=False/InvalidCertificateRef
                Gateway gateway-certificate-malformed-secret#https ResolvedRefs=False/InvalidCertificateRef",
        ),
        http_as_tls(
            "gateway-invalid-listeners-unsupported-protocol",
            "
                Gateway gateway-only-unsupported-protocols Accepted=False/ListenersNotValid
                Gateway gateway-only-unsupported-protocols#invalid Accepted=False/UnsupportedProtocol
                Gateway gateway-only-unsupported-protocols#invalid kinds=
                Gateway gateway-supported-and-unsupported-protocols Accepted=True/ListenersNotValid
                Gateway gateway-supported-and-unsupported-protocols#invalid Accepted=False/UnsupportedProtocol
                Gateway gateway-supported-and-unsupported-protocols#http Accepted=True/Accepted
                Gateway gateway-supported-and-unsupported-protocols Programmed=True",
        ),
        http_as_tls(
            "gateway-invalid-route-kind",
            "
                Gateway gateway-only-invalid-route-kind#http ResolvedRefs=False/InvalidRouteKinds
                Gateway gateway-only-invalid-route-kind#http kinds=
                Gateway gateway-supported-and-invalid-route-kind#http ResolvedRefs=False/InvalidRouteKinds
                Gateway gateway-supported-and-invalid-route-kind#http kinds=TLSRoute",
        ),
        http_as_tls(
            "gateway-optional-address-value",
            "
                Gateway gateway-without-address-value Programmed=True",
        ),
    ]
}
