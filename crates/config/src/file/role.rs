//! Roles: who may do what.

use super::limit::Limits;
use crate::decode::{Decode, Reader, choice, parsed, section};
use crate::tree::{Node, Value};
use policy::{Member, When};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use terms::{Label, Operation, ServerName};

section! {
    /// A named set of permissions.
    Role {
        /// Who has it: agent:NAME, user:NAME, client:NAME, certificate:NAME (globs), network:CIDR, environment:FACT=GLOB; group: means nobody yet.
        members, "members": Vec<Member> = Vec::new();
        /// The highest label that its members receive.
        clearance, "clearance": Label = Label::Public;
        /// What must hold beside every entry.
        when, "when": When = When::default();
        /// What they may use, by server.
        allow, "allow": BTreeMap<ServerName, Vec<Entry>> = BTreeMap::new();
        /// What waits for a person, by server.
        ask, "ask": BTreeMap<ServerName, Ask> = BTreeMap::new();
        /// What is closed until a person grants it, by server.
        grant, "grant": BTreeMap<ServerName, Vec<Entry>> = BTreeMap::new();
        /// What they may use up.
        limits, "limits": Limits = Limits::default();
        /// When they work.
        hours, "hours": Option<Hours> = None;
        /// How they find the tools that they may use: all listed, or by a search.
        listing, "listing": Listing = Listing::All;
    }
}

choice! {
    /// How the members of a role find tools.
    Listing {
        /// All are listed.
        All = "all",
        /// Two tools are listed instead: one searches them, one calls them.
        Search = "search",
    }
}

section! {
    /// When the members of a role work.
    Hours {
        /// Days, times and zone, such as Mon-Fri 07:00-20:00 Europe/Berlin.
        within, "in": String;
        /// Whether calls outside are refused.
        strict, "strict": bool = false;
    }
}

/// One entry of `allow`, `ask` or `grant`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// `"*"`: everything that the server offers.
    Everything,
    /// A glob on bare tool names.
    Tool(String),
    /// `read:GLOB`, `write:GLOB`, `delete:GLOB`: calls of one kind.
    Kind(Operation, String),
    /// `prompt:GLOB`
    Prompt(String),
    /// `resource:GLOB`
    Resource(String),
    /// `question:sampling|elicitation|roots`
    Question(Question),
    /// Some of these under a condition.
    Under(Vec<Self>, When),
}

choice! {
    /// What a server may ask a client.
    Question {
        /// To run its model.
        Sampling = "sampling",
        /// To ask its user.
        Elicitation = "elicitation",
        /// For its folders.
        Roots = "roots",
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => out.write_str("*"),
            Self::Tool(glob) => out.write_str(glob),
            Self::Kind(kind, glob) => write!(out, "{}:{glob}", kind.as_str()),
            Self::Prompt(glob) => write!(out, "prompt:{glob}"),
            Self::Resource(glob) => write!(out, "resource:{glob}"),
            Self::Question(question) => write!(out, "question:{}", question.as_str()),
            Self::Under(entries, _) => {
                let texts: Vec<String> = entries.iter().map(Self::to_string).collect();
                out.write_str(&texts.join(", "))
            }
        }
    }
}

impl FromStr for Entry {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let glob = |glob: &str| {
            let good = !glob.is_empty() && glob.len() <= 256 && !glob.chars().any(|letter| letter.is_control() || letter.is_whitespace());
            if good { Ok(glob.to_owned()) } else { Err(()) }
        };
        if text == "*" {
            return Ok(Self::Everything);
        }
        match text.split_once(':') {
            Some(("read", rest)) => glob(rest).map(|glob| Self::Kind(Operation::Read, glob)),
            Some(("write", rest)) => glob(rest).map(|glob| Self::Kind(Operation::Write, glob)),
            Some(("delete", rest)) => glob(rest).map(|glob| Self::Kind(Operation::Delete, glob)),
            Some(("prompt", rest)) => glob(rest).map(Self::Prompt),
            Some(("resource", rest)) => glob(rest).map(Self::Resource),
            Some(("question", rest)) => {
                Question::ALL.iter().find(|question| question.as_str() == rest).map(|question| Self::Question(*question)).ok_or(())
            }
            Some(_) => Err(()),
            None => glob(text).map(Self::Tool),
        }
    }
}

impl Decode for Entry {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        if !matches!(node.value, Value::Map(_)) {
            return plain(node, reader);
        }
        let Conditioned { tools, when } = Conditioned::decode(node, reader)?;
        Some(Self::Under(tools.into_iter().map(|Plain(entry)| entry).collect(), when))
    }
    fn schema() -> serde_json::Value {
        serde_json::json!({"anyOf": [Plain::schema(), Conditioned::schema()]})
    }
}

fn plain(node: &Node, reader: &mut Reader) -> Option<Entry> {
    parsed(
        node,
        reader,
        "a glob on tool names, read:GLOB, write:GLOB or delete:GLOB, prompt:GLOB, resource:GLOB, question:sampling|elicitation|roots, or \"*\"",
    )
}

/// An entry without a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain(Entry);

impl Decode for Plain {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        plain(node, reader).map(Self)
    }
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "string", "minLength": 1})
    }
}

section! {
    /// Entries under a condition.
    Conditioned {
        /// Which.
        tools, "tools": Vec<Plain>;
        /// What must hold beside.
        when, "when": When;
    }
}

/// What waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which.
    pub tools: Vec<Entry>,
    /// For how long a yes counts.
    pub once: Once,
}

choice! {
    /// For how long a yes counts.
    Once {
        /// For one call.
        Call = "call",
        /// To the end of the session.
        Session = "session",
    }
}

section! {
    /// The long form of what waits for a person.
    AskRule {
        /// Which.
        tools, "tools": Vec<Entry>;
        /// For how long a yes counts.
        once, "once": Once = Once::Call;
    }
}

impl Decode for Ask {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::List(_) => Vec::decode(node, reader).map(|tools| Self { tools, once: Once::Call }),
            Value::Map(_) => AskRule::decode(node, reader).map(|rule| Self { tools: rule.tools, once: rule.once }),
            Value::Null | Value::Text { .. } => reader.wrong(node, "a list of tools, or a mapping with tools and once"),
        }
    }
    fn schema() -> serde_json::Value {
        serde_json::json!({"anyOf": [Vec::<Entry>::schema(), AskRule::schema()]})
    }
}
