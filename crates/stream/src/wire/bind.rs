//! Binds: what to do at one socket.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use snapshot::{
    App, HttpApp, HttpTable, PathMatch, SniTable, TcpApp, TlsApp, TlsIdentity, TlsListener,
    TlsMode, TlsRoutes, UdpApp,
};

use super::pool::{self, Pool};
use super::route::{Listener, Route};
use super::tls::{Identity, Server};
use super::{Malformed, read_part, required};

/// What to do at one socket: the body of a bind's part.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Bind {
    #[prost(message, optional, tag = "1")]
    timeouts: Option<Timeouts>,
    #[prost(message, optional, tag = "2")]
    limits: Option<Limits>,
    /// Every route of the bind, named by place below.
    #[prost(message, repeated, tag = "3")]
    routes: Vec<Route>,
    /// Every certificate of the bind.
    #[prost(message, repeated, tag = "4")]
    identities: Vec<Identity>,
    /// Every set of TLS settings of the bind.
    #[prost(message, repeated, tag = "5")]
    servers: Vec<Server>,
    #[prost(oneof = "Apps", tags = "10, 11, 12, 13")]
    app: Option<Apps>,
}

/// How a connection or flow finds its route.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Apps {
    #[prost(message, tag = "10")]
    Tcp(Single),
    #[prost(message, tag = "11")]
    Udp(Single),
    #[prost(message, tag = "12")]
    Tls(Tls),
    #[prost(message, tag = "13")]
    Http(Http),
}

/// A port with at most one route.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Single {
    #[prost(message, optional, tag = "1")]
    listener: Option<Listener>,
    #[prost(uint32, optional, tag = "2")]
    route: Option<u32>,
}

/// A port whose connections begin with a ClientHello.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Tls {
    #[prost(message, repeated, tag = "1")]
    listeners: Vec<NamedListener>,
}

/// One listener of it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NamedListener {
    /// Absent is every hostname.
    #[prost(string, optional, tag = "1")]
    hostname: Option<String>,
    #[prost(message, optional, tag = "2")]
    name: Option<Listener>,
    #[prost(oneof = "Mode", tags = "3, 4, 6")]
    mode: Option<Mode>,
    /// Unless requests decide.
    #[prost(message, repeated, tag = "5")]
    routes: Vec<NamedRoute>,
    /// Where requests decide.
    #[prost(message, repeated, tag = "7")]
    requests: Vec<RequestRoute>,
}

/// What happens to the TLS session.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Mode {
    #[prost(bool, tag = "3")]
    Passthrough(bool),
    /// The place of the settings.
    #[prost(uint32, tag = "4")]
    Terminate(u32),
    /// The same, and requests decide.
    #[prost(uint32, tag = "6")]
    Requests(u32),
}

/// A route under a hostname.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NamedRoute {
    #[prost(string, optional, tag = "1")]
    hostname: Option<String>,
    #[prost(uint32, tag = "2")]
    route: u32,
}

/// A port whose connections carry one request each.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Http {
    #[prost(message, repeated, tag = "1")]
    listeners: Vec<HttpListener>,
}

/// One listener of it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HttpListener {
    /// Absent is every host.
    #[prost(string, optional, tag = "1")]
    hostname: Option<String>,
    #[prost(message, optional, tag = "2")]
    name: Option<Listener>,
    #[prost(message, repeated, tag = "3")]
    requests: Vec<RequestRoute>,
}

/// A route under a host and a path.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RequestRoute {
    /// Absent is every host.
    #[prost(string, optional, tag = "1")]
    host: Option<String>,
    #[prost(uint32, tag = "2")]
    route: u32,
    #[prost(oneof = "Path", tags = "3, 4")]
    path: Option<Path>,
}

/// What a path must be like.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Path {
    #[prost(string, tag = "3")]
    Exact(String),
    #[prost(string, tag = "4")]
    Prefix(String),
}

/// Deadlines.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Timeouts {
    #[prost(message, optional, tag = "1")]
    hello: Option<Span>,
    #[prost(message, optional, tag = "2")]
    handshake: Option<Span>,
    #[prost(message, optional, tag = "3")]
    connect: Option<Span>,
    /// Absent is never.
    #[prost(message, optional, tag = "4")]
    idle: Option<Span>,
    #[prost(message, optional, tag = "5")]
    half_close: Option<Span>,
    #[prost(message, optional, tag = "6")]
    udp_idle: Option<Span>,
    #[prost(message, optional, tag = "7")]
    drain: Option<Span>,
    #[prost(message, optional, tag = "8")]
    backend_drain: Option<Span>,
}

/// A length of time.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Span {
    #[prost(uint64, tag = "1")]
    seconds: u64,
    #[prost(uint32, tag = "2")]
    nanos: u32,
}

/// Bounds; absent is none.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Limits {
    #[prost(uint32, optional, tag = "1")]
    connections: Option<u32>,
    #[prost(uint32, optional, tag = "2")]
    flows: Option<u32>,
}

