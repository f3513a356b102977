//! Streamable HTTP, and HTTP+SSE before it, as a client of a server.
//!
//! A frame is POSTed and its answers are read in the caller's own task: nothing is spawned, and dropping [`Answers`] hangs up.
//!
//! Source: MCP 2025-11-25, Transports, "Streamable HTTP". Controls: `transport.bounds`, `transport.strict-messages`.

mod one_stream;

pub use one_stream::{Receiver, Sender};

use super::Fault;
use crate::sse::{self, Kind, Reader};
use bytes::Bytes;
use egress::{Client, Response};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mcp::Revision;
use std::time::Duration;
use tokio::time::Instant;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const REVISION_FIELD: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const SESSION_BYTES: usize = 256;

/// Bounds on what a server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of one frame, in a JSON body or in an event.
    pub frame_bytes: usize,
    /// Most bytes of the event stream that answers one POST.
    pub answer_bytes: u64,
    /// Longest time of the body, or of the event stream, that answers one POST.
    pub answer: Duration,
    /// Most bytes of a body that comes with an error status.
    pub error_bytes: usize,
    /// Longest `retry` that is believed.
    pub retry: Duration,
    /// Longest time until a stream of HTTP+SSE has said where its server is to be told.
    pub endpoint: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            frame_bytes: 16 * 1024 * 1024,
            answer_bytes: 64 * 1024 * 1024,
            answer: Duration::from_secs(300),
            error_bytes: 64 * 1024,
            retry: Duration::from_secs(30),
            endpoint: Duration::from_secs(10),
        }
    }
}

/// What goes into the head of a request, beside what every one has.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpstreamHead<'a> {
    /// The server's session.
    pub session: Option<&'a str>,
    /// The revision that was settled.
    pub revision: Option<Revision>,
    /// The value of `Authorization`; it is marked as sensitive here.
    pub authorization: Option<&'a HeaderValue>,
    /// Fields that the revision asks for (`Mcp-Method` and its like) or that carry the trace. Made from the body, never a client's.
    pub extra: &'a [(HeaderName, HeaderValue)],
}

impl UpstreamHead<'_> {
    fn fields(&self) -> Result<HeaderMap, Fault> {
        let mut fields = HeaderMap::with_capacity(10);
        if let Some(session) = self.session {
            fields.insert(SESSION, HeaderValue::from_str(session).map_err(|_| Fault::Header("session id"))?);
        }
        if let Some(revision) = self.revision {
            fields.insert(REVISION_FIELD, HeaderValue::from_static(revision.as_str()));
        }
        for (name, value) in self.extra {
            fields.append(name, value.clone());
        }
        if let Some(authorization) = self.authorization {
            let mut value = authorization.clone();
            value.set_sensitive(true);
            fields.insert(AUTHORIZATION, value);
        }
        Ok(fields)
    }
}

/// The way to one server. Cheap to clone.
#[derive(Clone)]
pub struct Wire {
    client: Client,
    bounds: Bounds,
}

impl Wire {
    /// Speaks through `client`.
    pub fn new(client: Client, bounds: Bounds) -> Self {
        Self { client, bounds }
    }

    /// Sends one frame and waits for the head of the answer.
    ///
    /// # Errors
    /// [`Fault`]; [`Fault::never_sent`] tells whether the frame may be sent again.
    pub async fn post(&self, frame: Bytes, head: UpstreamHead<'_>) -> Result<Answers, Fault> {
        self.send(frame, head, Lasting::AnAnswer).await
    }

    /// As [`Wire::post`], for a request whose answer is a stream that stays open: that has no bound on its length or time.
    ///
    /// # Errors
    /// As [`Wire::post`].
    pub async fn post_standing(&self, frame: Bytes, head: UpstreamHead<'_>) -> Result<Answers, Fault> {
        self.send(frame, head, Lasting::AsLongAsItMay).await
    }

