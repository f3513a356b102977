//! What a detector found, without judgement.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A half-open range of bytes in the original text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The range `start..end`; an end before the start makes it empty.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end: if end < start { start } else { end } }
    }

    /// Its length in bytes.
    pub const fn len(self) -> usize {
        self.end - self.start
    }

    /// Whether it holds nothing.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether the two share a byte.
    pub const fn meets(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// The sort of thing that was found; `inspect:` has an entry for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Lets its holder in.
    Secret,
    /// A credential of ours, come back.
    Echo,
    /// Card and account numbers.
    Financial,
    /// Identifies or reaches a person.
    Pii,
    /// Text that tries to make a model act.
    Injection,
    /// Paths, addresses, stack traces.
    Leak,
    /// A bound of the inspection was reached: what lies behind it was not seen.
    Unseen,
}

impl Class {
    /// The name in records and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Echo => "echo",
            Self::Financial => "financial",
            Self::Pii => "pii",
            Self::Injection => "injection",
            Self::Leak => "leak",
            Self::Unseen => "unseen",
        }
    }
}

/// What is to be done with a finding. Ordered from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Recorded; the content passes.
    Flag,
    /// Shown in part.
    Mask,
    /// Replaced by a token that stands for it within the session.
    Tokenise,
    /// Replaced by a mark.
    Redact,
    /// All of the content withheld.
    Block,
}

impl Action {
    /// The name in records and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Mask => "mask",
            Self::Tokenise => "tokenise",
            Self::Redact => "redact",
            Self::Block => "block",
        }
    }
}

/// A fact with a place, a kind and a confidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The sort of thing.
    pub class: Class,
    /// The kind within its class, such as `github` or `email`.
    pub kind: Cow<'static, str>,
    /// Where it stands in the original bytes.
    pub span: Span,
    /// From 0 to 1.
    pub confidence: f32,
}
