//! How connections and flows end: the closed lists that are metric label and access-log field at
//! once. Decides names only; knows neither metrics nor log.

/// Declares an enum whose variants have one fixed label each.
macro_rules! labels {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum $name { $($(#[$doc])* $variant,)+ }

        #[allow(dead_code, reason = "not every list is walked and counted by position")]
        impl $name {
            /// Every value, in the order of [`Self::index`].
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The label in metrics and log.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// Position in [`Self::ALL`].
            pub(crate) fn index(self) -> usize {
                self as usize
            }
        }
    };
}

labels! {
    /// Why a connection ended before it had a backend.
    Refusal {
        /// `Limits::connections` of the socket is reached.
        ListenerLimit = "listener_limit",
        /// Ended without one client byte on a port that waits for the client to speak.
        Probe = "probe",
        /// The ClientHello, or the head of a request, was not whole at the deadline.
        HelloTimeout = "hello_timeout",
        /// Not TLS, malformed, too long, or a name outside the alphabet.
        NotTls = "not_tls",
        /// A well-formed ClientHello without server name, and no listener that takes it.
        NoSni = "no_sni",
        /// No listener or no route for the server name.
        SniUnmatched = "sni_unmatched",
        /// The head of a request was malformed, ambiguous, too long, or asks for what is not served.
        BadRequest = "bad_request",
        /// No listener or no route for the host and path of a request.
        NoRoute = "no_route",
        /// The TLS handshake failed, was too slow, or found no free slot.
        Handshake = "handshake",
        /// No route, all weights 0, or the share of an invalid backend.
        NoBackend = "no_backend",
        /// The backend has no ready endpoint.
        NoEndpoint = "no_endpoint",
        /// Every endpoint tried refused, reset or could not be reached.
        ConnectFailed = "connect_failed",
        /// The last endpoint tried did not answer in time.
        ConnectTimeout = "connect_timeout",
        /// No file descriptor left for it.
        FdBudget = "fd_budget",
        /// The memory limit is near.
        MemoryBudget = "memory_budget",
        /// The process ended while it was being decided.
        Draining = "draining",
    }
}

impl Refusal {
    /// Whether this is a limit doing its work, of which one line a second is enough to know.
    pub(crate) fn is_limit(self) -> bool {
        matches!(self, Self::ListenerLimit | Self::FdBudget | Self::MemoryBudget | Self::Draining)
    }
}

labels! {
    /// Who ended a connection or flow.
    By {
        /// The client.
        Client = "client",
        /// The backend.
        Backend = "backend",
        /// This proxy.
        Tidegate = "tidegate",
    }
}

labels! {
    /// Why a relayed connection ended; exactly one for each opened.
    CloseReason {
        /// Both sides finished; the client first.
        ClientClosed = "client_closed",
        /// Both sides finished; the backend first.
        BackendClosed = "backend_closed",
        /// The client reset.
        ClientReset = "client_reset",
        /// The backend reset.
        BackendReset = "backend_reset",
        /// No byte either way for the idle timeout.
        Idle = "idle",
        /// One direction stayed open too long after the other was shut down.
        HalfCloseTimeout = "half_close_timeout",
        /// The endpoint left and its drain time is over.
        BackendRemoved = "backend_removed",
        /// The listener was removed or the process drains, and the time is over.
        Drained = "drained",
        /// The process was told to end at once, or the connection's task died.
        Forced = "forced",
        /// Any other error of a socket, keepalive and user timeout among them.
        IoError = "io_error",
    }
}

/// How a relayed connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    /// Who ended it.
    pub(crate) by: By,
    /// Why.
    pub(crate) reason: CloseReason,
}

/// One of the two peers of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The peer that connected to us.
    Client,
    /// The peer we connected to.
    Backend,
}

impl Close {
    /// An end this proxy decided.
    pub(crate) fn ours(reason: CloseReason) -> Self {
        Self { by: By::Tidegate, reason }
    }

    /// An orderly end; `first` is the side that finished first.
    pub(crate) fn finished(first: Side) -> Self {
        match first {
            Side::Client => Self { by: By::Client, reason: CloseReason::ClientClosed },
            Side::Backend => Self { by: By::Backend, reason: CloseReason::BackendClosed },
        }
    }

