//! What the suite's tests of TLSRoute and BackendTLSPolicy expect.

use super::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    vec![
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
    ]
}
