//! What each listener asks for and whether it can be given, seen alone: protocol, port, hostname,
//! kinds of routes, TLS. Its relation to other listeners is for [`crate::conflicts`].

pub(crate) mod kinds;
pub(crate) mod tls;

use std::sync::Arc;

use gwapi::reasons::Reason;
use gwapi::{Kind, ObjectKey, ObjectRef};
use snapshot::{BindKey, ListenerName, Port, Transport};

use crate::certs::Certificates;
use crate::gateways::Gateway;
use crate::grants::Grants;
use crate::hostnames::Hostname;
use crate::listener_sets::ListenerSet;
use crate::routes::RouteKind;
use crate::status::Cause;
use kinds::SupportedKinds;
use tls::Tls;

/// What a listener speaks with its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
    Tls,
    Http,
    Https,
}

impl Protocol {
    /// The protocols that are served.
    const ALL: [Self; 5] = [Self::Tcp, Self::Udp, Self::Tls, Self::Http, Self::Https];

    /// Reads `protocol`; `None` for one that is not served.
    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == text)
    }

    /// As manifests spell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Tls => "TLS",
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }

    /// What carries it.
    pub(crate) fn transport(self) -> Transport {
        match self {
            Self::Tcp | Self::Tls | Self::Http | Self::Https => Transport::Tcp,
            Self::Udp => Transport::Udp,
        }
    }

    /// Whether listeners of one port are told apart by their hostnames.
    pub(crate) fn has_hostnames(self) -> bool {
        matches!(self, Self::Tls | Self::Http | Self::Https)
    }
}

/// The place of a listener among all: in the order in which listeners are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListenerId(usize);

/// One listener of a Gateway or of a ListenerSet that the Gateway lets in.
pub(crate) struct Listener<'a> {
    /// Its place.
    pub(crate) id: ListenerId,
    /// Its Gateway.
    pub(crate) gateway: &'a Gateway<'a>,
    /// The set it is from; `None` for the Gateway's own.
    pub(crate) set: Option<&'a ListenerSet<'a>>,
    /// Its place in `spec.listeners`.
    index: usize,
    /// What is written.
    pub(crate) spec: gwapi::Listener,
    /// Its name for logs and metrics.
    pub(crate) name: Arc<ListenerName>,
    /// Its protocol; `None` if it is not served.
    pub(crate) protocol: Option<Protocol>,
    /// Its port; `None` if it is none.
    pub(crate) port: Option<Port>,
    /// Its hostname; TCP and UDP have none.
    pub(crate) hostname: Option<Hostname>,
    /// The kinds of routes it takes.
    pub(crate) kinds: SupportedKinds,
    /// What happens to TLS; `None` where there is none.
    pub(crate) tls: Option<Tls>,
    /// Why it is not accepted.
    pub(crate) refusals: Vec<Cause>,
    /// References that do not resolve, the worst first.
    pub(crate) unresolved: Vec<Cause>,
}

/// What listeners are read with.
pub(crate) struct Surroundings<'a, 'b> {
    /// What may refer to what.
    pub(crate) grants: &'b Grants<'a>,
    /// Certificates by Secret.
    pub(crate) certificates: &'b mut Certificates<'a>,
}

/// Reads all listeners: those of each Gateway, then those of its sets.
pub(crate) fn read<'a>(
    gateways: &'a [Gateway<'a>],
    sets: &'a [ListenerSet<'a>],
    surroundings: &mut Surroundings<'_, '_>,
) -> Vec<Listener<'a>> {
    let mut listeners = vec![];
    let mut add = |gateway: &'a Gateway<'a>, set, index, spec| {
        let id = ListenerId(listeners.len());
        listeners.push(Listener::read(id, gateway, set, index, spec, surroundings));
    };
    for gateway in gateways {
        for (index, listener) in gateway.object.spec.listeners.iter().enumerate() {
            add(gateway, None, index, listener.into());
        }
        let is_in = |set: &&ListenerSet<'_>| {
            set.gateway.ordinal == gateway.ordinal && set.refusal.is_none()
        };
        for set in sets.iter().filter(is_in) {
            for (index, listener) in set.object.spec.listeners.iter().enumerate() {
                add(gateway, Some(set), index, listener.into());
            }
        }
    }
    listeners
}