/// The oldest schema that can say all of `bind`. What an older reader may overlook does not count.
pub(crate) fn schema(bind: &snapshot::Bind) -> u32 {
    match &bind.app {
        App::Tcp(_) | App::Udp(_) | App::Tls(_) | App::Http(_) => 1,
    }
}

/// The lists of a bind while it is written.
#[derive(Default)]
struct Lists {
    routes: Pool<Route>,
    identities: Pool<Identity>,
    servers: Pool<Server>,
}

/// The lists of a bind while it is read.
struct Read {
    routes: Vec<Arc<snapshot::Route>>,
    servers: Vec<Arc<snapshot::TlsServer>>,
}

/// The body of its part.
pub(crate) fn write(bind: &snapshot::Bind) -> Vec<u8> {
    let mut lists = Lists::default();
    let app = match &bind.app {
        App::Tcp(app) => Apps::Tcp(lists.single(&app.listener, app.route.as_ref())),
        App::Udp(app) => Apps::Udp(lists.single(&app.listener, app.route.as_ref())),
        App::Tls(app) => Apps::Tls(lists.tls(app)),
        App::Http(app) => Apps::Http(lists.http(app)),
    };
    let message = Bind {
        timeouts: Some(Timeouts::of(&bind.timeouts)),
        limits: Some(Limits { connections: bind.limits.connections, flows: bind.limits.flows }),
        routes: lists.routes.into_values(),
        identities: lists.identities.into_values(),
        servers: lists.servers.into_values(),
        app: Some(app),
    };
    message.encode_to_vec()
}

/// Reads the body of a part.
pub(crate) fn read(body: &[u8]) -> Result<snapshot::Bind, Malformed> {
    let message: Bind = read_part(body)?;
    let identities: Vec<Arc<TlsIdentity>> = pool::read(message.identities, Identity::read)?;
    let lists = Read {
        routes: pool::read(message.routes, Route::read)?,
        servers: pool::read(message.servers, |server| server.read(&identities))?,
    };
    let app = match required(message.app, "bind.app")? {
        Apps::Tcp(app) => {
            let (listener, route) = lists.single(app)?;
            App::Tcp(TcpApp { listener, route })
        }
        Apps::Udp(app) => {
            let (listener, route) = lists.single(app)?;
            App::Udp(UdpApp { listener, route })
        }
        Apps::Tls(app) => App::Tls(lists.tls(app)?),
        Apps::Http(app) => App::Http(lists.http(app)?),
    };
    let limits = required(message.limits, "bind.limits")?;
    Ok(snapshot::Bind {
        app,
        timeouts: required(message.timeouts, "bind.timeouts")?.read()?,
        limits: snapshot::Limits { connections: limits.connections, flows: limits.flows },
    })
}

impl Lists {
    fn single(
        &mut self,
        listener: &snapshot::ListenerName,
        route: Option<&Arc<snapshot::Route>>,
    ) -> Single {
        Single {
            listener: Some(Listener::of(listener)),
            route: route.map(|route| self.routes.place(Route::of(route))),
        }
    }

    fn tls(&mut self, app: &TlsApp) -> Tls {
        let listeners = app.listeners.entries();
        Tls { listeners: listeners.map(|(name, listener)| self.listener(name, listener)).collect() }
    }

    fn listener(&mut self, hostname: Option<String>, listener: &TlsListener) -> NamedListener {
        let server = match &listener.mode {
            TlsMode::Passthrough => None,
            TlsMode::Terminate(server) => {
                Some(self.servers.place(Server::of(server, &mut self.identities)))
            }
        };
        let mut route = |(hostname, route): (Option<String>, &Arc<snapshot::Route>)| NamedRoute {
            hostname,
            route: self.routes.place(Route::of(route)),
        };
        let (routes, requests) = match &listener.routes {
            TlsRoutes::Names(routes) => (routes.entries().map(&mut route).collect(), Vec::new()),
            TlsRoutes::Requests(routes) => (Vec::new(), self.requests(routes)),
        };
        let mode = match (server, &listener.routes) {
            (None, _) => Mode::Passthrough(true),
            (Some(server), TlsRoutes::Names(_)) => Mode::Terminate(server),
            (Some(server), TlsRoutes::Requests(_)) => Mode::Requests(server),
        };
        let name = Some(Listener::of(&listener.name));
        NamedListener { hostname, name, mode: Some(mode), routes, requests }
    }

    fn http(&mut self, app: &HttpApp) -> Http {
        let listeners = app.listeners.entries().map(|(hostname, listener)| HttpListener {
            hostname,
            name: Some(Listener::of(&listener.name)),
            requests: self.requests(&listener.routes),
        });
        Http { listeners: listeners.collect() }
    }

    fn requests(&mut self, routes: &HttpTable<Arc<snapshot::Route>>) -> Vec<RequestRoute> {
        let request = |(host, path, route): (_, _, &Arc<snapshot::Route>)| RequestRoute {
            host,
            route: self.routes.place(Route::of(route)),
            path: Some(match path {
                PathMatch::Exact(path) => Path::Exact(path.into()),
                PathMatch::Prefix(path) => Path::Prefix(path.into()),
            }),
        };
        routes.entries().map(request).collect()
    }
}

