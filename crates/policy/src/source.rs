//! What the configuration hands in, with the place of every entry.

use crate::{Place, Quota, When};
use std::collections::BTreeMap;
use terms::{Label, Name, ServerName};

/// One text of the operator's and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The text as written.
    pub text: String,
    /// Where.
    pub place: Place,
    /// What must hold beside, where it is an entry of `allow`, `ask` or `grant`.
    pub when: When,
}

impl Entry {
    /// The entry `text` at `place`.
    pub fn new(text: impl Into<String>, place: Place) -> Self {
        Self { text: text.into(), place, when: When::default() }
    }

    /// The same under a condition.
    #[must_use]
    pub fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }
}

/// The entries of one effect for one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerEntries {
    /// The server.
    pub server: ServerName,
    /// Where its name stands.
    pub place: Place,
    /// Globs on tool names, `read:GLOB`, `write:GLOB`, `delete:GLOB`, `prompt:GLOB`, `resource:GLOB`, `question:sampling|elicitation|roots`, or `*` for everything.
    pub entries: Vec<Entry>,
}

/// What a role may use up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Quotas of each principal in the role.
    pub each: Vec<Quota>,
    /// Quotas of all its principals together.
    pub together: Vec<Quota>,
    /// How many calls of one session that hardly differ are too many; none where the role has no limits.
    pub repeats: Option<u32>,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        self.each.is_empty() && self.together.is_empty() && self.repeats.is_none()
    }
}

/// What happens outside a role's hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strict {
    /// Calls pass and raise an alert.
    Alert,
    /// Calls are refused.
    Refuse,
}

/// How the members of a role find the tools that they may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discovery {
    /// All of them are listed.
    #[default]
    List,
    /// They are searched for: two tools are listed, of which one searches and one calls.
    Search,
}

/// When a role is at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// As written, such as `Mon-Fri 07:00-20:00 Europe/Berlin`.
    pub within: Entry,
    /// Outside them.
    pub strict: Strict,
}

/// One role as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSource {
    /// Its name.
    pub name: Name,
    /// Where its name stands.
    pub place: Place,
    /// See [`crate::Member`].
    pub members: Vec<Entry>,
    /// The highest label that its members may receive.
    pub clearance: Label,
    /// What must hold beside every entry.
    pub when: When,
    /// What passes.
    pub allow: Vec<ServerEntries>,
    /// What waits for a person.
    pub ask: Vec<ServerEntries>,
    /// What is closed until a person grants it.
    pub grant: Vec<ServerEntries>,
    /// What it may use up.
    pub limits: Limits,
    /// When.
    pub hours: Option<Hours>,
    /// How its members find what they may use. It permits nothing.
    pub discovery: Discovery,
}

impl RoleSource {
    /// A role without members, entries and limits, cleared for what is public.
    pub fn new(name: Name, place: Place) -> Self {
        Self {
            name,
            place,
            members: Vec::new(),
            clearance: Label::Public,
            when: When::default(),
            allow: Vec::new(),
            ask: Vec::new(),
            grant: Vec::new(),
            limits: Limits::default(),
            hours: None,
            discovery: Discovery::List,
        }
    }
}

/// One `policies/*.cedar` file.
///
/// Annotations with a meaning: `@id`, `@clearance("internal")`, `@cap("BYTES")`, `@redact("all")`, and `@description` for people; any other
/// is a problem. A permit without `@clearance` has that of the role in its scope, else `public`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CedarSource {
    /// The file's name.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// Everything that an engine is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The servers that exist: entries for others are problems.
    pub servers: Vec<ServerName>,
    /// The roles.
    pub roles: Vec<RoleSource>,
    /// The raw policies.
    pub cedar: Vec<CedarSource>,
    /// The tools that are approved, by server and their own name: what their arguments are, for Cedar.
    pub tools: Tools,
}

/// Approved tools, by server and their own name.
pub type Tools = BTreeMap<ServerName, BTreeMap<String, Vec<Parameter>>>;

/// One argument of a tool, as its schema has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ParameterKind,
    /// Whether it must be there.
    pub presence: Presence,
}

/// What an argument is. What is none of these, Cedar policies cannot speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// `String`
    Text,
    /// `Long`
    Whole,
    /// `decimal`: at most four digits after the point.
    Number,
    /// `Bool`
    Truth,
    /// `Set<String>`
    Texts,
    /// `Set<Long>`
    Wholes,
}

/// Whether an argument must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It must.
    Required,
    /// It need not, or may be `null`.
    Optional,
}
