//! One call to each service through the gateway, with its answer checked and printed.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::certificates::Certificates;
use crate::{ADDRESS, DATABASE_PORT, DNS_PORT, SHOP, TLS_PORT, VAULT, WWW};

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Calls every service once. The first that does not answer as it should ends the demo.
pub(crate) async fn all(certificates: &Certificates) -> io::Result<()> {
    let asked = format!("SET tide high, GET tide → {ADDRESS}:{DATABASE_PORT}");
    show("TCP", &asked, within(database()).await?);
    let asked = format!("A {WWW}? → {ADDRESS}:{DNS_PORT}");
    show("UDP", &asked, within(dns()).await?);
    let asked = format!("https://{VAULT} → {ADDRESS}:{TLS_PORT}");
    let answer = within(web(VAULT, &certificates.vault_authority)).await?;
    show("TLS passed", &asked, format!("{answer}; certificate of the backend"));
    let asked = format!("https://{SHOP} → {ADDRESS}:{TLS_PORT}");
    let answer = within(web(SHOP, &certificates.shop_authority)).await?;
    show("TLS ended", &asked, format!("{answer}; certificate of the gateway"));
    Ok(())
}

fn show(what: &str, asked: &str, answered: String) {
    println!("  {what:<10} {asked:<52} {answered}");
}

async fn within<T>(call: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(DEADLINE, call)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")))
}

async fn database() -> io::Result<String> {
    let mut stream = TcpStream::connect((ADDRESS, DATABASE_PORT)).await?;
    let set = b"*3\r\n$3\r\nSET\r\n$4\r\ntide\r\n$4\r\nhigh\r\n";
    let get = b"*2\r\n$3\r\nGET\r\n$4\r\ntide\r\n";
    stream.write_all(&[&set[..], get].concat()).await?;
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await?;
    expect("OK, then high", &answer == b"+OK\r\n$4\r\nhigh\r\n")?;
    Ok("OK, high".to_owned())
}

async fn dns() -> io::Result<String> {
    let socket = UdpSocket::bind((ADDRESS, 0)).await?;
    socket.connect((ADDRESS, DNS_PORT)).await?;
    socket.send(&dns_query(0x7e1d, WWW)).await?;
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).await?;
    let answer = &buffer[..length];
    expect("an answer to this question", answer.starts_with(&[0x7e, 0x1d]) && length > 16)?;
    let [.., a, b, c, d] = *answer else { unreachable!("longer than 16 bytes") };
    Ok(format!("{a}.{b}.{c}.{d}"))
}

/// A query for the A record of `name`.
pub(crate) fn dns_query(id: u16, name: &str) -> Vec<u8> {
    let mut query = id.to_be_bytes().to_vec();
    query.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]); // recursion desired, one question
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).expect("labels have at most 63 bytes"));
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 1, 0, 1]); // root, type A, class IN
    query
}

async fn web(name: &'static str, authority: &Path) -> io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(authority).map_err(io::Error::other)?;
    roots.add(authority).map_err(io::Error::other)?;
    let config =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect((ADDRESS, TLS_PORT)).await?;
    let name_asked = ServerName::try_from(name).map_err(io::Error::other)?;
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name_asked, stream).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    expect("HTTP 200", head.starts_with("HTTP/1.1 200"))?;
    Ok(format!("“{}”", body.trim_end()))
}

fn expect(what: &str, held: bool) -> io::Result<()> {
    if held { Ok(()) } else { Err(io::Error::other(format!("the answer was not {what}"))) }
}
