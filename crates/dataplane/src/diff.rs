//! What a new snapshot changes at the sockets. Pure: no socket, no clock, no state.

use std::sync::Arc;

use snapshot::{Bind, BindKey, Snapshot};

/// One change of one socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BindChange {
    /// Stop accepting and drain.
    Close(BindKey),
    /// Keep the socket, serve something else on it.
    Update(BindKey, Arc<Bind>),
    /// Open a socket.
    Open(BindKey, Arc<Bind>),
}

/// The changes that lead from `old` to `new`, closings first so that a port is free before
/// another socket asks for it. A bind that is equal by value has no entry: it is not touched.
pub(crate) fn diff(old: &Snapshot, new: &Snapshot) -> Vec<BindChange> {
    let closed = old.binds.keys().filter(|key| !new.binds.contains_key(key));
    let changed = new.binds.iter().filter_map(|(key, bind)| match old.binds.get(key) {
        None => Some(BindChange::Open(*key, bind.clone())),
        Some(before) if same(before, bind) => None,
        Some(_) => Some(BindChange::Update(*key, bind.clone())),
    });
    closed.map(|key| BindChange::Close(*key)).chain(changed).collect()
}

/// Equality that stops at the pointer, which is the common case.
fn same(before: &Arc<Bind>, after: &Arc<Bind>) -> bool {
    Arc::ptr_eq(before, after) || before == after
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapshot::{App, Limits, ListenerName, Port, TcpApp, Timeouts, Transport};

    fn key(port: u16) -> BindKey {
        BindKey {
            transport: Transport::Tcp,
            port: Port::new(port).unwrap(),
            address: [0, 0, 0, 0].into(),
        }
    }

    fn bind(listener: &str) -> Arc<Bind> {
        let name = ListenerName { listener: listener.into(), ..ListenerName::default() };
        Arc::new(Bind {
            app: App::Tcp(TcpApp { listener: Arc::new(name), route: None }),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
        })
    }

    fn snapshot(binds: &[(u16, &Arc<Bind>)]) -> Snapshot {
        Snapshot {
            binds: binds.iter().map(|(port, bind)| (key(*port), (*bind).clone())).collect(),
            ..Snapshot::default()
        }
    }

    #[test]
    fn only_what_differs_is_touched_and_closings_come_first() {
        let (a, b, c) = (bind("a"), bind("b"), bind("c"));
        let old = snapshot(&[(1, &a), (2, &b), (9, &c)]);
        let new = snapshot(&[(1, &a), (2, &c), (3, &a)]);
        assert_eq!(
            diff(&old, &new),
            [BindChange::Close(key(9)), BindChange::Update(key(2), c), BindChange::Open(key(3), a),]
        );
    }

    #[test]
    fn an_equal_bind_behind_another_pointer_is_unchanged() {
        let old = snapshot(&[(1, &bind("a"))]);
        assert_eq!(diff(&old, &snapshot(&[(1, &bind("a"))])), []);
    }
}
