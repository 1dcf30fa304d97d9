//! Control messages: what the kernel says about a datagram beside its bytes (`cmsg(3)`).
//!
//! Safe code over bytes, so that every malformed buffer can be tried in a test. A message is a
//! header of a length in machine words, a level and a type, then its data, each padded to the
//! size of a machine word.

use std::net::IpAddr;

use super::address::array;

/// Bytes of the length field, and what everything is aligned to.
const WORD: usize = size_of::<usize>();
/// Bytes before the data of a message.
const HEADER: usize = WORD + 8;
/// Bytes of `in_pktinfo`.
const V4_INFO: usize = 12;
/// Bytes of `in6_pktinfo`.
const V6_INFO: usize = 20;
/// Room for the two messages we ask for, an address and an overflow counter, and one to spare.
const CAPACITY: usize = 96;

/// A buffer of control messages.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control {
    pub(super) bytes: [u8; CAPACITY],
    /// How many of the bytes count.
    pub(super) len: usize,
}

/// What the kernel said about a datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    /// The local address to answer from: `ipi_spec_dst`, `ipi6_addr`.
    pub(super) local: Option<IpAddr>,
    /// How many datagrams this socket has lost so far for want of room (`SO_RXQ_OVFL`).
    pub(super) overflow: Option<u32>,
}

impl Control {
    /// Room to receive.
    pub(super) const EMPTY: Self = Self { bytes: [0; CAPACITY], len: CAPACITY };

    /// The message that makes the kernel send from this local address.
    pub(super) fn send_from(local: IpAddr) -> Self {
        let mut control = Self::EMPTY;
        let (level, kind, data) = match local {
            IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO, V4_INFO),
            IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, V6_INFO),
        };
        let bytes = &mut control.bytes;
        bytes[..WORD].copy_from_slice(&(HEADER + data).to_ne_bytes());
        bytes[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
        bytes[WORD + 4..HEADER].copy_from_slice(&kind.to_ne_bytes());
        match local {
            // Interface index 0: the route to the client decides.
            IpAddr::V4(ip) => bytes[HEADER + 4..HEADER + 8].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => bytes[HEADER..HEADER + 16].copy_from_slice(&ip.octets()),
        }
        control.len = HEADER + data.next_multiple_of(WORD);
        control
    }

    /// Reads what was received. Stops at the first message that does not fit its buffer.
    pub(super) fn notes(&self) -> Notes {
        let mut notes = Notes::default();
        let mut rest = self.bytes.get(..self.len).unwrap_or_default();
        while let Some((level, kind, data, after)) = split_message(rest) {
            match (level, kind) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    // Datagrams from before the socket asked have only the address they carry.
                    let bytes = array::<4>(data, 4).filter(|bytes| *bytes != [0; 4]);
                    notes.local = bytes.or_else(|| array(data, 8)).map(IpAddr::from);
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    notes.local = array::<16>(data, 0).map(IpAddr::from);
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                    notes.overflow = array(data, 0).map(u32::from_ne_bytes);
                }
                _ => {}
            }
            rest = after;
        }
        notes
    }
}

/// Level, type and data of the first message, and what follows it.
fn split_message(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let len = usize::from_ne_bytes(array(bytes, 0)?);
    let level = i32::from_ne_bytes(array(bytes, WORD)?);
    let kind = i32::from_ne_bytes(array(bytes, WORD + 4)?);
    let data = bytes.get(HEADER..len)?;
    let after = len.checked_next_multiple_of(WORD).and_then(|next| bytes.get(next..));
    Some((level, kind, data, after.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_send_from_reads_back_where_the_kernel_reads_it() {
        let v6: IpAddr = "2001:db8::7".parse().unwrap();
        assert_eq!(Control::send_from(v6).notes().local, Some(v6));
        let v4: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(Control::send_from(v4).notes().local, Some(v4));
    }

    #[test]
    fn several_messages_are_all_read() {
        let mut control = Control::send_from("192.0.2.7".parse().unwrap());
        let at = control.len;
        control.bytes[at..at + WORD].copy_from_slice(&(HEADER + 4).to_ne_bytes());
        control.bytes[at + WORD..at + WORD + 4].copy_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
        control.bytes[at + WORD + 4..at + HEADER].copy_from_slice(&libc::SO_RXQ_OVFL.to_ne_bytes());
        control.bytes[at + HEADER..at + HEADER + 4].copy_from_slice(&77u32.to_ne_bytes());
        control.len = at + HEADER + WORD;
        let expected = Notes { local: Some("192.0.2.7".parse().unwrap()), overflow: Some(77) };
        assert_eq!(control.notes(), expected);
        // The kernel does not pad the last message.
        control.len = at + HEADER + 4;
        assert_eq!(control.notes(), expected);
    }

    #[test]
    fn no_buffer_makes_the_reader_panic_or_hang() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let mut control = Control::send_from("2001:db8::7".parse().unwrap());
            control.len = rng.usize(..=CAPACITY + 8);
            for _ in 0..rng.usize(..8) {
                let at = rng.usize(..HEADER + 4);
                control.bytes[at] = rng.u8(..);
            }
            control.notes();
        }
    }
}
