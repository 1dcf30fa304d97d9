//! UDP: flows and who they belong to.

mod backends;
mod crosstalk;
mod flows;
mod limits;
mod lives;
mod peers;

use std::net::IpAddr;

use snapshot::{App, BindKey, Port, Snapshot, Transport, UdpApp, Weighted};

use crate::support::world::{World, listener, route};

/// Adds UDP to a snapshot.
trait UdpWorld {
    /// A UDP socket whose only route has these shares.
    fn udp(self, key: BindKey, targets: Vec<Weighted>) -> Self;
    /// A UDP socket without a route.
    fn udp_without_route(self, key: BindKey) -> Self;
    /// Forgets the flows of a socket after so many milliseconds.
    fn idle(self, key: BindKey, milliseconds: u64) -> Self;
}

impl UdpWorld for Snapshot {
    fn udp(self, key: BindKey, targets: Vec<Weighted>) -> Self {
        let name = format!("u{}", key.port);
        let route = Some(route("UDPRoute", &name, targets));
        self.bind(key, App::Udp(UdpApp { listener: listener(&name, "UDP"), route }))
    }

    fn udp_without_route(self, key: BindKey) -> Self {
        let listener = listener(&format!("u{}", key.port), "UDP");
        self.bind(key, App::Udp(UdpApp { listener, route: None }))
    }

    fn idle(self, key: BindKey, milliseconds: u64) -> Self {
        self.timeouts(key, |timeouts| {
            timeouts.udp_idle = std::time::Duration::from_millis(milliseconds);
        })
    }
}

/// A UDP socket of its own.
fn key() -> BindKey {
    crate::support::key(Transport::Udp)
}

/// A UDP port of an address that other tests share: one that is free.
fn key_at(address: &str) -> BindKey {
    let address: IpAddr = address.parse().unwrap();
    let port = loop {
        // Below the range the kernel takes local ports from.
        let port = fastrand::u16(10_000..30_000);
        if std::net::UdpSocket::bind((address, port)).is_ok() {
            break port;
        }
    };
    BindKey { transport: Transport::Udp, port: Port::new(port).unwrap(), address }
}
