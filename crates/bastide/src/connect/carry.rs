//! Frames of a client on standard input, carried as a client of Streamable HTTP would send them.
//!
//! Nothing is judged here, and no frame is changed. Of each one so much is read as its head repeats: the method, the name, the revision.
//!
//! Source: MCP 2025-11-25 and 2026-07-28, Transports, "stdio" and "Streamable HTTP".

use super::papers::Token;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use mcp::header::{Declared, declared, encode, named};
use mcp::{Document, Method, Node, Revision, VERSION_KEY};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Stdout;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transport::line_frame::{Bounds, LineWriter};
use transport::upstream::Fault;
use transport::upstream::http::{Answers, UpstreamHead, Wire};

/// Requests that may be under way at once.
const MOST: usize = 128;
/// Tools whose headers are remembered.
const MOST_TOOLS: usize = 20_000;
/// The code of an error that is of the way and not of the protocol.
const UNREACHED: i64 = -32_000;
/// How often a stream is taken up again that broke off.
const RESUMED: u32 = 3;
/// How long is waited for what nothing answers: the frames behind it wait too.
const INLINE: Duration = Duration::from_secs(60);
/// How long is waited for the answer that opens a session, which the gateway gives by itself. The frames behind it wait too, and clients for no longer than a
/// minute.
const OPENING: Duration = Duration::from_secs(30);
/// The longest wait before the standing stream is opened again.
const SLOWEST: Duration = Duration::from_secs(30);

/// Carries frames. Cheap to clone.
#[derive(Clone)]
pub(super) struct Carrier(Arc<Shared>);

struct Shared {
    wire: Wire,
    token: Token,
    out: LineWriter<Stdout>,
    session: Mutex<Session>,
    /// Held while a session is opened anew.
    opening: tokio::sync::Mutex<()>,
    /// What tools want repeated in headers, by their names.
    repeated: Mutex<HashMap<String, Vec<Declared>>>,
    /// Requests under way, by their ids as they were written.
    flights: Mutex<HashMap<Box<[u8]>, CancellationToken>>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    ending: CancellationToken,
}

/// The session with the gateway, of revisions that have any.
#[derive(Clone, Default)]
struct Session {
    id: Option<Box<str>>,
    revision: Option<Revision>,
    /// The frames that opened it.
    initialize: Option<Bytes>,
    initialized: Option<Bytes>,
}

/// What a frame is.
enum Sort {
    Request,
    /// A notification or a response: nothing answers it.
    Other,
}

/// A frame of the client, read as far as its head repeats it.
struct Message {
    frame: Bytes,
    document: Document,
    method: Option<Method>,
    sort: Sort,
}

impl Message {
    fn read(frame: Bytes) -> Result<Self, mcp::Fault> {
        let document = Document::parse(frame.clone(), &mcp::Bounds { message: usize::MAX, text: usize::MAX, ..mcp::Bounds::default() })?;
        let root = document.root();
        let name = root.get("method").and_then(Node::text);
        let sort = if name.is_some() && root.get("id").is_some() { Sort::Request } else { Sort::Other };
        let method = name.and_then(|name| Method::parse(&name));
        Ok(Self { frame, document, method, sort })
    }

    fn id(&self) -> &[u8] {
        self.document.root().get("id").map_or(b"null", Node::raw)
    }

    fn params(&self) -> Option<Node<'_>> {
        self.document.root().get("params")
    }

    /// The revision that it names itself.
    fn revision(&self) -> Option<Revision> {
        let named = self.params()?.get("_meta")?.get(VERSION_KEY)?.text()?;
        Revision::parse(&named)
    }

    /// The headers that repeat it.
    fn headers(&self, repeated: &HashMap<String, Vec<Declared>>) -> Vec<(HeaderName, HeaderValue)> {
        let (Some(method), Some(_)) = (self.method, self.revision()) else { return Vec::new() };
        let mut fields = vec![(HeaderName::from_static(mcp::header::METHOD), HeaderValue::from_static(method.as_str()))];
        let name = named(method).and_then(|member| self.params()?.get(member)?.text());
        let Some(name) = name else { return fields };
        if let Ok(value) = HeaderValue::from_str(&encode(&name)) {
            fields.push((HeaderName::from_static(mcp::header::NAME), value));
        }
        if method == Method::CallTool {
            let arguments = self.params().and_then(|params| params.get("arguments"));
            for one in repeated.get(&*name).into_iter().flatten() {
                let value = one.value(arguments).and_then(|value| HeaderValue::from_str(&value).ok());
                if let (Ok(name), Some(value)) = (HeaderName::from_bytes(one.header().as_bytes()), value) {
                    fields.push((name, value));
                }
            }
        }
        fields
    }
}

