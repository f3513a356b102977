//! The record of one message in the making. Handed down the line by `&mut`, so that no stage records by hand.

mod finished;
mod print;

pub(crate) use finished::{Failed, Finished};
pub(crate) use print::trouble_of;

use crate::arrival::Endpoint;
use crate::gate::Gate;
use crate::halt::{Halt, Shape};
use crate::line::{Page, Restored};
use crate::moment::Moment;
use crate::session::Session;
use mcp::{Fate, Id, Message, Revision};
use policy::Claim;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{Context, Traceparent, Tracestate};
use terms::{Action, CallId, Class, Code, Hole, Instant, Label, Name, Operation, Principal, Refusal, ServerName, SessionId};
use transport::http::Peer;
use transport::tls::Certificate;

/// The stages, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Stage {
    /// Head accepted.
    Accept,
    /// Sender known.
    Identify,
    /// Message understood.
    Parse,
    /// Session bound.
    Admit,
    /// Name met a definition.
    Resolve,
    /// Facts gathered.
    Inspect,
    /// Verdict given.
    Decide,
    /// Obligations met.
    Enforce,
    /// Intent recorded.
    Record,
    /// Sent.
    Forward,
    /// Answered by the server.
    Pair,
    /// Answer screened.
    Screen,
    /// Outcome recorded.
    Settle,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Accept,
        Self::Identify,
        Self::Parse,
        Self::Admit,
        Self::Resolve,
        Self::Inspect,
        Self::Decide,
        Self::Enforce,
        Self::Record,
        Self::Forward,
        Self::Pair,
        Self::Screen,
        Self::Settle,
    ];

    /// The name in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Identify => "identify",
            Self::Parse => "parse",
            Self::Admit => "admit",
            Self::Resolve => "resolve",
            Self::Inspect => "inspect",
            Self::Decide => "decide",
            Self::Enforce => "enforce",
            Self::Record => "record",
            Self::Forward => "forward",
            Self::Pair => "pair",
            Self::Screen => "screen",
            Self::Settle => "settle",
        }
    }
}

/// How many findings of one kind there were, and what was done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The sort.
    pub class: Class,
    /// The kind within it.
    pub kind: String,
    /// What was done.
    pub action: Action,
    /// How many.
    pub count: u32,
}

/// What a guard found of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GuardFact {
    /// The argument.
    pub(crate) argument: String,
    /// The guard.
    pub(crate) guard: &'static str,
    /// What it would do, as far as the guard can tell.
    pub(crate) operation: Option<Operation>,
    /// Its normal form where that differs from what was sent, one JSON text, screened as the arguments are; a list where there are several.
    pub(crate) normal: Option<Vec<u8>>,
    /// Why it is refused.
    pub(crate) reason: Option<&'static str>,
}

/// How a request names what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// By itself.
    Bare,
    /// As a tool that is called through one of our own.
    Wrapped,
}

/// Whose word the name of a tool or a prompt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Of one that is offered: there are no more of them than were approved.
    Offered,
    /// The sender's, who may think of any.
    Invented,
}

/// What a call is asked of a server over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Pipes of a process.
    Pipe,
    /// A connection.
    Tcp,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it was.
    Allowed,
    /// With something taken out.
    Changed,
    /// Not at all.
    Refused,
}

impl Verdict {
    /// The name in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Changed => "changed",
            Self::Refused => "refused",
        }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Returned {
    /// `ok`, `error` (the server's), `none`, `cancelled` or `unknown`.
    pub status: &'static str,
    /// Bytes, after screening.
    pub size: usize,
    /// SHA-256 of them.
    pub digest: [u8; 32],
}

/// A part of an answer, in bytes of its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Where it begins.
    pub(crate) from: usize,
    /// Where it ends.
    pub(crate) to: usize,
    /// How long the whole is.
    pub(crate) whole: usize,
}

