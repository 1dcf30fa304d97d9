//! HTTP by hand: a backend that keeps every byte it was sent, and a client without opinions.

use std::sync::{Arc, Mutex};

use snapshot::{
    App, BindKey, HttpApp, HttpListener, HttpTable, PathMatch, Route, Snapshot, TlsListener,
    TlsMode, TlsRoutes, TlsServer,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::backend::{Backend, End, read_to_end};
use super::tls::{Named, table};
use super::world::{World, listener};
use super::{dial, eventually, soon};

/// A host, a path, and where they lead.
pub type Rule = (Option<&'static str>, PathMatch, Arc<Route>);

/// Every path below this one.
pub fn below(path: &str) -> PathMatch {
    PathMatch::prefix(path)
}

fn rules(rules: Vec<Rule>) -> HttpTable<Arc<Route>> {
    let mut table = HttpTable::default();
    for (host, path, route) in rules {
        assert!(table.insert(host, &path, route).is_none(), "{host:?} {path:?} twice");
    }
    table
}

/// A listener that reads requests.
pub fn reading(name: &str, of: Vec<Rule>) -> Arc<HttpListener> {
    Arc::new(HttpListener { name: listener(name, "HTTP"), routes: rules(of) })
}

/// A listener that reads requests behind TLS.
pub fn reading_tls(name: &str, server: TlsServer, of: Vec<Rule>) -> Arc<TlsListener> {
    Arc::new(TlsListener {
        name: listener(name, "HTTPS"),
        mode: TlsMode::Terminate(Arc::new(server)),
        routes: TlsRoutes::Requests(rules(of)),
    })
}

/// Adds HTTP to a snapshot.
pub trait HttpWorld: World {
    /// A socket of these listeners.
    fn http(self, key: BindKey, listeners: Vec<Named<Arc<HttpListener>>>) -> Self;
}

impl HttpWorld for Snapshot {
    fn http(self, key: BindKey, listeners: Vec<Named<Arc<HttpListener>>>) -> Self {
        self.bind(key, App::Http(HttpApp { listeners: table(listeners) }))
    }
}

/// What a backend was sent by one connection.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The head, without its last empty line.
    pub head: String,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// What came after it: never anything.
    pub rest: Vec<u8>,
}

impl Asked {
    /// The value of a field; panics if it is there twice.
    pub fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.split("\r\n").skip(1);
        let mut values = lines.filter_map(|line| {
            let (found, value) = line.split_once(": ").expect("a field");
            found.eq_ignore_ascii_case(name).then_some(value)
        });
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice in {}", self.head);
        value
    }

    /// Method, target and version.
    pub fn line(&self) -> &str {
        self.head.split("\r\n").next().unwrap()
    }
}

/// A backend that answers each connection once, and knows what it was asked.
pub struct Web {
    pub backend: Backend,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    /// Answers 200 with this text.
    pub async fn saying(text: &'static str) -> Self {
        let length = text.len();
        Self::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}")).await
    }

    /// Answers with these bytes, and then ends the connection.
    pub async fn answering(response: impl Into<Vec<u8>>) -> Self {
        let (response, asked) = (Arc::new(response.into()), Arc::new(Mutex::new(vec![])));
        let list = asked.clone();
        let backend = Backend::new(move |mut stream: TcpStream| {
            let (response, list) = (response.clone(), list.clone());
            async move {
                let Some(mut asked) = read_request(&mut stream).await else { return };
                let _ = stream.write_all(&response).await;
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut asked.rest).await;
                list.lock().unwrap().push(asked);
            }
        });
        Self { backend: backend.await, asked }
    }

    /// What it was asked by so many connections, which have ended.
    pub async fn asked(&self, count: usize) -> Vec<Asked> {
        let enough = eventually(async || self.asked.lock().unwrap().len() >= count).await;
        let asked = self.asked.lock().unwrap().clone();
        assert!(enough && asked.len() == count, "{count} expected: {asked:?}");
        asked
    }
}

/// Reads one request, strictly; `None` if the client is gone before its end.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head[..head.len() - 4]).into_owned();
    let mut asked = Asked { head, ..Asked::default() };
    let length = asked.field("content-length").map(|length| length.parse::<usize>().unwrap());
    let encoding = asked.field("transfer-encoding").map(str::to_owned);
    match (length, encoding.as_deref()) {
        (None, None) => {}
        (Some(length), None) => {
            asked.body = vec![0; length];
            stream.read_exact(&mut asked.body).await.ok()?;
        }
        (None, Some("chunked")) => asked.body = read_chunks(stream).await?,
        framing => panic!("{framing:?} in {}", asked.head),
    }
    Some(asked)
}

/// Reads a chunked body without trailers.
pub async fn read_chunks(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await.ok()?);
        }
        let size = std::str::from_utf8(&line[..line.len() - 2]).unwrap();
        let size = usize::from_str_radix(size, 16).expect("a size and no extension");
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).await.ok()?;
        assert!(chunk.ends_with(b"\r\n"));
        body.extend_from_slice(&chunk[..size]);
        if size == 0 {
            return Some(body);
        }
    }
}

/// What a client was answered, to the end of its connection.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Fields, in lower case.
    pub head: String,
    pub body: Vec<u8>,
    pub end: End,
}

impl Answer {
    /// Reads an answer to its end.
    pub async fn of(stream: &mut (impl AsyncRead + Unpin)) -> Self {
        let (bytes, end) = read_to_end(stream).await;
        let text = String::from_utf8_lossy(&bytes);
        let (head, _) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?} {end:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = bytes[head.len() + 4..].to_vec();
        Self { status, head: head.to_ascii_lowercase(), body, end }
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Sends bytes and reads the answer.
pub async fn send(key: &BindKey, request: impl AsRef<[u8]>) -> Answer {
    send_on(&mut dial(key).await, request).await
}

/// Sends bytes on a connection and reads the answer.
pub async fn send_on(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: impl AsRef<[u8]>,
) -> Answer {
    soon(stream.write_all(request.as_ref())).await.unwrap();
    soon(stream.flush()).await.unwrap();
    Answer::of(stream).await
}

/// Asks for a host and a path.
pub async fn get(key: &BindKey, host: &str, path: &str) -> Answer {
    send(key, format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await
}
