//! Serves HTTP/2: requests beside one another on one connection.
//!
//! Source: RFC 9113. Control: `transport.bounds`.

use super::frames::Frames;
use super::{Answer, Body, Flaw, HEAD_BYTES, HEAD_FIELDS, Limits, Peer};
use crate::tls::Wire;
use ::http::header::{CONTENT_LENGTH, HOST};
use ::http::uri::{Authority, PathAndQuery};
use ::http::{HeaderValue, Request, Response, Uri, Version};
use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::error::Error as _;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Bytes of requests' bodies that are taken before somebody reads them: of one, and of a connection.
const WINDOW: (u32, u32) = (64 * 1024, 256 * 1024);
/// Bytes of an answer that are handed over at once.
const PIECE: usize = 16 * 1024;
/// Bytes of an answer that wait for its client's window.
const WAITING: usize = 64 * 1024;
/// Streams that may be taken back before they were looked at.
const TAKEN_BACK: usize = 20;
/// How often a connection is looked after.
const LOOK: Duration = Duration::from_millis(500);

/// Serves until either side ends it, or nothing was under way for as long as that may be, or the client takes nothing of an answer for too long.
pub(super) async fn serve<A: Answer>(wire: Wire, peer: Peer, limits: &Limits, answer: Arc<A>, stop: CancellationToken) {
    let answers = Arc::new(Answers::default());
    let flood = Arc::new(OnceLock::new());
    let stream = Frames::new(wire, limits.write, Arc::clone(&flood));
    let service = {
        let (answers, answer, peer) = (Arc::clone(&answers), Arc::clone(&answer), peer.clone());
        service_fn(move |request| {
            let (under_way, answer, peer) = (answers.begin(), Arc::clone(&answer), peer.clone());
            async move {
                let response = match settled(request) {
                    Ok(request) => answer.answer(request, peer).await,
                    Err(flaw) => answer.malformed(flaw, peer).await,
                };
                Ok::<Response<Followed>, Infallible>(response.map(|body| Followed::new(body, under_way)))
            }
        })
    };
    let mut connection = std::pin::pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(u32::try_from(limits.streams).unwrap_or(u32::MAX))
            .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(TAKEN_BACK)
            .max_local_error_reset_streams(TAKEN_BACK)
            .initial_stream_window_size(WINDOW.0)
            .initial_connection_window_size(WINDOW.1)
            .max_send_buf_size(WAITING)
            .header_table_size(4096)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut leaving = None;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = stop.cancelled(), if leaving.is_none() => {
                leaving = Some(Instant::now());
                connection.as_mut().graceful_shutdown();
            }
            _ = look.tick() => {
                let state = answers.state(Instant::now());
                if state.unread >= limits.write {
                    tracing::debug!(peer = %peer.address, "an answer is not read");
                    return;
                }
                match leaving {
                    None if state.idle >= limits.idle => {
                        leaving = Some(Instant::now());
                        connection.as_mut().graceful_shutdown();
                    }
                    // Whoever has nothing under way and does not leave is left.
                    Some(since) if state.idle >= limits.header && since.elapsed() >= limits.header => return,
                    None | Some(_) => {}
                }
            }
        }
    };
    let Err(cause) = ended else { return };
    tracing::debug!(peer = %peer.address, %cause, "connection ended early");
    match flood.get() {
        Some(kind) => drop(Box::pin(answer.malformed(Flaw::Flood(*kind), peer)).await),
        None if is_fault(&cause) => drop(Box::pin(answer.malformed(Flaw::Frame, peer)).await),
        None => {}
    }
}

/// Whether the connection ended because the library found a fault in what the client sent. That it broke, or was left, is none.
fn is_fault(cause: &hyper::Error) -> bool {
    let found = cause.source().and_then(|source| source.downcast_ref::<h2::Error>());
    found.is_some_and(|found| found.is_library() && found.is_go_away())
}

/// A request as one of HTTP/1.1 would be: its authority as `Host`, its target as path and query.
///
/// # Errors
/// [`Flaw`]: it has no authority or two that differ, too many fields, or two lengths.
fn settled(mut request: Request<Incoming>) -> Result<Request<Incoming>, Flaw> {
    let host = {
        let mut given = request.headers().get_all(HOST).iter();
        let (first, second) = (given.next(), given.next());
        let authority = request.uri().authority().map(Authority::as_str);
        match (authority, first, second) {
            (Some(authority), None, None) => HeaderValue::from_str(authority).map_err(|_| Flaw::Host)?,
            (Some(authority), Some(host), None) if host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => host.clone(),
            (None, Some(host), None) => host.clone(),
            _ => return Err(Flaw::Host),
        }
    };
    request.headers_mut().insert(HOST, host);
    if request.headers().len() > HEAD_FIELDS {
        return Err(Flaw::Fields);
    }
    let mut lengths = request.headers().get_all(CONTENT_LENGTH).iter();
    let is_plain = |length: &HeaderValue| matches!(length.as_bytes(), b"0" | [b'1'..=b'9', ..]);
    if !lengths.next().is_none_or(is_plain) || lengths.next().is_some() {
        return Err(Flaw::Length);
    }
    let target = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(target);
    *request.version_mut() = Version::HTTP_2;
    Ok(request)
}

