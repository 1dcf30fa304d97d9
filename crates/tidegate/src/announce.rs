//! Says which sockets were opened, closed or refused, once each.

use std::collections::BTreeMap;
use std::sync::Arc;

use snapshot::{ApplyReport, BindKey, BindState, Published, Snapshot};
use tokio::sync::watch;
use tracing::{error, info};

/// What became of one socket.
#[derive(Debug, PartialEq, Eq)]
enum Event<'a> {
    Open,
    Closed,
    Refused(&'a str),
}

/// Logs every change of `applied` until its sender is gone.
pub(crate) async fn follow(
    mut applied: watch::Receiver<ApplyReport>,
    published: watch::Receiver<Published>,
) {
    let mut before = BTreeMap::new();
    loop {
        let now = applied.borrow_and_update().binds.clone();
        let snapshot = Arc::clone(&published.borrow().snapshot);
        for (socket, event) in events(&before, &now) {
            let listeners = listeners(&snapshot, socket);
            match event {
                Event::Open => info!(%socket, listeners, "listening"),
                Event::Closed => info!(%socket, "no longer listening"),
                Event::Refused(error) => {
                    error!(%socket, listeners, error, "cannot listen; trying again");
                }
            }
        }
        before = now;
        if applied.changed().await.is_err() {
            return;
        }
    }
}

fn events<'a>(
    before: &'a BTreeMap<BindKey, BindState>,
    now: &'a BTreeMap<BindKey, BindState>,
) -> Vec<(&'a BindKey, Event<'a>)> {
    let changed = now.iter().filter(|(key, state)| before.get(key) != Some(state));
    let gone = before.iter().filter(|(key, state)| state.is_bound() && !now.contains_key(key));
    gone.map(|(key, _)| (key, Event::Closed))
        .chain(changed.map(|(key, state)| {
            let event = match state {
                BindState::Bound => Event::Open,
                BindState::PortInUse(error)
                | BindState::AddressNotAvailable(error)
                | BindState::Failed(error) => Event::Refused(error),
            };
            (key, event)
        }))
        .collect()
}

fn listeners(snapshot: &Snapshot, socket: &BindKey) -> Option<String> {
    let bind = snapshot.binds.get(socket)?;
    let names: Vec<_> = bind.listeners().iter().map(ToString::to_string).collect();
    Some(names.join(" "))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::num::NonZeroU16;

    use snapshot::Transport;

    use super::*;

    #[test]
    fn only_what_changed_is_said() {
        let key = |port| BindKey {
            transport: Transport::Tcp,
            port: NonZeroU16::new(port).expect("a port"),
            address: Ipv4Addr::LOCALHOST.into(),
        };
        let taken = || BindState::PortInUse("in use".to_owned());
        let before = [(key(1), BindState::Bound), (key(2), taken()), (key(3), taken())];
        let now = [(key(2), BindState::Bound), (key(3), taken()), (key(4), taken())];
        let (before, now) = (before.into(), now.into());
        assert_eq!(
            events(&before, &now),
            [(&key(1), Event::Closed), (&key(2), Event::Open), (&key(4), Event::Refused("in use")),]
        );
    }
}