    async fn send(&self, frame: Bytes, head: UpstreamHead<'_>, lasting: Lasting) -> Result<Answers, Fault> {
        let mut fields = head.fields()?;
        fields.insert(CONTENT_TYPE, JSON);
        fields.insert(ACCEPT, BOTH);
        let deadline = Instant::now() + self.bounds.answer;
        let mut answer = self.client.post(fields, frame).await?;
        let status = answer.status();
        if answer.headers().contains_key(CONTENT_ENCODING) {
            return Err(Fault::ContentEncoding);
        }
        if status == StatusCode::ACCEPTED {
            let session = session_of(answer.headers())?;
            answer.collect(self.bounds.error_bytes, self.bounds.answer).await?;
            return Ok(Answers { status, session, rest: Rest::None });
        }
        if status != StatusCode::OK {
            return Err(self.refused(answer).await);
        }
        let session = session_of(answer.headers())?;
        let rest = match content(answer.headers()) {
            Some(Content::Json) => Rest::One(answer.collect(self.bounds.frame_bytes, self.bounds.answer).await?),
            Some(Content::Stream) => {
                let (bytes, deadline) = match lasting {
                    Lasting::AnAnswer => (Some(self.bounds.answer_bytes), Some((deadline, self.bounds.answer))),
                    Lasting::AsLongAsItMay => (None, None),
                };
                Rest::Stream(Box::new(Events::new(answer, self.reader(bytes), deadline)))
            }
            None => return Err(Fault::ContentType),
        };
        Ok(Answers { status, session, rest })
    }

    /// Opens the standing stream, or resumes one after the event `last_event`. It has no bound on its length or time.
    ///
    /// # Errors
    /// [`Fault::Status`] with 405 where the server has none; else [`Fault`].
    pub async fn open_stream(&self, head: UpstreamHead<'_>, last_event: Option<&Bytes>) -> Result<Answers, Fault> {
        let mut fields = head.fields()?;
        fields.insert(ACCEPT, STREAM);
        if let Some(id) = last_event {
            fields.insert(LAST_EVENT, HeaderValue::from_bytes(id).map_err(|_| Fault::Header("event id"))?);
        }
        let answer = self.client.get(fields).await?;
        if answer.headers().contains_key(CONTENT_ENCODING) {
            return Err(Fault::ContentEncoding);
        }
        let status = answer.status();
        if status != StatusCode::OK {
            return Err(self.refused(answer).await);
        }
        match content(answer.headers()) {
            Some(Content::Stream) => {
                let session = session_of(answer.headers())?;
                Ok(Answers { status, session, rest: Rest::Stream(Box::new(Events::new(answer, self.reader(None), None))) })
            }
            Some(Content::Json) | None => Err(Fault::ContentType),
        }
    }

    /// Ends the server's session. A server that does not let clients do so (405), or has forgotten it (404), is no fault.
    ///
    /// # Errors
    /// [`Fault`] for any other status, and when the server cannot be reached.
    pub async fn end_session(&self, head: UpstreamHead<'_>) -> Result<(), Fault> {
        let mut answer = self.client.delete(head.fields()?).await?;
        let status = answer.status();
        if status.is_success() || status == StatusCode::METHOD_NOT_ALLOWED || status == StatusCode::NOT_FOUND {
            // Read to its end so that the connection can be used again.
            let _ = answer.collect(self.bounds.error_bytes, Duration::from_secs(1)).await;
            return Ok(());
        }
        Err(self.refused(answer).await)
    }

    async fn refused(&self, mut answer: Response) -> Fault {
        let status = answer.status();
        if status.is_redirection() {
            return Fault::Redirect(status);
        }
        let frame = match content(answer.headers()) {
            Some(Content::Json) => answer.collect(self.bounds.error_bytes, self.bounds.answer).await.ok(),
            Some(Content::Stream) | None => None,
        };
        Fault::Status { status, frame }
    }

    fn reader(&self, stream_bytes: Option<u64>) -> Reader {
        Reader::new(sse::Bounds {
            line_bytes: self.bounds.frame_bytes.saturating_add(16),
            event_bytes: self.bounds.frame_bytes,
            stream_bytes,
            retry: self.bounds.retry,
            ..sse::Bounds::default()
        })
    }
}

enum Content {
    Json,
    Stream,
}

/// How long the stream that answers a request goes on.
#[derive(Clone, Copy)]
enum Lasting {
    AnAnswer,
    AsLongAsItMay,
}