    /// The end that `error` on the socket of `side` means.
    pub(crate) fn failed(side: Side, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        let reset = matches!(error.kind(), ConnectionReset | BrokenPipe | ConnectionAborted);
        let (by, reset_reason) = match side {
            Side::Client => (By::Client, CloseReason::ClientReset),
            Side::Backend => (By::Backend, CloseReason::BackendReset),
        };
        Self { by, reason: if reset { reset_reason } else { CloseReason::IoError } }
    }

    /// Whether the end is a failure in the sense of the access log's `error.type`: resets,
    /// timeouts and errors; not idle, drain or an orderly end.
    pub(crate) fn is_failure(self) -> bool {
        matches!(
            self.reason,
            CloseReason::ClientReset
                | CloseReason::BackendReset
                | CloseReason::HalfCloseTimeout
                | CloseReason::IoError
        )
    }
}

labels! {
    /// What became of one attempt to connect to an endpoint.
    Attempt {
        /// Connected; with backend TLS, the handshake is done too.
        Ok = "ok",
        /// Connection refused.
        Refused = "refused",
        /// No answer within the connect timeout.
        Timeout = "timeout",
        /// No route to it, or any other error of the network.
        Unreachable = "unreachable",
        /// Reset while connecting.
        Reset = "reset",
        /// The TLS handshake with it failed.
        Tls = "tls",
        /// No local port left towards it.
        PortExhausted = "port_exhausted",
    }
}

impl Attempt {
    /// What `error` of a connect means.
    pub(crate) fn from_error(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::TimedOut => Self::Timeout,
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Self::Reset,
            ErrorKind::AddrNotAvailable => Self::PortExhausted,
            _ => Self::Unreachable,
        }
    }
}

labels! {
    /// Why a UDP flow ended.
    FlowClose {
        /// No datagram either way for the idle time.
        Idle = "idle",
        /// Its endpoint left.
        BackendRemoved = "backend_removed",
        /// The backend answered with an ICMP error.
        IcmpUnreachable = "icmp_unreachable",
        /// The listener was removed or the process drains.
        Drained = "drained",
        /// It made room for another flow.
        Limit = "limit",
    }
}

labels! {
    /// Which way a datagram went.
    Direction {
        /// Sent by a client.
        FromClient = "from_client",
        /// Sent by a backend.
        ToClient = "to_client",
    }
}

labels! {
    /// Why a datagram was dropped.
    DropReason {
        /// No room for a new flow.
        FlowLimit = "flow_limit",
        /// No route, an invalid backend's share, or no ready endpoint.
        NoEndpoint = "no_endpoint",
        /// Larger than can be sent on.
        TooLarge = "too_large",
        /// The socket to send on had no room.
        SendBuffer = "send_buffer",
        /// The socket they came by had no room; the kernel counts these.
        ReceiveBuffer = "receive_buffer",
        /// The network did not take it.
        Unreachable = "unreachable",
        /// Longer than what could be received.
        Truncated = "truncated",
    }
}

labels! {
    /// Which end of a TLS session we were.
    TlsSide {
        /// Towards a client.
        Client = "client",
        /// Towards a backend.
        Backend = "backend",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    #[test]
    fn an_error_names_the_side_it_came_from() {
        let reset = Error::from(ErrorKind::ConnectionReset);
        let pipe = Error::from(ErrorKind::BrokenPipe);
        let late = Error::from(ErrorKind::TimedOut);
        let cases = [
            (Side::Client, &reset, By::Client, CloseReason::ClientReset),
            (Side::Client, &pipe, By::Client, CloseReason::ClientReset),
            (Side::Backend, &reset, By::Backend, CloseReason::BackendReset),
            (Side::Backend, &late, By::Backend, CloseReason::IoError),
        ];
        for (side, error, by, reason) in cases {
            assert_eq!(Close::failed(side, error), Close { by, reason });
        }
    }

    #[test]
    fn labels_are_distinct_and_indexed_in_order() {
        let labels: std::collections::BTreeSet<_> =
            Refusal::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(labels.len(), Refusal::ALL.len());
        assert!(Refusal::ALL.iter().enumerate().all(|(i, reason)| reason.index() == i));
    }
}
