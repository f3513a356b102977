//! The configuration of one moment, ready to decide with. Immutable: a reload makes another one.

use crate::arrival::Endpoint;
use guards::operation::{Kinds, Mistold};
use guards::schema::Compiled;
use guards::smuggling::Declared;
use guards::{Constraints, Guards, OpenText};
use mcp::Revision;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use terms::{Code, Label, Operation, ServerName, Trust, Utc};

/// The configuration of one moment.
#[derive(Clone)]
pub struct Snapshot {
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub digest: String,
    /// How much of everything.
    pub bounds: Bounds,
    /// What the data listener answers to.
    pub listen: Listen,
    /// The decision point.
    pub policy: Arc<policy::Engine>,
    /// The servers by name.
    pub servers: BTreeMap<ServerName, Arc<Server>>,
    /// The screens.
    pub inspect: Inspect,
    /// What becomes of text that nothing bounds, on its way to a tool that changes something.
    pub unbounded: Unbounded,
    /// How long records stay in the log before they are archived.
    pub retain: Duration,
}

/// What becomes of text that nothing bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbounded {
    /// It is recorded.
    Flagged,
    /// It goes no further.
    Refused,
}

/// The bounds of `bounds:`.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of a client's message.
    pub message: usize,
    /// Bytes of a server's answer.
    pub result: usize,
    /// Levels of nesting.
    pub nesting: usize,
    /// Open streams of one principal.
    pub streams: usize,
    /// Calls under way of one principal.
    pub inflight: usize,
    /// Connections of one client address.
    pub connections: usize,
    /// Until the head of a request is complete.
    pub header: Duration,
    /// Until its body is.
    pub body: Duration,
    /// Until an idle connection is closed.
    pub idle: Duration,
    /// Until a write has gone out.
    pub write: Duration,
    /// How long requests wait for their turn before further ones are refused.
    pub turn: Duration,
}

/// How much is given at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Bytes of text, or of what stands in Base64.
    pub bytes: usize,
    /// Lines of text.
    pub lines: usize,
}

/// What the data listener answers to.
#[derive(Clone, Debug)]
pub struct Listen {
    /// `http://address:port`, or `https://host:port` inside TLS: the start of every resource URL.
    pub base: String,
    /// Hosts that requests may name.
    pub hosts: Vec<String>,
    /// Origins that may call from a browser.
    pub origins: Vec<String>,
    /// The revisions that clients may speak.
    pub revisions: Vec<Revision>,
    /// What is spoken to clients.
    pub spoken: Spoken,
}

/// The transports of the data listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// Streamable HTTP.
    Streamable,
    /// HTTP+SSE too.
    OneStreamToo,
}

impl Listen {
    /// Whether it is reached through TLS alone.
    pub fn is_secured(&self) -> bool {
        self.base.starts_with("https:")
    }

    /// The newest revision without a handshake that clients may speak.
    pub fn modern(&self) -> Option<Revision> {
        self.revisions.iter().copied().filter(|revision| !revision.is_legacy()).max()
    }

    /// The newest revision with a handshake that clients may speak.
    pub fn legacy(&self) -> Option<Revision> {
        self.revisions.iter().copied().filter(|revision| revision.is_legacy()).max()
    }

    /// The resource URL of an endpoint: the audience of its tokens (RFC 8707) and the `resource` of its metadata (RFC 9728).
    pub fn resource(&self, endpoint: &Endpoint) -> String {
        format!("{}{}", self.base, endpoint.path())
    }
}

/// The content screens and what they do with what they find.
#[derive(Clone)]
pub struct Inspect {
    /// The detectors.
    pub engine: Arc<detect::Engine>,
    /// What they do with what they find.
    pub handling: Handling,
    /// What is let pass although it is found.
    pub suppressed: Arc<[Suppression]>,
}

/// A kind of finding that is let pass where it comes from there, for a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Suppression {
    /// The kind.
    pub kind: String,
    /// The server.
    pub server: ServerName,
    /// Its tools; none: whatever it returns.
    pub tool: Option<policy::Glob>,
    /// From this moment on it does not count.
    pub ends: Utc,
}

impl Suppression {
    /// Whether it is about what this tool of this server returns at `now`, or where no tool is named, the server.
    pub fn covers(&self, server: &ServerName, tool: Option<&str>, now: Utc) -> bool {
        let named = self.tool.as_ref().is_none_or(|glob| tool.is_some_and(|tool| glob.matches(tool)));
        self.server == *server && named && now < self.ends
    }
}

