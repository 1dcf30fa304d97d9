//! The fields by which objects refer to each other, shared by every kind.

use super::patterns::{GROUP, KIND, LABEL, SUBDOMAIN};
use super::{Schema, int32, object, optional, required, text};

pub(super) fn group() -> Schema {
    text().at_most(253).matching(&GROUP)
}

pub(super) fn kind() -> Schema {
    text().length(1..=63).matching(&KIND)
}

pub(super) fn object_name() -> Schema {
    text().length(1..=253)
}

pub(super) fn namespace() -> Schema {
    text().length(1..=63).matching(&LABEL)
}

pub(super) fn section_name() -> Schema {
    text().length(1..=253).matching(&SUBDOMAIN)
}

pub(super) fn port() -> Schema {
    int32().range(1..=65535)
}

/// Spec: `SecretObjectReference` (`apis/v1/object_reference_types.go`).
pub(super) fn secret_ref() -> Schema {
    object([
        optional("group", group().default("")),
        optional("kind", kind().default("Secret")),
        required("name", object_name()),
        optional("namespace", namespace()),
    ])
}

/// Spec: `ObjectReference`. Unlike in most references, group and kind have no default.
pub(super) fn object_ref() -> Schema {
    object([
        required("group", group()),
        required("kind", kind()),
        required("name", object_name()),
        optional("namespace", namespace()),
    ])
}

/// Spec: `LocalObjectReference`, `LocalParametersReference`.
pub(super) fn local_ref() -> Schema {
    object([required("group", group()), required("kind", kind()), required("name", object_name())])
}

/// Spec: `ParentReference` (routes) without what only routes have, `ParentGatewayReference`.
pub(super) fn parent_ref_fields() -> [super::Field; 4] {
    [
        optional("group", group().default(crate::GATEWAY_GROUP)),
        optional("kind", kind().default("Gateway")),
        required("name", object_name()),
        optional("namespace", namespace()),
    ]
}
