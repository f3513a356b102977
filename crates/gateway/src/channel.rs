//! HTTP+SSE towards clients of 2024: everything that one is told comes on one stream, and what it says is POSTed.
//!
//! Only the carrying is different. Each message is taken through the line as if it had been POSTed to `/mcp`, with the token that came with it; what the
//! line answers is put on the stream. The id in the query says which stream is meant: it is known to one principal and proves nothing.
//!
//! Source: MCP 2024-11-05, Transports, "HTTP with SSE". Controls: `identity.session-binding`, `transport.bounds`.

use crate::arrival::{Arrival, HttpArrival, Source};
use crate::front::{first_of, given};
use crate::gate::Gate;
use crate::line::{self, Barred, Reply, Taken};
use crate::plain::respond;
use crate::session::{Phase, Session};
use crate::snapshot::{Listen, Spoken};
use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use terms::Principal;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use transport::http::{Body, Peer};
use transport::sse;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const ACCEL: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Messages that may wait to be written to one client.
const QUEUE: usize = 64;
/// Until a client has opened its session.
const OPENING: Duration = Duration::from_secs(30);
/// How often the stream of one answer is taken up again.
const RESUMES: usize = 20;

/// What a request asks of this transport.
pub(crate) enum OneStream {
    /// The stream.
    Open,
    /// To take a message for the client of this id.
    Take(String),
}

/// The open streams, by their ids.
#[derive(Default)]
pub(crate) struct Channels(Mutex<HashMap<String, Arc<Channel>>>);

/// One client's stream.
struct Channel {
    principal: Arc<Principal>,
    outlet: mpsc::Sender<Bytes>,
    session: OnceLock<Arc<Session>>,
    standing: AtomicBool,
    over: CancellationToken,
}

impl OneStream {
    /// What `head` asks of this transport, where that is spoken.
    pub(crate) fn of(listen: &Listen, head: &Parts) -> Option<Self> {
        // An absolute target names a host too, which is for the line to judge.
        if listen.spoken == Spoken::Streamable || head.uri.authority().is_some() {
            return None;
        }
        match (head.uri.path(), &head.method, head.uri.query()) {
            ("/sse", &Method::GET, None) => Some(Self::Open),
            ("/messages", &Method::POST, Some(query)) => {
                query.strip_prefix("id=").filter(|id| is_id(id)).map(|id| Self::Take(id.to_owned()))
            }
            _ => None,
        }
    }

    /// Answers the request.
    pub(crate) async fn answer(
        self,
        gate: &Arc<Gate>,
        channels: &Arc<Channels>,
        mut head: Parts,
        body: Incoming,
        peer: Peer,
    ) -> Response<Body> {
        // INVARIANT: a path of the line, so that accept and identify judge the rest of the head as they always do.
        head.uri = Uri::from_static("/mcp");
        let (first, told) = oneshot::channel();
        let arrival = HttpArrival { head: head.clone(), body: None, peer: peer.clone() };
        match self {
            Self::Open => {
                let most = gate.snapshot().bounds.streams;
                let room = |principal: &Arc<Principal>| if channels.count(principal) < most { Ok(()) } else { Err(Barred::Full(most)) };
                match line::sender(gate, arrival, Reply::http(first), room).await {
                    Some(principal) => channels.open(gate, principal),
                    None => given(told.await),
                }
            }
            Self::Take(id) => {
                let channel = channels.0.lock().get(&id).cloned();
                let own = |principal: &Arc<Principal>| match &channel {
                    Some(channel) if *channel.principal == **principal => Ok(()),
                    Some(_) | None => Err(Barred::Unknown),
                };
                let known = line::sender(gate, arrival, Reply::http(first), own).await;
                match (known, channel) {
                    (Some(_), Some(channel)) => channel.take(gate, head, body, peer).await,
                    (Some(_) | None, _) => given(told.await),
                }
            }
        }
    }
}

/// As we give them out.
fn is_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Channels {
    fn count(&self, principal: &Principal) -> usize {
        self.0.lock().values().filter(|channel| *channel.principal == *principal).count()
    }

    /// Opens a stream, which begins with where its client is to POST.
    fn open(self: &Arc<Self>, gate: &Arc<Gate>, principal: Arc<Principal>) -> Response<Body> {
        let mut bits = [0_u8; 32];
        gate.entropy.fill(&mut bits);
        let id = hex::encode(bits);
        let (outlet, pieces) = mpsc::channel(QUEUE);
        drop(outlet.try_send(Bytes::from(format!("event: endpoint\ndata: /messages?id={id}\n\n"))));
        let channel = Arc::new(Channel {
            principal,
            outlet,
            session: OnceLock::new(),
            standing: AtomicBool::new(false),
            over: CancellationToken::new(),
        });
        self.0.lock().insert(id.clone(), Arc::clone(&channel));
        let (gate, channels) = (Arc::clone(gate), Arc::clone(self));
        tokio::spawn(async move {
            channel.watch(&gate).await;
            channels.0.lock().remove(&id);
            channel.over.cancel();
            if let Some(session) = channel.session.get() {
                gate.end_session(session).await;
            }
        });
        respond(StatusCode::OK, Body::events(pieces), |response| {
            response.header(CONTENT_TYPE, STREAM).header(CACHE_CONTROL, "no-store").header(ACCEL, "no")
        })
    }
}

impl Channel {
    /// Waits until the client is gone, its session has ended, or none was opened in time.
    async fn watch(&self, gate: &Gate) {
        let unopened = async {
            tokio::time::sleep(OPENING).await;
            if self.session.get().is_some() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.outlet.closed() => {}
            () = self.over.cancelled() => {}
            () = gate.ending.cancelled() => {}
            () = unopened => {}
        }
    }

