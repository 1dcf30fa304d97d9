//! Listeners, clients and backends of TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use snapshot::{
    App, BackendTls, BindKey, Cluster, ClusterKey, Route, Snapshot, SniTable, TlsApp, TlsIdentity,
    TlsListener, TlsMode, TlsRoutes, TlsServer, TrustRoots,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::backend::Backend;
use super::world::{World, listener};
use super::{dial, soon};
use crate::pki::{Authority, chain, key};

/// A hostname as manifests have it, and what stands there.
pub type Named<T> = (Option<&'static str>, T);

pub fn table<T>(entries: Vec<Named<T>>) -> SniTable<T> {
    let mut table = SniTable::default();
    for (hostname, value) in entries {
        assert!(table.insert(hostname, value).is_none(), "{hostname:?} twice");
    }
    table
}

/// A listener that passes TLS through.
pub fn passthrough(name: &str, routes: Vec<Named<Arc<Route>>>) -> Arc<TlsListener> {
    let (name, routes) = (listener(name, "TLS"), TlsRoutes::Names(table(routes)));
    Arc::new(TlsListener { name, mode: TlsMode::Passthrough, routes })
}

/// A listener that terminates TLS.
pub fn terminating(
    name: &str,
    server: TlsServer,
    routes: Vec<Named<Arc<Route>>>,
) -> Arc<TlsListener> {
    let (name, routes) = (listener(name, "TLS"), TlsRoutes::Names(table(routes)));
    Arc::new(TlsListener { name, mode: TlsMode::Terminate(Arc::new(server)), routes })
}

/// Adds TLS to a snapshot.
pub trait TlsWorld: World {
    /// A socket of these listeners.
    fn tls(self, key: BindKey, listeners: Vec<Named<Arc<TlsListener>>>) -> Self;
    /// A cluster that is spoken to by TLS.
    fn tls_cluster(self, name: &str, endpoints: &[SocketAddr], tls: BackendTls) -> Self;
}

impl TlsWorld for Snapshot {
    fn tls(self, key: BindKey, listeners: Vec<Named<Arc<TlsListener>>>) -> Self {
        self.bind(key, App::Tls(TlsApp { listeners: table(listeners) }))
    }

    fn tls_cluster(self, name: &str, endpoints: &[SocketAddr], tls: BackendTls) -> Self {
        let mut snapshot = self.cluster(name, endpoints);
        let cluster = snapshot.clusters.get_mut(&ClusterKey::new(name)).unwrap();
        let plain = Cluster::clone(cluster);
        *cluster = Arc::new(Cluster { tls: Some(Arc::new(tls)), ..plain });
        snapshot
    }
}

/// Verification of a backend by name and authority.
pub fn verifying(name: &str, authority: &Authority) -> BackendTls {
    BackendTls {
        server_name: name.to_owned(),
        subject_names: vec![],
        roots: TrustRoots::Certificates(vec![authority.der.clone()]),
        identity: None,
    }
}

/// A backend's settings.
pub fn serving(identity: &TlsIdentity) -> ServerConfig {
    ServerConfig::builder_with_provider(dataplane::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain(identity), key(identity))
        .unwrap()
}

/// A backend that ends TLS itself and hands each session to `serve`.
pub async fn tls_backend<F: Future<Output = ()> + Send + 'static>(
    config: ServerConfig,
    serve: impl Fn(server::TlsStream<TcpStream>) -> F + Clone + Send + Sync + 'static,
) -> Backend {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Backend::new(move |stream| {
        let (acceptor, serve) = (acceptor.clone(), serve.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream).await;
            }
        }
    })
    .await
}

/// A backend that ends TLS itself and says `name` and what it hears.
pub async fn naming(name: &'static str, config: ServerConfig) -> Backend {
    tls_backend(config, async move |mut stream| {
        let _ = stream.write_all(name.as_bytes()).await;
        let (mut read, mut write) = tokio::io::split(stream);
        let _ = tokio::io::copy(&mut read, &mut write).await;
        let _ = write.shutdown().await;
    })
    .await
}

/// A client's handshake with a socket of the data plane.
pub async fn connect(
    key: &BindKey,
    config: &ClientConfig,
    name: &str,
) -> std::io::Result<client::TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(config.clone()));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    soon(connector.connect(name, dial(key).await)).await
}

/// Reads as many bytes as `text` has, which must be it.
pub async fn expect(stream: &mut (impl tokio::io::AsyncRead + Unpin), text: &str) {
    let mut heard = vec![0; text.len()];
    soon(stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), text);
}

/// The DER of the certificate that a client was shown.
pub fn shown(stream: &client::TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// The first flight of a real client for `name`; an address is sent without a name.
pub fn hello_for(config: &ClientConfig, name: &str) -> Vec<u8> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = rustls::ClientConnection::new(Arc::new(config.clone()), name).unwrap();
    let mut flight = Vec::new();
    session.write_tls(&mut flight).unwrap();
    flight
}

/// The same hello in two records.
pub fn in_two_records(hello: &[u8], at: usize) -> Vec<u8> {
    let (first, second) = hello[5..].split_at(at);
    let record = |part: &[u8]| {
        [&[22, 3, 1][..], &u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat()
    };
    [record(first), record(second)].concat()
}

/// Sends `total` bytes and hears as many at the same time; both ends use the same pattern, so that
/// a byte lost, doubled or swapped is noticed. Finishes its side and expects the other's finish.
pub async fn exchange(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
    total: u64,
) {
    let (mut read, mut write) = tokio::io::split(stream);
    let pattern: Vec<u8> = (0..1 << 16).map(|at: u32| (at * 7 + (at >> 8)) as u8).collect();
    let send = async {
        for _ in 0..total >> 16 {
            write.write_all(&pattern).await.unwrap();
        }
        write.shutdown().await.unwrap();
    };
    let hear = async {
        let mut heard = vec![0; pattern.len()];
        for chunk in 0..total >> 16 {
            read.read_exact(&mut heard).await.unwrap();
            assert!(heard == pattern, "chunk {chunk}");
        }
        assert_eq!(read.read(&mut heard).await.unwrap(), 0, "more than was sent");
    };
    tokio::join!(send, hear);
}