impl Carrier {
    pub(super) fn new(wire: Wire, token: Token, out: Stdout) -> Self {
        Self(Arc::new(Shared {
            wire,
            token,
            out: LineWriter::new(out, Bounds { write: Duration::from_secs(3600), queue: 4 * MOST, ..Bounds::default() }),
            session: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            repeated: Mutex::default(),
            flights: Mutex::default(),
            places: Arc::new(Semaphore::new(MOST)),
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
        }))
    }

    /// Takes one frame of the client. What opens a session, and what nothing answers, is carried before this returns, so that order is kept.
    pub(super) async fn take(&self, frame: Bytes) {
        let message = match Message::read(frame) {
            Ok(message) => message,
            Err(fault) => {
                let mut text = Vec::new();
                mcp::print_error(&mut text, fault.id.as_ref(), fault.code, &fault.to_string(), None);
                return self.say(&text).await;
            }
        };
        match (&message.sort, message.method) {
            (Sort::Request, Some(Method::Initialize)) => {
                self.0.session.lock().initialize = Some(message.frame.clone());
                match tokio::time::timeout(OPENING, self.send(&message)).await {
                    Ok(sent) => self.settle(&message, sent).await,
                    Err(_) => {
                        let waited = format!("the gateway did not answer in time, {OPENING:?}: is it at this address?");
                        self.say(&error(message.id(), &waited)).await;
                    }
                }
            }
            (Sort::Request, _) => {
                let Ok(place) = Arc::clone(&self.0.places).acquire_owned().await else { return };
                let (carrier, cancelled) = (self.clone(), CancellationToken::new());
                self.0.flights.lock().insert(message.id().into(), cancelled.clone());
                self.0.tasks.spawn(async move {
                    tokio::select! {
                        () = carrier.carry(&message) => {}
                        // Dropping the answer hangs up, which is how a request that stands alone is taken back.
                        () = cancelled.cancelled() => {}
                    }
                    carrier.0.flights.lock().remove(message.id());
                    drop(place);
                });
            }
            (Sort::Other, Some(Method::Cancelled)) if self.0.session.lock().id.is_none() => {
                let id = message.params().and_then(|params| params.get("requestId")).map(Node::raw);
                if let Some(flight) = id.and_then(|id| self.0.flights.lock().get(id).cloned()) {
                    flight.cancel();
                }
            }
            (Sort::Other, method) => {
                let sent = tokio::time::timeout(INLINE, self.send(&message)).await;
                if let Err(fault) = sent.unwrap_or(Err(Fault::Slow(INLINE))) {
                    crate::outcome::warn(&sentence(&fault));
                } else if method == Some(Method::Initialized) {
                    self.0.session.lock().initialized = Some(message.frame.clone());
                    self.0.tasks.spawn(self.clone().listen());
                }
            }
        }
    }

    /// Waits for what is under way, then ends the session.
    pub(super) async fn close(&self) {
        self.0.ending.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        let session = self.0.session.lock().clone();
        if let (Some(id), Ok(token)) = (&session.id, self.0.token.header()) {
            let head = UpstreamHead { session: Some(id), revision: session.revision, authorization: Some(&token), extra: &[] };
            let _ = self.0.wire.end_session(head).await;
        }
    }

    /// Carries a request, and its answers back; where that fails, an error is its answer.
    async fn carry(&self, message: &Message) {
        let sent = self.send(message).await;
        self.settle(message, sent).await;
    }

