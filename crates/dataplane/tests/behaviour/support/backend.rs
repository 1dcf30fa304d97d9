//! Backends with one manner each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A backend that runs until dropped.
pub struct Backend {
    pub address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Backend {
    /// Serves every connection with `serve`.
    pub async fn new<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Relaxed);
                tokio::spawn(serve(stream));
            }
        });
        Self { address, accepted, task }
    }

    /// Says back what it hears, until the client finishes.
    pub async fn echo() -> Self {
        Self::new(async |mut stream: TcpStream| {
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
            let _ = write.shutdown().await;
        })
        .await
    }

    /// Says `banner` before it has heard anything, then echoes.
    pub async fn greeting(banner: &'static str) -> Self {
        Self::new(async move |mut stream: TcpStream| {
            let _ = stream.write_all(banner.as_bytes()).await;
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        })
        .await
    }

    /// Hands every connection to the test.
    pub async fn manual() -> (Self, UnboundedReceiver<TcpStream>) {
        let (sender, receiver) = unbounded_channel();
        let backend = Self::new(move |stream| {
            let sender = sender.clone();
            async move {
                let _ = sender.send(stream);
            }
        });
        (backend.await, receiver)
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Relaxed)
    }
}

/// Sends `text` and hears as many bytes back.
pub async fn ask(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes()).await?;
    let mut answer = vec![0; text.len()];
    super::soon(stream.read_exact(&mut answer)).await?;
    Ok(String::from_utf8(answer).unwrap())
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer finished.
    Finished,
    /// The peer reset.
    Reset,
}

/// Reads to the end of a stream: what was read, and how it ended.
pub async fn read_to_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> (Vec<u8>, End) {
    let mut bytes = Vec::new();
    match super::soon(stream.read_to_end(&mut bytes)).await {
        Ok(_) => (bytes, End::Finished),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => (bytes, End::Reset),
        Err(error) => panic!("{error}"),
    }
}
