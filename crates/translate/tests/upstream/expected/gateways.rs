//! What the suite's tests of Gateway and ListenerSet expect.

use super::{Case, case, http_as_tls};

pub(crate) fn cases() -> Vec<Case> {
    vec![
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