    /// Gives the client what was answered, or why nothing was.
    async fn settle(&self, message: &Message, sent: Result<Answers, Fault>) {
        let answered = match sent {
            Ok(answers) => self.deliver(message, answers).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = answered {
            let own = match &fault {
                Fault::Status { frame: Some(frame), .. } => own(frame, message.id()),
                _ => None,
            };
            let text = own.unwrap_or_else(|| error(message.id(), &sentence(&fault)));
            self.say(&text).await;
        }
    }

    /// Sends a frame; in a session that the gateway has forgotten, once more in a new one.
    async fn send(&self, message: &Message) -> Result<Answers, Fault> {
        let session = self.0.session.lock().clone();
        match self.post(message, &session).await {
            Err(Fault::Status { status: StatusCode::NOT_FOUND, .. }) if session.id.is_some() => {
                let session = tokio::time::timeout(OPENING, self.again(&session)).await.unwrap_or(Err(Fault::Slow(OPENING)))?;
                self.post(message, &session).await
            }
            other => other,
        }
    }

    async fn post(&self, message: &Message, session: &Session) -> Result<Answers, Fault> {
        let token = self.0.token.header().map_err(|_| Fault::Header("token"))?;
        let extra = message.headers(&self.0.repeated.lock());
        let opens = message.method == Some(Method::Initialize);
        let head = UpstreamHead {
            session: session.id.as_deref().filter(|_| !opens),
            revision: message.revision().or(session.revision.filter(|_| !opens)),
            authorization: Some(&token),
            extra: &extra,
        };
        match message.method {
            Some(Method::Listen) => self.0.wire.post_standing(message.frame.clone(), head).await,
            _ => self.0.wire.post(message.frame.clone(), head).await,
        }
    }

    /// Opens the session anew that `lost` was: with the frames that opened that one.
    async fn again(&self, lost: &Session) -> Result<Session, Fault> {
        let _opening = self.0.opening.lock().await;
        let now = self.0.session.lock().clone();
        if now.id != lost.id {
            return Ok(now);
        }
        let Some(initialize) = lost.initialize.clone().and_then(|frame| Message::read(frame).ok()) else { return Err(Fault::NoResponse) };
        let mut answers = self.post(&initialize, &Session::default()).await?;
        let id = answers.session().map(Into::into);
        while let Some(frame) = answers.next().await {
            drop(frame?);
        }
        let session = Session { id, ..lost.clone() };
        if let Some(initialized) = lost.initialized.clone().and_then(|frame| Message::read(frame).ok()) {
            self.post(&initialized, &session).await?;
        }
        *self.0.session.lock() = session.clone();
        Ok(session)
    }

    /// Passes on what answers a request; a stream that breaks off is taken up again where it can be.
    async fn deliver(&self, message: &Message, mut answers: Answers) -> Result<(), Fault> {
        let mut resumed = 0;
        loop {
            let fault = match answers.next().await {
                Some(Ok(frame)) => {
                    let ended = self.pass(message, &answers, &frame).await;
                    if ended {
                        return answers.finish(Duration::from_millis(200)).await.or(Ok(()));
                    }
                    continue;
                }
                Some(Err(fault)) => fault,
                None => Fault::NoResponse,
            };
            let (Some(last), true) = (answers.last_event().cloned(), resumed < RESUMED) else { return Err(fault) };
            resumed += 1;
            tokio::time::sleep(answers.retry().unwrap_or(Duration::from_secs(1))).await;
            answers = self.open_stream(Some(&last)).await?;
        }
    }

    /// Passes on one frame, and says whether it is the answer to `message`.
    async fn pass(&self, message: &Message, answers: &Answers, frame: &Bytes) -> bool {
        let document = Document::parse(frame.clone(), &mcp::Bounds { message: usize::MAX, text: usize::MAX, ..mcp::Bounds::default() });
        let Ok(document) = document else {
            self.say(frame).await;
            return false;
        };
        let root = document.root();
        let ended = root.get("method").is_none() && root.get("id").is_some_and(|id| id.raw() == message.id());
        if let (true, Some(result)) = (ended, root.get("result")) {
            match message.method {
                Some(Method::Initialize) => self.opened(answers, result),
                Some(Method::ListTools) => self.learn(result),
                _ => {}
            }
        }
        self.say(frame).await;
        ended
    }

    fn opened(&self, answers: &Answers, result: Node<'_>) {
        let mut session = self.0.session.lock();
        session.id = answers.session().map(Into::into);
        session.revision = result.get("protocolVersion").and_then(Node::text).and_then(|text| Revision::parse(&text));
    }

    /// Remembers what tools want repeated in headers.
    fn learn(&self, result: Node<'_>) {
        let mut repeated = self.0.repeated.lock();
        for tool in result.get("tools").into_iter().flat_map(Node::items) {
            let schema = tool.get("inputSchema").and_then(|schema| serde_json::from_slice(schema.raw()).ok());
            let wanted = schema.and_then(|schema| declared(&schema).ok()).unwrap_or_default();
            let Some(name) = tool.get("name").and_then(Node::text).map(std::borrow::Cow::into_owned) else { continue };
            if wanted.is_empty() {
                repeated.remove(&name);
            } else if repeated.len() < MOST_TOOLS {
                repeated.insert(name, wanted);
            }
        }
    }

    async fn open_stream(&self, last: Option<&Bytes>) -> Result<Answers, Fault> {
        let session = self.0.session.lock().clone();
        let token = self.0.token.header().map_err(|_| Fault::Header("token"))?;
        let head = UpstreamHead { session: session.id.as_deref(), revision: session.revision, authorization: Some(&token), extra: &[] };
        self.0.wire.open_stream(head, last).await
    }

    /// Passes on what comes on the session's standing stream, which is opened again when it ends.
    async fn listen(self) {
        let (mut last, mut wait) = (None, Duration::from_secs(1));
        loop {
            match self.open_stream(last.as_ref()).await {
                Ok(mut answers) => {
                    wait = Duration::from_secs(1);
                    loop {
                        let frame = tokio::select! {
                            frame = answers.next() => frame,
                            () = self.0.ending.cancelled() => return,
                        };
                        let Some(Ok(frame)) = frame else { break };
                        self.say(&frame).await;
                        last = answers.last_event().cloned();
                    }
                    wait = answers.retry().unwrap_or(wait).max(Duration::from_secs(1));
                }
                Err(Fault::Status { status: StatusCode::METHOD_NOT_ALLOWED, .. }) => return,
                // Another session has its own events.
                Err(Fault::Status { .. }) => last = None,
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(SLOWEST),
                () = self.0.ending.cancelled() => return,
            }
        }
    }

    async fn say(&self, frame: &[u8]) {
        // Line ends stand between the tokens of JSON alone, where a blank means the same.
        let line: std::borrow::Cow<'_, [u8]> = match frame.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            true => frame.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect(),
            false => frame.into(),
        };
        // A client that reads no more has ended, and so does its input.
        let _ = self.0.out.send(&line).await;
    }
}

