//! What the suite's tests of TCPRoute expect.

use super::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
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
    ]
}
