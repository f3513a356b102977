//! What one entry of `allow`, `ask` or `grant` means.

use crate::{Action, Glob, GlobError, Method, Question, Subject};
use std::fmt;
use terms::Operation;

/// Why a text is not an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The glob in it.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// No such question.
    #[error("a question is sampling, elicitation or roots")]
    Question,
    /// A prefix that looks like one of ours and is none.
    #[error("\"{0}:\" is not one of read:, write:, delete:, prompt:, resource:, question:")]
    Prefix(String),
    /// A character that other globs give a meaning.
    #[error("\"{0}\" has no meaning here: the only wildcard is *")]
    Wildcard(char),
}

/// One entry, parsed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern {
    /// `*`: all that the server offers, its questions, completion, logging and subscriptions included.
    Everything,
    /// Tools of these names.
    Tool(Glob),
    /// Calls of tools of these names that are of one kind. A call of which no kind is known counts as one that deletes.
    Kind(Operation, Glob),
    /// Prompts of these names.
    Prompt(Glob),
    /// Resources of these URIs; listing resources comes with it.
    Resource(Glob),
    /// A question of the server's.
    Question(Question),
}

const PREFIXES: [&str; 6] = ["prompt", "resource", "question", "read", "write", "delete"];
const KINDS: [Operation; 3] = [Operation::Read, Operation::Write, Operation::Delete];

impl Pattern {
    /// Reads `text`.
    ///
    /// # Errors
    /// [`PatternError`], with nothing echoed but the prefix or character at fault.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self::Everything);
        }
        match text.split_once(':') {
            Some(("prompt", rest)) => name(rest).map(Self::Prompt),
            Some(("resource", rest)) => Ok(Self::Resource(Glob::new(rest)?)),
            Some(("question", rest)) => {
                let question = Question::ALL.into_iter().find(|question| question.as_str() == rest);
                question.map(Self::Question).ok_or(PatternError::Question)
            }
            Some((prefix, rest)) if let Some(kind) = KINDS.into_iter().find(|kind| kind.as_str() == prefix) => {
                name(rest).map(|glob| Self::Kind(kind, glob))
            }
            Some((prefix, _)) if crate::place::nearest(&prefix.to_lowercase(), PREFIXES).is_some() => {
                Err(PatternError::Prefix(prefix.chars().take(32).collect()))
            }
            _ => name(text).map(Self::Tool),
        }
    }

    /// Whether it speaks of `subject` under `action`, as far as the kind of the call is left out of account: see [`Pattern::takes`].
    pub fn matches(&self, subject: Subject<'_>, action: Action) -> bool {
        match (self, subject) {
            (Self::Everything, _) => true,
            (Self::Tool(glob) | Self::Kind(_, glob), Subject::Tool(name)) => action == Action::Call && glob.matches(name),
            (Self::Prompt(glob), Subject::Prompt(name)) => action == Action::Get && glob.matches(name),
            (Self::Resource(glob), Subject::Resource(uri)) => action == Action::Read && glob.matches(uri),
            (Self::Resource(_), Subject::Method(Method::ResourcesList | Method::TemplatesList)) => action == Action::List,
            (Self::Question(mine), Subject::Question(question)) => *mine == question,
            (Self::Tool(_) | Self::Kind(..) | Self::Prompt(_) | Self::Resource(_) | Self::Question(_), _) => false,
        }
    }

    /// Whether it speaks of calls of this kind.
    pub fn takes(&self, operation: Option<Operation>) -> bool {
        match self {
            Self::Kind(kind, _) => *kind == operation.unwrap_or(Operation::Delete),
            Self::Everything | Self::Tool(_) | Self::Prompt(_) | Self::Resource(_) | Self::Question(_) => true,
        }
    }

    /// Whether all that `other` speaks of is spoken of here.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everything, _) => true,
            (Self::Kind(mine, wide), Self::Kind(other, narrow)) => mine == other && wide.covers(narrow),
            (Self::Tool(wide), Self::Tool(narrow) | Self::Kind(_, narrow))
            | (Self::Prompt(wide), Self::Prompt(narrow))
            | (Self::Resource(wide), Self::Resource(narrow)) => wide.covers(narrow),
            (Self::Question(mine), Self::Question(other)) => mine == other,
            (Self::Tool(_) | Self::Kind(..) | Self::Prompt(_) | Self::Resource(_) | Self::Question(_), _) => false,
        }
    }
}

fn name(text: &str) -> Result<Glob, PatternError> {
    match text.chars().find(|letter| "?[]{}".contains(*letter)) {
        Some(letter) => Err(PatternError::Wildcard(letter)),
        None => Ok(Glob::new(text)?),
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => out.write_str("*"),
            Self::Tool(glob) => write!(out, "{glob}"),
            Self::Kind(kind, glob) => write!(out, "{}:{glob}", kind.as_str()),
            Self::Prompt(glob) => write!(out, "prompt:{glob}"),
            Self::Resource(glob) => write!(out, "resource:{glob}"),
            Self::Question(question) => write!(out, "question:{}", question.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_prints_what_it_parses() {
        for text in ["*", "read_*", "prompt:*", "resource:repo://*?x={y}", "question:roots", "ns:tool", "read:*", "delete:drop_*"] {
            assert_eq!(Pattern::new(text).map(|pattern| pattern.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_entry_says_why() {
        assert_eq!(Pattern::new(""), Err(PatternError::Glob(GlobError::Empty)));
        assert_eq!(Pattern::new("prompt:"), Err(PatternError::Glob(GlobError::Empty)));
        assert_eq!(Pattern::new("question:all"), Err(PatternError::Question));
        assert_eq!(Pattern::new("reads:x"), Err(PatternError::Prefix("reads".to_owned())));
        assert_eq!(Pattern::new("write:"), Err(PatternError::Glob(GlobError::Empty)));
        assert_eq!(Pattern::new("prompts:x"), Err(PatternError::Prefix("prompts".to_owned())));
        assert_eq!(Pattern::new("read_?"), Err(PatternError::Wildcard('?')));
    }

    #[test]
    fn kinds_do_not_mix() {
        let all_tools = Pattern::new("**").unwrap();
        assert!(all_tools.matches(Subject::Tool("x"), Action::Call));
        for other in [Subject::Prompt("x"), Subject::Resource("x"), Subject::Question(Question::Roots)] {
            assert!(!all_tools.matches(other, other.action()), "{other:?}");
        }
        let repo = Pattern::new("resource:repo://*").unwrap();
        assert!(repo.matches(Subject::Method(Method::ResourcesList), Action::List));
        assert!(!repo.matches(Subject::Resource("repo://x"), Action::Subscribe));
    }
}
