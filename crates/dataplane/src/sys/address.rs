//! Socket addresses in the form the kernel reads and writes: `sockaddr_in` and `sockaddr_in6`
//! as bytes. Safe code, no system calls.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Length of `sockaddr_in`.
const V4_LEN: usize = 16;
/// Length of `sockaddr_in6`, the longer of the two.
const V6_LEN: usize = 28;

/// A socket address as the kernel sees it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct RawAddress {
    pub(super) bytes: [u8; V6_LEN],
    /// How many of the bytes count.
    pub(super) len: u32,
}

impl RawAddress {
    /// Room for any address of the two families.
    pub(super) const EMPTY: Self = Self { bytes: [0; V6_LEN], len: V6_LEN as u32 };

    /// Encodes an address.
    pub(super) fn new(address: SocketAddr) -> Self {
        let mut raw = Self::EMPTY;
        raw.bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
        match address {
            SocketAddr::V4(v4) => {
                raw.bytes[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
                raw.bytes[4..8].copy_from_slice(&v4.ip().octets());
                raw.len = V4_LEN as u32;
            }
            SocketAddr::V6(v6) => {
                raw.bytes[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
                raw.bytes[8..24].copy_from_slice(&v6.ip().octets());
                raw.bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
            }
        }
        raw
    }

    /// Decodes what the kernel wrote; `None` for another family or a cut address. The flow label
    /// is left out: it is no part of who somebody is.
    pub(super) fn get(&self) -> Option<SocketAddr> {
        let bytes = self.bytes.get(..self.len as usize)?;
        let family = u16::from_ne_bytes(array(bytes, 0)?);
        let port = u16::from_be_bytes(array(bytes, 2)?);
        match i32::from(family) {
            libc::AF_INET => {
                let ip = Ipv4Addr::from(array::<4>(bytes, 4)?);
                Some(SocketAddrV4::new(ip, port).into())
            }
            libc::AF_INET6 => {
                let ip = Ipv6Addr::from(array::<16>(bytes, 8)?);
                let scope = u32::from_ne_bytes(array(bytes, 24)?);
                Some(SocketAddrV6::new(ip, port, 0, scope).into())
            }
            _ => None,
        }
    }
}

/// The `N` bytes at `offset`, if they are there.
pub(super) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernel_form() {
        for text in ["192.0.2.7:53", "0.0.0.0:0", "[2001:db8::7]:65535", "[fe80::1%3]:9"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(RawAddress::new(address).get(), Some(address));
        }
    }

    #[test]
    fn a_cut_or_foreign_address_is_no_address() {
        let mut raw = RawAddress::new("192.0.2.7:53".parse().unwrap());
        raw.len = 7;
        assert_eq!(raw.get(), None);
        raw.len = 29;
        assert_eq!(raw.get(), None);
        raw.len = 16;
        raw.bytes[..2].copy_from_slice(&(libc::AF_UNIX as u16).to_ne_bytes());
        assert_eq!(raw.get(), None);
    }
}