/// The answers of one connection.
#[derive(Default)]
struct Answers(Mutex<Kept>);

struct Kept {
    open: Vec<Weak<UnderWay>>,
    /// When the last of them ended, or the connection began.
    since: Instant,
}

impl Default for Kept {
    fn default() -> Self {
        Self { open: Vec::new(), since: Instant::now() }
    }
}

/// How it stands with the answers of a connection.
struct State {
    /// How long nothing has been under way.
    idle: Duration,
    /// How long the client has taken nothing of the answer that it reads least.
    unread: Duration,
}

/// One request with its answer, until that is sent or given up.
struct UnderWay {
    waits: Mutex<Waits>,
    answers: Arc<Answers>,
}

/// How it stands with the answer to one request.
#[derive(Default)]
struct Waits {
    /// Since when nothing of what there is was taken.
    since: Option<Instant>,
    /// Parts that the library has and that are not sent.
    parts: usize,
    /// Whether there is more than that.
    more: bool,
}

impl Waits {
    /// Something was taken.
    fn taken(&mut self) {
        self.since = (self.parts > 0 || self.more).then(Instant::now);
    }
}

impl Answers {
    fn begin(self: &Arc<Self>) -> Arc<UnderWay> {
        let under_way = Arc::new(UnderWay { waits: Mutex::default(), answers: Arc::clone(self) });
        self.0.lock().open.push(Arc::downgrade(&under_way));
        under_way
    }

    fn state(&self, now: Instant) -> State {
        // Whoever drops the last of an answer takes the lock of all: none is dropped while that is held.
        let open: Vec<Arc<UnderWay>> = {
            let mut kept = self.0.lock();
            kept.open.retain(|open| open.strong_count() > 0);
            kept.open.iter().filter_map(Weak::upgrade).collect()
        };
        let oldest = open.iter().filter_map(|open| open.waits.lock().since).min();
        State {
            idle: if open.is_empty() { now.saturating_duration_since(self.0.lock().since) } else { Duration::ZERO },
            unread: oldest.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.answers.0.lock().since = Instant::now();
    }
}

/// The body of an answer, of which it is known how long a part of it has waited to be taken.
struct Followed {
    body: Body,
    /// What is left of a part that came in one.
    rest: Bytes,
    under_way: Arc<UnderWay>,
}

/// A part of an answer that the library keeps until the client's windows have room for it.
struct Part {
    bytes: Bytes,
    under_way: Arc<UnderWay>,
}

impl Followed {
    fn new(body: Body, under_way: Arc<UnderWay>) -> Self {
        *under_way.waits.lock() = Waits { since: Some(Instant::now()), parts: 0, more: true };
        Self { body, rest: Bytes::new(), under_way }
    }

    /// There is nothing for now beyond what the library has.
    fn is_out(&self) {
        let mut waits = self.under_way.waits.lock();
        waits.more = false;
        if waits.parts == 0 {
            waits.since = None;
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.is_out();
    }
}

impl Part {
    fn new(bytes: Bytes, under_way: &Arc<UnderWay>) -> Self {
        let mut waits = under_way.waits.lock();
        (waits.parts, waits.more) = (waits.parts + 1, true);
        waits.taken();
        drop(waits);
        Self { bytes, under_way: Arc::clone(under_way) }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut waits = self.under_way.waits.lock();
        waits.parts -= 1;
        waits.taken();
    }
}

impl Buf for Part {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.under_way.waits.lock().taken();
    }
}

impl http_body::Body for Followed {
    type Data = Part;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Part>, Infallible>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Ready(Some(Ok(part))) => this.rest = part.into_data().unwrap_or_default(),
                Poll::Ready(None) => {
                    this.is_out();
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    this.is_out();
                    return Poll::Pending;
                }
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(Part::new(piece, &this.under_way)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.body, self.rest.len()) {
            (Body::Whole(None), left) => SizeHint::with_exact(left as u64),
            (body, _) => body.size_hint(),
        }
    }
}
