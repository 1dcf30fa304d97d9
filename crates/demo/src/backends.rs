//! The servers behind the gateway, at the addresses that the EndpointSlices of the quickstart
//! name. They speak just enough of their protocols to be talked to with everyday clients.

mod database;
mod dns;
mod web;

use std::io;
use std::net::Ipv4Addr;

use tokio::net::{TcpListener, UdpSocket};

use crate::certificates::Certificates;

/// Opens every port, then serves in background tasks.
pub(crate) async fn start(certificates: &Certificates) -> io::Result<()> {
    let database = listen(27379).await?;
    let vault = listen(27443).await?;
    let shop = listen(27080).await?;
    let address = (Ipv4Addr::LOCALHOST, 27053);
    let dns = UdpSocket::bind(address).await.map_err(|error| taken(27053, &error))?;
    let tls = web::tls(&certificates.vault)?;

    tokio::spawn(database::serve(database));
    tokio::spawn(dns::serve(dns));
    tokio::spawn(web::serve(vault, Some(tls), "the vault, which decrypted this itself"));
    tokio::spawn(web::serve(shop, None, "the shop, for which Tidegate decrypted this"));
    Ok(())
}

async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| taken(port, &error))
}

fn taken(port: u16, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("port {port} for a demo backend: {error}"))
}