    /// Takes one message through the line. It is answered on the stream, unless its form is so bad that the request itself is.
    async fn take(self: Arc<Self>, gate: &Arc<Gate>, mut head: Parts, body: Incoming, peer: Peer) -> Response<Body> {
        head.headers.insert(ACCEPT, BOTH);
        self.name_session(&mut head);
        let again = head.clone();
        let (first, told) = oneshot::channel();
        let arrival = Arrival { source: Source::Http(Box::new(HttpArrival { head, body: Some(body), peer: peer.clone() })) };
        match line::request(gate, arrival, Reply::http(first)).await {
            Taken::Refused(_) | Taken::Malformed => {
                let response = given(told.await);
                if response.status() != StatusCode::OK {
                    return response;
                }
                tokio::spawn(async move { self.pass_on(response).await });
            }
            Taken::Understood(session, action) => {
                self.bind(gate, &session).await;
                let stands = session.phase() == Phase::Ready && !self.standing.swap(true, Ordering::AcqRel);
                if stands {
                    let (channel, gate, head, peer) = (Arc::clone(&self), Arc::clone(gate), again.clone(), peer.clone());
                    tokio::spawn(async move { channel.stand(&gate, head, peer).await });
                }
                let gate = Arc::clone(gate);
                tokio::spawn(async move {
                    let response = given(first_of(told, action).await);
                    self.pass_all_on(&gate, response, &again, peer).await;
                });
            }
        }
        respond(StatusCode::ACCEPTED, Body::empty(), |response| response)
    }

    /// The session that was opened first on this stream is the only one that it ever has.
    async fn bind(self: &Arc<Self>, gate: &Arc<Gate>, session: &Arc<Session>) {
        if self.session.set(Arc::clone(session)).is_ok() {
            let (ended, over) = (session.ended.clone(), self.over.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = ended.cancelled() => over.cancel(),
                    () = over.cancelled() => {}
                }
            });
        } else if self.session.get().is_some_and(|own| own.id != session.id) {
            gate.end_session(session).await;
        }
    }

    /// Puts our own session into a head, in place of whatever a client says.
    fn name_session(&self, head: &mut Parts) {
        head.headers.remove(&SESSION);
        if let Some(key) = self.session.get().and_then(|session| HeaderValue::from_str(&session.key).ok()) {
            head.headers.insert(SESSION, key);
        }
    }

    /// Asks the line for a stream: the standing one, or what is left of the one that ended after the event `last`.
    async fn ask(&self, gate: &Arc<Gate>, mut head: Parts, peer: Peer, last: Option<&str>) -> Option<Response<Body>> {
        head.method = Method::GET;
        self.name_session(&mut head);
        head.headers.insert(ACCEPT, STREAM);
        head.headers.remove(CONTENT_LENGTH);
        head.headers.remove(&LAST_EVENT);
        if let Some(last) = last {
            head.headers.insert(LAST_EVENT, HeaderValue::from_str(last).ok()?);
        }
        let (first, told) = oneshot::channel();
        let arrival = Arrival { source: Source::Http(Box::new(HttpArrival { head, body: None, peer })) };
        let response = match line::request(gate, arrival, Reply::http(first)).await {
            Taken::Refused(_) | Taken::Malformed => given(told.await),
            Taken::Understood(_, action) => given(first_of(told, action).await),
        };
        (response.status() == StatusCode::OK).then_some(response)
    }

    /// Passes on what belongs to no call, as long as the client listens.
    async fn stand(&self, gate: &Arc<Gate>, head: Parts, peer: Peer) {
        if let Some(response) = self.ask(gate, head, peer, None).await {
            self.pass_on(response).await;
        }
    }

    /// Passes an answer on to its end, however often its stream breaks off before it.
    async fn pass_all_on(&self, gate: &Arc<Gate>, mut response: Response<Body>, head: &Parts, peer: Peer) {
        for _ in 0..RESUMES {
            let Some(last) = self.pass_on(response).await else { return };
            let Some(rest) = self.ask(gate, head.clone(), peer.clone(), Some(&last)).await else { return };
            response = rest;
        }
    }

    /// Passes on what an answer holds: one message, or the events of a stream. The id of its last event, where it is a stream that ended before a
    /// response.
    async fn pass_on(&self, response: Response<Body>) -> Option<String> {
        if response.status() != StatusCode::OK {
            return None;
        }
        let mut body = response.into_body();
        let stream = matches!(body, Body::Events(_));
        let mut last = None;
        loop {
            let frame = tokio::select! {
                biased;
                () = self.over.cancelled() => return None,
                frame = body.frame() => frame,
            };
            let Some(Ok(frame)) = frame else { return last };
            let Ok(piece) = frame.into_data() else { return last };
            let event = if stream {
                let told = Told::read(&piece);
                last = if told.response { None } else { told.id.map(str::to_owned).or(last) };
                if !told.message {
                    continue;
                }
                piece
            } else {
                sse::message(None, &piece).ok()?
            };
            if self.outlet.send(event).await.is_err() {
                return None;
            }
        }
    }
}

/// What one event of our own says.
struct Told<'a> {
    id: Option<&'a str>,
    message: bool,
    response: bool,
}

impl<'a> Told<'a> {
    fn read(event: &'a [u8]) -> Self {
        let text = std::str::from_utf8(event).unwrap_or_default();
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let data: Option<HashMap<&str, &serde_json::value::RawValue>> = field("data: ").and_then(|data| serde_json::from_str(data).ok());
        let response = data.as_ref().is_some_and(|data| data.contains_key("result") || data.contains_key("error"));
        Self { id: field("id: "), message: data.is_some(), response }
    }
}
