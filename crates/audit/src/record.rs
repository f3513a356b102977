//! One entry of the log, as it is while it is made: borrowed fields and a printer.
//!
//! The printed JSON is the leaf, byte for byte. Field names and their order are part of the contract; what is absent is left out.

mod object;
mod print;

pub use object::Object;

use std::time::Duration;
use terms::{Action, CallId, Class, Code, Control, Instant, Label, Operation, Principal, RecordId, SessionId, Utc};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$each])* $variant,)* }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in the record.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The one that `word` names.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}

words!(/// What a record is about.
Kind {
    /// A call is about to be sent.
    Intent = "intent",
    /// How a call ended.
    Outcome = "outcome",
    /// What was decided about something that is not sent, such as a refusal or a listing.
    Decision = "decision",
    /// A person's yes or no.
    Approval = "approval",
    /// An administrative deed.
    Act = "act",
    /// Something that security should know of.
    Event = "event",
    /// A live proof of a control: what the assessor's own probes did. [`Record::phase`] says what it would be otherwise.
    Probe = "probe",
});

impl Kind {
    /// Whether it may be the first record of its call: an outcome follows the intent.
    pub const fn begins(self) -> bool {
        match self {
            Self::Intent | Self::Decision | Self::Approval | Self::Act | Self::Event | Self::Probe => true,
            Self::Outcome => false,
        }
    }
}

words!(/// What people read of a verdict.
Verdict {
    /// As it was asked for.
    Allowed = "allowed",
    /// Until a person says yes.
    Held = "held",
    /// Allowed after obligations changed it.
    Changed = "changed",
    /// Not at all.
    Refused = "refused",
});

words!(/// A call's effect, found for each call.
Effect {
    /// Changes nothing.
    Read = "read",
    /// Adds or changes.
    Write = "write",
    /// Removes or breaks.
    Destructive = "destructive",
    /// Takes data out.
    Exfiltrative = "exfiltrative",
});

words!(/// How a call ended.
Status {
    /// With a result.
    Ok = "ok",
    /// With an error of the tool or the server.
    Error = "error",
    /// Refused before it ran.
    Refused = "refused",
    /// It ran and its answer was not handed out.
    Withheld = "withheld",
    /// The client took it back.
    Cancelled = "cancelled",
    /// No answer in time.
    Timeout = "timeout",
    /// It cannot be told, for example after a crash.
    Unclear = "unknown",
});

words!(/// How bad an event is.
Severity {
    /// To know.
    Info = "info",
    /// To look at some day.
    Low = "low",
    /// To look at today.
    Medium = "medium",
    /// To look at now.
    High = "high",
    /// To wake someone.
    Critical = "critical",
});

/// W3C trace context.
#[derive(Clone, Copy, Debug)]
pub struct Trace<'a> {
    /// The `traceparent`, as the client sent it.
    pub parent: Option<&'a str>,
    /// The `tracestate`, as the client sent it.
    pub state: Option<&'a str>,
    /// The trace that it is in and our own span of it, where a collector is told of calls.
    pub own: Option<(&'a str, &'a str)>,
}

/// The session and what binds it to its principal.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    /// Ours.
    pub id: SessionId,
    /// What it is bound to, such as a token's id or a certificate's digest; never a secret.
    pub binding: Option<&'a str>,
}

/// What was decided, and why.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'a> {
    /// What.
    pub verdict: Verdict,
    /// The policies that determined it.
    pub policies: &'a [&'a str],
    /// The control that refused or changed it.
    pub control: Option<Control>,
    /// The refusal's code.
    pub code: Option<Code>,
}

/// An obligation that was discharged: so many of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Obligation<'a> {
    /// What was done.
    pub action: Action,
    /// With what sort of thing.
    pub class: Class,
    /// Its kind within the class.
    pub kind: &'a str,
    /// How often.
    pub count: u32,
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// How the call ended.
    pub status: Status,
    /// Bytes handed to the client.
    pub size: Option<u64>,
    /// SHA-256 of these bytes, after redaction.
    pub digest: Option<&'a [u8; 32]>,
    /// Their label.
    pub label: Option<Label>,
}