/// The record of one message in the making.
pub struct Trail {
    /// The request id: one from client through server, and the reference of a refusal.
    pub id: CallId,
    last: Instant,
    /// Nanoseconds in each stage.
    pub(crate) stages: [u64; Stage::ALL.len()],
    pub(crate) reached: usize,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) principal: Option<Arc<Principal>>,
    pub(crate) session: Option<SessionId>,
    /// The session that the message is in, where none was opened for it: what comes after it on the same connection is in it too.
    pub(crate) bound: Option<Arc<Session>>,
    pub(crate) server: Option<ServerName>,
    pub(crate) method: Option<&'static str>,
    pub(crate) subject: Option<String>,
    /// The server's own name of the tool, where the subject is a part of it.
    pub(crate) inner: Option<String>,
    /// How the subject was named.
    pub(crate) wrapping: Wrapping,
    pub(crate) operation: Option<Operation>,
    pub(crate) label: Option<Label>,
    /// How sensitive what was found in the answer is.
    pub(crate) held: Label,
    /// From where, as what and when it came, once that was looked at.
    pub(crate) moment: Option<Arc<Moment>>,
    /// The role outside of whose hours it is allowed.
    pub(crate) late: Option<Name>,
    /// Folders whose paths the client may see: those that the server and its tools were given.
    pub(crate) roots: Arc<[String]>,
    /// Folders of the client's, which it told of in this session.
    pub(crate) told: Arc<[String]>,
    /// Texts of the answer as they were before what tells of the machine was taken out.
    pub(crate) withheld: Vec<String>,
    /// What stands in the arguments in place of tokens of the session.
    pub(crate) restored: Option<Box<Restored>>,
    /// The numbers of what was taken out of the answer.
    pub(crate) numbers: Option<Box<detect::Numbers>>,
    /// How often something that came back was sought in what was sent.
    pub(crate) sought: u32,
    pub(crate) client_id: Option<Id>,
    /// The revision that the client speaks, as far as that is known.
    pub(crate) revision: Revision,
    /// The `traceparent` that the client sent.
    pub(crate) trace: Option<Traceparent>,
    /// The `tracestate` that it sent with it.
    pub(crate) state: Option<Tracestate>,
    /// Where it stands in a trace, if anybody is told of that.
    pub(crate) context: Option<Context>,
    /// Whether the subject, of a tool or a prompt, is one that is offered.
    pub(crate) named: Named,
    /// That a server was asked.
    pub(crate) asked: Option<Asked>,
    /// The code of a server's error.
    pub(crate) fault: Option<i64>,
    pub(crate) arguments: Option<Vec<u8>>,
    /// What a client answers to questions of the server, beside the arguments.
    pub(crate) answers: Option<Vec<u8>>,
    pub(crate) canonical: Option<[u8; 32]>,
    pub(crate) rules: Vec<String>,
    pub(crate) reason: Option<String>,
    pub(crate) code: Option<Code>,
    pub(crate) cause: Option<String>,
    pub(crate) tally: Vec<Tally>,
    /// What the guards found of arguments, without values but for screened normal forms.
    pub(crate) guarded: Vec<GuardFact>,
    /// The first argument that may hold any text, on its way to a tool that changes something.
    pub(crate) open: Option<String>,
    pub(crate) returned: Option<Returned>,
    /// What was taken from the limits of its sender when it was admitted.
    pub(crate) attempt: Box<[Claim]>,
    /// Where of a resource its client goes on, where it has read the beginning before.
    pub(crate) page: Option<Box<Page>>,
    /// The version and the digest of the template that a prompt was held against.
    pub(crate) template: Option<Box<(String, String)>>,
    /// What of an answer was handed over, where that was not the whole.
    pub(crate) shown: Option<Box<Shown>>,
    pub(crate) notes: u32,
    /// Notes that were more than a call may have.
    pub(crate) unheard: u32,
    pub(crate) intended: Intended,
    pub(crate) occasion: Occasion,
}

/// When who is refused because there is too much to do may come back.
const SHED: Duration = Duration::from_secs(1);

/// Bytes of the originals of one call that are kept.
const WITHHELD: usize = 256 << 10;

/// What the records call an answer of a client, which has no method.
const RESPONSE: &str = "response";

/// The trace that a client says it is in: its `traceparent`, and the `tracestate` that came with it.
pub(crate) type Traced = (Traceparent, Option<Tracestate>);

/// The trace that the `_meta` of a message names.
pub(crate) fn traced(meta: Option<mcp::Node<'_>>) -> Option<Traced> {
    let text = |name: &str| meta?.get(name)?.text();
    let parent = text("traceparent")?.parse().ok()?;
    Some((parent, text("tracestate").and_then(|state| Tracestate::read([&*state]))))
}

/// On whose account something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// Somebody's work, or an attack.
    Work,
    /// A probe of the assessor. Only a token says so that an operator asked for as a probe's.
    Probe,
}

/// Whether an intent stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intended {
    /// It does: an outcome must follow.
    Yes,
    /// It does not: one decision tells all.
    No,
}

