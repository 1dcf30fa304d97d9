//! TCP: accepts connections, decides each one's fate, and hands it to the relay.

mod accept;
mod connect;
mod leg;
mod relay;

use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;

pub(crate) use accept::accept;
pub(crate) use leg::Leg;

use crate::compiled::{CompiledApp, CompiledBackend, CompiledRoute, CompiledTarget};
use crate::connection::Connection;
use crate::outcome::Refusal;
use crate::socket::reset_on_close;
use crate::worker::Worker;
use connect::{Reached, connect};
use relay::Relay;

/// Takes a connection from accept to its relay or its end.
async fn serve(worker: Rc<Worker>, connection: Connection, client: TcpStream) {
    let bind = connection.bind();
    match &bind.app {
        CompiledApp::Tcp(app) => {
            forward(&worker, connection, client, app.route.as_ref()).await;
        }
        CompiledApp::Tls(_) | CompiledApp::Udp(_) => {
            reset_on_close(&client);
            connection.refuse(Refusal::NoBackend);
        }
    }
}

/// Relays `client` to a backend of `route` at once: the backend may be the first to speak.
async fn forward(
    worker: &Rc<Worker>,
    mut connection: Connection,
    client: TcpStream,
    route: Option<&Arc<CompiledRoute>>,
) {
    match reach(worker, &mut connection, route).await {
        Ok((route, reached)) => {
            let Reached { backend, lease, stream, took } = reached;
            let timeouts = connection.bind().timeouts;
            let session = connection.open(&route, &backend, lease, took);
            worker.spawn(Relay::new(client, stream, session, &timeouts, &[]));
        }
        Err(reason) => {
            reset_on_close(&client);
            drop(client);
            connection.refuse(reason);
        }
    }
}

async fn reach(
    worker: &Rc<Worker>,
    connection: &mut Connection,
    route: Option<&Arc<CompiledRoute>>,
) -> Result<(Arc<CompiledRoute>, Reached), Refusal> {
    let route = route.ok_or(Refusal::NoBackend)?;
    let backend = choose(worker, connection, route)?;
    let reached = connect(worker, connection, backend).await?;
    Ok((route.clone(), reached))
}

/// Draws a backend by weight. The share of an invalid one is refused, never given to others.
fn choose(
    worker: &Rc<Worker>,
    connection: &mut Connection,
    route: &Arc<CompiledRoute>,
) -> Result<Arc<CompiledBackend>, Refusal> {
    connection.routed(route);
    match route.pick(&mut worker.random()) {
        None => Err(Refusal::NoBackend),
        Some(CompiledTarget::Reject(backend)) => {
            connection.assigned(backend);
            Err(Refusal::NoBackend)
        }
        Some(CompiledTarget::Backend(backend)) => {
            connection.assigned(&backend.name);
            Ok(backend.clone())
        }
    }
}
