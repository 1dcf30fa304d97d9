//! A socket to listen on, and what becomes of what arrives there.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::Serialize;

use crate::{
    ClientAuth, HttpTable, Limits, ListenerName, Route, ServerName, SniTable, Timeouts, TlsServer,
};

/// A port number that can be listened on: 1 to 65535.
pub type Port = std::num::NonZeroU16;

/// The transport protocol of a socket. TCP and UDP ports of one number are distinct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// A byte stream (RFC 9293).
    Tcp,
    /// Datagrams (RFC 768).
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// What makes a socket the same socket across snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BindKey {
    /// TCP or UDP.
    pub transport: Transport,
    /// The local port.
    pub port: Port,
    /// The local address. `0.0.0.0` is every IPv4 address, `::` every IPv6 address and no IPv4.
    pub address: IpAddr,
}

impl BindKey {
    /// The address to bind.
    pub fn socket_addr(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port.get())
    }
}

impl fmt::Display for BindKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.transport, self.socket_addr())
    }
}

/// What to do at one socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bind {
    /// How a connection or flow finds its route.
    pub app: App,
    /// Deadlines of everything accepted here.
    pub timeouts: Timeouts,
    /// How much may be held here.
    pub limits: Limits,
}

/// How a connection or flow finds its route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum App {
    /// Every connection takes the one route.
    Tcp(TcpApp),
    /// The server name of the ClientHello decides.
    Tls(TlsApp),
    /// Every flow takes the one route.
    Udp(UdpApp),
    /// The request decides.
    Http(HttpApp),
}

/// A TCP port with at most one route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TcpApp {
    /// The listener of this port.
    pub listener: Arc<ListenerName>,
    /// Where connections go; `None` resets each of them, so that a route can attach without a gap.
    pub route: Option<Arc<Route>>,
}

/// A UDP port with at most one route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UdpApp {
    /// The listener of this port.
    pub listener: Arc<ListenerName>,
    /// Where flows go; `None` drops every datagram in silence.
    pub route: Option<Arc<Route>>,
}

/// A port whose connections begin with a TLS ClientHello. One or more listeners share it, told
/// apart by server name; each may pass TLS through or terminate it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TlsApp {
    /// Listeners by hostname: exact, then the longest wildcard, then the one without hostname.
    pub listeners: SniTable<Arc<TlsListener>>,
}

/// A port of which every connection carries one HTTP/1.1 request. One or more listeners share it,
/// told apart by the host of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HttpApp {
    /// Listeners by hostname: exact, then the longest wildcard, then the one without hostname.
    pub listeners: SniTable<Arc<HttpListener>>,
}

/// One listener of an HTTP port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpListener {
    /// Its name, for logs and metrics.
    pub name: Arc<ListenerName>,
    /// Routes by host and path. A request that finds none is answered with 404, without falling
    /// through to a less specific listener.
    pub routes: HttpTable<Arc<Route>>,
}

/// One listener of a TLS port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TlsListener {
    /// Its name, for logs and metrics.
    pub name: Arc<ListenerName>,
    /// What happens to the TLS session.
    pub mode: TlsMode,
    /// Where connections go.
    pub routes: TlsRoutes,
}

/// How a connection of a TLS listener finds its route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsRoutes {
    /// By the server name, already cut to those the listener admits. The entry without hostname is
    /// the TCPRoute fallback of a terminating listener; it also takes clients without SNI.
    Names(SniTable<Arc<Route>>),
    /// HTTPS: by host and path of the one request that follows the handshake. Only where TLS ends.
    Requests(HttpTable<Arc<Route>>),
}

impl Default for TlsRoutes {
    fn default() -> Self {
        Self::Names(SniTable::default())
    }
}

impl TlsRoutes {
    /// Every route, once for each place that names it.
    pub fn values(&self) -> Vec<&Arc<Route>> {
        match self {
            Self::Names(routes) => routes.values().collect(),
            Self::Requests(routes) => routes.values().collect(),
        }
    }
}

/// What happens to a TLS session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Bytes are relayed as they are, the ClientHello included.
    Passthrough,
    /// TLS ends here.
    Terminate(Arc<TlsServer>),
}

/// What one lookup of a server name decides: listener, TLS settings and route together, so that
/// no second lookup can disagree with the first.
#[derive(Clone, Copy, Debug)]
pub struct TlsMatch<'a> {
    /// The listener that takes the connection.
    pub listener: &'a Arc<TlsListener>,
    /// Its route for this name; `None` closes the connection without falling through to a less
    /// specific listener, unless a request is to decide.
    pub route: Option<&'a Arc<Route>>,
}

impl TlsApp {
    /// Finds listener and route for the server name of a ClientHello; `None` for a well-formed
    /// hello without one. A `None` answer closes the connection.
    pub fn lookup(&self, name: Option<&ServerName>) -> Option<TlsMatch<'_>> {
        let listener = self.listeners.lookup(name)?;
        let route = match &listener.routes {
            TlsRoutes::Names(routes) => routes.lookup(name),
            TlsRoutes::Requests(_) => None,
        };
        Some(TlsMatch { listener, route })
    }
}

impl TlsListener {
    /// Whether this listener can ask clients for a certificate.
    pub fn client_auth(&self) -> Option<&ClientAuth> {
        match &self.mode {
            TlsMode::Passthrough => None,
            TlsMode::Terminate(server) => Some(&server.client_auth),
        }
    }
}

impl Bind {
    /// The names of the listeners that share this socket, in order.
    pub fn listeners(&self) -> Vec<&Arc<ListenerName>> {
        match &self.app {
            App::Tcp(app) => vec![&app.listener],
            App::Udp(app) => vec![&app.listener],
            App::Tls(app) => app.listeners.values().map(|listener| &listener.name).collect(),
            App::Http(app) => app.listeners.values().map(|listener| &listener.name).collect(),
        }
    }

    /// Every route that can be taken here, once for each place that names it.
    pub fn routes(&self) -> Vec<&Arc<Route>> {
        match &self.app {
            App::Tcp(app) => app.route.iter().collect(),
            App::Udp(app) => app.route.iter().collect(),
            App::Tls(app) => {
                app.listeners.values().flat_map(|listener| listener.routes.values()).collect()
            }
            App::Http(app) => {
                app.listeners.values().flat_map(|listener| listener.routes.values()).collect()
            }
        }
    }
}
