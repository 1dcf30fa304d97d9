//! Which addresses a Gateway binds: those it asks for or those the operator chose. Whether they
//! could be bound is for the data plane to say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gwapi::reasons::Reason;
use gwapi::{Gateway, ObjectKey};

use crate::Addresses;
use crate::status::Cause;

/// The addresses of one Gateway.
pub(crate) struct GatewayAddresses {
    /// Addresses to bind, IPv4 first: who reads a status takes the first address.
    pub(crate) bind: Vec<IpAddr>,
    /// The addresses that `spec.addresses` asks for by value.
    pub(crate) requested: Vec<Requested>,
    /// The addresses of the Services in front; `None` where those bound are the Gateway's own.
    pub(crate) assigned: Option<Vec<String>>,
    /// Why Services or proxies could not be made as they should.
    pub(crate) problems: Vec<String>,
    /// Address types that cannot be served.
    pub(crate) unsupported: Vec<Cause>,
}

/// One address that a Gateway asks for.
pub(crate) struct Requested {
    /// Its path in the Gateway.
    pub(crate) field: String,
    /// As written.
    pub(crate) value: String,
    /// Read as an IP address.
    pub(crate) address: Option<IpAddr>,
}

impl Requested {
    /// Whether this is the address that was assigned, however the two are spelt.
    pub(crate) fn is(&self, assigned: &str) -> bool {
        match (self.address, assigned.parse::<IpAddr>()) {
            (Some(wanted), Ok(assigned)) => wanted == assigned.to_canonical(),
            _ => self.value.eq_ignore_ascii_case(assigned),
        }
    }
}

/// Proxies behind a Service bind everything: what reaches them is the Service's affair.
const EVERY_ADDRESS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];

impl GatewayAddresses {
    /// Reads `spec.addresses`.
    ///
    /// Spec: `GatewaySpecAddress`: an absent type is `IPAddress`, and an absent value asks for any
    /// address of the type. A socket cannot be bound to a host name, so `Hostname` is known only
    /// where a Service stands in front.
    pub(crate) fn of(key: &ObjectKey, gateway: &Gateway, from: Addresses<'_>) -> Self {
        let types: &[&str] = match from {
            Addresses::Own(_) => &["IPAddress"],
            Addresses::Services(_) => &["IPAddress", "Hostname"],
        };
        let wanted = gateway.spec.addresses.as_deref().unwrap_or_default();
        let mut requested = vec![];
        let mut unsupported = vec![];
        let mut wants_any = wanted.is_empty();
        for (index, address) in wanted.iter().enumerate() {
            let field = format!("spec.addresses[{index}]");
            let r#type = address.r#type.as_deref().unwrap_or("IPAddress");
            if !types.contains(&r#type) {
                unsupported.push(Cause::new(
                    Reason::UnsupportedAddress,
                    format!("{field}.type"),
                    format!("address type {}: expected {}", r#type, types.join(" or ")),
                ));
                continue;
            }
            match address.value.as_deref().filter(|value| !value.is_empty()) {
                None => wants_any = true,
                Some(value) => requested.push(Requested {
                    field: format!("{field}.value"),
                    value: value.to_owned(),
                    address: value.parse().ok().map(|address: IpAddr| address.to_canonical()),
                }),
            }
        }
        let mut problems = vec![];
        let (bind, assigned) = match from {
            Addresses::Own(defaults) => {
                let defaults = if wants_any { defaults } else { &[] };
                let requested = requested.iter().filter_map(|requested| requested.address);
                let defaults = defaults.iter().map(IpAddr::to_canonical);
                (ipv4_first(requested.chain(defaults)), None)
            }
            Addresses::Services(services) => {
                let service = services.get(key).cloned().unwrap_or_default();
                problems = service.problems;
                (EVERY_ADDRESS.to_vec(), Some(service.assigned))
            }
        };
        Self { bind, requested, assigned, problems, unsupported }
    }

    /// Whether a connection to some address could reach either.
    pub(crate) fn overlap(&self, other: &Self) -> bool {
        self.bind.iter().any(|a| other.bind.iter().any(|b| covers(*a, *b) || covers(*b, *a)))
    }

    /// Whether `spec.addresses` asks for this address.
    pub(crate) fn is_requested(&self, address: IpAddr) -> bool {
        self.requested.iter().any(|requested| requested.address == Some(address))
    }

    /// Whether a socket bound to `address` takes connections that are meant for these addresses.
    pub(crate) fn include(&self, address: IpAddr) -> bool {
        self.bind.iter().any(|bound| covers(*bound, address))
    }
}

/// Whether a socket bound to `a` takes what is sent to `b`, if no socket is bound to `b` itself.
pub(crate) fn covers(a: IpAddr, b: IpAddr) -> bool {
    a == b || (a.is_unspecified() && a.is_ipv4() == b.is_ipv4())
}

fn ipv4_first(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut unique = vec![];
    for address in addresses {
        if !unique.contains(&address) {
            unique.push(address);
        }
    }
    unique.sort_by_key(IpAddr::is_ipv6);
    unique
}
