//! What an attempt is: a piece of a hostile server, what it would do to the world outside, and what keeps it from that.

use crate::daemons::End;
use sandbox::Layer;

/// The server that runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Python,
    Node,
    /// C, linked statically where the machine can do that.
    Static,
}

impl Language {
    pub(crate) const ALL: [Self; 3] = [Self::Python, Self::Node, Self::Static];

    /// The server's name behind the gateway.
    pub(crate) const fn server(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::Static => "static",
        }
    }
}

/// How it is seen that an attempt worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The answer holds the secret, which nobody inside was given.
    Told,
    /// A listener outside got the attempt's mark.
    Heard,
    /// A file or a process outside is not what it was.
    Changed,
    /// The server got what only the layer keeps from it, and says so.
    Done,
    /// A process of it is still there when it has ended like this.
    Outlives(End),
}

/// What it has its effect without.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held {
    /// Layers of the sandbox.
    By(&'static [Layer]),
    /// The launcher, which lets nothing through that was open before; without it a program has what its parent had.
    ByLauncher,
    /// The checks of the way out: without them the doors lead outside.
    ByExit,
}

/// What must be on record of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// Nothing: the kernel said no, or there was nothing there.
    Not,
    /// The server was ended for this system call.
    Breach(&'static str),
    /// The server was ended for its memory.
    Limit,
    /// The way out refused it, for this reason.
    Refused(&'static str),
}

/// Whether the twin must have its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twin {
    /// On every machine.
    Everywhere,
    /// Where the kernel has it and the gateway is root; elsewhere the attempt does not count.
    WherePossible,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) what: &'static str,
    pub(crate) language: Language,
    pub(crate) effect: Effect,
    pub(crate) held: Held,
    pub(crate) recorded: Recorded,
    pub(crate) twin: Twin,
    pub(crate) code: &'static str,
    /// What comes after `code`.
    pub(crate) then: &'static str,
}

impl Attempt {
    const fn new(language: Language, what: &'static str, effect: Effect, held: Held, code: &'static str) -> Self {
        Self { what, language, effect, held, recorded: Recorded::Not, twin: Twin::Everywhere, code, then: "" }
    }

    pub(crate) const fn killed(self, call: &'static str) -> Self {
        Self { recorded: Recorded::Breach(call), ..self }
    }

    pub(crate) const fn starved(self) -> Self {
        Self { recorded: Recorded::Limit, ..self }
    }

    pub(crate) const fn where_possible(self) -> Self {
        Self { twin: Twin::WherePossible, ..self }
    }
}

pub(crate) const fn py(what: &'static str, effect: Effect, layers: &'static [Layer], code: &'static str) -> Attempt {
    Attempt::new(Language::Python, what, effect, Held::By(layers), code)
}

pub(crate) const fn node(what: &'static str, effect: Effect, layers: &'static [Layer], code: &'static str) -> Attempt {
    Attempt::new(Language::Node, what, effect, Held::By(layers), code)
}

pub(crate) const fn c(what: &'static str, effect: Effect, layers: &'static [Layer], code: &'static str) -> Attempt {
    Attempt::new(Language::Static, what, effect, Held::By(layers), code)
}

/// A system call that only attacks need: the kernel answers it where nobody is ended for it.
pub(crate) const fn hostile(what: &'static str, call: &'static str, code: &'static str) -> Attempt {
    c(what, Effect::Done, &[Layer::Hostile, Layer::Calls], code).killed(call)
}

/// A system call that servers do not need: the kernel answers it where the filter does not.
pub(crate) const fn unknown(what: &'static str, code: &'static str) -> Attempt {
    c(what, Effect::Done, &[Layer::Calls], code).where_possible()
}

/// Something with what the gateway was started with.
pub(crate) const fn left_open(language: Language, what: &'static str, effect: Effect, code: &'static str) -> Attempt {
    Attempt::new(language, what, effect, Held::ByLauncher, code)
}

/// Something that is to outlive its server.
pub(crate) const fn outliving(language: Language, what: &'static str, end: End, code: &'static str, then: &'static str) -> Attempt {
    Attempt { then, ..Attempt::new(language, what, Effect::Outlives(end), Held::ByLauncher, code) }
}

/// Something said at the doors.
pub(crate) const fn door(what: &'static str, reason: &'static str, code: &'static str) -> Attempt {
    Attempt { recorded: Recorded::Refused(reason), ..Attempt::new(Language::Python, what, Effect::Heard, Held::ByExit, code) }
}

/// A question that is answered, without a word of it going anywhere.
pub(crate) const fn unforwarded(what: &'static str, code: &'static str) -> Attempt {
    Attempt::new(Language::Python, what, Effect::Heard, Held::ByExit, code)
}

/// A class of attempts.
pub(crate) struct Class {
    pub(crate) name: &'static str,
    pub(crate) attempts: &'static [Attempt],
}
