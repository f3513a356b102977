//! What a decision says.

use crate::Rule;
use std::sync::Arc;
use terms::{Code, Label, Name};

/// What must be done for an allow to count. Closed: who meets one that it cannot discharge refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Obligation {
    /// Nothing above this label may go out; always present.
    Clearance(Label),
    /// Nothing beyond so many bytes may go out.
    Cap(u64),
    /// All that the screens find is taken out, whatever `inspect` says.
    Redact,
}

/// For what a held call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wait {
    /// A person's approval of these bytes.
    Approval,
    /// A grant to this principal.
    Grant,
}

/// The outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It may be done once every obligation is discharged.
    Allow(Arc<[Obligation]>),
    /// It may be done once a person has said so; until then it is refused.
    Hold(Wait),
    /// It may not be done.
    Refuse,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A rule allows it.
    Allowed,
    /// A rule asks a person.
    Asks,
    /// A rule keeps it closed until granted.
    Closed,
    /// The principal is in no role, and no Cedar policy allows it.
    NoRole,
    /// No rule speaks of it.
    NoRule,
    /// A Cedar policy forbids it.
    Forbidden,
    /// What comes back is above the clearance.
    Clearance {
        /// Of what comes back.
        label: Label,
        /// The highest of the rules that allow it.
        clearance: Label,
    },
    /// It is outside the hours of every role that permits it.
    Hours,
    /// With these arguments it is not allowed, and with some others it is.
    Arguments,
    /// The action does not fit the subject, its name is too long, or its URI is not in normal form.
    Malformed,
    /// The evaluation failed.
    Fault,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The outcome.
    pub judgement: Judgement,
    /// Why.
    pub reason: Reason,
    /// The rules that decided, by place; none when nothing spoke of it.
    pub rules: Arc<[Arc<Rule>]>,
    /// A role outside of whose hours this is, where no rule within its hours permits it: an alert.
    pub late: Option<Name>,
}

impl Verdict {
    pub(crate) fn refuse(reason: Reason, rules: Vec<Arc<Rule>>) -> Self {
        Self { judgement: Judgement::Refuse, reason, rules: rules.into(), late: None }
    }

    /// Whether it may be done now.
    pub const fn allows(&self) -> bool {
        match self.judgement {
            Judgement::Allow(_) => true,
            Judgement::Hold(_) | Judgement::Refuse => false,
        }
    }

    /// Whether the principal may know that it is there: what may be done now, after a person's word, at another hour or with other arguments, and
    /// what is refused for the label of its answer alone.
    pub const fn shows(&self) -> bool {
        match self.judgement {
            Judgement::Allow(_) | Judgement::Hold(_) => true,
            Judgement::Refuse => matches!(self.reason, Reason::Hours | Reason::Arguments | Reason::Clearance { .. }),
        }
    }

    /// The obligations of an allow; none otherwise.
    pub fn obligations(&self) -> &[Obligation] {
        match &self.judgement {
            Judgement::Allow(obligations) => obligations,
            Judgement::Hold(_) | Judgement::Refuse => &[],
        }
    }

    /// The highest label that may go out under this verdict; the lowest there is unless it allows.
    pub fn clearance(&self) -> Label {
        let found = self.obligations().iter().find_map(|obligation| match obligation {
            Obligation::Clearance(label) => Some(*label),
            Obligation::Cap(_) | Obligation::Redact => None,
        });
        found.unwrap_or(Label::Public)
    }

    /// The refusal that a call under this verdict ends in; none when it allows. Held calls are refused as long as nobody can approve them.
    pub const fn code(&self) -> Option<Code> {
        match self.judgement {
            Judgement::Allow(_) => None,
            Judgement::Hold(_) => Some(Code::Denied),
            Judgement::Refuse => Some(match self.reason {
                Reason::Clearance { .. } => Code::Clearance,
                Reason::Fault => Code::DecideFault,
                Reason::Hours => Code::Hours,
                Reason::Arguments => Code::Arguments,
                Reason::Allowed
                | Reason::Asks
                | Reason::Closed
                | Reason::NoRole
                | Reason::NoRule
                | Reason::Forbidden
                | Reason::Malformed => Code::Denied,
            }),
        }
    }
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Release {
    /// It goes out.
    Whole,
    /// All of it is withheld.
    Withheld,
}

/// Whether data under `label` may go to who is cleared up to `clearance`.
///
/// Control: `data.labels`.
pub fn release(label: Label, clearance: Label) -> Release {
    if label <= clearance { Release::Whole } else { Release::Withheld }
}