impl<'a> Listener<'a> {
    fn read(
        id: ListenerId,
        gateway: &'a Gateway<'a>,
        set: Option<&'a ListenerSet<'a>>,
        index: usize,
        spec: gwapi::Listener,
        surroundings: &mut Surroundings<'_, '_>,
    ) -> Self {
        let protocol = Protocol::parse(&spec.protocol);
        let name = Arc::new(ListenerName {
            gateway_namespace: gateway.key.namespace.clone(),
            gateway: gateway.key.name.clone(),
            listener_set: set.map(|set| set.key.to_string()).unwrap_or_default(),
            listener: spec.name.clone(),
            protocol: spec.protocol.clone(),
        });
        let mut listener = Self {
            id,
            gateway,
            set,
            index,
            name,
            protocol,
            port: u16::try_from(spec.port).ok().and_then(Port::new),
            hostname: None,
            kinds: SupportedKinds::default(),
            tls: None,
            refusals: vec![],
            unresolved: vec![],
            spec,
        };
        if let Some(protocol) = protocol {
            listener.check_port(protocol);
            listener.read_hostname(protocol);
            listener.read_tls(protocol, surroundings);
            listener.read_kinds(protocol);
            listener.unresolved.sort_by_key(|cause| severity(cause.reason));
        } else {
            let message = format!(
                "protocol {} is not served: expected TCP, UDP, TLS, HTTP or HTTPS",
                listener.spec.protocol
            );
            listener.refuse(Reason::UnsupportedProtocol, "protocol", message);
        }
        listener
    }

    fn check_port(&mut self, protocol: Protocol) {
        let Some(port) = self.port else {
            let message = format!("{} is no port: expected 1 to 65535", self.spec.port);
            return self.refuse(Reason::UnsupportedValue, "port", message);
        };
        if protocol.transport() == Transport::Tcp
            && self.gateway.reserved_ports.contains(&port.get())
        {
            let message = format!("port {port} is taken by Tidegate's own endpoints");
            self.refuse(Reason::PortUnavailable, "port", message);
        }
    }

    fn read_hostname(&mut self, protocol: Protocol) {
        let Some(text) = self.spec.hostname.as_ref().filter(|_| protocol.has_hostnames()) else {
            return;
        };
        self.hostname = Hostname::parse(text);
        if self.hostname.is_none() {
            let message = format!(
                "{text:?} is no hostname: expected one like db.example.com or *.example.com"
            );
            self.refuse(Reason::UnsupportedValue, "hostname", message);
        }
    }

    fn refuse(&mut self, reason: Reason, field: &str, message: String) {
        let cause = Cause::new(reason, self.field(field), message);
        self.refusals.push(cause);
    }

    /// The path of one of its fields in the object that it is from.
    pub(crate) fn field(&self, field: &str) -> String {
        format!("spec.listeners[{}].{field}", self.index)
    }

    /// The object that it is from.
    pub(crate) fn owner(&self) -> ObjectRef {
        let (kind, key) = self.owner_kind_and_key();
        ObjectRef::new(kind, key.clone())
    }

    fn owner_kind_and_key(&self) -> (Kind, &'a ObjectKey) {
        match self.set {
            None => (Kind::Gateway, self.gateway.key),
            Some(set) => (Kind::ListenerSet, set.key),
        }
    }

    /// The namespace of the object that it is from: what `Same` means.
    pub(crate) fn owner_namespace(&self) -> &'a str {
        &self.owner_kind_and_key().1.namespace
    }

    /// Whether it takes routes of this kind.
    pub(crate) fn takes(&self, kind: RouteKind) -> bool {
        self.kinds.usable.contains(&kind)
    }

    /// The sockets it needs.
    pub(crate) fn binds(&self) -> impl Iterator<Item = BindKey> {
        self.protocol.zip(self.port).into_iter().flat_map(|(protocol, port)| {
            self.gateway.addresses.bind.iter().map(move |&address| BindKey {
                transport: protocol.transport(),
                port,
                address,
            })
        })
    }
}

/// Which of several broken references names the condition's reason: 0 is the worst.
fn severity(reason: Reason) -> usize {
    match reason {
        Reason::RefNotPermitted => 0,
        Reason::InvalidCertificateRef => 1,
        Reason::InvalidCaCertificateRef | Reason::InvalidCaCertificateKind => 2,
        _ => 3,
    }
}
