//! Deadlines and bounds of one socket, with the defaults that hold when no policy says otherwise.

use std::time::Duration;

use serde::Serialize;

/// Deadlines of the connections and flows of one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Timeouts {
    /// From accept until the ClientHello is whole. One absolute deadline; received bytes never
    /// extend it.
    pub hello: Duration,
    /// From accept until a terminated TLS handshake is done.
    pub handshake: Duration,
    /// For one attempt to connect to an endpoint.
    pub connect: Duration,
    /// A TCP connection without a byte either way ends after this; `None` never.
    pub idle: Option<Duration>,
    /// How long one direction may stay open after the other was shut down.
    pub half_close: Duration,
    /// A UDP flow without a datagram either way ends after this.
    pub udp_idle: Duration,
    /// How long connections live on after their listener is removed.
    pub drain: Duration,
    /// How long connections live on after their endpoint began to leave.
    pub backend_drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            connect: Duration::from_secs(5),
            idle: None,
            half_close: Duration::from_secs(3600),
            udp_idle: Duration::from_secs(60),
            drain: Duration::from_secs(300),
            backend_drain: Duration::from_secs(30),
        }
    }
}

impl Timeouts {
    /// The defaults of a UDP port: DNS is a question and an answer, so port 53 forgets a flow
    /// after 5 s.
    pub fn for_udp_port(port: u16) -> Self {
        let udp_idle = if port == 53 { Duration::from_secs(5) } else { Self::default().udp_idle };
        Self { udp_idle, ..Self::default() }
    }
}

/// Bounds of one socket beyond the process-wide budgets. `None` is no bound of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Connections open at once.
    pub connections: Option<u32>,
    /// UDP flows open at once.
    pub flows: Option<u32>,
}
