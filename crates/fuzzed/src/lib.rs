//! what must hold of every input: the invariants that fuzzing looks for a way around
//!
//! A [`Target`] is one invariant with everything that it takes to put it to any bytes. The fuzzer in `fuzz/` runs them with bytes that it makes up, the
//! tests of this crate with those that were kept in `fuzz/corpus` and `fuzz/artifacts`. Both run the same code: what a fuzzer has found is replayed by plain tests.
//!
//! Bytes that begin with a control or with no ASCII build a message from the [`grammar`], whole or changed in structured ways; all others are a message
//! as they stand, so that recorded traffic can be put into a corpus as it is.
//!
//! An invariant fails by panicking, so this crate does what the others may not.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "an invariant fails by panicking")]

mod definition;
mod framing;
pub mod grammar;
mod guard;
mod header;
mod input;
mod json;
mod ladder;
mod message;
mod sealed;
mod translate;
mod tree;

pub use input::Input;
pub use message::{answered, sent};
pub use tree::Tree;

macro_rules! targets {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $run:path;)*) => {
        /// One invariant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Target {
            $($(#[$doc])* $name,)*
        }

        impl Target {
            /// Every target.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name of its program and of the folder of its corpus.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Puts the invariant to these bytes. Panics where it does not hold.
            pub fn run(self, bytes: &[u8]) {
                match self { $(Self::$name => $run(bytes),)* }
            }
        }
    };
}

targets! {
    /// What we accept as JSON, and what we refuse, is what others do; its print is a fixed point; bounds are kept.
    Json = "json", json::read;
    /// An edited text is what the same edits make of a model of it.
    Edits = "edits", json::edited;
    /// A client's message is read as others read it, printed and read again as the same; what refuses it is an answer.
    Client = "client", message::client;
    /// The same of a server's.
    Server = "server", message::server;
    /// Requests of HTTP/1 begin and end at the same places however their bytes arrive, and where another reader sees them.
    Head = "head", framing::head;
    /// Lines are the same however their bytes arrive, and within their bound.
    Lines = "lines", framing::lines;
    /// Events are those that the standard says, however their bytes arrive, and within bounds.
    Events = "events", framing::events;
    /// What a legacy server says fits the modern revision after translation, and the other way what a modern client answers.
    ToModern = "to_modern", translate::to_modern;
    /// What a modern server says fits the newest legacy revision, and the other way what a legacy client answers.
    ToLegacy = "to_legacy", translate::to_legacy;
    /// The same between two modern sides.
    Modern = "modern", translate::modern;
    /// The same with a revision before the newest legacy one on one of the sides.
    Older = "older", translate::older;
    /// A result of the grammar passes, in any spelling; one with anything more does not.
    Results = "results", message::results;
    /// A definition that is read from its own canonical text is the same.
    Definitions = "definitions", definition::read;
    /// What a header is made to say it says; names and addresses come back as they went.
    Header = "header", header::coded;
    /// A header that a tool asks for is made from the arguments as it is compared with them.
    Declarations = "declarations", header::declared;
    /// A cursor opens as what was sealed, where it was sealed for, and not at all when anything of it is changed.
    Cursor = "cursor", sealed::cursor;
    /// The same of a state between questions and answers, which opens once.
    State = "state", sealed::state;
    /// What is found lies in the text, twice the same; a secret is found through every coding.
    Ladder = "ladder", ladder::climbed;
    /// What a guard of arguments lets through is within its policy, twice the same, in its normal form too, and under every wider policy.
    Guards = "guards", guard::judged;
}

impl Target {
    /// The target of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|target| target.name() == text)
    }

    /// Whether a message as it was recorded is an input of it.
    pub const fn takes_messages(self) -> bool {
        matches!(
            self,
            Self::Json
                | Self::Edits
                | Self::Client
                | Self::Server
                | Self::ToModern
                | Self::ToLegacy
                | Self::Modern
                | Self::Older
                | Self::Results
                | Self::Definitions
                | Self::Ladder
        )
    }
}
