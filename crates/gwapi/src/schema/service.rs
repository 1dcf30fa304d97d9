//! Service. Spec: core/v1.

use super::patterns::LABEL;
use super::refs::port;
use super::{
    Schema, boolean, core_rules, int_or_text, int32, list, map, metadata, object, one_of, optional,
    required, resource, text,
};

pub(super) fn schema() -> Schema {
    resource(metadata::namespaced(metadata::label_name()), [optional("spec", spec())])
}

fn spec() -> Schema {
    let client_ip = object([optional("timeoutSeconds", int32().range(1..=86_400))]);
    let affinity = object([optional("clientIP", client_ip)]);
    let policy = || one_of(&["Cluster", "Local"]);
    object([
        optional(
            "type",
            one_of(&["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]).default("ClusterIP"),
        ),
        optional("ports", list(service_port())),
        optional("selector", map(text())),
        optional("clusterIP", text()),
        optional("clusterIPs", list(text())),
        optional("externalIPs", list(text())),
        optional("externalName", text()),
        optional("externalTrafficPolicy", policy()),
        optional("internalTrafficPolicy", policy()),
        optional("healthCheckNodePort", int32()),
        optional("ipFamilies", list(one_of(&["IPv4", "IPv6"]))),
        optional("ipFamilyPolicy", one_of(&["SingleStack", "PreferDualStack", "RequireDualStack"])),
        optional("allocateLoadBalancerNodePorts", boolean()),
        optional("loadBalancerClass", text()),
        optional("loadBalancerIP", text()),
        optional("loadBalancerSourceRanges", list(text())),
        optional("publishNotReadyAddresses", boolean()),
        optional("sessionAffinity", one_of(&["None", "ClientIP"]).default("None")),
        optional("sessionAffinityConfig", affinity),
        optional("trafficDistribution", text()),
    ])
    .rule(core_rules::service_has_ports)
    .rule(core_rules::service_ports_are_unique)
    .rule(core_rules::external_name_is_one)
}

fn service_port() -> Schema {
    object([
        optional("name", text().length(1..=63).matching(&LABEL)),
        required("port", port()),
        optional("protocol", one_of(&["TCP", "UDP", "SCTP"]).default("TCP")),
        optional("targetPort", int_or_text()),
        optional("nodePort", int32().range(0..=65535)),
        optional("appProtocol", text()),
    ])
}