/// Where data comes from, as far as what is done with it depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Whether strangers may have written it.
    pub trust: Trust,
    /// How sensitive it is, where somebody said so.
    pub label: Option<Label>,
}

impl Source {
    /// What nobody said anything about: as careful as can be without a label.
    pub const UNTOLD: Self = Self { trust: Trust::External, label: None };
}

/// What is done with what is found, by where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handling {
    internal: [detect::Actions; 5],
    external: [detect::Actions; 5],
}

impl Handling {
    /// The table in which every source has the actions that `row` gives.
    pub fn new(row: impl Fn(Source) -> detect::Actions) -> Self {
        let of = |trust| {
            let labels = [None, Some(Label::Public), Some(Label::Internal), Some(Label::Confidential), Some(Label::Restricted)];
            labels.map(|label| row(Source { trust, label }))
        };
        Self { internal: of(Trust::Internal), external: of(Trust::External) }
    }

    /// The actions for what comes from `source`.
    pub fn of(&self, source: Source) -> detect::Actions {
        let [untold, public, internal, confidential, restricted] = match source.trust {
            Trust::Internal => self.internal,
            Trust::External => self.external,
        };
        match source.label {
            None => untold,
            Some(Label::Public) => public,
            Some(Label::Internal) => internal,
            Some(Label::Confidential) => confidential,
            Some(Label::Restricted) => restricted,
        }
    }

    /// The actions for what is kept: arguments in records, and what no server answers for.
    pub fn kept(&self) -> detect::Actions {
        self.of(Source::UNTOLD)
    }
}

/// One configured server.
pub struct Server {
    /// Its name.
    pub name: ServerName,
    /// How it is reached.
    pub carrier: Carrier,
    /// The revision that it is to speak; none where that is found out.
    pub revision: Option<Revision>,
    /// Longest time of one call.
    pub call: Duration,
    /// Whether strangers wrote what it returns.
    pub trust: Trust,
    /// The highest label that may be sent to it.
    pub clearance: Label,
    /// The label of what it returns, unless a tool says otherwise.
    pub label: Label,
    /// The same, where the operator said it.
    pub told: Option<Label>,
    /// Labels of its resources by address, the first that matches counts.
    pub labels: Arc<[(policy::Glob, Label)]>,
    /// Its calls under way.
    pub crowd: Arc<crate::crowd::Crowd>,
    /// How much may be asked of it.
    pub quotas: policy::Quotas,
    /// Folders that it and its tools were given: paths under them are no secret of its machine.
    pub roots: Arc<[String]>,
    /// How much of a resource it gives at once.
    pub resources: Bound,
    /// Digest of its configuration entry: a change ends its links.
    pub digest: String,
    /// Whether the operator takes new and changed definitions at once, as an accepted risk.
    pub taking: Option<Taking>,
    /// What may be used of it, or why nothing may be.
    pub pinned: Result<Pinned, Unpinned>,
    /// The server as it was approved, where `pinned` holds definitions that were taken since.
    pub approved: Option<Arc<Server>>,
}

/// That new and changed definitions of a server are taken at once.
#[derive(Clone)]
pub struct Taking {
    /// Until when.
    pub until: Utc,
    /// Makes what may be used out of pins.
    pub make: Make,
}

/// Makes what may be used of a server out of its pins, with what the file adds to them. The error is a sentence for the operator.
pub type Make = Arc<dyn Fn(supply::ServerPin) -> Result<Pinned, String> + Send + Sync>;

impl Server {
    /// The label of a resource by its own address, where the operator said one.
    pub fn told_of(&self, uri: &str) -> Option<Label> {
        self.labels.iter().find(|(glob, _)| glob.matches(uri)).map(|(_, label)| *label).or(self.told)
    }

    /// How new and changed definitions are taken at `now`; `None` when they are not.
    pub(crate) fn taking(&self, now: Utc) -> Option<&Taking> {
        self.taking.as_ref().filter(|taking| now < taking.until)
    }

    /// Whether it was approved as one that asks in results and has no sessions: of a revision without a handshake.
    pub(crate) fn asks_in_results(&self) -> bool {
        let approved = self.pinned.as_ref().ok().and_then(|pinned| Revision::parse(&pinned.pin.revision));
        approved.is_some_and(|revision| !revision.is_legacy())
    }

