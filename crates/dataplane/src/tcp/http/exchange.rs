//! One request and its response between a client and the endpoint that was reached, by the HTTP
//! library: it reads where bodies end, writes each message anew, and moves bodies through buffers
//! of fixed size.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response, StatusCode, Uri, Version};
use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1 as client_side;
use hyper::server::conn::http1 as server_side;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use snapshot::Timeouts;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::fields::{Asker, towards_backend, towards_client};
use super::head::Head;
use super::linger;
use crate::clock::{NEVER, millis};
use crate::connection::Session;
use crate::deadlines::Slot;
use crate::outcome::{By, Close, CloseReason, Side};
use crate::tcp::Leg;
use crate::tcp::connect::BackendStream;
use crate::tls::Rewind;
use crate::worker::Worker;

/// What is read ahead and held back in each direction, in bytes; a response's head must fit.
const BUFFER: usize = 64 * 1024;
/// When an exchange without a byte either way ends, where no policy says otherwise: unlike a
/// connection between programs that know each other, a request of which nothing is heard is lost.
const IDLE: Duration = Duration::from_secs(300);

impl From<BackendStream> for Box<dyn Leg> {
    fn from(stream: BackendStream) -> Self {
        match stream {
            BackendStream::Plain(stream) => Box::new(stream),
            BackendStream::Tls(stream) => stream,
        }
    }
}

/// What the two sides have in common while an exchange runs.
#[derive(Default)]
struct Progress {
    received: Cell<u64>,
    sent: Cell<u64>,
    /// The side that failed first.
    failed: Cell<Option<Side>>,
    /// Whether nothing more of the backend is wanted.
    answered: Cell<bool>,
}

impl Progress {
    /// Nothing more is expected of the backend then either.
    fn fail(&self, side: Side) {
        self.answered.set(true);
        if self.failed.get().is_none() {
            self.failed.set(Some(side));
        }
    }
}

/// How an exchange ends.
enum Ended {
    /// The response is written as a whole.
    Whole,
    /// The response is cut.
    Broken,
    /// Something else wants it to end.
    Overdue(CloseReason),
}

/// Carries the request whose bytes so far are `heard` to the backend and its response back, and
/// then ends the connection.
pub(super) async fn exchange(
    client: Box<dyn Leg>,
    heard: Vec<u8>,
    head: Head,
    asker: Asker,
    backend: Box<dyn Leg>,
    mut session: Session,
    timeouts: &Timeouts,
) {
    let progress = Rc::new(Progress::default());
    let endpoint = session.lease().endpoint().address();
    let client = Metered { stream: Rewind::new(heard, client), progress: progress.clone() };
    let Ok((requests, backend)) = client_side::Builder::new()
        .max_buf_size(BUFFER)
        .handshake::<_, Incoming>(TokioIo::new(backend))
        .await
    else {
        return session.close(Close { by: By::Backend, reason: CloseReason::IoError });
    };
    let once = RefCell::new(Some((requests, head)));
    let service = service_fn(|request: Request<Incoming>| {
        let (once, progress) = (once.take(), progress.clone());
        Box::pin(async move {
            let Some((requests, head)) = once else {
                // Keep-alive is off, so that there is no second request.
                return Ok(told(StatusCode::BAD_REQUEST, "one request for each connection"));
            };
            Ok::<_, Infallible>(ask(requests, request, &head, asker, endpoint, progress).await)
        })
    });
    let mut server = server_side::Builder::new()
        .keep_alive(false)
        .half_close(true)
        .header_read_timeout(None)
        .auto_date_header(false)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(client), service);

    let deadline = Deadline::new(&session, timeouts);
    let mut backend = Some(Box::pin(backend));
    let ended = poll_fn(|cx| {
        if let Some(reason) = deadline.verdict(cx) {
            return Poll::Ready(Ended::Overdue(reason));
        }
        // Its errors reach whoever waits for the response.
        if backend.as_mut().is_some_and(|backend| backend.as_mut().poll(cx).is_ready()) {
            backend = None;
        }
        let mut served = server.poll_without_shutdown(cx);
        // Whoever was answered before the end of the request need not send the rest of it, and the
        // backend that holds its body would wait for it.
        if progress.answered.get() && backend.take().is_some() && served.is_pending() {
            served = server.poll_without_shutdown(cx);
        }
        let (received, sent) = (progress.received.take(), progress.sent.take());
        if received + sent > 0 {
            deadline.touch();
            session.moved(received, sent);
        }
        served.map(|result| if result.is_ok() { Ended::Whole } else { Ended::Broken })
    })
    .await;

    drop(deadline);
    let mut client: Box<dyn Leg> = Box::new(server.into_parts().io.into_inner().stream);
    let close = match ended {
        Ended::Overdue(reason) => Close::ours(reason),
        Ended::Whole | Ended::Broken => match progress.failed.get() {
            Some(Side::Backend) => Close { by: By::Backend, reason: CloseReason::BackendReset },
            Some(Side::Client) => Close { by: By::Client, reason: CloseReason::ClientReset },
            None if matches!(ended, Ended::Whole) => Close::finished(Side::Backend),
            None => Close { by: By::Client, reason: CloseReason::ClientReset },
        },
    };
    let worker = session.worker().clone();
    session.close(close);
    match ended {
        Ended::Whole => linger(&worker, &mut client).await,
        // Nobody may take a cut response for a whole one.
        Ended::Broken | Ended::Overdue(_) => client.reset(),
    }
}

