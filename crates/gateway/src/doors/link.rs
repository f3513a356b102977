//! One MCP session with one server: requests out under our own ids, what comes back sorted to whom it belongs.

use super::aside::Told;
use super::era::{self, Era};
use super::pipe::Pipe;
use super::subscribe::Subscribing;
use crate::calls::Call;
use crate::session::{Abilities, Session};
use crate::trail::Occasion;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use mcp::{Document, Id, Message, Method, Notification, Outcome, Peer, Request, Response, Revision, json};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use terms::{CallId, ServerName};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use transport::upstream::http::{Answers, Sender, UpstreamHead, Wire};

/// Notes of one call that may wait for its client.
const NOTES: usize = 64;

/// How often the stream of one call is resumed.
const RESUMES: u32 = 20;
/// Until it is resumed, where the server does not say.
const RETRY: std::time::Duration = std::time::Duration::from_secs(1);
/// The longest that a server may make us wait.
const RETRY_MOST: std::time::Duration = std::time::Duration::from_secs(10);

/// Whose calls run on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Those of one session, and so of one principal.
    One,
    /// Those of every session.
    All,
}

/// Why nothing more comes of an exchange with a server.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The way to it failed.
    #[error(transparent)]
    Wire(#[from] transport::upstream::Fault),
    /// What it said does not fit the protocol.
    #[error("the server's message does not fit the protocol: {0}")]
    Malformed(mcp::Fault),
    /// It is gone.
    #[error("the server has ended")]
    Gone,
    /// It answered with an error where a result is needed.
    #[error("the server answered `{method}` with the error {code}")]
    Refused {
        /// What was asked.
        method: &'static str,
        /// The JSON-RPC code.
        code: i64,
    },
    /// It did not answer in time.
    #[error("the server did not answer in time")]
    Slow,
    /// It settles on a revision that is not in use.
    #[error("the server does not speak the revision in use")]
    Revision,
}

impl Broken {
    /// Whether the frame certainly did not reach the server.
    pub fn never_sent(&self) -> bool {
        matches!(self, Self::Wire(fault) if fault.never_sent())
    }

    /// Whether all connections to the server are in use, and nothing is wrong with it.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Wire(fault) if fault.is_full())
    }
}

/// A message to a server.
pub struct Frame {
    /// Its text.
    pub text: Vec<u8>,
    /// The headers that its revision wants over HTTP, made from the text.
    pub fields: Vec<(HeaderName, HeaderValue)>,
}

impl From<Vec<u8>> for Frame {
    fn from(text: Vec<u8>) -> Self {
        Self { text, fields: Vec::new() }
    }
}

/// What comes from a server while a call waits.
pub enum Incoming {
    /// The answer.
    Response(Response),
    /// A note that belongs to the call.
    Note(Notification),
    /// A question that belongs to the call.
    Question(Request),
    /// What is dropped, by its row of the table of strict parsing.
    Stray(u8),
    /// The server closed the stream of the call and lets it be resumed: the next look resumes it.
    Parted,
}

/// One MCP session with one server.
pub struct Link {
    /// The server.
    pub server: ServerName,
    /// Digest of its configuration when the link was opened.
    pub digest: String,
    carrier: Carrier,
    sharing: Sharing,
    next: AtomicI64,
    pending: Mutex<HashMap<i64, Pending>>,
    strays: AtomicU32,
    reported: AtomicBool,
    wondered: AtomicBool,
    bounds: mcp::Bounds,
    era: Era,
    /// The result of the server's handshake, or what it says of itself where there is none.
    handshake: Mutex<Option<Document>>,
    /// What it may ask of clients, as far as they can do it.
    may: Mutex<Abilities>,
    told: AtomicBool,
    /// Whether it was asked what it may not live through.
    probed: AtomicBool,
    changes: Changes,
    subscribing: Subscribing,
    /// Whether another one is opened when it is lost.
    kept: AtomicBool,
    /// On whose account its process runs.
    pub(crate) occasion: Occasion,
    /// The session that its process belongs to, where there is one.
    owner: Option<Weak<Session>>,
    /// Requests under way.
    flights: AtomicUsize,
    retired: AtomicBool,
    /// Ends with the link.
    pub ended: CancellationToken,
}

enum Carrier {
    Pipe(Pipe),
    Http { wire: Wire, authorization: Option<HeaderValue>, session: Mutex<Option<Arc<str>>> },
    OneStream(Sender),
}

