//! Addresses, ports and the key of a bind.

use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

use prost::bytes::Bytes;
use snapshot::{BindKey, Port, Transport};

use super::Malformed;

/// What makes a socket the same socket.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub(crate) struct Key {
    /// 1 TCP, 2 UDP.
    #[prost(uint32, tag = "1")]
    transport: u32,
    #[prost(uint32, tag = "2")]
    port: u32,
    /// 4 bytes or 16.
    #[prost(bytes = "bytes", tag = "3")]
    address: Bytes,
}

impl Key {
    pub(crate) fn of(key: &BindKey) -> Self {
        let transport = match key.transport {
            Transport::Tcp => 1,
            Transport::Udp => 2,
        };
        Self { transport, port: u32::from(key.port.get()), address: ip_bytes(key.address) }
    }

    pub(crate) fn read(&self) -> Result<BindKey, Malformed> {
        let transport = match self.transport {
            1 => Transport::Tcp,
            2 => Transport::Udp,
            _ => return Err(Malformed::Field("bind.transport")),
        };
        let port = u16::try_from(self.port).ok().and_then(Port::new);
        let port = port.ok_or(Malformed::Field("bind.port"))?;
        Ok(BindKey { transport, port, address: read_ip(&self.address)? })
    }
}

/// An address and port to connect to.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub(crate) struct Address {
    #[prost(bytes = "bytes", tag = "1")]
    ip: Bytes,
    #[prost(uint32, tag = "2")]
    port: u32,
    /// IPv6 only.
    #[prost(uint32, tag = "3")]
    flow: u32,
    /// IPv6 only.
    #[prost(uint32, tag = "4")]
    scope: u32,
}

impl Address {
    pub(crate) fn of(address: &SocketAddr) -> Self {
        let (flow, scope) = match address {
            SocketAddr::V4(_) => (0, 0),
            SocketAddr::V6(v6) => (v6.flowinfo(), v6.scope_id()),
        };
        Self { ip: ip_bytes(address.ip()), port: u32::from(address.port()), flow, scope }
    }

    pub(crate) fn read(&self) -> Result<SocketAddr, Malformed> {
        let port = u16::try_from(self.port).map_err(|_| Malformed::Field("address.port"))?;
        Ok(match read_ip(&self.ip)? {
            IpAddr::V4(ip) => SocketAddr::V4(SocketAddrV4::new(ip, port)),
            IpAddr::V6(ip) => SocketAddr::V6(SocketAddrV6::new(ip, port, self.flow, self.scope)),
        })
    }
}

fn ip_bytes(ip: IpAddr) -> Bytes {
    match ip {
        IpAddr::V4(ip) => Bytes::copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => Bytes::copy_from_slice(&ip.octets()),
    }
}

fn read_ip(bytes: &[u8]) -> Result<IpAddr, Malformed> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or(v6).map_err(|_| Malformed::Field("address"))
}