    /// Whether it holds definitions that were taken and are not to be used any more.
    pub(crate) fn outlived(&self, now: Utc) -> bool {
        self.approved.is_some() && self.taking(now).is_none()
    }

    /// This server with `pinned` taken at once.
    pub(crate) fn with(self: &Arc<Self>, pinned: Pinned) -> Self {
        Self {
            name: self.name.clone(),
            carrier: self.carrier.clone(),
            revision: self.revision,
            call: self.call,
            trust: self.trust,
            clearance: self.clearance,
            label: self.label,
            told: self.told,
            labels: Arc::clone(&self.labels),
            crowd: Arc::clone(&self.crowd),
            quotas: self.quotas.clone(),
            roots: Arc::clone(&self.roots),
            resources: self.resources,
            digest: self.digest.clone(),
            taking: self.taking.clone(),
            pinned: Ok(pinned),
            approved: Some(self.approved.clone().unwrap_or_else(|| Arc::clone(self))),
        }
    }
}

/// Why a server has nothing that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpinned {
    /// The lock does not name it.
    Unapproved,
    /// The lock itself could not be verified.
    Unverified,
    /// Its executable or package is not the one that was approved.
    Changed,
}

/// How a server is reached.
#[derive(Clone)]
pub enum Carrier {
    /// A local process.
    Run(Box<Run>),
    /// HTTP.
    Remote(Box<Remote>),
}

/// A local server's process.
#[derive(Clone)]
pub struct Run {
    /// The image that it is started from; none: a program of this machine.
    pub image: Option<sandbox::podman::Reference>,
    /// Program and arguments as configured; of an image, the words behind it.
    pub command: Vec<String>,
    /// Plain environment.
    pub env: BTreeMap<String, String>,
    /// Environment from the vault: variable to credential name (`server/NAME`).
    pub secrets: BTreeMap<String, String>,
    /// One process for each session key, or one for all.
    pub instances: Instances,
    /// How long an unused one lives.
    pub idle: Duration,
    /// When and how often it is started again.
    pub restart: Restart,
    /// Bytes of memory it may use.
    pub memory: u64,
    /// Processor cores it may use at once.
    pub cores: u32,
    /// Processes it may have.
    pub processes: u64,
    /// Files it may have open.
    pub files: u64,
    /// Folders that it was given.
    pub folders: Vec<sandbox::Folder>,
    /// What it may connect to.
    pub egress: egress::Rules,
    /// How much it may send and get there.
    pub traffic: egress::Limits,
    /// The account that it gets where the gateway runs as root.
    pub account: u32,
    /// Weaknesses of this machine that were accepted for it, each until its moment.
    pub weaknesses: Vec<(sandbox::Weakness, Utc)>,
}

/// The hidden verb of the program under which it is the canary of the assessor's probes.
pub const CANARY: &str = "__canary";

impl Run {
    /// Whether it is the built-in canary: what the assessor's probes may make misbehave.
    pub(crate) fn is_canary(&self) -> bool {
        self.image.is_none() && self.command.get(1).is_some_and(|verb| verb == CANARY)
    }
}

/// How many processes a local server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instances {
    /// One a session.
    Session,
    /// One for all.
    Shared,
}

/// The restart rule of a local server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The first delay; it doubles.
    pub delay: Duration,
    /// Deaths after which it is put aside.
    pub most: u32,
    /// The span they are counted in.
    pub within: Duration,
}

/// A certificate of ours.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The file of its chain.
    pub chain: PathBuf,
    /// Its key (`server/NAME`).
    pub key: String,
}

/// A server reached over HTTP.
#[derive(Clone)]
pub struct Remote {
    /// Its endpoint.
    pub url: url::Url,
    /// The credential that is its bearer token (`server/NAME`).
    pub bearer: Option<String>,
    /// Pinned keys, `sha256/…`.
    pub pins: Vec<String>,
    /// Until when another key is only put on record.
    pub tried_until: Option<Utc>,
    /// The file of the authorities that its certificate may come from, beside those of the system.
    pub authorities: Option<PathBuf>,
    /// The file of what these have taken back.
    pub revoked: Option<PathBuf>,
    /// Whether its certificate may be its own authority.
    pub self_signed: egress::SelfSigned,
    /// What we show it.
    pub certificate: Option<Shown>,
    /// How it is spoken to.
    pub transport: supply::Transport,
}

