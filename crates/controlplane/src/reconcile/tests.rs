//! What is published, and that equal parts keep their identity.

use std::num::NonZeroU16;

use snapshot::{App, Bind, BindKey, Limits, ListenerName, TcpApp, Timeouts, Transport};

use super::*;

fn translation(ports: &[u16]) -> Translation {
    let bind = |&port: &u16| {
        let key = BindKey {
            transport: Transport::Tcp,
            port: NonZeroU16::new(port).expect("a port"),
            address: IpAddr::from([127, 0, 0, 1]),
        };
        let listener = Arc::new(ListenerName { listener: port.to_string(), ..Default::default() });
        let app = App::Tcp(TcpApp { listener, route: None });
        let bind = Bind { app, timeouts: Timeouts::default(), limits: Limits::default() };
        (key, Arc::new(bind))
    };
    let snapshot = Snapshot { binds: ports.iter().map(bind).collect(), ..Default::default() };
    Translation { snapshots: [(Proxy::Standalone, snapshot)].into(), ..Default::default() }
}

#[test]
fn only_a_difference_is_published_and_counts_the_version_up() {
    let nothing = Published::default();
    assert!(next(&nothing, &Translation::default()).is_none());
    let first = next(&nothing, &translation(&[1, 2])).expect("differs");
    assert_eq!(first.version, 1);
    assert!(next(&first, &translation(&[1, 2])).is_none());
    let second = next(&first, &translation(&[2, 3])).expect("differs");
    assert_eq!(second.version, 2);
    assert_eq!(next(&second, &Translation::default()).expect("differs").version, 3);
}

#[test]
fn a_listener_that_did_not_change_is_the_same_in_memory() {
    let first = next(&Published::default(), &translation(&[1, 2])).expect("differs");
    let second = next(&first, &translation(&[2, 3])).expect("differs");
    let bind = |published: &Published, port: u16| {
        let found = published.snapshot.binds.iter().find(|(key, _)| key.port.get() == port);
        Arc::clone(found.expect("published").1)
    };
    assert!(Arc::ptr_eq(&bind(&first, 2), &bind(&second, 2)));
}