/// A response's body, ours or the backend's.
type Answer = Either<Full<Bytes>, FromBackend>;

/// The body of the backend's response. Dropped when all of it is on its way.
struct FromBackend {
    body: Incoming,
    progress: Rc<Progress>,
}

impl Body for FromBackend {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if matches!(frame, Some(Err(_))) {
            self.progress.fail(Side::Backend);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for FromBackend {
    fn drop(&mut self) {
        self.progress.answered.set(true);
    }
}

/// Sends a request on, and makes of what comes back what the client gets.
async fn ask(
    mut requests: client_side::SendRequest<Incoming>,
    request: Request<Incoming>,
    head: &Head,
    asker: Asker,
    endpoint: SocketAddr,
    progress: Rc<Progress>,
) -> Response<Answer> {
    let (mut parts, body) = request.into_parts();
    // The route was chosen by our own reading of the same bytes.
    if parts.uri.path_and_query() != Some(&head.target) {
        progress.fail(Side::Client);
        return told(StatusCode::BAD_REQUEST, "the target is read in two ways");
    }
    parts.uri = Uri::from(head.target.clone());
    parts.version = Version::HTTP_11;
    towards_backend(&mut parts.headers, asker, endpoint);
    let response = requests.send_request(Request::from_parts(parts, body)).await;
    match response {
        // Nothing was asked for that it could switch to.
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            progress.fail(Side::Backend);
            told(StatusCode::BAD_GATEWAY, "the backend switched to another protocol")
        }
        Ok(response) => {
            let (mut parts, body) = response.into_parts();
            parts.version = Version::HTTP_11;
            towards_client(&mut parts.headers);
            Response::from_parts(parts, Either::Right(FromBackend { body, progress }))
        }
        // The body that could not be sent on is the client's.
        Err(error) if error.is_user() => {
            progress.fail(Side::Client);
            told(StatusCode::BAD_REQUEST, "the body is not well-formed")
        }
        Err(_) => {
            progress.fail(Side::Backend);
            told(StatusCode::BAD_GATEWAY, "the backend gave no response")
        }
    }
}

/// A response of our own.
fn told(status: StatusCode, text: &str) -> Response<Answer> {
    let mut response = Response::new(Either::Left(Full::from(format!("{text}\n"))));
    *response.status_mut() = status;
    towards_client(response.headers_mut());
    response
}

/// What ends an exchange besides its two sides.
struct Deadline {
    worker: Rc<Worker>,
    slot: usize,
}

impl Deadline {
    fn new(session: &Session, timeouts: &Timeouts) -> Self {
        let worker = session.worker().clone();
        let slot = worker.deadlines().insert(Slot {
            life: session.life().clone(),
            endpoint: session.lease().endpoint().clone(),
            backend_drain: millis(timeouts.backend_drain),
            idle: millis(timeouts.idle.unwrap_or(IDLE)),
            active_at: worker.shared().clock.now(),
            half_closed_until: NEVER,
            waker: None,
            verdict: None,
        });
        Self { worker, slot }
    }

    fn verdict(&self, cx: &Context<'_>) -> Option<CloseReason> {
        self.worker.deadlines().verdict(self.slot, cx.waker())
    }

    fn touch(&self) {
        self.worker.deadlines().touch(self.slot, self.worker.shared().clock.now());
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.worker.deadlines().remove(self.slot);
    }
}

/// A client whose bytes are counted.
struct Metered {
    stream: Rewind<Box<dyn Leg>>,
    progress: Rc<Progress>,
}

impl Metered {
    fn wrote(&self, result: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(count)) = result {
            self.progress.sent.set(self.progress.sent.get() + *count as u64);
        }
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let count = buf.filled().len() - before;
        self.progress.received.set(self.progress.received.get() + count as u64);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