/// What was approved of a server, in the order of the lock.
pub struct Pinned {
    /// The pin itself.
    pub pin: supply::ServerPin,
    /// Its capabilities as it stated them.
    pub capabilities: serde_json::Map<String, serde_json::Value>,
    /// What it says of itself to the model.
    pub instructions: Option<String>,
    /// Its tools, by their own names.
    pub tools: Table,
    /// Its prompts.
    pub prompts: Table,
    /// Its resource templates, by address template.
    pub templates: Table,
}

/// Definitions of one sort: in order, and by both names.
#[derive(Default)]
pub struct Table {
    order: Vec<Arc<Item>>,
    own: HashMap<String, Arc<Item>>,
    shown: HashMap<String, Arc<Item>>,
}

impl Table {
    /// The table of these, in this order.
    pub fn new(items: impl IntoIterator<Item = Item>) -> Self {
        let mut table = Self::default();
        for item in items {
            let item = Arc::new(item);
            table.own.insert(item.name.clone(), Arc::clone(&item));
            table.shown.insert(item.shown.clone(), Arc::clone(&item));
            table.order.push(item);
        }
        table
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Item>> {
        self.order.iter()
    }

    /// The one that the server calls so.
    pub fn own(&self, name: &str) -> Option<&Arc<Item>> {
        self.own.get(name)
    }

    /// The one that is shown on `/mcp` under this name.
    pub fn shown(&self, name: &str) -> Option<&Arc<Item>> {
        self.shown.get(name)
    }
}

/// One approved definition.
pub struct Item {
    /// The server's name for it.
    pub name: String,
    /// The name on `/mcp`.
    pub shown: String,
    /// The definition as the server stated it, one JSON object.
    pub definition: serde_json::Map<String, serde_json::Value>,
    /// What its arguments must be; `Err` when the schema cannot be checked, which refuses every call.
    pub input: Option<Result<Compiled, String>>,
    /// What its structured result must be.
    pub output: Option<Result<Compiled, String>>,
    /// The arguments that it wants repeated in headers (MCP 2026-07-28, `x-mcp-header`).
    pub headers: Vec<mcp::header::Declared>,
    /// How its structured result is shown to clients that know objects alone.
    pub shown_output: mcp::Output,
    /// What the operator demands beyond the schema.
    pub constraints: Constraints,
    /// The guards of its arguments.
    pub guards: Guards,
    /// What its schema declares and the operator bounds: the rest may not bear the name of a check.
    pub declared: Declared,
    /// Its arguments that may hold any text.
    pub open: OpenText,
    /// What it does, by the operator's word.
    pub operation: Option<Operation>,
    /// Which kinds its calls may turn out to be, and what tells.
    pub kinds: Kinds,
    /// The label of what it returns.
    pub label: Label,
    /// The same, where the operator said it.
    pub told: Option<Label>,
    /// What it has to be made of, where it is a prompt that was approved with its template.
    pub template: Option<crate::template::Template>,
    /// How much it gives at once; none where only [`Bounds::result`] holds.
    pub bound: Option<Bound>,
    /// Units of cost of one call.
    pub cost: u64,
    /// How much may be asked of it.
    pub quotas: policy::Quotas,
}

impl Item {
    /// The name by which its server knows it: of a part of a tool, that of the tool.
    pub fn upstream(&self) -> &str {
        self.kinds.part().map_or(&self.name, |part| &part.tool)
    }

    /// Which kind of operation a call with these arguments is, and nothing where that is not known. Paths are taken as they are written.
    ///
    /// # Errors
    /// The code under which it is refused.
    pub fn operation_of(&self, arguments: &serde_json::Map<String, serde_json::Value>) -> Result<Option<Operation>, Code> {
        let found = match self.guards.judge(arguments, &guards::path::Lexical) {
            Ok(found) => found,
            Err((_, refused)) => return Err(refused.reason.code()),
        };
        self.kinds.of(arguments, &found).map_err(mistold)
    }

    /// Whether a tool runs only as a task (MCP 2025-11-25, Tasks), which the gateway does not offer: it is as good as not there.
    pub(crate) fn needs_task(&self) -> bool {
        let execution = self.definition.get("execution");
        execution.and_then(|execution| execution.get("taskSupport")).and_then(serde_json::Value::as_str) == Some("required")
    }
}

/// The code under which a call is refused whose kind is not the one that its tool is for.
pub(crate) const fn mistold(why: Mistold) -> Code {
    match why {
        Mistold::Other => Code::OperationOther,
        Mistold::Untold => Code::OperationUntold,
    }
}
