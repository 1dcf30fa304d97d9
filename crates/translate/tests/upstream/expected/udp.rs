//! What the suite's tests of UDPRoute expect.

use super::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    vec![
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
    ]
}