struct Pending {
    owner: Option<Arc<Call>>,
    notes: mpsc::Sender<Incoming>,
    done: oneshot::Sender<Response>,
}

/// One request under way.
pub struct InFlight {
    aboard: Aboard,
    id: i64,
    way: Way,
    over: Over,
    /// What came and was not taken yet.
    held: Option<Box<Result<Incoming, Broken>>>,
}

/// A place on a link, counted as long as it is held: a link that is retired ends with the last one. What stands until the link ends is not waited for.
struct Aboard(Arc<Link>, Lasting);

impl Aboard {
    fn new(link: &Arc<Link>, lasting: Lasting) -> Self {
        if lasting == Lasting::Call {
            link.flights.fetch_add(1, Ordering::SeqCst);
        }
        Self(Arc::clone(link), lasting)
    }
}

impl Drop for Aboard {
    fn drop(&mut self) {
        if self.1 == Lasting::Call && self.0.flights.fetch_sub(1, Ordering::SeqCst) == 1 && self.0.is_retired() {
            self.0.end();
        }
    }
}

/// How long what is sent may be answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lasting {
    /// As long as a call may.
    Call,
    /// Until it is taken back.
    Standing,
}

/// What became of a server that a call took too long at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overrun {
    /// It is ended, with everything that it started.
    Killed,
    /// It goes on: it is not the session's alone, or not ours to end.
    Spared,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    No,
    Yes,
}

enum Way {
    Pipe { notes: mpsc::Receiver<Incoming>, done: oneshot::Receiver<Response> },
    Http { answers: Box<Answers>, resumed: u32, ended: Option<transport::upstream::Fault> },
}