impl Read {
    fn single(
        &self,
        app: Single,
    ) -> Result<(Arc<snapshot::ListenerName>, Option<Arc<snapshot::Route>>), Malformed> {
        let listener = required(app.listener, "bind.listener")?.read();
        let route = app.route.map(|place| pool::at(&self.routes, place, "bind.route"));
        Ok((listener, route.transpose()?))
    }

    fn tls(&self, app: Tls) -> Result<TlsApp, Malformed> {
        let mut listeners = SniTable::default();
        for named in app.listeners {
            let mode = match required(named.mode.as_ref(), "listener.mode")? {
                Mode::Passthrough(true) => TlsMode::Passthrough,
                Mode::Passthrough(false) => return Err(Malformed::Field("listener.mode")),
                Mode::Terminate(place) | Mode::Requests(place) => {
                    TlsMode::Terminate(pool::at(&self.servers, *place, "listener.tls")?)
                }
            };
            let routes = match named.mode {
                Some(Mode::Requests(_)) => TlsRoutes::Requests(self.requests(named.requests)?),
                _ => TlsRoutes::Names(self.names(named.routes)?),
            };
            let name = required(named.name, "listener.name")?.read();
            let listener = Arc::new(TlsListener { name, mode, routes });
            add(&mut listeners, named.hostname.as_deref(), listener)?;
        }
        Ok(TlsApp { listeners })
    }

    fn names(&self, named: Vec<NamedRoute>) -> Result<SniTable<Arc<snapshot::Route>>, Malformed> {
        let mut routes = SniTable::default();
        for named in named {
            let route = pool::at(&self.routes, named.route, "listener.route")?;
            add(&mut routes, named.hostname.as_deref(), route)?;
        }
        Ok(routes)
    }

    fn http(&self, app: Http) -> Result<HttpApp, Malformed> {
        let mut listeners = SniTable::default();
        for named in app.listeners {
            let name = required(named.name, "listener.name")?.read();
            let routes = self.requests(named.requests)?;
            let listener = Arc::new(snapshot::HttpListener { name, routes });
            add(&mut listeners, named.hostname.as_deref(), listener)?;
        }
        Ok(HttpApp { listeners })
    }

    fn requests(
        &self,
        requests: Vec<RequestRoute>,
    ) -> Result<HttpTable<Arc<snapshot::Route>>, Malformed> {
        let mut routes = HttpTable::default();
        let count = requests.len();
        for request in requests {
            let path = match required(request.path, "request.path")? {
                Path::Exact(path) => PathMatch::Exact(path.into()),
                Path::Prefix(path) => PathMatch::Prefix(path.into()),
            };
            let route = pool::at(&self.routes, request.route, "request.route")?;
            routes.insert(request.host.as_deref(), &path, route);
        }
        // One that stands twice, or at no host name, is missing now.
        if routes.values().count() != count {
            return Err(Malformed::Field("request"));
        }
        Ok(routes)
    }
}

/// Puts a value at a hostname that is one and is free.
fn add<T>(table: &mut SniTable<T>, hostname: Option<&str>, value: T) -> Result<(), Malformed> {
    if table.contains(hostname) || table.insert(hostname, value).is_some() {
        return Err(Malformed::Field("hostname"));
    }
    Ok(())
}

impl Timeouts {
    fn of(timeouts: &snapshot::Timeouts) -> Self {
        Self {
            hello: Some(Span::of(timeouts.hello)),
            handshake: Some(Span::of(timeouts.handshake)),
            connect: Some(Span::of(timeouts.connect)),
            idle: timeouts.idle.map(Span::of),
            half_close: Some(Span::of(timeouts.half_close)),
            udp_idle: Some(Span::of(timeouts.udp_idle)),
            drain: Some(Span::of(timeouts.drain)),
            backend_drain: Some(Span::of(timeouts.backend_drain)),
        }
    }

    fn read(self) -> Result<snapshot::Timeouts, Malformed> {
        let span = |span: Option<Span>| required(span, "timeouts")?.read();
        Ok(snapshot::Timeouts {
            hello: span(self.hello)?,
            handshake: span(self.handshake)?,
            connect: span(self.connect)?,
            idle: self.idle.map(Span::read).transpose()?,
            half_close: span(self.half_close)?,
            udp_idle: span(self.udp_idle)?,
            drain: span(self.drain)?,
            backend_drain: span(self.backend_drain)?,
        })
    }
}

impl Span {
    fn of(span: Duration) -> Self {
        Self { seconds: span.as_secs(), nanos: span.subsec_nanos() }
    }

    fn read(self) -> Result<Duration, Malformed> {
        // More would carry into the seconds, which panics when those are at their end.
        if self.nanos >= 1_000_000_000 {
            return Err(Malformed::Field("timeouts"));
        }
        Ok(Duration::new(self.seconds, self.nanos))
    }
}
