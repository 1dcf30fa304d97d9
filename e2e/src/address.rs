//! Loopback addresses. All of 127.0.0.0/8 is this host, so every instance can have an address of
//! its own and use the ports it likes.

use std::net::{IpAddr, Ipv4Addr};

/// An address that no other test uses: 4 million to draw from, well away from 127.0.0.1.
pub fn fresh() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, fastrand::u8(64..128), fastrand::u8(..), fastrand::u8(1..255)))
}