/// What a server says of changes to its lists, as often as it likes, made into one look at a time.
#[derive(Debug, Default)]
pub(crate) struct Changes(Mutex<Looking>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Looking {
    /// Nobody looks, and nothing was said since.
    #[default]
    No,
    /// Somebody is to look.
    Soon,
    /// Somebody looks.
    Yes,
    /// Somebody looks, and is to look again.
    Again,
}

impl Changes {
    /// Notes that something changed. Whether nobody looks yet, so that the caller has to see to it.
    pub(crate) fn said(&self) -> bool {
        let mut looking = self.0.lock();
        let before = *looking;
        *looking = match before {
            Looking::No | Looking::Soon => Looking::Soon,
            Looking::Yes | Looking::Again => Looking::Again,
        };
        before == Looking::No
    }

    /// Begins a look, or ends the last one: whether there is something to look at.
    pub(crate) fn begin(&self) -> bool {
        let mut looking = self.0.lock();
        *looking = match *looking {
            Looking::Soon | Looking::Again => Looking::Yes,
            Looking::No | Looking::Yes => Looking::No,
        };
        *looking == Looking::Yes
    }
}

/// What a frame outside every call was.
pub enum Standing {
    /// A notification to whoever listens.
    Note(Notification),
    /// A question that nothing owns, already answered for.
    Unowned(Method),
    /// What comes after the answer that it goes with.
    Late,
    /// What belongs to nothing, by its row of the table of strict parsing.
    Stray(u8),
}

/// A frame of a server's, parsed.
pub enum Heard {
    /// A message.
    Message(Message),
    /// What is dropped, by its row of the table of strict parsing.
    Stray(u8),
}

impl Link {
    /// A link over the pipes of a local process.
    pub(super) fn over_pipe(
        server: ServerName,
        digest: String,
        pipe: Pipe,
        bounds: mcp::Bounds,
        owner: Option<&Arc<Session>>,
        occasion: Occasion,
    ) -> Arc<Self> {
        let sharing = if owner.is_some() { Sharing::One } else { Sharing::All };
        let owner = owner.map(Arc::downgrade);
        Self::new(server, digest, Carrier::Pipe(pipe), sharing, bounds, owner, occasion)
    }

    /// A link over HTTP.
    pub(super) fn over_http(
        server: ServerName,
        digest: String,
        wire: Wire,
        authorization: Option<HeaderValue>,
        bounds: mcp::Bounds,
    ) -> Arc<Self> {
        let carrier = Carrier::Http { wire, authorization, session: Mutex::new(None) };
        Self::new(server, digest, carrier, Sharing::One, bounds, None, Occasion::Work)
    }

    /// A link over HTTP+SSE.
    pub(super) fn over_one_stream(server: ServerName, digest: String, sender: Sender, bounds: mcp::Bounds) -> Arc<Self> {
        Self::new(server, digest, Carrier::OneStream(sender), Sharing::One, bounds, None, Occasion::Work)
    }

    fn new(
        server: ServerName,
        digest: String,
        carrier: Carrier,
        sharing: Sharing,
        bounds: mcp::Bounds,
        owner: Option<Weak<Session>>,
        occasion: Occasion,
    ) -> Arc<Self> {
        Arc::new(Self {
            server,
            digest,
            carrier,
            sharing,
            next: AtomicI64::new(1),
            pending: Mutex::default(),
            strays: AtomicU32::new(0),
            reported: AtomicBool::new(false),
            wondered: AtomicBool::new(false),
            bounds,
            era: Era::default(),
            handshake: Mutex::new(None),
            may: Mutex::default(),
            told: AtomicBool::new(false),
            probed: AtomicBool::new(false),
            changes: Changes::default(),
            subscribing: Subscribing::default(),
            kept: AtomicBool::new(false),
            occasion,
            owner,
            flights: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            ended: CancellationToken::new(),
        })
    }

    /// Whether it can still be used.
    pub fn is_open(&self) -> bool {
        !self.ended.is_cancelled()
    }

    /// Whether it takes no further call, and ends after those under way.
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    /// Takes no further call; ends with the last one under way.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        if self.flights.load(Ordering::SeqCst) == 0 {
            self.end();
        }
    }

    /// Whether calls of every session run on it.
    pub(super) fn is_shared(&self) -> bool {
        self.sharing == Sharing::All
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.pending.lock().len()
    }

    /// The revision that it speaks, as far as that is known.
    pub fn revision(&self) -> Revision {
        self.era.revision()
    }

    /// What it may ask of clients that can do it.
    pub(crate) fn may(&self) -> Abilities {
        *self.may.lock()
    }

    /// Whether the server declared a capability.
    pub fn can(&self, capability: &str) -> bool {
        let handshake = self.handshake.lock();
        handshake.as_ref().and_then(|said| said.root().get("capabilities")).is_some_and(|all| all.get(capability).is_some())
    }

    /// Whether it is told once for all which log messages are wanted.
    pub(super) fn takes_level(&self) -> bool {
        self.revision().is_legacy() && self.can("logging")
    }

    /// Whether it was asked just now what it may not know, and may not live through.
    pub(super) fn is_probed(&self) -> bool {
        self.probed.load(Ordering::Acquire)
    }

    /// What the server was told of our abilities.
    pub(super) fn told(&self) -> Told {
        if self.told.load(Ordering::Relaxed) { Told::All } else { Told::Fewer }
    }

    /// What the server says of changes to its lists.
    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// What it is asked to tell outside of calls, where that is asked in one request.
    pub(crate) fn subscribing(&self) -> &Subscribing {
        &self.subscribing
    }

    /// Whether somebody sees to it already that another one is opened when it is lost; from now on somebody does.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.swap(true, Ordering::Relaxed)
    }

    /// What the server declared, with its name and instructions: the result of its handshake.
    pub fn handshake(&self) -> Option<Document> {
        self.handshake.lock().clone()
    }

    /// Sends a request for `owner`. `print` is given our id of it, which is also its progress token.
    ///
    /// # Errors
    /// [`Broken`]; [`Broken::never_sent`] tells whether it can be sent again.
    pub async fn send(self: &Arc<Self>, owner: Option<Arc<Call>>, print: impl FnOnce(&Id) -> Frame) -> Result<InFlight, Broken> {
        self.begin(owner, Lasting::Call, print).await
    }

    async fn begin(
        self: &Arc<Self>,
        owner: Option<Arc<Call>>,
        lasting: Lasting,
        print: impl FnOnce(&Id) -> Frame,
    ) -> Result<InFlight, Broken> {
        let aboard = Aboard::new(self, lasting);
        if !self.is_open() {
            return Err(Broken::Gone);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let Frame { text: frame, fields } = print(&Id::Number(number));
        let way = match &self.carrier {
            Carrier::Pipe(pipe) => {
                let flight = InFlight { aboard, id: number, way: self.expect(number, owner), over: Over::No, held: None };
                pipe.send(&frame).await?;
                return Ok(flight);
            }
            Carrier::OneStream(sender) => {
                let flight = InFlight { aboard, id: number, way: self.expect(number, owner), over: Over::No, held: None };
                tokio::select! {
                    biased;
                    () = self.ended.cancelled() => return Err(Broken::Gone),
                    sent = sender.send(frame.into()) => sent?,
                }
                return Ok(flight);
            }
            Carrier::Http { wire, authorization, session } => {
                let session = session.lock().clone();
                let told = self.era.stated(self.handshake.lock().is_some());
                let head = head(session.as_deref(), authorization.as_ref(), told, &fields);
                let post = async {
                    match lasting {
                        Lasting::Call => wire.post(frame.into(), head).await,
                        Lasting::Standing => wire.post_standing(frame.into(), head).await,
                    }
                };
                let answers = tokio::select! {
                    biased;
                    () = self.ended.cancelled() => return Err(Broken::Gone),
                    answers = post => answers,
                };
                let answers = match answers {
                    // Errors of revisions without a handshake come with a status of their own.
                    Err(transport::upstream::Fault::Status { status, frame: Some(frame) })
                        if !self.revision().is_legacy() && era::is_answer(status, &frame, &self.bounds) =>
                    {
                        Answers::one(status, frame)
                    }
                    answers => answers?,
                };
                self.learn(&answers);
                Way::Http { answers: Box::new(answers), resumed: 0, ended: None }
            }
        };
        Ok(InFlight { aboard, id: number, way, over: Over::No, held: None })
    }

    /// Where what belongs to request `number` comes, on a way that carries everything.
    fn expect(&self, number: i64, owner: Option<Arc<Call>>) -> Way {
        let (notes, note_end) = mpsc::channel(NOTES);
        let (done, done_end) = oneshot::channel();
        self.pending.lock().insert(number, Pending { owner, notes, done });
        Way::Pipe { notes: note_end, done: done_end }
    }

    /// Sends what wants no answer.
    ///
    /// # Errors
    /// [`Broken`].
    pub async fn tell(&self, frame: Vec<u8>) -> Result<(), Broken> {
        match &self.carrier {
            Carrier::Pipe(pipe) => Ok(pipe.send(&frame).await?),
            Carrier::OneStream(sender) => Ok(sender.send(frame.into()).await?),
            Carrier::Http { wire, authorization, session } => {
                let session = session.lock().clone();
                wire.post(frame.into(), head(session.as_deref(), authorization.as_ref(), Some(self.revision()), &[])).await?;
                Ok(())
            }
        }
    }

    /// Asks for ourselves and waits for the result.
    ///
    /// # Errors
    /// [`Broken`].
    pub async fn ask(self: &Arc<Self>, method: Method, params: Option<&[u8]>) -> Result<Response, Broken> {
        let mut flight = self.send(None, |id| era::request(self.revision(), self.may(), id, method, params)).await?;
        loop {
            match flight.next().await? {
                Incoming::Response(response) => return Ok(response),
                Incoming::Note(_) | Incoming::Stray(_) | Incoming::Parted => {}
                Incoming::Question(question) => self.decline(&question.id, question.method).await?,
            }
        }
    }

    /// Asks to be told what the filter in `params` names, until the request is cancelled.
    pub(super) async fn listen(self: &Arc<Self>, params: &[u8]) -> Result<InFlight, Broken> {
        self.begin(None, Lasting::Standing, |id| era::request(self.revision(), self.may(), id, Method::Listen, Some(params))).await
    }

    /// Whether the server says that it tells of changes to its lists of `capability`.
    pub(super) fn tells(&self, capability: &str) -> bool {
        let handshake = self.handshake.lock();
        let stated = handshake.as_ref().and_then(|said| said.root().get("capabilities")?.get(capability)?.get("listChanged"));
        stated.and_then(mcp::Node::truth) == Some(true)
    }

    /// Opens the way: a handshake, or the question what there is. With `only` a revision, the server speaks that one or none; without, it is found
    /// out. `may` is what the server may ask.
    ///
    /// # Errors
    /// [`Broken`]; [`Broken::Revision`] when it does not speak `only`.
    pub(super) async fn open(self: &Arc<Self>, may: Abilities, only: Option<Revision>) -> Result<(), Broken> {
        *self.may.lock() = may;
        self.told.store(may == Abilities::ALL, Ordering::Relaxed);
        match only {
            Some(revision) if revision.is_legacy() => self.shake(may, revision).await,
            Some(revision) => match self.discover(revision).await? {
                era::Seen::Modern(result) => self.learnt(&result),
                era::Seen::Legacy => Err(Broken::Revision),
            },
            None => {
                self.probed.store(true, Ordering::Release);
                let seen = tokio::time::timeout(era::PROBE, self.discover(Revision::R2026_07_28)).await;
                // What it dies of from here on is its own affair.
                if !matches!(seen, Ok(Err(_))) {
                    self.probed.store(false, Ordering::Release);
                }
                match (seen, &self.carrier) {
                    (Ok(Ok(era::Seen::Modern(result))), _) => self.learnt(&result),
                    // It drops what it does not know without a word, as some do over pipes; one stream is of that era alone.
                    (Err(_), Carrier::Pipe(_) | Carrier::OneStream(_)) | (Ok(Ok(era::Seen::Legacy)), _) => {
                        self.shake(may, Revision::NEWEST_LEGACY).await
                    }
                    (Err(_), Carrier::Http { .. }) => Err(Broken::Slow),
                    (Ok(Err(broken)), _) => Err(broken),
                }
            }
        }
    }

    /// Asks what there is in a revision without a handshake (MCP 2026-07-28, "Discovery"). What a server of another era answers is no fault.
    async fn discover(self: &Arc<Self>, revision: Revision) -> Result<era::Seen, Broken> {
        self.era.set(revision);
        let asked = match self.ask(Method::Discover, None).await {
            Ok(response) if era::speaks(&response, revision) => self.ask(Method::Discover, None).await,
            asked => asked,
        };
        match asked {
            Ok(response) => era::seen(&response, revision),
            Err(broken) => era::fallen(broken),
        }
    }

    /// The handshake of a revision that has one.
    async fn shake(self: &Arc<Self>, may: Abilities, revision: Revision) -> Result<(), Broken> {
        self.era.set(revision);
        let mut params = Vec::with_capacity(256);
        let mut object = json::Object::open(&mut params);
        object.text("protocolVersion", revision.as_str()).raw("capabilities", &era::print_abilities(may));
        mcp::print::print_implementation(object.key("clientInfo"), era::VERSION);
        object.close();
        let response = self.ask(Method::Initialize, Some(&params)).await?;
        let Outcome::Result(result) = response.outcome() else { return Err(refused(Method::Initialize, &response)) };
        if !result.get("protocolVersion").is_some_and(|settled| settled.is_text(revision.as_str())) {
            return Err(Broken::Revision);
        }
        mcp::check_result(Method::Initialize, result, revision).map_err(Broken::Malformed)?;
        self.learnt(&response)?;
        let mut frame = Vec::with_capacity(64);
        mcp::print_notification(&mut frame, Method::Initialized.as_str(), None);
        self.tell(frame).await
    }

    fn learnt(&self, response: &Response) -> Result<(), Broken> {
        let Outcome::Result(result) = response.outcome() else { return Err(Broken::Revision) };
        let handshake = Document::parse(result.raw_bytes(), &self.bounds).map_err(Broken::Malformed)?;
        *self.handshake.lock() = Some(handshake);
        Ok(())
    }

    /// Replies to a question of the server's with a raw result.
    ///
    /// # Errors
    /// [`Broken`].
    pub async fn reply(&self, id: &Id, result: &[u8]) -> Result<(), Broken> {
        let mut frame = Vec::with_capacity(result.len() + 64);
        mcp::print_result(&mut frame, id, result);
        self.tell(frame).await
    }

    /// Answers a question that nobody may or can answer: elicitation is declined, the rest is not there.
    ///
    /// # Errors
    /// [`Broken`].
    pub async fn decline(&self, id: &Id, method: Method) -> Result<(), Broken> {
        match method {
            Method::Ping => self.reply(id, b"{}").await,
            Method::Elicit => self.reply(id, br#"{"action":"decline"}"#).await,
            _ => {
                let mut frame = Vec::with_capacity(128);
                mcp::print_error(&mut frame, Some(id), mcp::METHOD_NOT_FOUND, "There is no such method.", None);
                self.tell(frame).await
            }
        }
    }

    /// The standing stream of a server over HTTP; `None` where there is none to have.
    pub async fn stand(&self) -> Option<Answers> {
        match &self.carrier {
            Carrier::Pipe(_) | Carrier::OneStream(_) => None,
            Carrier::Http { wire, authorization, session } => {
                let session = session.lock().clone();
                wire.open_stream(head(session.as_deref(), authorization.as_ref(), Some(self.revision()), &[]), None).await.ok()
            }
        }
    }

    /// The rest of a stream that ended before its response, from the last event on; `None` where it cannot be resumed.
    async fn resume(&self, ended: &Answers, before: u32) -> Option<Answers> {
        let Carrier::Http { wire, authorization, session } = &self.carrier else { return None };
        let last = ended.last_event().filter(|_| before < RESUMES && self.revision().is_legacy())?.clone();
        let wait = ended.retry().unwrap_or(RETRY).min(RETRY_MOST);
        tokio::time::sleep(wait).await;
        let session = session.lock().clone();
        wire.open_stream(head(session.as_deref(), authorization.as_ref(), Some(self.revision()), &[]), Some(&last)).await.ok()
    }

    /// Parses a frame of the server's.
    ///
    /// # Errors
    /// [`Broken::Malformed`].
    pub fn parse(&self, frame: Bytes) -> Result<Heard, Broken> {
        match mcp::parse_message(frame, Peer::Server, self.revision(), &self.bounds) {
            Ok(message) => Ok(Heard::Message(message)),
            Err(fault) if fault.is_silent() => {
                self.strays.fetch_add(1, Ordering::Relaxed);
                Ok(Heard::Stray(fault.row))
            }
            Err(fault) => Err(Broken::Malformed(fault)),
        }
    }

    /// Sorts a frame that came over a pipe to the call it belongs to; what belongs to none is handed back.
    pub(super) fn sort(&self, message: Message) -> Option<(Standing, Option<Id>)> {
        match message {
            Message::Response(response) => {
                let asked = match response.id.as_ref() {
                    // With the entry goes the way of its notes: what comes after the answer is not heard.
                    Some(Id::Number(number)) => self.pending.lock().remove(number),
                    _ => None,
                };
                match asked {
                    Some(pending) => {
                        drop(pending.done.send(response));
                        None
                    }
                    None => {
                        self.strays.fetch_add(1, Ordering::Relaxed);
                        Some((Standing::Stray(66), None))
                    }
                }
            }
            Message::Notification(notification) => {
                let notes = match notification.method {
                    Method::Progress => {
                        let token = notification.params().and_then(|params| params.get("progressToken")).and_then(|token| token.integer());
                        let notes = token.and_then(|token| self.pending.lock().get(&token).map(|pending| pending.notes.clone()));
                        if notes.is_none() {
                            return Some((Standing::Late, None));
                        }
                        notes
                    }
                    Method::LogMessage => self.only_owner(),
                    _ => None,
                };
                match notes {
                    Some(notes) => {
                        drop(notes.try_send(Incoming::Note(notification)));
                        None
                    }
                    None => Some((Standing::Note(notification), None)),
                }
            }
            // Row 67: these servers ask in their results.
            Message::Request(_) if !self.revision().is_legacy() => {
                self.strays.fetch_add(1, Ordering::Relaxed);
                Some((Standing::Stray(67), None))
            }
            Message::Request(request) => {
                let (id, method) = (request.id.clone(), request.method);
                match self.only_owner() {
                    Some(notes) if method != Method::Ping => match notes.try_send(Incoming::Question(request)) {
                        Ok(()) => None,
                        Err(_) => Some((Standing::Unowned(method), Some(id))),
                    },
                    _ => Some((Standing::Unowned(method), Some(id))),
                }
            }
        }
    }

    /// Over a pipe nothing ties a question or a log message to a call: it belongs to the only one in flight, or to none. Where several principals
    /// share the process it belongs to none: what a server says late of one's call would else be told to another.
    fn only_owner(&self) -> Option<mpsc::Sender<Incoming>> {
        if self.sharing == Sharing::All {
            return None;
        }
        let pending = self.pending.lock();
        let mut owned = pending.values().filter(|pending| pending.owner.is_some());
        let first = owned.next()?;
        owned.next().is_none().then(|| first.notes.clone())
    }

    /// Whether this is the first stray that is told of: of the others only the number is.
    pub(super) fn first_stray(&self) -> bool {
        !self.reported.swap(true, Ordering::Relaxed)
    }

    /// Whether this is the first question of nobody's that is told of.
    pub(super) fn first_unowned(&self) -> bool {
        !self.wondered.swap(true, Ordering::Relaxed)
    }

    /// How many messages came that belong to nothing.
    pub fn stray_count(&self) -> u32 {
        self.strays.load(Ordering::Relaxed)
    }

    /// Ends the link and everything that waits on it.
    pub fn end(&self) {
        self.ended.cancel();
        self.pending.lock().clear();
        if let Carrier::Pipe(pipe) = &self.carrier {
            pipe.end();
        }
    }

    /// Ends the link, and a local server's processes with it at once.
    pub fn kill(&self) {
        if let Carrier::Pipe(pipe) = &self.carrier {
            pipe.kill();
        }
        self.end();
    }

    /// A call took longer than it may: a process of one session is killed with all that came from it.
    pub(super) fn overrun(&self) -> Overrun {
        match (&self.carrier, self.sharing) {
            (Carrier::Pipe(_), Sharing::One) => {
                self.kill();
                Overrun::Killed
            }
            (Carrier::Pipe(_), Sharing::All) | (Carrier::Http { .. } | Carrier::OneStream(_), _) => Overrun::Spared,
        }
    }

    /// The session that its process belongs to, as long as there is one.
    pub(super) fn owner(&self) -> Option<Arc<Session>> {
        self.owner.as_ref().and_then(Weak::upgrade)
    }

    /// Has what a local server leaves behind kept at `place` when it ends; gives the place back where that will be done and was not asked for before.
    pub(super) fn keep(&self, place: PathBuf) -> Option<PathBuf> {
        let Carrier::Pipe(pipe) = &self.carrier else { return None };
        // INVARIANT: asked before it is looked, so that whoever watches the process sees it after it has ended the link.
        pipe.keep(place).filter(|_| self.is_open())
    }

    /// Ends the server's own session, where it has one, then the link.
    pub async fn leave(&self) {
        if let Carrier::Http { wire, authorization, session } = &self.carrier {
            let session = session.lock().take();
            if session.is_some() {
                let _ = wire.end_session(head(session.as_deref(), authorization.as_ref(), Some(self.revision()), &[])).await;
            }
        }
        self.end();
    }

    fn learn(&self, answers: &Answers) {
        if !self.revision().is_legacy() {
            return;
        }
        if let (Carrier::Http { session, .. }, Some(given)) = (&self.carrier, answers.session()) {
            let mut session = session.lock();
            if session.is_none() {
                *session = Some(given.into());
            }
        }
    }
}

impl InFlight {
    /// Our id of the request, and its progress token.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// The link that it runs on.
    pub fn link(&self) -> &Arc<Link> {
        &self.aboard.0
    }

    /// The next thing that belongs to the call. After the response nothing comes. Cancel-safe.
    ///
    /// # Errors
    /// [`Broken`]; then nothing more comes.
    pub async fn next(&mut self) -> Result<Incoming, Broken> {
        if let Some(held) = self.held.take() {
            return *held;
        }
        if self.over == Over::Yes {
            return Err(Broken::Gone);
        }
        let next = match &mut self.way {
            Way::Pipe { notes, done } => {
                tokio::select! {
                    biased;
                    Some(note) = notes.recv() => Ok(note),
                    response = done => response.map(Incoming::Response).map_err(|_| Broken::Gone),
                }
            }
            Way::Http { answers, resumed, ended } => {
                if let Some(why) = ended.take() {
                    match Box::pin(self.aboard.0.resume(answers, *resumed)).await {
                        Some(again) => {
                            **answers = again;
                            *resumed += 1;
                        }
                        None => {
                            self.over = Over::Yes;
                            return Err(Broken::Wire(why));
                        }
                    }
                }
                let next = tokio::select! {
                    biased;
                    () = self.aboard.0.ended.cancelled() => None,
                    next = answers.next() => Some(next),
                };
                let Some(next) = next else {
                    self.over = Over::Yes;
                    return Err(Broken::Gone);
                };
                match next {
                    Some(Ok(frame)) => match self.aboard.0.parse(frame) {
                        Ok(Heard::Message(message)) => own(message, self.id, self.aboard.0.revision()),
                        Ok(Heard::Stray(row)) => Ok(Incoming::Stray(row)),
                        Err(broken) => Err(broken),
                    },
                    // A server may close the stream of a call and let it be resumed (MCP 2025-11-25, Resumability).
                    broken => {
                        let why = match broken {
                            Some(Err(fault)) => fault,
                            _ => transport::upstream::Fault::NoResponse,
                        };
                        match answers.last_event().filter(|_| self.aboard.0.revision().is_legacy()) {
                            Some(_) => {
                                *ended = Some(why);
                                Ok(Incoming::Parted)
                            }
                            None => Err(Broken::Wire(why)),
                        }
                    }
                }
            }
        };
        if matches!(next, Ok(Incoming::Response(_)) | Err(_)) {
            self.over = Over::Yes;
        }
        next
    }

    /// The next thing, if it comes before `end` and is a question: anything else is held for [`Self::next`].
    pub async fn question(&mut self, end: tokio::time::Instant) -> Option<Request> {
        match tokio::time::timeout_at(end, self.next()).await {
            Ok(Ok(Incoming::Question(request))) => Some(request),
            Ok(other) => {
                self.held = Some(Box::new(other));
                None
            }
            Err(_) => None,
        }
    }

    /// Gives the server as long again as a call has: it waited for its client meanwhile.
    pub fn renew(&mut self) {
        if let Way::Http { answers, .. } = &mut self.way {
            answers.renew();
        }
    }

    /// Tells the server that nobody waits any more.
    pub async fn cancel(&mut self) {
        if self.over == Over::Yes {
            return;
        }
        self.over = Over::Yes;
        if let Way::Http { answers, .. } = &mut self.way
            && !self.aboard.0.revision().is_legacy()
        {
            // To hang up is to cancel.
            answers.close();
            return;
        }
        let mut params = Vec::with_capacity(48);
        let mut object = json::Object::open(&mut params);
        object.int("requestId", self.id);
        object.close();
        let mut frame = Vec::with_capacity(128);
        mcp::print_notification(&mut frame, Method::Cancelled.as_str(), Some(&params));
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), self.aboard.0.tell(frame)).await;
    }

    /// The server took too long: its processes end at once where they are the session's own, as whatever the call started would go on. One that others
    /// use too, or that is not on this machine, is told that nobody waits any more.
    pub async fn overrun(&mut self) {
        if self.aboard.0.overrun() == Overrun::Killed {
            self.over = Over::Yes;
            return;
        }
        self.cancel().await;
    }

    /// The call that it was sent for is the only one that this belongs to.
    pub fn belongs_to(&self, call: CallId) -> bool {
        self.aboard.0.pending.lock().get(&self.id).is_none_or(|pending| pending.owner.as_ref().is_none_or(|owner| owner.id == call))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.aboard.0.pending.lock().remove(&self.id);
    }
}

