//! Which addresses of slices become endpoints, by table.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use snapshot::Port;

use super::*;

#[test]
fn addresses_that_lead_into_the_own_host_are_unsafe() {
    for (address, expected) in [
        ("127.0.0.1", true),
        ("127.255.255.254", true),
        ("126.255.255.255", false),
        ("128.0.0.0", false),
        ("0.0.0.0", true),
        ("0.1.2.3", true),
        ("1.0.0.0", false),
        ("169.254.0.1", true),
        ("169.254.169.254", true),
        ("169.253.255.255", false),
        ("169.255.0.0", false),
        ("224.0.0.1", true),
        ("239.255.255.255", true),
        ("223.255.255.255", false),
        ("240.0.0.1", false),
        ("255.255.255.255", true),
        ("10.0.0.7", false),
        ("172.16.0.1", false),
        ("192.168.1.1", false),
        ("203.0.113.9", false),
        ("100.64.0.1", false),
        ("::", true),
        ("::1", true),
        ("::2", true),
        ("::127.0.0.1", true),
        ("::ffff:127.0.0.1", true),
        ("::ffff:0.0.0.0", true),
        ("::ffff:169.254.169.254", true),
        ("::ffff:224.0.0.1", true),
        ("::ffff:10.0.0.7", false),
        ("fe80::1", true),
        ("febf:ffff::1", true),
        ("fec0::1", false),
        ("fe7f::1", false),
        ("ff02::1", true),
        ("ff0e::1", true),
        ("fd00::7", false),
        ("fc00::1", false),
        ("2001:db8::1", false),
        ("64:ff9b::a00:7", false),
    ] {
        let address: IpAddr = address.parse().expect("an address");
        assert_eq!(is_unsafe(address.to_canonical()), expected, "{address}");
    }
}

#[test]
fn a_socket_on_every_address_is_found_behind_loopback_only() {
    let bind = |transport, address: &str| BindKey {
        transport,
        port: Port::new(5432).expect("a port"),
        address: address.parse().expect("an address"),
    };
    let mut own = OwnSockets::default();
    for key in [bind(Transport::Tcp, "0.0.0.0"), bind(Transport::Tcp, "10.0.0.1")] {
        own.add(key, key.address);
    }
    for (transport, address, expected) in [
        (Transport::Tcp, "127.0.0.1:5432", true),
        (Transport::Tcp, "127.0.0.2:5432", true),
        (Transport::Tcp, "10.0.0.1:5432", true),
        (Transport::Tcp, "10.0.0.2:5432", false),
        (Transport::Tcp, "127.0.0.1:5433", false),
        (Transport::Udp, "127.0.0.1:5432", false),
        (Transport::Tcp, "[::1]:5432", false),
    ] {
        let address: SocketAddr = address.parse().expect("a socket address");
        assert_eq!(own.contain(transport, address), expected, "{transport} {address}");
    }
    let every_ipv6 = bind(Transport::Tcp, "::");
    own.add(every_ipv6, every_ipv6.address);
    assert!(own.contain(Transport::Tcp, SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 5432)));
    assert!(!own.contain(Transport::Udp, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 5432)));
}
