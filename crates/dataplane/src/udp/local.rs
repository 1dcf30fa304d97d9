//! What the UDP listeners of one worker share: receive buffers, source ports, and the knowledge
//! of each other.

use std::cell::{RefCell, RefMut};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use snapshot::BindKey;
use tokio::sync::{mpsc, watch};

use super::ports::{self, Ports};
use crate::compiled::CompiledBind;
use crate::sys::Inbox;

/// `net.ipv4.ip_local_port_range` of a kernel that does not tell: its default.
const DEFAULT_RANGE: std::ops::RangeInclusive<u16> = 32768..=60999;

/// The UDP part of a worker. Nothing is read or reserved before the first listener.
#[derive(Debug)]
pub(crate) struct Local {
    worker: usize,
    workers: usize,
    inbox: RefCell<Option<Inbox>>,
    ports: RefCell<Option<Ports>>,
    listeners: RefCell<Vec<Listening>>,
}

/// A socket that is being served.
#[derive(Debug)]
struct Listening {
    key: BindKey,
    /// Takes the bind when it comes back while the flows it had are drained.
    returns: mpsc::UnboundedSender<Binds>,
}

/// The versions of a bind.
pub(super) type Binds = watch::Receiver<Arc<CompiledBind>>;

impl Local {
    /// For worker number `worker` of `workers`.
    pub(crate) fn new(worker: usize, workers: usize) -> Self {
        Self {
            worker,
            workers,
            inbox: RefCell::default(),
            ports: RefCell::default(),
            listeners: RefCell::default(),
        }
    }

    /// The receive buffers, between two awaits only.
    pub(super) fn inbox(&self) -> RefMut<'_, Inbox> {
        RefMut::map(self.inbox.borrow_mut(), |inbox| inbox.get_or_insert_with(Inbox::new))
    }

    /// The source ports, between two awaits only.
    pub(super) fn ports(&self) -> RefMut<'_, Ports> {
        RefMut::map(self.ports.borrow_mut(), |ports| {
            ports.get_or_insert_with(|| {
                let setting = |name| {
                    let path = format!("/proc/sys/net/ipv4/{name}");
                    fs::read_to_string(path).unwrap_or_default()
                };
                let range = ports::parse_range(&setting("ip_local_port_range"));
                let reserved = ports::parse_reserved(&setting("ip_local_reserved_ports"));
                let range = range.unwrap_or(DEFAULT_RANGE);
                let share = ports::share(range, &reserved, self.worker, self.workers);
                Ports::new(share, fastrand::u64(..))
            })
        })
    }

    /// How many workers share the flows of a listener.
    pub(super) fn workers(&self) -> usize {
        self.workers
    }

    /// Takes note of a socket being served. What is received is the same bind that came back.
    pub(super) fn enter(&self, key: BindKey) -> mpsc::UnboundedReceiver<Binds> {
        let (returns, returned) = mpsc::unbounded_channel();
        self.listeners.borrow_mut().push(Listening { key, returns });
        returned
    }

    /// The socket of `key` is closed.
    pub(super) fn leave(&self, key: BindKey) {
        self.listeners.borrow_mut().retain(|listening| listening.key != key);
    }

    /// Hands a bind to the socket that still has its flows from before; gives it back if there is
    /// none.
    pub(super) fn hand_over(&self, key: BindKey, binds: Binds) -> Result<(), Binds> {
        let listeners = self.listeners.borrow();
        match listeners.iter().find(|listening| listening.key == key) {
            Some(listening) => listening.returns.send(binds).map_err(|refused| refused.0),
            None => Err(binds),
        }
    }

    /// Whether datagrams from `source` to `endpoint` would come back to ourselves: each would
    /// open a flow that sends it on again, for ever.
    pub(super) fn is_own(&self, endpoint: SocketAddr, source: impl Fn() -> Option<IpAddr>) -> bool {
        let listeners = self.listeners.borrow();
        let same_port = listeners.iter().filter(|own| own.key.port.get() == endpoint.port());
        let mut addresses = same_port.map(|own| own.key.address);
        addresses.any(|own| {
            let any = own.is_unspecified() && own.is_ipv4() == endpoint.is_ipv4();
            let here = || endpoint.ip().is_loopback() || source() == Some(endpoint.ip());
            own == endpoint.ip() || (any && here())
        })
    }
}

#[cfg(test)]
mod tests {
    use snapshot::{Port, Transport};

    use super::*;

    fn key(address: &str) -> BindKey {
        let address: SocketAddr = address.parse().unwrap();
        let port = Port::new(address.port()).unwrap();
        BindKey { transport: Transport::Udp, port, address: address.ip() }
    }

    #[test]
    fn our_own_listeners_are_known() {
        let local = Local::new(0, 1);
        for address in ["0.0.0.0:53", "[::]:54", "192.0.2.1:55"] {
            drop(local.enter(key(address)));
        }
        let own = |endpoint: &str, source: &str| {
            local.is_own(endpoint.parse().unwrap(), || source.parse().ok())
        };
        // A socket that speaks to an address of its own host has that address itself.
        assert!(own("192.0.2.1:53", "192.0.2.1"));
        assert!(own("127.0.0.2:53", "127.0.0.1"));
        assert!(own("[::1]:54", "::1"));
        assert!(own("192.0.2.1:55", "192.0.2.1"));
        assert!(!own("192.0.2.9:53", "192.0.2.1"));
        assert!(!own("[2001:db8::1]:53", "2001:db8::1"));
        assert!(!own("127.0.0.1:55", "127.0.0.1"));
        assert!(!own("127.0.0.1:99", "127.0.0.1"));
        local.leave(key("0.0.0.0:53"));
        assert!(!own("127.0.0.1:53", "127.0.0.1"));
    }

    #[test]
    fn workers_have_different_ports() {
        let locals = [Local::new(0, 2), Local::new(1, 2)];
        let [first, second] = &locals;
        let endpoint = SocketAddr::from(([127, 0, 0, 1], 9));
        let now = std::time::Instant::now();
        let take = |local: &Local| local.ports().take(now, endpoint).unwrap().port;
        assert_ne!(take(first) % 2, take(second) % 2);
    }
}