impl Trail {
    /// Begins with the arrival.
    pub fn new(gate: &Gate, peer: Option<&Peer>) -> Self {
        let began = gate.clock.instant();
        Self {
            id: CallId::new(&*gate.entropy),
            last: began,
            stages: [0; Stage::ALL.len()],
            reached: 0,
            peer: peer.map(|peer| peer.address),
            certificate: peer.and_then(|peer| peer.certificate.clone()),
            endpoint: None,
            principal: None,
            session: None,
            bound: None,
            server: None,
            method: None,
            subject: None,
            inner: None,
            wrapping: Wrapping::Bare,
            operation: None,
            label: None,
            held: Label::Public,
            moment: None,
            late: None,
            roots: Arc::default(),
            told: Arc::default(),
            withheld: Vec::new(),
            restored: None,
            numbers: None,
            sought: 0,
            client_id: None,
            revision: Revision::NEWEST_LEGACY,
            trace: None,
            state: None,
            context: None,
            named: Named::Invented,
            asked: None,
            fault: None,
            arguments: None,
            answers: None,
            canonical: None,
            rules: Vec::new(),
            reason: None,
            code: None,
            cause: None,
            tally: Vec::new(),
            guarded: Vec::new(),
            open: None,
            returned: None,
            attempt: Box::default(),
            page: None,
            template: None,
            shown: None,
            notes: 0,
            unheard: 0,
            intended: Intended::No,
            occasion: Occasion::Work,
        }
    }

    /// Notes that a stage was passed, and how long it took.
    pub(crate) fn passed(&mut self, gate: &Gate, stage: Stage) {
        self.took(gate, stage);
        self.reached = self.reached.max(stage as usize + 1);
    }

    /// Notes that the stage it was in was not passed, and how long it was there.
    pub(crate) fn stopped(&mut self, gate: &Gate) {
        self.took(gate, Stage::ALL.get(self.reached).copied().unwrap_or(Stage::Settle));
    }

    /// The stages of the lower row begin again, for the next that comes back.
    pub(crate) fn returns(&mut self) {
        self.reached = self.reached.min(Stage::Pair as usize);
    }

    fn took(&mut self, gate: &Gate, stage: Stage) {
        let now = gate.clock.instant();
        let spent = now.nanos().saturating_sub(self.last.nanos());
        if let Some(slot) = self.stages.get_mut(stage as usize) {
            *slot = slot.saturating_add(spent);
        }
        self.last = now;
    }

    /// Notes who sends it.
    pub(crate) fn principal(&mut self, principal: &Arc<Principal>) {
        self.principal = Some(Arc::clone(principal));
        if principal.is_probe() {
            self.occasion = Occasion::Probe;
        }
    }

    /// Notes the session.
    pub(crate) fn session(&mut self, session: &Session) {
        self.session = Some(session.id);
    }

    /// Notes what was sent.
    pub(crate) fn message(&mut self, message: &Message) {
        match message {
            Message::Request(request) => {
                self.method = Some(request.method.as_str());
                self.client_id = Some(request.id.clone());
                self.traced(traced(request.params().and_then(|params| params.get("_meta"))));
            }
            Message::Notification(notification) => self.method = Some(notification.method.as_str()),
            Message::Response(_) => self.method = Some(RESPONSE),
        }
    }

    fn traced(&mut self, traced: Option<Traced>) {
        (self.trace, self.state) = traced.map_or((None, None), |(parent, state)| (Some(parent), state));
    }

    /// Takes its place in a trace, where anybody is told of calls: the client's as it names one in the message, else in the head of the request, else
    /// a new one.
    pub(crate) fn joins(&mut self, gate: &Gate, head: Option<Traced>) {
        let Some(report) = &gate.report else { return };
        if self.trace.is_none() {
            self.traced(head);
        }
        self.context = Some(Context::new(self.trace, self.state.clone(), report.sampled(self.id), &*gate.entropy));
    }

