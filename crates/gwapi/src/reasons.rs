//! The types and reasons of every condition that is written, as closed sets.
//!
//! A reason is also the heading under which the troubleshooting page explains it, so the page can
//! be compared with [`Reason::ALL`].

use std::fmt;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $text:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$word_doc])* $variant,)*
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word as it stands in a status.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// The type of a condition.
    ConditionType {
        /// The object is valid and taken into account.
        Accepted = "Accepted",
        /// What it asks for is done by the data plane.
        Programmed = "Programmed",
        /// Everything it refers to exists and may be used.
        ResolvedRefs = "ResolvedRefs",
        /// A listener contradicts another one of the same port.
        Conflicted = "Conflicted",
        /// The hostname of a terminating listener overlaps that of another one of its port.
        OverlappingTlsConfig = "OverlappingTLSConfig",
        /// The addresses of a Gateway are bound.
        AddressesAssigned = "AddressesAssigned",
        /// Clients without a valid certificate are let in.
        InsecureFrontendValidationMode = "InsecureFrontendValidationMode",
        /// The version of the Gateway API CRDs is one that is supported.
        SupportedVersion = "SupportedVersion",
        /// Our own: what a route asks for goes to an older route. Present only when False.
        Effective = "tidegate.dev/Effective",
    }
}

words! {
    /// The reason of a condition.
    Reason {
        /// Accepted is True.
        Accepted = "Accepted",
        /// Programmed is True.
        Programmed = "Programmed",
        /// ResolvedRefs is True.
        ResolvedRefs = "ResolvedRefs",
        /// Conflicted is False.
        NoConflicts = "NoConflicts",
        /// SupportedVersion is True.
        SupportedVersion = "SupportedVersion",
        /// AddressesAssigned is True.
        AddressesAssigned = "AddressesAssigned",
        /// InsecureFrontendValidationMode is True.
        ConfigurationChanged = "ConfigurationChanged",
        /// The CRDs are of a version that is not known.
        UnsupportedVersion = "UnsupportedVersion",
        /// A `parametersRef` leads to nothing that can be used.
        InvalidParameters = "InvalidParameters",
        /// An address type that is not known.
        UnsupportedAddress = "UnsupportedAddress",
        /// Some or all listeners are unusable.
        ListenersNotValid = "ListenersNotValid",
        /// The references of some listeners are broken.
        ListenersNotResolved = "ListenersNotResolved",
        /// It cannot be programmed because of what other conditions say.
        Invalid = "Invalid",
        /// The data plane has not answered yet.
        Pending = "Pending",
        /// A requested address is not one that can be bound.
        AddressNotUsable = "AddressNotUsable",
        /// No address was assigned yet.
        AddressNotAssigned = "AddressNotAssigned",
        /// Some addresses are bound, others not.
        PartiallyAssigned = "PartiallyAssigned",
        /// No address is bound.
        NotAssigned = "NotAssigned",
        /// The Gateway's client certificate is missing or broken.
        InvalidClientCertificateRef = "InvalidClientCertificateRef",
        /// A protocol that is not served, or a backend port of the other transport.
        UnsupportedProtocol = "UnsupportedProtocol",
        /// A value of a field that is not supported.
        UnsupportedValue = "UnsupportedValue",
        /// The port is reserved or taken.
        PortUnavailable = "PortUnavailable",
        /// Two listeners of one port have the same hostname.
        HostnameConflict = "HostnameConflict",
        /// Two listeners of one port have protocols that cannot share it.
        ProtocolConflict = "ProtocolConflict",
        /// `allowedRoutes.kinds` has a kind that the protocol cannot carry.
        InvalidRouteKinds = "InvalidRouteKinds",
        /// A reference into another namespace without a ReferenceGrant there.
        RefNotPermitted = "RefNotPermitted",
        /// A certificate Secret is missing or broken.
        InvalidCertificateRef = "InvalidCertificateRef",
        /// A certificate authority is missing or broken.
        InvalidCaCertificateRef = "InvalidCACertificateRef",
        /// A certificate authority of a kind that is not supported.
        InvalidCaCertificateKind = "InvalidCACertificateKind",
        /// No certificate authority is left to validate against.
        NoValidCaCertificate = "NoValidCACertificate",
        /// Hostnames of terminating listeners overlap.
        OverlappingHostnames = "OverlappingHostnames",
        /// The Gateway does not select the ListenerSet.
        NotAllowed = "NotAllowed",
        /// The ListenerSet's Gateway is not accepted.
        ParentNotAccepted = "ParentNotAccepted",
        /// The ListenerSet's Gateway is not programmed.
        ParentNotProgrammed = "ParentNotProgrammed",
        /// No listener has the name and port that a parentRef asks for.
        NoMatchingParent = "NoMatchingParent",
        /// No listener admits the route's kind and namespace.
        NotAllowedByListeners = "NotAllowedByListeners",
        /// No listener shares a hostname with the route.
        NoMatchingListenerHostname = "NoMatchingListenerHostname",
        /// A reference to a kind that is not supported.
        InvalidKind = "InvalidKind",
        /// A Service or its port is missing.
        BackendNotFound = "BackendNotFound",
        /// An older route has what this one asks for.
        ListenerAlreadyClaimed = "ListenerAlreadyClaimed",
        /// An older or more specific policy has the target.
        Conflicted = "Conflicted",
        /// The target of a policy is missing.
        TargetNotFound = "TargetNotFound",
    }
}
