//! The HTTP listener: bounded connections in, requests with their peer out.
//!
//! Knows nothing of MCP. What a request may say is decided by the line; what a connection may cost is decided here.

mod body;
mod connections;
mod frames;
mod head;
mod multiplexed;
mod patient;
mod source;
mod stream;

pub use body::{Body, Events};
pub use connections::{Connections, Full, Most, Permit};
pub use frames::Kind;
pub use head::{Flaw, Framing, Judged, Rest};
pub use source::SourcePrefix;
pub use stream::{Found, Stream};

use crate::lanes::Lanes;
use crate::tls::{Certificate, Handshake, Inside, Shaken, Tls, Wire};
use ::http::HeaderValue;
use ::http::header::CONNECTION;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What one connection and all of them together may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many there may be.
    pub connections: Most,
    /// Longest time of a handshake, and until the head of a request is complete, counted from the end of the one before.
    pub header: Duration,
    /// Longest time that a connection of HTTP/2 stays open without a request under way.
    pub idle: Duration,
    /// Requests that may be under way on one connection of HTTP/2.
    pub streams: usize,
    /// Longest time in which a peer may take nothing of what is written.
    pub write: Duration,
}

/// Bytes that the head of a request may have.
pub const HEAD_BYTES: usize = 32 * 1024;
/// Fields that the head of a request may have.
pub const HEAD_FIELDS: usize = 64;

/// What who did not finish the head of a request is told (RFC 9110 §15.5.9).
const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// The same inside TLS, with [`HSTS`](crate::tls::HSTS).
const LATE_SECURED: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\
    strict-transport-security: max-age=63072000; includeSubDomains\r\n\r\n";

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// From where.
    pub address: SocketAddr,
    /// What it has shown in its handshake; nothing, where it was not asked.
    pub certificate: Option<Arc<Certificate>>,
}

/// What answers requests.
pub trait Answer: Send + Sync + 'static {
    /// Answers one request of `peer`.
    fn answer(&self, request: http::Request<Incoming>, peer: Peer) -> impl Future<Output = http::Response<Body>> + Send;

    /// Answers what `peer` sent that is refused before it is read as a request; over HTTP/1.1 the connection ends after it. Where the answer was given
    /// already (of a head that is late, or that the HTTP library refused), or none can be given, what is returned is dropped.
    fn malformed(&self, flaw: Flaw, peer: Peer) -> impl Future<Output = http::Response<Body>> + Send;

    /// Takes note of a client whose handshake failed.
    fn unshaken(&self, fault: Handshake, address: SocketAddr) -> impl Future<Output = ()> + Send;

    /// Takes note of a connection that was closed unread because there are too many.
    fn turned_away(&self, full: Full);
}

/// Accepts connections until `stop`, inside TLS where there is one, each for one of `lanes`, then lets open ones finish what they are at. Returns once all have
/// ended.
///
/// A connection beyond a bound is closed unread. `TCP_NODELAY` is set on each.
pub async fn serve<A: Answer>(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    limits: Limits,
    answer: Arc<A>,
    lanes: &Lanes,
    stop: CancellationToken,
) {
    let connections = Arc::new(Connections::new(limits.connections));
    let tracker = TaskTracker::new();
    while let Some((stream, address, permit)) = connections.next(&listener, &stop, |full| answer.turned_away(full)).await {
        let (answer, stop, limits, tls) = (Arc::clone(&answer), stop.clone(), limits.clone(), tls.clone());
        // Known to this thread's poller until here, to that of its lane from there on.
        let Ok(stream) = stream.into_std() else { continue };
        lanes.spawn(&tracker, async move {
            if let Ok(stream) = TcpStream::from_std(stream) {
                connection(stream, address, tls, &limits, answer, stop).await;
            }
            drop(permit);
        });
    }
    tracker.close();
    tracker.wait().await;
}

/// Each way that a connection may go is boxed, so that it holds room for the one that it goes.
async fn connection<A: Answer>(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    limits: &Limits,
    answer: Arc<A>,
    stop: CancellationToken,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(tls) = tls else {
        return Box::pin(single(Wire::Left(stream), Peer { address, certificate: None }, limits, answer, stop)).await;
    };
    let shaken = tokio::select! {
        shaken = Box::pin(tls.shake(stream, limits.header)) => shaken,
        () = stop.cancelled() => return,
    };
    match shaken {
        Ok(Shaken { stream, inside, certificate, mut lapse }) => {
            let (wire, peer) = (Wire::Right(stream), Peer { address, certificate });
            let serving: Pin<Box<dyn Future<Output = ()> + Send + '_>> = match inside {
                Inside::Http1 => Box::pin(single(wire, peer, limits, answer, stop)),
                Inside::Http2 => Box::pin(multiplexed::serve(wire, peer, limits, answer, stop)),
            };
            // At its end everything of the connection is cut.
            if lapse.guard(serving).await.is_none() {
                tracing::debug!("a client's certificate is no longer good");
            }
        }
        Err(fault) => Box::pin(answer.unshaken(fault, address)).await,
    }
}

/// Serves HTTP/1.1: one request after the other.
async fn single<A: Answer>(wire: Wire, peer: Peer, limits: &Limits, answer: Arc<A>, stop: CancellationToken) {
    let found = Found::default();
    let late = match &wire {
        Wire::Left(_) => LATE,
        Wire::Right(_) => LATE_SECURED,
    };
    let stream = Stream::new(wire, limits.write, found.clone());
    let service = service_fn(|request| {
        let (answer, flaw, peer) = (Arc::clone(&answer), found.of(&request), peer.clone());
        // Apart from the connection, so that one that only holds a stream, or nothing, has no room for it.
        Box::pin(async move {
            let Some(flaw) = flaw else { return Ok::<_, Infallible>(answer.answer(request, peer).await) };
            let mut response = Box::pin(answer.malformed(flaw, peer)).await;
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            Ok(response)
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_FIELDS)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let Err(cause) = ended else { return };
    tracing::debug!(peer = %peer.address, %cause, "connection ended early");
    let mut stream = connection.into_parts().io.into_inner();
    if cause.is_timeout() && stream.awaits_head() {
        Box::pin(answer.malformed(Flaw::Slow, peer)).await;
        // Who is late may be gone.
        let _ = stream.write_all(late).await;
        let _ = stream.shutdown().await;
    } else if cause.is_parse() {
        // The library has said so already.
        Box::pin(answer.malformed(Flaw::Line, peer)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::HSTS;

    #[test]
    fn who_is_late_inside_tls_is_told_what_every_answer_says_there() {
        let stands = |answer: &[u8]| answer.windows(HSTS.len()).any(|window| window == HSTS.as_bytes());
        assert!(stands(LATE_SECURED) && !stands(LATE));
    }
}