/// The media type of a body; none when it is missing, doubled or another. Parameters are let be.
fn content(fields: &HeaderMap) -> Option<Content> {
    let mut values = fields.get_all(CONTENT_TYPE).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let text = value.to_str().ok()?;
    let media = text.split(';').next().unwrap_or_default().trim_matches([' ', '\t']);
    if media.eq_ignore_ascii_case("application/json") {
        Some(Content::Json)
    } else if media.eq_ignore_ascii_case("text/event-stream") {
        Some(Content::Stream)
    } else {
        None
    }
}

fn session_of(fields: &HeaderMap) -> Result<Option<Box<str>>, Fault> {
    let mut values = fields.get_all(&SESSION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let visible = value.as_bytes().iter().all(|byte| (0x21..=0x7E).contains(byte));
    if values.next().is_some() || !visible || value.is_empty() || value.len() > SESSION_BYTES {
        return Err(Fault::SessionId);
    }
    value.to_str().map(|text| Some(text.into())).map_err(|_| Fault::SessionId)
}

/// What a server answers to one POST, or sends on its standing stream. Dropping it before its end closes the connection.
pub struct Answers {
    status: StatusCode,
    session: Option<Box<str>>,
    rest: Rest,
}

enum Rest {
    None,
    One(Bytes),
    Stream(Box<Events>),
}

impl Answers {
    /// The one frame that came with `status`.
    pub fn one(status: StatusCode, frame: Bytes) -> Self {
        Self { status, session: None, rest: Rest::One(frame) }
    }

    /// Gives the server as long again as it had at first.
    pub fn renew(&mut self) {
        if let Rest::Stream(events) = &mut self.rest {
            events.deadline = events.deadline.map(|(_, bound)| (Instant::now() + bound, bound));
        }
    }

    /// Hangs up.
    pub fn close(&mut self) {
        self.rest = Rest::None;
    }

    /// 200 or 202.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The session id that came with the answer, as text of 0x21 to 0x7E.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The next frame, or none at the end. Cancel-safe.
    ///
    /// # Errors
    /// [`Fault`]; then none.
    pub async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        match &mut self.rest {
            Rest::None => None,
            Rest::One(_) => match std::mem::replace(&mut self.rest, Rest::None) {
                Rest::One(frame) => Some(Ok(frame)),
                Rest::None | Rest::Stream(_) => None,
            },
            Rest::Stream(events) => {
                let next = events.next().await;
                if matches!(next, Some(Err(_))) {
                    self.rest = Rest::None;
                }
                next
            }
        }
    }

    /// Whether frames come as events, so that more than one may come.
    pub fn is_stream(&self) -> bool {
        matches!(self.rest, Rest::Stream(_))
    }

    /// The id to resume the stream after, if its events have any.
    pub fn last_event(&self) -> Option<&Bytes> {
        match &self.rest {
            Rest::Stream(events) => events.reader.last_id(),
            Rest::None | Rest::One(_) => None,
        }
    }

    /// How long the server wants us to wait before we resume, capped.
    pub fn retry(&self) -> Option<Duration> {
        match &self.rest {
            Rest::Stream(events) => events.reader.retry(),
            Rest::None | Rest::One(_) => None,
        }
    }

    /// How many events of unknown names were dropped.
    pub fn strays(&self) -> u64 {
        match &self.rest {
            Rest::Stream(events) => events.strays,
            Rest::None | Rest::One(_) => 0,
        }
    }

    /// To be called after the final response: waits for the end of the stream, at most `within`, so that the connection can be used again.
    /// A server that neither ends the stream nor sends anything is hung up on, without fault.
    ///
    /// # Errors
    /// [`Fault::AfterResponse`] when another frame comes; the stream's other faults.
    pub async fn finish(mut self, within: Duration) -> Result<(), Fault> {
        match tokio::time::timeout(within, self.next()).await {
            Err(_) | Ok(None) => Ok(()),
            Ok(Some(Ok(_))) => Err(Fault::AfterResponse),
            Ok(Some(Err(fault))) => Err(fault),
        }
    }
}

struct Events {
    answer: Response,
    reader: Reader,
    deadline: Option<(Instant, Duration)>,
    strays: u64,
    over: bool,
}