/// An administrative deed.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Who.
    pub operator: &'a str,
    /// The act's name.
    pub name: &'a str,
    /// Its parameters, without secrets.
    pub parameters: Option<Object<'a>>,
    /// How it ended; absent in the record that precedes it.
    pub outcome: Option<&'a str>,
}

/// One record in the making. Text is escaped; everything else is printed as its type says.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The record's own id.
    pub id: RecordId,
    /// What it is about.
    pub kind: Kind,
    /// Of a probe's record: the kind that the same record of anybody else would have.
    pub phase: Option<Kind>,
    /// Wall-clock time.
    pub time: Utc,
    /// Monotonic time of the process, nanoseconds: orders what the wall clock cannot.
    pub monotonic: Instant,
    /// The call that it belongs to.
    pub request: Option<CallId>,
    /// Trace context.
    pub trace: Option<Trace<'a>>,
    /// For whom.
    pub principal: Option<&'a Principal>,
    /// In which session.
    pub session: Option<Session<'a>>,
    /// The client's address.
    pub client: Option<&'a str>,
    /// The server's name.
    pub server: Option<&'a str>,
    /// The MCP method.
    pub method: Option<&'a str>,
    /// The tool, prompt or resource.
    pub tool: Option<&'a str>,
    /// The tool's operation.
    pub operation: Option<Operation>,
    /// The call's effect.
    pub effect: Option<Effect>,
    /// Redacted arguments.
    pub arguments: Option<Object<'a>>,
    /// SHA-256 of the canonical text.
    pub digest: Option<&'a [u8; 32]>,
    /// What the decision read, values sealed.
    pub facts: Option<Object<'a>>,
    /// What was decided.
    pub decision: Option<Decision<'a>>,
    /// The grant that was used.
    pub grant: Option<&'a str>,
    /// The approval that was used, asked for or given.
    pub approval: Option<&'a str>,
    /// What was discharged.
    pub obligations: &'a [Obligation<'a>],
    /// What came back.
    pub result: Option<Outcome<'a>>,
    /// Time spent by stage, printed in whole microseconds.
    pub latency: &'a [(&'a str, Duration)],
    /// An event's or a probe's name.
    pub event: Option<&'a str>,
    /// How bad.
    pub severity: Option<Severity>,
    /// MITRE ATT&CK or ATLAS technique ids.
    pub mitre: &'a [&'a str],
    /// The deed.
    pub act: Option<Act<'a>>,
    /// More about an event, a probe, an approval or the cause of a refusal.
    pub detail: Option<Object<'a>>,
}

impl<'a> Record<'a> {
    /// A record with nothing but what every record has.
    pub const fn new(id: RecordId, kind: Kind, time: Utc, monotonic: Instant) -> Self {
        Self {
            id,
            kind,
            phase: None,
            time,
            monotonic,
            request: None,
            trace: None,
            principal: None,
            session: None,
            client: None,
            server: None,
            method: None,
            tool: None,
            operation: None,
            effect: None,
            arguments: None,
            digest: None,
            facts: None,
            decision: None,
            grant: None,
            approval: None,
            obligations: &[],
            result: None,
            latency: &[],
            event: None,
            severity: None,
            mitre: &[],
            act: None,
            detail: None,
        }
    }

    /// The same record as one of a probe: its kind becomes the phase.
    #[must_use]
    pub const fn of_probe(mut self) -> Self {
        self.phase = Some(self.kind);
        self.kind = Kind::Probe;
        self
    }

    /// The leaf: one JSON object on one line, ready for [`crate::Journal::append`].
    pub fn encode(&self) -> Vec<u8> {
        let given = self.arguments.map_or(0, Object::len) + self.facts.map_or(0, Object::len) + self.detail.map_or(0, Object::len);
        let mut out = Vec::with_capacity(1024 + given);
        self.encode_into(&mut out);
        out
    }

    /// As [`encode`](Self::encode), at the end of `out`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        print::record(self, out);
    }
}
