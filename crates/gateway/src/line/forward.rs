//! Stage 10: it goes out, or is answered by us.
//!
//! The last look at the kill switch is here, as close to the wire as can be; a kill after it stops the call from the other side.

use super::allowance::Allowance;
use super::decide::Viewer;
use super::lists;
use super::parse::Intake;
use super::record::Recorded;
use super::resolve::{Listing, Reference, Resolved, Target};
use super::search;
use crate::calls::{Call, Stop};
use crate::doors::{Broken, Frame, InFlight, Link, era};
use crate::gate::Gate;
use crate::halt::Halt;
use crate::rounds::{self, Round, Spent, State, Suspended, Upstream};
use crate::session::{Abilities, Form, Session, Streams, Wants};
use crate::snapshot::{Carrier, Server, Snapshot};
use crate::trail::{Asked, Stage, Trail, traced};
use mcp::{Id, Legs, Method, Node, Revision, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use terms::Code;
use tokio::sync::mpsc;
use tokio::time::Instant;
use transport::lag;

/// Longest that the servers of a subscription may take together.
const WATCHING: Duration = Duration::from_secs(30);
/// Messages that a subscription may be behind.
const LISTENED: usize = 64;
/// Resources that one session may be subscribed to.
const SUBSCRIPTIONS: usize = 1024;

/// What a server is told beside a request that it has asked questions about.
pub(crate) struct Extra {
    /// The answers, by its own names of the questions, one JSON object.
    pub answers: Vec<u8>,
    /// What it wants to have back.
    pub state: Option<String>,
}

impl Extra {
    /// What a client answers without a state, as it may where the server gave none: passed on to a server that may ask this client anything.
    fn unasked(link: &Link, resolved: &Resolved) -> Option<Self> {
        let may = link.may().and(resolved.admitted().abilities()).and(super::decide::may_be_asked(resolved));
        let answers = resolved.answers().filter(|_| !link.revision().is_legacy() && may != Abilities::default())?;
        let mut text = Vec::with_capacity(answers.raw().len());
        answers.canonical(&mut text);
        Some(Self { answers: text, state: None })
    }

    /// What a client brings back for a server that asked in a result. Answers to nothing that was asked are left out.
    fn of(state: &State, answers: Option<Node<'_>>) -> Option<Self> {
        let Upstream::State(own) = &state.upstream else { return None };
        let given = state.asked.iter().filter_map(|asked| {
            let mut text = Vec::new();
            answers?.get(&asked.key)?.canonical(&mut text);
            Some((asked.theirs.as_str(), text))
        });
        let given: Vec<_> = given.collect();
        let mut text = Vec::with_capacity(128);
        mcp::print::print_answers(&mut text, given.iter().map(|(key, answer)| (*key, answer.as_slice())));
        Some(Self { answers: text, state: own.clone() })
    }
}

/// Answers that are gathered from a client of the other era, for a server that asked in a result.
pub(super) struct Gathering {
    /// Who asked.
    pub server: Arc<Server>,
    /// What it wants to have back.
    pub state: Option<String>,
    /// Questions that the client was not asked yet, printed.
    pub unasked: VecDeque<bytes::Bytes>,
    /// How many replies are to come.
    pub open: usize,
    /// Where they come from.
    pub replies: mpsc::Receiver<(String, Option<Vec<u8>>)>,
    /// Those that have come.
    pub given: Vec<(String, Vec<u8>)>,
    /// Which round it is.
    pub round: u8,
}

/// What was sent, or what we answer ourselves.
pub struct Forwarded {
    recorded: Recorded,
    way: Way,
    deadline: Instant,
    notes: Allowance,
    rounds: u8,
}

/// Where the answer comes from.
pub(super) enum Way {
    /// A server.
    Server(InFlight, Arc<Server>),
    /// The client, whose answers the server waits for.
    Client(Box<Gathering>),
    /// Ourselves: one JSON result.
    Own(Option<Vec<u8>>),
    /// Nothing is said: it was taken note of.
    Accepted,
    /// A stream.
    Opened(Option<mpsc::Receiver<bytes::Bytes>>),
    /// The session is over.
    Ended,
}

impl Forwarded {
    pub(super) fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    pub(super) fn recorded_mut(&mut self) -> &mut Recorded {
        &mut self.recorded
    }

    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    pub(super) fn way_mut(&mut self) -> &mut Way {
        &mut self.way
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the client has answered all that the server asked in a result.
    pub(super) fn has_gathered(&self) -> bool {
        matches!(&self.way, Way::Client(gathering) if gathering.open == 0 && gathering.unasked.is_empty())
    }

    /// The questions of the server's result go to the client.
    pub(super) fn gather(&mut self, gathering: Box<Gathering>) {
        self.way = Way::Client(gathering);
    }

    /// The server goes on under `way`; it has as long as a call has.
    pub(super) fn resume(&mut self, flight: InFlight, server: Arc<Server>) {
        self.deadline = Instant::now() + server.call;
        self.way = Way::Server(flight, server);
    }

    /// Takes the way, so that the call can wait for another request of the client's.
    pub(super) fn take_way(&mut self) -> Way {
        std::mem::replace(&mut self.way, Way::Accepted)
    }

    /// How often the server has asked before.
    pub(super) fn rounds(&self) -> u8 {
        match &self.way {
            Way::Client(gathering) => gathering.round,
            _ => self.rounds,
        }
    }

    /// The server has asked once more.
    pub(super) fn asked(&mut self) {
        self.rounds = self.rounds.saturating_add(1);
    }

    /// The notes on the way that are still passed on.
    pub(super) fn notes_mut(&mut self) -> &mut Allowance {
        &mut self.notes
    }

    pub(super) fn target(&self) -> &Target {
        self.recorded.authorized().decided().inspected().resolved().target()
    }

    pub(super) fn call(&self) -> &Arc<Call> {
        self.recorded.call()
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        self.recorded.authorized().decided().inspected().resolved().admitted().session()
    }

    /// The method that was asked, where it was a request.
    pub(super) fn asked_for(&self) -> Option<Method> {
        match self.recorded.authorized().decided().inspected().resolved().admitted().parsed().intake() {
            Intake::Message(mcp::Message::Request(request)) => Some(request.method),
            _ => None,
        }
    }

    /// The revision that the server speaks.
    pub(super) fn spoken(&self) -> Revision {
        match &self.way {
            Way::Server(flight, _) => flight.link().revision(),
            _ => Revision::NEWEST_LEGACY,
        }
    }

    /// Who speaks what.
    pub(super) fn legs(&self) -> Legs {
        Legs { client: self.session().revision, server: self.spoken() }
    }

    /// The client's progress token, where it gave one.
    pub(super) fn progress_token(&self) -> Option<Node<'_>> {
        let params = self.recorded.authorized().decided().inspected().resolved().params()?;
        params.get("_meta")?.get("progressToken")
    }
}

pub(super) async fn run(gate: &Arc<Gate>, trail: &mut Trail, recorded: Recorded) -> Result<Forwarded, Halt> {
    alive(gate, trail, &recorded)?;
    let resolved = recorded.authorized().decided().inspected().resolved();
    let session = Arc::clone(resolved.admitted().session());
    let snapshot = Arc::clone(resolved.snapshot());
    let mut deadline = Instant::now() + Duration::from_secs(30);
    let way = match resolved.target() {
        Target::Initialize => Way::Own(Some(lists::initialize(Viewer::of(resolved.admitted())))),
        Target::Discover => Way::Own(Some(lists::discover(Viewer::of(resolved.admitted())))),
        Target::Listen(..) => Box::pin(listen(gate, trail, &recorded, &session, &snapshot)).await?,
        Target::Ping => Way::Own(Some(b"{}".to_vec())),
        Target::List(listing, position) => Way::Own(Some(lists::page(gate, Viewer::of(resolved.admitted()), *listing, *position))),
        Target::NoResources => Way::Own(Some(br#"{"resources":[]}"#.to_vec())),
        Target::Level(level) => {
            session.set_level(*level);
            Box::pin(gate.servers.set_level(&session, *level)).await;
            Way::Own(Some(b"{}".to_vec()))
        }
        Target::Noted(Method::Initialized) => Way::Accepted,
        Target::Noted(_) => {
            Box::pin(gate.servers.roots_changed(&session)).await;
            Way::Accepted
        }
        Target::Cancel(id) => {
            if let Some(call) = session.flies(id) {
                call.stop(Stop::Cancelled);
            } else if let Some(wants) = session.listeners.cancel(id) {
                gate.servers.unwatch(gate, &session, &wants);
            }
            Way::Accepted
        }
        Target::Dropped => Way::Accepted,
        Target::Stream(last) => {
            let bound = snapshot.bounds.streams;
            let Some(_place) = session.claim(bound) else {
                return Err(trail.refuse_with(Code::BoundStreams, terms::Hole::Most(bound as u64)));
            };
            let subscriber = session.streams.stand(last.as_deref()).ok_or_else(|| trail.status(404, Code::SessionUnknown))?;
            Way::Opened(Some(subscriber))
        }
        Target::End => {
            Box::pin(gate.end_session(&session)).await;
            Way::Ended
        }
        Target::Reply(_, method, _) => {
            if let (Method::ListRoots, Some(reply)) = (method, resolved.reply()) {
                opens(&session, reply);
            }
            Box::pin(watched(trail, recorded.call(), deadline, gate.servers.reply(&recorded, &session))).await?;
            Way::Accepted
        }
        Target::Search(sought) => Way::Own(Some(search::answer(gate, Viewer::of(resolved.admitted()), sought))),
        Target::Absent | Target::Misused(_) | Target::Closed(..) => return Err(trail.refuse(Code::Unknown)),
        Target::Tool(server, ..)
        | Target::Prompt(server, _)
        | Target::Resource(server, _)
        | Target::Resources(server, _)
        | Target::Completion(server, _)
        | Target::Subscription(server, ..) => {
            if let Target::Subscription(_, _, Method::Subscribe) = resolved.target()
                && session.subscription_count() >= SUBSCRIPTIONS
            {
                return Err(trail.refuse_with(Code::BoundStreams, terms::Hole::Most(SUBSCRIPTIONS as u64)));
            }
            let server = Arc::clone(server);
            deadline = Instant::now() + server.call;
            for asked in resolved.round().into_iter().flat_map(|round| &round.state.asked) {
                let answer = resolved.answers().and_then(|answers| answers.get(&asked.key));
                if let (Some(Method::ListRoots), Some(answer)) = (asked.method(), answer) {
                    opens(&session, answer);
                }
            }
            let woken = match resolved.round() {
                Some(round) => Box::pin(wake(gate, trail, &recorded, round, deadline)).await?,
                None => None,
            };
            if let Some(way) = woken {
                way
            } else if let (Target::Subscription(_, uri, method), true) = (resolved.target(), server.asks_in_results()) {
                Box::pin(subscribe(gate, trail, &recorded, &server, uri, *method)).await?
            } else {
                Way::Server(send(gate, trail, &recorded, &server, deadline, None).await?, server)
            }
        }
    };
    trail.passed(gate, Stage::Forward);
    let notes = Allowance::new(gate.clock.instant());
    let rounds = recorded.authorized().decided().inspected().resolved().round().map_or(0, |round| round.state.round);
    Ok(Forwarded { recorded, way, deadline, notes, rounds })
}

/// Folders of a client's that one session knows of.
const ROOTS: usize = 64;

/// Notes the folders of its own that a client tells of: their paths tell it nothing.
fn opens(session: &Session, answer: Node<'_>) {
    let told = answer.get("roots").into_iter().flat_map(Node::items).filter_map(|root| root.get("uri")?.text());
    let paths = told.filter_map(|uri| uri.strip_prefix("file://").map(|path| path.trim_end_matches('/').to_owned()));
    *session.roots.lock() = paths.filter(|path| path.len() > 1 && path.starts_with('/')).take(ROOTS).collect();
}

/// Opens a subscription: its resources are asked of their servers first, so that what is acknowledged is what will be heard.
async fn listen(
    gate: &Arc<Gate>,
    trail: &mut Trail,
    recorded: &Recorded,
    session: &Arc<Session>,
    snapshot: &Snapshot,
) -> Result<Way, Halt> {
    let bound = snapshot.bounds.streams;
    let asked = recorded.authorized().decided().honoured();
    if session.subscription_count() + asked.resources.len() > SUBSCRIPTIONS {
        return Err(trail.refuse_with(Code::BoundStreams, terms::Hole::Most(SUBSCRIPTIONS as u64)));
    }
    // INVARIANT: its place is taken before anything is waited for, or several at once would be more than there may be.
    let Some((place, id)) = session.claim(bound).zip(trail.client_id.clone()) else {
        return Err(trail.refuse_with(Code::BoundStreams, terms::Hole::Most(bound as u64)));
    };
    let mut wants = Wants { lists: asked.lists.clone(), ..Wants::default() };
    let watching = async {
        for ((name, uri), shown) in &asked.resources {
            let Some(server) = snapshot.servers.get(name) else { continue };
            match gate.servers.watch(gate, recorded, server, uri).await {
                Ok(()) => drop(wants.resources.insert((name.clone(), uri.clone()), shown.clone())),
                Err(closed) => trail.cause(&closed),
            }
        }
    };
    let stopped = tokio::select! {
        biased;
        code = ended(recorded.call()) => Some(code),
        in_time = tokio::time::timeout(WATCHING, watching) => in_time.err().map(|_| Code::CallTimeout),
    };
    if let Some(code) = stopped {
        gate.servers.unwatch(gate, session, asked);
        return Err(trail.refuse(code));
    }
    match &session.streams {
        Streams::Lines(outlet) => {
            place.fill(id, wants, outlet.clone(), Form::Line);
            Ok(Way::Accepted)
        }
        Streams::Own | Streams::Events(_) => {
            let (sink, subscriber) = mpsc::channel(LISTENED);
            place.fill(id, wants.clone(), sink.clone(), Form::Event);
            if !wants.resources.is_empty() {
                let (gate, session) = (Arc::clone(gate), Arc::clone(session));
                tokio::spawn(async move {
                    tokio::select! {
                        () = sink.closed() => {}
                        () = session.ended.cancelled() => {}
                    }
                    gate.servers.unwatch(&gate, &session, &wants);
                });
            }
            Ok(Way::Opened(Some(subscriber)))
        }
    }
}

/// Sends to a server, until it is too late.
pub(super) async fn send(
    gate: &Arc<Gate>,
    trail: &mut Trail,
    recorded: &Recorded,
    server: &Arc<Server>,
    deadline: Instant,
    extra: Option<&Extra>,
) -> Result<InFlight, Halt> {
    trail.asked = Some(match server.carrier {
        Carrier::Run(_) => Asked::Pipe,
        Carrier::Remote(_) => Asked::Tcp,
    });
    let seat = recorded.authorized().decided().inspected().resolved().seat();
    if let Some(seat) = seat {
        seat.asked(gate.clock.instant(), lag::rests());
    }
    tokio::select! {
        biased;
        code = ended(recorded.call()) => Err(trail.refuse(code)),
        sent = gate.servers.send(gate, recorded, server, deadline, extra) => sent.map_err(|closed| {
            if let (crate::doors::Closed::Broken(Broken::Slow), Some(seat)) = (&closed, seat) {
                // Nothing for as long as it may is an answer too, of how much it can do.
                seat.answered(gate.clock.instant(), lag::rests(), lag::delay());
            }
            unavailable(trail, closed)
        }),
    }
}

/// Asks a server anew with the answers that the client gave.
pub(super) async fn again(gate: &Arc<Gate>, trail: &mut Trail, forwarded: &mut Forwarded) -> Result<(), Halt> {
    alive(gate, trail, &forwarded.recorded)?;
    let Way::Client(gathering) = forwarded.take_way() else { return Ok(()) };
    let mut answers = Vec::with_capacity(256);
    mcp::print::print_answers(&mut answers, gathering.given.iter().map(|(key, answer)| (key.as_str(), answer.as_slice())));
    let extra = Extra { answers, state: gathering.state };
    let deadline = Instant::now() + gathering.server.call;
    let flight = send(gate, trail, &forwarded.recorded, &gathering.server, deadline, Some(&extra)).await?;
    forwarded.rounds = gathering.round;
    forwarded.resume(flight, gathering.server);
    Ok(())
}

/// A subscription at a server that has no method for it: it is among what the link asks to be told.
async fn subscribe(
    gate: &Arc<Gate>,
    trail: &mut Trail,
    recorded: &Recorded,
    server: &Arc<Server>,
    uri: &str,
    method: Method,
) -> Result<Way, Halt> {
    match method {
        Method::Unsubscribe => gate.servers.unwatch_one(gate, recorded.session(), &server.name, uri).await,
        _ => gate.servers.watch(gate, recorded, server, uri).await.map_err(|closed| unavailable(trail, closed))?,
    }
    Ok(Way::Own(Some(b"{}".to_vec())))
}

/// Goes on with what a client comes back for. A state is good once; `None` when the server is to be asked anew.
async fn wake(gate: &Arc<Gate>, trail: &mut Trail, recorded: &Recorded, round: &Round, deadline: Instant) -> Result<Option<Way>, Halt> {
    let resolved = recorded.authorized().decided().inspected().resolved();
    let void = |trail: &mut Trail| {
        let id = trail.client_id.clone();
        trail.fault(mcp::Fault::of_row(63, resolved.admitted().session().revision, id))
    };
    if resolved.admitted().session().rounds.spend(round, gate.clock.utc()) == Spent::Before {
        return Err(void(trail));
    }
    let Upstream::Call(call) = round.state.upstream else { return Ok(None) };
    let Some(Suspended { mut flight, server, session, questions }) = gate.rounds.take(call) else { return Err(void(trail)) };
    let mut open = Vec::new();
    for question in questions {
        let answer = resolved.answers().and_then(|answers| answers.get(&question.key));
        let Some(answer) = answer else {
            open.push(question);
            continue;
        };
        if mcp::check_result(question.method, answer, flight.link().revision()).is_err() {
            flight.cancel().await;
            return Err(void(trail));
        }
        let mut text = Vec::with_capacity(answer.raw().len());
        answer.canonical(&mut text);
        let link = Arc::clone(flight.link());
        if let Err(halt) = watched(trail, recorded.call(), deadline, link.reply(&question.id, &text)).await {
            flight.cancel().await;
            return Err(halt);
        }
    }
    if open.is_empty() {
        flight.renew();
        return Ok(Some(Way::Server(flight, server)));
    }
    // What was not answered is asked again.
    let state = State {
        about: resolved.about(),
        round: round.state.round,
        asked: open
            .iter()
            .map(|one| rounds::Asked { key: one.key.clone(), theirs: String::new(), method: one.method.as_str().to_owned() })
            .collect(),
        upstream: Upstream::Call(trail.id),
    };
    let sealed =
        gate.rounds.states.seal(&*gate.entropy, &state, session.id, gate.clock.utc()).ok_or_else(|| trail.refuse(Code::ScreenFault))?;
    let mut text = Vec::with_capacity(512);
    let entries = open.iter().map(|one| (one.key.as_str(), one.method, &*one.params));
    mcp::print::print_input_required(&mut text, entries, Some(&sealed));
    let most = resolved.snapshot().bounds.inflight;
    gate.rounds.hold(gate, trail.id, Suspended { flight, server, session, questions: open }, most);
    Ok(Some(Way::Own(Some(text))))
}

/// Waits for what is told to a server, until the call is ended or it is too late.
async fn watched(trail: &mut Trail, call: &Call, deadline: Instant, told: impl Future<Output = Result<(), Broken>>) -> Result<(), Halt> {
    let told = tokio::select! {
        biased;
        code = ended(call) => return Err(trail.refuse(code)),
        told = tokio::time::timeout_at(deadline, told) => told,
    };
    told.unwrap_or(Err(Broken::Slow)).map_err(|broken| lost(trail, &broken))
}

/// Waits until an operator's kill ends the call, or its token does; says what the client is told. What the client cancels is sent all the same, and
/// then taken back.
async fn ended(call: &crate::calls::Call) -> Code {
    match call.stopped().await {
        Stop::Killed => Code::Killed,
        Stop::Expired => Code::TokenInvalid,
        Stop::Cancelled => std::future::pending().await,
    }
}

/// No kill that means this call has come since it was admitted.
fn alive(gate: &Gate, trail: &mut Trail, recorded: &Recorded) -> Result<(), Halt> {
    recorded.still_alive(gate).map_err(|stopped| {
        trail.cause(&stopped);
        trail.refuse(Code::Killed)
    })
}

/// Refuses because a server broke.
pub(super) fn lost(trail: &mut Trail, broken: &Broken) -> Halt {
    trail.cause(broken);
    match broken {
        Broken::Malformed(_) => trail.refuse(Code::ServerMalformed),
        Broken::Revision => trail.refuse(Code::ServerRevision),
        Broken::Slow => trail.refuse(Code::CallTimeout),
        Broken::Wire(_) | Broken::Gone | Broken::Refused { .. } => trail.refuse(Code::ServerUnavailable),
    }
}

fn unavailable(trail: &mut Trail, closed: crate::doors::Closed) -> Halt {
    trail.cause(&closed);
    match closed {
        crate::doors::Closed::Broken(broken) => lost(trail, &broken),
        crate::doors::Closed::Full => trail.shed(),
        other => trail.refuse(other.code()),
    }
}

/// The request as it goes up: our id, our progress token, the canonical arguments, and of `_meta` only what we put there.
pub(crate) fn print(recorded: &Recorded, link: &Link, id: &Id, extra: Option<&Extra>) -> Frame {
    let (call, revision) = (recorded.call().id, link.revision());
    let inspected = recorded.authorized().decided().inspected();
    let resolved = inspected.resolved();
    let params = resolved.params();
    let meta = params.and_then(|params| params.get("_meta"));
    let canonical: &[u8] = if inspected.canonical().is_empty() { b"{}" } else { inspected.canonical() };
    let mut out = Vec::with_capacity(canonical.len() + 384);
    let mut body = Vec::with_capacity(canonical.len() + 256);
    let mut object = json::Object::open(&mut body);
    let mut own = Vec::with_capacity(96);
    let mut kept = json::Object::open(&mut own);
    if meta.is_some_and(|meta| meta.get("progressToken").is_some()) {
        id.write(kept.key("progressToken"));
    }
    let context = recorded.call().context();
    let trace = match context {
        Some(context) => Some((context.outgoing(call), context.state.clone())),
        None => traced(meta).map(|(parent, state)| (parent.to_string(), state)),
    };
    if let Some((parent, state)) = &trace {
        kept.text("traceparent", parent);
        if let Some(state) = state {
            kept.text("tracestate", state.as_str());
        }
    }
    kept.text("dev.bastide/request", &call.to_string());
    era::state(&mut kept, revision, link.may().and(resolved.admitted().abilities()), resolved.admitted().level());
    kept.close();
    object.raw("_meta", &own);
    let round = match resolved.round() {
        Some(round) => Extra::of(&round.state, resolved.answers()),
        None => Extra::unasked(link, resolved),
    };
    if let Some(extra) = extra.or(round.as_ref()) {
        object.raw("inputResponses", &extra.answers);
        if let Some(state) = &extra.state {
            object.text("requestState", state);
        }
    }
    let method = match resolved.target() {
        Target::Tool(_, item, _) => {
            object.raw("arguments", canonical).text("name", item.upstream());
            Method::CallTool
        }
        Target::Prompt(_, item) => {
            object.raw("arguments", canonical).text("name", &item.name);
            Method::GetPrompt
        }
        Target::Resource(_, uri) => {
            object.text("uri", uri);
            Method::ReadResource
        }
        Target::Resources(_, own) => {
            if let Some(own) = own {
                object.text("cursor", own);
            }
            Method::ListResources
        }
        Target::Completion(_, reference) => {
            let mut text = Vec::with_capacity(64);
            let mut inner = json::Object::open(&mut text);
            match reference {
                Reference::Prompt(name) => inner.text("type", "ref/prompt").text("name", name),
                Reference::Template(uri) => inner.text("type", "ref/resource").text("uri", uri),
            };
            inner.close();
            object.raw("ref", &text).raw("argument", canonical);
            if let Some(context) = params.and_then(|params| params.get("context")) {
                context.canonical(object.key("context"));
            }
            Method::Complete
        }
        Target::Subscription(_, uri, method) => {
            object.text("uri", uri);
            *method
        }
        _ => Method::Ping,
    };
    object.close();
    mcp::print_request(&mut out, id, method.as_str(), Some(&body));
    let mut fields = match resolved.target() {
        _ if revision.is_legacy() => Vec::new(),
        Target::Tool(_, item, _) => {
            let mut fields = era::fields(revision, method, Some(item.upstream()));
            fields.extend(era::repeated(&item.headers, resolved.arguments()));
            fields
        }
        Target::Prompt(_, item) => era::fields(revision, method, Some(&item.name)),
        Target::Resource(_, uri) => era::fields(revision, method, Some(uri)),
        _ => era::fields(revision, method, None),
    };
    if let (Some(_), Some((parent, state))) = (context, trace) {
        fields.extend(Some(parent).and_then(|parent| Some((super::TRACEPARENT, parent.try_into().ok()?))));
        fields.extend(state.and_then(|state| Some((super::TRACESTATE, state.as_str().try_into().ok()?))));
    }
    Frame { text: out, fields }
}

/// The method that a listing answers, for the tables of `lists`.
pub(super) const fn method(listing: Listing) -> Method {
    match listing {
        Listing::Tools => Method::ListTools,
        Listing::Prompts => Method::ListPrompts,
        Listing::Templates => Method::ListResourceTemplates,
    }
}