/// On the stream of a POST everything belongs to that request; its answer has its id, but for an error of which the server could not tell.
fn own(message: Message, id: i64, revision: Revision) -> Result<Incoming, Broken> {
    match message {
        Message::Response(response) if response.id.as_ref() == Some(&Id::Number(id)) => Ok(Incoming::Response(response)),
        Message::Response(response) if response.id.is_none() && !revision.is_legacy() => Ok(Incoming::Response(response)),
        Message::Response(response) => Err(Broken::Malformed(mcp::Fault::of_row(66, revision, response.id.as_ref().cloned()))),
        Message::Notification(notification) => Ok(Incoming::Note(notification)),
        Message::Request(_) if !revision.is_legacy() => Ok(Incoming::Stray(67)),
        Message::Request(request) => Ok(Incoming::Question(request)),
    }
}

fn head<'a>(
    session: Option<&'a str>,
    authorization: Option<&'a HeaderValue>,
    revision: Option<Revision>,
    extra: &'a [(HeaderName, HeaderValue)],
) -> UpstreamHead<'a> {
    UpstreamHead { session, revision, authorization, extra }
}

/// The error in place of a result.
pub(super) fn refused(method: Method, response: &Response) -> Broken {
    let code = match response.outcome() {
        Outcome::Error { code, .. } => code,
        Outcome::Result(_) => 0,
    };
    Broken::Refused { method: method.as_str(), code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_looked_at_one_at_a_time_and_none_is_missed() {
        let changes = Changes::default();
        assert!(!changes.begin());
        assert!(changes.said());
        assert!((0..1_000).all(|_| !changes.said()));
        assert!(changes.begin());
        assert!((0..1_000).all(|_| !changes.said()));
        assert!(changes.begin());
        assert!(!changes.begin());
        assert!(changes.said());
    }
}
