//! Stage 14: the client is told. The one writer to clients; it takes [`Settled`] and nothing else.

use super::settle::{Last, Outgoing, Settled};
use crate::plain::respond;
use crate::session::{Session, StreamId, Streams, event};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use transport::http::Body;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const ACCEL: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The way back to the sender of one message.
pub struct Reply {
    outlet: Outlet,
    session: Option<Arc<Session>>,
    stream: Option<Stream>,
}

/// An event stream that carries the answer.
enum Stream {
    /// One of the session's, which can be resumed.
    Kept(StreamId),
    /// One that is as long as the request.
    Own(mpsc::Sender<Bytes>),
}

/// Messages that may wait for a client that reads its stream slowly.
const WAITING: usize = 64;

enum Outlet {
    /// The answer to an HTTP request; gone once it was given.
    Http(Option<oneshot::Sender<Response<Body>>>),
    /// The lines of a local connection.
    Line(mpsc::Sender<Bytes>),
}

impl Reply {
    /// To an HTTP request.
    pub fn http(answer: oneshot::Sender<Response<Body>>) -> Self {
        Self { outlet: Outlet::Http(Some(answer)), session: None, stream: None }
    }

    /// To a local connection.
    pub fn line(outlet: mpsc::Sender<Bytes>) -> Self {
        Self { outlet: Outlet::Line(outlet), session: None, stream: None }
    }

    /// Names the session whose streams may carry the answer.
    pub(super) fn bind(&mut self, session: &Arc<Session>) {
        self.session = Some(Arc::clone(session));
    }

    /// Whether the answer is still to be one piece.
    pub(super) fn is_plain(&self) -> bool {
        self.session.is_some() && matches!(self.outlet, Outlet::Http(Some(_)))
    }

    /// Turns a plain answer into an event stream, before its first byte. Nothing is said on it yet.
    pub(super) fn stream(&mut self) {
        let (Outlet::Http(answer), Some(session)) = (&mut self.outlet, &self.session) else { return };
        let Some(answer) = answer.take() else { return };
        if let Streams::Own = session.streams {
            let (sink, subscriber) = mpsc::channel(WAITING);
            self.stream = Some(Stream::Own(sink));
            drop(answer.send(events(subscriber)));
        } else if let Some((id, subscriber)) = session.streams.open() {
            self.stream = Some(Stream::Kept(id));
            drop(answer.send(events(subscriber)));
        }
    }

    /// Waits until the client has hung up, where that takes the request back (MCP 2026-07-28, "Cancellation"). Elsewhere it says nothing.
    pub(super) async fn left(&mut self) {
        let alone = self.session.as_ref().is_some_and(|session| matches!(session.streams, Streams::Own));
        match (&mut self.outlet, &self.stream) {
            (_, Some(Stream::Own(sink))) => sink.closed().await,
            (Outlet::Http(Some(answer)), None) if alone => answer.closed().await,
            _ => std::future::pending().await,
        }
    }

    /// Tells the client, as the wire demands.
    pub(super) async fn give(&mut self, settled: Settled) {
        let (outgoing, last) = settled.open();
        if last == Last::No && matches!(outgoing, Outgoing::Message { .. }) {
            self.stream();
        }
        match &mut self.outlet {
            Outlet::Line(outlet) => {
                if let Some(text) = line(outgoing) {
                    drop(outlet.send(text).await);
                }
            }
            Outlet::Http(answer) => match (&mut self.stream, &self.session) {
                (Some(Stream::Kept(id)), Some(session)) => {
                    match &outgoing {
                        Outgoing::Message { text, .. } => session.streams.send(Some(*id), text),
                        Outgoing::Parted => session.streams.part(*id),
                        _ => {}
                    }
                    if last == Last::Yes {
                        session.streams.finish(*id);
                    }
                }
                (Some(Stream::Own(sink)), _) => {
                    if let Outgoing::Message { text, .. } = &outgoing {
                        drop(sink.send(event(text)).await);
                    }
                    if last == Last::Yes {
                        self.stream = None;
                    }
                }
                _ => {
                    if last == Last::Yes
                        && let Some(answer) = answer.take()
                    {
                        drop(answer.send(response(outgoing)));
                    }
                }
            },
        }
    }
}

/// What a local connection is told: messages as they are, faults without a status.
fn line(outgoing: Outgoing) -> Option<Bytes> {
    match outgoing {
        Outgoing::Message { text, .. } => Some(text),
        Outgoing::Bare { text, .. } => (!text.is_empty()).then_some(text),
        Outgoing::Busy { text, .. } => Some(text),
        Outgoing::Accepted | Outgoing::Opened(_) | Outgoing::Ended | Outgoing::Parted | Outgoing::Silent => None,
    }
}

fn response(outgoing: Outgoing) -> Response<Body> {
    match outgoing {
        Outgoing::Message { text, status, session } => respond(code(status), Body::whole(text), |mut response| {
            if let Some(session) = session {
                response = response.header(SESSION, session);
            }
            response.header(CONTENT_TYPE, "application/json")
        }),
        Outgoing::Accepted | Outgoing::Parted | Outgoing::Silent => respond(StatusCode::ACCEPTED, Body::empty(), |response| response),
        Outgoing::Ended => respond(StatusCode::NO_CONTENT, Body::empty(), |response| response),
        Outgoing::Opened(subscriber) => events(subscriber),
        Outgoing::Busy { text, after } => respond(StatusCode::SERVICE_UNAVAILABLE, Body::whole(text), |response| {
            response.header(CONTENT_TYPE, "application/json").header(RETRY_AFTER, after)
        }),
        Outgoing::Bare { text, status, fate, challenge } => respond(code(status), Body::whole(text), |mut response| {
            if let Some(challenge) = challenge {
                response = response.header(WWW_AUTHENTICATE, challenge);
            }
            if status == 405 {
                response = response.header(http::header::ALLOW, "POST, GET, DELETE");
            }
            if fate == mcp::Fate::Close {
                response = response.header(CONNECTION, "close");
            }
            response.header(CONTENT_TYPE, "application/json")
        }),
    }
}

fn events(subscriber: mpsc::Receiver<Bytes>) -> Response<Body> {
    respond(StatusCode::OK, Body::events(subscriber), |response| {
        response.header(CONTENT_TYPE, "text/event-stream").header(CACHE_CONTROL, "no-store").header(ACCEL, "no")
    })
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
