//! A web server that answers every request with who it is, over TLS of its own or in the clear.

use std::io;
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Identity;

/// The longest request head.
const LONGEST: usize = 8 * 1024;

/// TLS with this certificate.
pub(crate) fn tls(identity: &Identity) -> io::Result<TlsAcceptor> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.serialize_der()));
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate.der().clone()], key)
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves connections for ever, one request each.
pub(crate) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, who: &'static str) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let tls = tls.clone();
        tokio::spawn(async move {
            let _closed = match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => answer(stream, who).await,
                    Err(error) => Err(error),
                },
                None => answer(stream, who).await,
            };
        });
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, who: &str) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > LONGEST || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let body = format!("hello from {who}\n");
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