impl Events {
    fn new(answer: Response, reader: Reader, deadline: Option<(Instant, Duration)>) -> Self {
        Self { answer, reader, deadline, strays: 0, over: false }
    }

    async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        match self.deadline {
            None => self.read().await,
            Some((deadline, bound)) => {
                // Looked at first: a server that always has something to send would never let the timer be asked.
                if Instant::now() >= deadline {
                    return Some(Err(Fault::Slow(bound)));
                }
                tokio::time::timeout_at(deadline, self.read()).await.unwrap_or(Some(Err(Fault::Slow(bound))))
            }
        }
    }

    async fn read(&mut self) -> Option<Result<Bytes, Fault>> {
        loop {
            match self.reader.next_event() {
                Err(fault) => return Some(Err(fault.into())),
                Ok(Some(event)) => match event.kind {
                    Kind::Message => return Some(Ok(event.data)),
                    Kind::Endpoint | Kind::Stray => self.strays += 1,
                },
                Ok(None) if self.over => return None,
                Ok(None) => match self.answer.chunk().await {
                    None => self.over = true,
                    Some(Err(cause)) => return Some(Err(cause.into())),
                    Some(Ok(piece)) => {
                        if let Err(fault) = self.reader.push(piece) {
                            return Some(Err(fault.into()));
                        }
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egress::{Egress, ServerTarget};
    use std::sync::Arc;
    use std::sync::Mutex;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    const LONG: Duration = Duration::from_secs(30);

    /// A server that answers every request with `answer` and then does `after`; keeps the heads and bodies that it saw.
    async fn server(answer: impl Into<Vec<u8>>, after: After) -> (Wire, Arc<Mutex<Vec<String>>>) {
        let bound = match after {
            After::Close => LONG,
            After::Hold | After::Flood => Duration::from_millis(500),
        };
        server_within(answer, after, bound).await
    }

    /// The same, of which an answer may take no longer than `bound`.
    async fn server_within(answer: impl Into<Vec<u8>>, after: After, bound: Duration) -> (Wire, Arc<Mutex<Vec<String>>>) {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 65536];
                let read = stream.read(&mut request).await.unwrap();
                kept.lock().unwrap().push(String::from_utf8_lossy(&request[..read]).into_owned());
                stream.write_all(&answer).await.unwrap();
                match after {
                    After::Close => {}
                    After::Hold => {
                        tokio::spawn(async move {
                            let _ = stream.read(&mut [0; 1]).await;
                        });
                    }
                    After::Flood => {
                        tokio::spawn(async move {
                            while stream.write_all(b"6\r\n:noise\r\n").await.is_ok() {
                                tokio::time::sleep(Duration::from_millis(1)).await;
                            }
                        });
                    }
                }
            }
        });
        let client = Egress::new().client(ServerTarget::new(url.parse().unwrap()).unwrap()).unwrap();
        let bounds = Bounds { frame_bytes: 1000, answer_bytes: 5000, answer: bound, ..Bounds::default() };
        (Wire::new(client, bounds), seen)
    }

    #[derive(Clone, Copy)]
    enum After {
        Close,
        Hold,
        Flood,
    }

    fn plain(status: &str, fields: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{fields}\r\n{body}", body.len())
    }

    fn stream(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{body}")
    }

    async fn all(wire: &Wire) -> (Vec<Bytes>, Option<Fault>) {
        let mut frames = Vec::new();
        let mut answers = match wire.post(Bytes::from_static(b"{}"), UpstreamHead::default()).await {
            Ok(answers) => answers,
            Err(fault) => return (frames, Some(fault)),
        };
        while let Some(frame) = answers.next().await {
            match frame {
                Ok(frame) => frames.push(frame),
                Err(fault) => {
                    assert!(answers.next().await.is_none());
                    return (frames, Some(fault));
                }
            }
        }
        (frames, None)
    }

    async fn fault(answer: impl Into<Vec<u8>>) -> Fault {
        let (wire, _) = server(answer, After::Close).await;
        all(&wire).await.1.expect("a fault")
    }

    #[tokio::test]
    async fn a_stream_has_as_long_as_it_is_given() {
        let bound = Duration::from_secs(2);
        let (wire, _) = server_within(stream("data: {}\n\n"), After::Hold, bound).await;
        let post = || wire.post(Bytes::from_static(b"{}"), UpstreamHead::default());
        let mut standing = wire.post_standing(Bytes::from_static(b"{}"), UpstreamHead::default()).await.unwrap();
        let (mut renewed, mut answers) = (post().await.unwrap(), post().await.unwrap());
        // All three wait.
        assert!(standing.next().await.unwrap().is_ok());
        assert!(answers.next().await.unwrap().is_ok());
        assert!(matches!(answers.next().await, Some(Err(Fault::Slow(_)))));
        renewed.renew();
        assert!(renewed.next().await.unwrap().is_ok(), "the time before it was renewed counts");
        let more = tokio::time::timeout(bound * 2, standing.next()).await;
        assert!(more.is_err(), "a standing stream ended: {more:?}");
    }

    #[tokio::test]
    async fn a_json_body_is_one_frame() {
        let fields = "Content-Type: Application/JSON; charset=utf-8\r\nMcp-Session-Id: abc~1\r\n";
        let (wire, seen) = server(plain("200 OK", fields, "{\"id\":1}"), After::Close).await;
        let bearer = HeaderValue::from_static("Bearer x");
        let extra = [(HeaderName::from_static("mcp-method"), HeaderValue::from_static("tools/call"))];
        let head =
            UpstreamHead { session: Some("s-1"), revision: Some(Revision::R2025_11_25), authorization: Some(&bearer), extra: &extra };
        let mut answers = wire.post(Bytes::from_static(b"{\"q\":1}"), head).await.unwrap();
        assert_eq!(answers.session(), Some("abc~1"));
        assert_eq!(answers.next().await.unwrap().unwrap(), "{\"id\":1}");
        assert!(answers.next().await.is_none());
        let request = seen.lock().unwrap()[0].clone();
        assert!(request.starts_with("POST /mcp HTTP/1.1\r\n") && request.ends_with("\r\n\r\n{\"q\":1}"), "{request}");
        for field in [
            "mcp-session-id: s-1",
            "mcp-protocol-version: 2025-11-25",
            "authorization: Bearer x",
            "mcp-method: tools/call",
            "content-type: application/json",
            "accept: application/json, text/event-stream",
            "content-length: 7",
        ] {
            assert_eq!(request.matches(&format!("\r\n{field}\r\n")).count(), 1, "{field} in {request}");
        }
    }

    #[tokio::test]
    async fn accepted_has_no_frame() {
        let (wire, _) = server(plain("202 Accepted", "", ""), After::Close).await;
        let (frames, fault) = all(&wire).await;
        assert!(frames.is_empty() && fault.is_none());
    }

    #[tokio::test]
    async fn an_event_stream_gives_its_messages() {
        let (wire, _) = server(
            stream("id: 1\r\ndata:\r\n\r\nevent: message\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\nevent: other\ndata: x\n\nid: 2\ndata: {}\n\ndata: cut"),
            After::Close,
        )
        .await;
        let mut answers = wire.post(Bytes::from_static(b"{}"), UpstreamHead::default()).await.unwrap();
        assert!(answers.is_stream());
        assert_eq!(answers.next().await.unwrap().unwrap(), "{\"a\":\n1}");
        assert_eq!(answers.next().await.unwrap().unwrap(), "{}");
        assert!(answers.next().await.is_none());
        assert_eq!((answers.last_event().unwrap(), answers.strays()), (&Bytes::from_static(b"2"), 1));
    }

    #[tokio::test]
    async fn what_the_protocol_does_not_foresee_is_a_fault() {
        assert!(matches!(fault(plain("302 Found", "Location: /x\r\n", "")).await, Fault::Redirect(_)));
        assert!(matches!(fault(plain("200 OK", "", "{}")).await, Fault::ContentType));
        assert!(matches!(fault(plain("200 OK", "Content-Type: text/html\r\n", "{}")).await, Fault::ContentType));
        let doubled = "Content-Type: application/json\r\nContent-Type: application/json\r\n";
        assert!(matches!(fault(plain("200 OK", doubled, "{}")).await, Fault::ContentType));
        let encoded = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
        assert!(matches!(fault(plain("200 OK", encoded, "{}")).await, Fault::ContentEncoding));
        let session = "Content-Type: application/json\r\nMcp-Session-Id: a b\r\n";
        assert!(matches!(fault(plain("200 OK", session, "{}")).await, Fault::SessionId));
        let long = plain("200 OK", "Content-Type: application/json\r\n", &"x".repeat(1001));
        assert!(matches!(fault(long).await, Fault::Egress(egress::Error::TooLong(1000))));
        assert!(matches!(fault("SSH-2.0-x\r\n").await, Fault::Egress(egress::Error::Lost(_))));
        let refused = fault(plain("400 Bad Request", "Content-Type: application/json\r\n", "{\"error\":1}")).await;
        assert!(matches!(refused, Fault::Status { status: StatusCode::BAD_REQUEST, frame: Some(ref frame) } if frame == "{\"error\":1}"));
        let page = fault(plain("404 Not Found", "Content-Type: text/html\r\n", "<p>")).await;
        assert!(matches!(page, Fault::Status { status: StatusCode::NOT_FOUND, frame: None }));
    }

    #[tokio::test]
    async fn a_hostile_stream_is_bounded() {
        let event = fault(stream(&format!("data: {}\n\n", "x".repeat(1001)))).await;
        assert!(matches!(event, Fault::Stream(sse::Fault::Event(1000))), "{event:?}");
        let many = fault(stream(&"data: 12345678\n\n".repeat(400))).await;
        assert!(matches!(many, Fault::Stream(sse::Fault::Stream(5000))), "{many:?}");
        let cut = fault("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: {}\n").await;
        assert!(matches!(cut, Fault::Egress(egress::Error::Lost(_))), "{cut:?}");
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (wire, _) = server(head, After::Flood).await;
        let slow = all(&wire).await.1;
        assert!(matches!(slow, Some(Fault::Slow(_) | Fault::Stream(_))), "{slow:?}");
        let (wire, _) = server(head, After::Hold).await;
        assert!(matches!(all(&wire).await.1, Some(Fault::Slow(_))));
    }

    #[tokio::test]
    async fn the_end_after_the_response_is_checked() {
        let finish = async |body: &str, after| {
            let (wire, _) = server_within(stream(body), after, LONG).await;
            let mut answers = wire.post(Bytes::from_static(b"{}"), UpstreamHead::default()).await.unwrap();
            answers.next().await.unwrap().unwrap();
            let within = match after {
                After::Close => LONG,
                After::Hold | After::Flood => Duration::from_millis(100),
            };
            answers.finish(within).await
        };
        assert!(finish("data: {}\n\n", After::Close).await.is_ok());
        assert!(finish("data: {}\n\n", After::Hold).await.is_ok());
        assert!(finish("data: {}\n\n: note\n", After::Close).await.is_ok());
        assert!(matches!(finish("data: {}\n\ndata: {}\n\n", After::Close).await, Err(Fault::AfterResponse)));
    }

    #[tokio::test]
    async fn a_stream_is_resumed_and_a_session_is_ended() {
        let (wire, seen) = server(stream("data: {}\n\n"), After::Close).await;
        let head = UpstreamHead { session: Some("s"), ..UpstreamHead::default() };
        let mut answers = wire.open_stream(head, Some(&Bytes::from_static(b"e-9"))).await.unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap(), "{}");
        assert!(wire.open_stream(head, Some(&Bytes::from_static(b"a\nb"))).await.is_err_and(|fault| fault.never_sent()));
        assert!(seen.lock().unwrap()[0].contains("\r\nlast-event-id: e-9\r\n"));
        for (status, ok) in
            [("200 OK", true), ("204 No Content", true), ("405 Method Not Allowed", true), ("404 x", true), ("500 x", false)]
        {
            let answer = if status.starts_with("204") { format!("HTTP/1.1 {status}\r\n\r\n") } else { plain(status, "", "") };
            let (wire, seen) = server(answer, After::Close).await;
            assert_eq!(wire.end_session(head).await.is_ok(), ok, "{status}");
            assert!(seen.lock().unwrap()[0].starts_with("DELETE /mcp"));
        }
    }
}
