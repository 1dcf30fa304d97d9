//! Controllers and proxies over real sockets of the loopback interface.

mod controller;
mod pki;
mod proxy;
mod raw;
mod relay;
mod scripted;
mod world;

mod following;
mod hostile;
mod impostors;
mod tokens;
mod trouble;

use std::time::Duration;

/// Everything that is waited for comes within this time, on a machine that is busy with other tests.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `done`.
async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// Waits for a value of a channel.
async fn until<T: Clone>(
    what: &str,
    channel: &mut tokio::sync::watch::Receiver<T>,
    done: impl FnMut(&T) -> bool,
) -> T {
    let found = tokio::time::timeout(DEADLINE, channel.wait_for(done)).await;
    let found = found.unwrap_or_else(|_| panic!("not in time: {what}"));
    found.unwrap_or_else(|_| panic!("its sender is gone: {what}")).clone()
}