/// The error that came with a status, where it answers the request `id`.
fn own(frame: &Bytes, id: &[u8]) -> Option<Vec<u8>> {
    let document = Document::parse(frame.clone(), &mcp::Bounds::default()).ok()?;
    let root = document.root();
    let answers = root.get("error").is_some() && root.get("id").is_some_and(|own| own.raw() == id);
    answers.then(|| frame.to_vec())
}

/// What failed, and what can be done.
fn sentence(fault: &Fault) -> String {
    let Fault::Status { status, frame } = fault else { return fault.to_string().replace("the server", "the gateway") };
    let said = frame.as_ref().and_then(|frame| serde_json::from_slice::<serde_json::Value>(frame).ok());
    let text = |key: &str| {
        let said = said.as_ref()?;
        said.get(key).or_else(|| said.get("error")?.get(key))?.as_str().map(str::to_owned)
    };
    let message = text("message").map(|message| format!(": {message}")).unwrap_or_default();
    let next = match status.as_u16() {
        401 => ". The token is missing, has ended or was taken back",
        _ => "",
    };
    format!("the gateway answers with status {}{message}{next}", status.as_u16())
}

/// An error response with this id, as it was written.
fn error(id: &[u8], message: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(128 + message.len());
    let mut object = mcp::json::Object::open(&mut text);
    object.text("jsonrpc", "2.0").raw("id", id);
    let mut inner = Vec::new();
    let mut error = mcp::json::Object::open(&mut inner);
    error.int("code", UNREACHED).text("message", message);
    error.close();
    object.raw("error", &inner);
    object.close();
    text
}
