//! A controller that says what a test makes it say, true or not.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::bytes::Bytes;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::DEADLINE;
use crate::raw::framed;

/// One stream of a proxy.
pub(crate) struct Script {
    says: mpsc::Sender<Bytes>,
    hears: mpsc::Receiver<Bytes>,
}

/// Listens for proxies.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    streams: mpsc::Receiver<Script>,
}

impl Scripted {
    pub(crate) async fn start(tls: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (sender, streams) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let Ok(tls) = TlsAcceptor::from(tls.clone()).accept(tcp).await else { continue };
                let sender = sender.clone();
                let service = service_fn(move |request: http::Request<Incoming>| {
                    let sender = sender.clone();
                    async move { Ok::<_, Infallible>(answer(request, sender).await) }
                });
                let builder = Builder::new(TokioExecutor::new());
                tokio::spawn(async move {
                    let _ = builder.serve_connection(TokioIo::new(tls), service).await;
                });
            }
        });
        Self { address, streams }
    }

    /// The next stream that a proxy opens.
    pub(crate) async fn stream(&mut self) -> Script {
        let stream = tokio::time::timeout(DEADLINE, self.streams.recv()).await;
        stream.expect("a proxy in time").expect("it listens")
    }
}

async fn answer(
    request: http::Request<Incoming>,
    sender: mpsc::Sender<Script>,
) -> http::Response<StreamBody<crate::raw::Messages>> {
    let (says, messages) = crate::raw::channel();
    let (words, hears) = mpsc::channel(1024);
    tokio::spawn(async move {
        let mut body = request.into_body();
        let mut read = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = Frame::into_data(frame) else { break };
            read.extend_from_slice(&data);
            while let Some(head) = read.get(1..5) {
                let length = u32::from_be_bytes(head.try_into().expect("four bytes")) as usize;
                if read.len() < 5 + length {
                    break;
                }
                let message = Bytes::copy_from_slice(&read[5..5 + length]);
                read.drain(..5 + length);
                if words.send(message).await.is_err() {
                    return;
                }
            }
        }
    });
    let _ = sender.send(Script { says, hears }).await;
    http::Response::builder()
        .header("content-type", "application/grpc")
        .body(StreamBody::new(messages))
        .expect("an answer")
}

impl Script {
    pub(crate) async fn say(&self, message: &[u8]) {
        self.says.send(framed(message)).await.expect("the proxy is there");
    }

    /// The next message that begins with this byte: a hello (0x0a), a report (0x12), a question for
    /// everything (0x1a).
    pub(crate) async fn hear(&mut self, first: u8) -> Bytes {
        let waiting = async {
            loop {
                let message = self.hears.recv().await.expect("the stream is open");
                if message.first() == Some(&first) {
                    return message;
                }
            }
        };
        tokio::time::timeout(DEADLINE, waiting).await.expect("a message in time")
    }

    /// Until the proxy has given the stream up.
    pub(crate) async fn is_over(&mut self) {
        let waiting = async { while self.hears.recv().await.is_some() {} };
        tokio::time::timeout(DEADLINE, waiting).await.expect("an end in time");
    }
}