    /// The method of a request or a notification; an answer of a client has none.
    pub(crate) fn asks(&self) -> Option<&'static str> {
        self.method.filter(|method| *method != RESPONSE)
    }

    /// Nanoseconds since it began, as of the last stage that was passed.
    pub(crate) fn spent(&self) -> u64 {
        self.stages.iter().sum()
    }

    /// When it began.
    pub(crate) fn began(&self) -> Instant {
        Instant::from_nanos(self.last.nanos().saturating_sub(self.spent()))
    }

    /// Keeps what a peer must not learn: why, in the words of the part that refused.
    pub(crate) fn cause(&mut self, cause: &dyn std::fmt::Display) {
        let text: String = cause.to_string().chars().take(512).collect();
        self.cause = Some(text);
    }

    /// Keeps a text as it was; what is more than may be kept of a call is cut off.
    pub(crate) fn withhold(&mut self, text: &str) {
        let room = WITHHELD.saturating_sub(self.withheld.iter().map(String::len).sum());
        let kept = text.get(..text.floor_char_boundary(room)).unwrap_or_default();
        if !kept.is_empty() {
            self.withheld.push(kept.to_owned());
        }
    }

    /// Adds findings of one kind.
    pub(crate) fn found(&mut self, class: Class, kind: &str, action: Action) {
        match self.tally.iter_mut().find(|tally| tally.class == class && tally.kind == kind && tally.action == action) {
            Some(tally) => tally.count += 1,
            None => self.tally.push(Tally { class, kind: kind.to_owned(), action, count: 1 }),
        }
    }

    /// Refuses in the way of the method.
    pub(crate) fn refuse(&mut self, code: Code) -> Halt {
        self.halt(code, Shape::Method)
    }

    /// Refuses in the way of the method, saying what the hole says.
    pub(crate) fn refuse_with(&mut self, code: Code, hole: Hole) -> Halt {
        let mut halt = self.halt(code, Shape::Method);
        halt.refusal.hole = hole;
        halt
    }

    /// Refuses because there is more to do than can be done in time.
    pub(crate) fn shed(&mut self) -> Halt {
        let mut halt = self.halt(Code::Overload, Shape::Busy);
        halt.refusal.retry_after = Some(SHED);
        halt
    }

    /// Refuses with a bare status; the connection may stay.
    pub(crate) fn status(&mut self, status: u16, code: Code) -> Halt {
        self.halt(code, Shape::Status { status, fate: Fate::Keep })
    }

    /// Refuses with a bare status and ends the connection.
    pub(crate) fn close(&mut self, status: u16, code: Code) -> Halt {
        self.halt(code, Shape::Status { status, fate: Fate::Close })
    }

    /// Refuses for want of a token that is accepted.
    pub(crate) fn challenge(&mut self, status: u16, error: Option<&'static str>, code: Code) -> Halt {
        self.halt(code, Shape::Challenge { status, error })
    }

    /// Refuses for a fault of the protocol.
    pub(crate) fn fault(&mut self, fault: mcp::Fault) -> Halt {
        let code = match fault.row {
            12 | 13 | 61 => Code::BoundSize,
            39 => Code::RevisionUnknown,
            _ => Code::MessageMalformed,
        };
        self.cause(&fault);
        if self.client_id.is_none() {
            self.client_id.clone_from(&fault.id);
        }
        self.halt(code, Shape::Fault(Box::new(fault)))
    }

    /// Refuses a message of too many bytes.
    pub(crate) fn oversize(&mut self, most: usize) -> Halt {
        let mut halt = self.close(413, Code::BoundSize);
        halt.refusal.hole = Hole::Most(most as u64);
        halt
    }

    /// Refuses a head of too many bytes (RFC 6585 §5).
    pub(crate) fn oversize_head(&mut self, most: usize) -> Halt {
        let mut halt = self.close(431, Code::BoundSize);
        halt.refusal.hole = Hole::Most(most as u64);
        halt
    }

    /// Refuses because a stage panicked: under the control of the stage that was not reached.
    pub(crate) fn fell(&mut self) -> Halt {
        self.cause = Some("a stage of the line panicked".to_owned());
        let code = match Stage::ALL.get(self.reached) {
            Some(Stage::Accept) => Code::BoundFault,
            Some(Stage::Identify) => Code::IdentityFault,
            Some(Stage::Parse) => Code::ParseFault,
            Some(Stage::Admit) => Code::SessionFault,
            Some(Stage::Resolve) => Code::SchemaFault,
            Some(Stage::Inspect) => Code::InspectFault,
            Some(Stage::Decide | Stage::Enforce) => Code::DecideFault,
            Some(Stage::Record | Stage::Settle) => Code::RecordUnavailable,
            Some(Stage::Forward | Stage::Pair) => Code::ServerUnavailable,
            Some(Stage::Screen) | None => Code::ScreenFault,
        };
        self.refuse(code)
    }

    fn halt(&mut self, code: Code, shape: Shape) -> Halt {
        self.code = Some(code);
        Halt { refusal: Refusal::new(code, self.id), shape }
    }

    /// How sensitive the answer is: by what was said of it, and by what was found in it.
    pub(crate) fn sensitivity(&self) -> Option<Label> {
        self.label.map(|label| label.max(self.held))
    }

    /// How it ended, as far as it is known.
    pub(crate) fn verdict(&self) -> Verdict {
        if self.code.is_some() {
            Verdict::Refused
        } else if self.tally.iter().any(|tally| tally.action != Action::Flag) {
            Verdict::Changed
        } else {
            Verdict::Allowed
        }
    }
}
