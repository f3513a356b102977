//! Typed views of params and results that passed their checks.
//!
//! Each is a small function over the [`Node`] of the `params` or `result`; what is absent although it must be there reads as empty, which no
//! checked message shows.

mod modern;

pub use modern::{
    Declared, Discovered, Filter, InputRequired, Question, ResultKind, Retry, declared, discovered, filter, input_required, result_kind,
    retry, subscription, supported,
};

use crate::document::{Kind, Node};
use crate::id::Id;
use std::borrow::Cow;

fn text<'a>(node: Node<'a>, key: &str) -> Cow<'a, str> {
    node.get(key).and_then(Node::text).unwrap_or_default()
}

/// The params of `tools/call`.
#[derive(Clone, Debug)]
pub struct CallTool<'a> {
    /// The tool, as the client spells it.
    pub name: Cow<'a, str>,
    /// The arguments, an object.
    pub arguments: Option<Node<'a>>,
    /// The wish to run it as a task, which is not declared and so not forwarded.
    pub task: Option<Node<'a>>,
}

/// Reads the params of `tools/call`.
pub fn call_tool(params: Node<'_>) -> CallTool<'_> {
    CallTool { name: text(params, "name"), arguments: params.get("arguments"), task: params.get("task") }
}

/// The params of `initialize`.
#[derive(Clone, Debug)]
pub struct Initialize<'a> {
    /// The revision asked for, which may be none of ours.
    pub revision: Cow<'a, str>,
    /// What the client can do, an open object.
    pub capabilities: Node<'a>,
    /// What it says of itself: display only.
    pub client_info: Node<'a>,
}

/// Reads the params of `initialize`.
pub fn initialize(params: Node<'_>) -> Option<Initialize<'_>> {
    Some(Initialize {
        revision: text(params, "protocolVersion"),
        capabilities: params.get("capabilities")?,
        client_info: params.get("clientInfo")?,
    })
}

/// The result of `initialize`.
#[derive(Clone, Debug)]
pub struct Initialized<'a> {
    /// The revision that the server settles on.
    pub revision: Cow<'a, str>,
    /// What it can do, an open object.
    pub capabilities: Node<'a>,
    /// What it says of itself: display only.
    pub server_info: Node<'a>,
    /// What it tells the model.
    pub instructions: Option<Cow<'a, str>>,
}

/// Reads the result of `initialize`.
pub fn initialized(result: Node<'_>) -> Option<Initialized<'_>> {
    Some(Initialized {
        revision: text(result, "protocolVersion"),
        capabilities: result.get("capabilities")?,
        server_info: result.get("serverInfo")?,
        instructions: result.get("instructions").and_then(Node::text),
    })
}

/// Whether a capability is declared: `path` leads to it, as in `["resources", "subscribe"]`; `false` and `null` declare nothing.
pub fn declares(capabilities: Node<'_>, path: &[&str]) -> bool {
    let found = path.iter().try_fold(capabilities, |node, step| node.get(step));
    found.is_some_and(|node| match node.kind() {
        Kind::Object => true,
        Kind::Bool => node.truth() == Some(true),
        Kind::Null | Kind::Number | Kind::Text | Kind::Array | Kind::Key => false,
    })
}

/// The params of `resources/read`.
#[derive(Clone, Debug)]
pub struct ReadResource<'a> {
    /// The address, as the client spells it.
    pub uri: Cow<'a, str>,
}

/// Reads the params of `resources/read`.
pub fn read_resource(params: Node<'_>) -> ReadResource<'_> {
    ReadResource { uri: text(params, "uri") }
}

/// The address in the params of `resources/subscribe` and `resources/unsubscribe`.
pub fn subscribe(params: Node<'_>) -> Cow<'_, str> {
    text(params, "uri")
}

/// The address in the params of `notifications/resources/updated`.
pub fn resource_updated(params: Node<'_>) -> Cow<'_, str> {
    text(params, "uri")
}

/// The params of `prompts/get`.
#[derive(Clone, Debug)]
pub struct GetPrompt<'a> {
    /// The prompt, as the client spells it.
    pub name: Cow<'a, str>,
    /// The arguments, an object of strings.
    pub arguments: Option<Node<'a>>,
}

/// Reads the params of `prompts/get`.
pub fn get_prompt(params: Node<'_>) -> GetPrompt<'_> {
    GetPrompt { name: text(params, "name"), arguments: params.get("arguments") }
}

/// What a completion is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// A prompt, by name.
    Prompt(Cow<'a, str>),
    /// A resource or template, by address.
    Resource(Cow<'a, str>),
}

/// The params of `completion/complete`.
#[derive(Clone, Debug)]
pub struct Complete<'a> {
    /// What it is for.
    pub reference: Reference<'a>,
    /// The node of the name or address in it, to be renamed on the way up.
    pub reference_node: Node<'a>,
    /// The argument's name.
    pub name: Cow<'a, str>,
    /// What was typed so far.
    pub value: Cow<'a, str>,
    /// The arguments that are known already, an object of strings.
    pub context: Option<Node<'a>>,
}

/// Reads the params of `completion/complete`.
pub fn complete(params: Node<'_>) -> Option<Complete<'_>> {
    let (reference, argument) = (params.get("ref")?, params.get("argument")?);
    let (reference_node, reference) = if reference.get("type")?.is_text("ref/prompt") {
        (reference.get("name")?, Reference::Prompt(text(reference, "name")))
    } else {
        (reference.get("uri")?, Reference::Resource(text(reference, "uri")))
    };
    Some(Complete {
        reference,
        reference_node,
        name: text(argument, "name"),
        value: text(argument, "value"),
        context: params.get("context").and_then(|context| context.get("arguments")),
    })
}

/// The gravity of a log message, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `debug`
    Debug,
    /// `info`
    Info,
    /// `notice`
    Notice,
    /// `warning`
    Warning,
    /// `error`
    Error,
    /// `critical`
    Critical,
    /// `alert`
    Alert,
    /// `emergency`
    Emergency,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 8] =
        [Self::Debug, Self::Info, Self::Notice, Self::Warning, Self::Error, Self::Critical, Self::Alert, Self::Emergency];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// The level of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

/// The level in the params of `logging/setLevel`.
pub fn set_level(params: Node<'_>) -> Option<Level> {
    Level::parse(&text(params, "level"))
}

/// The params of `notifications/message`.
#[derive(Clone, Debug)]
pub struct LogMessage<'a> {
    /// How grave.
    pub level: Level,
    /// Which part of the server.
    pub logger: Option<Cow<'a, str>>,
    /// Anything.
    pub data: Node<'a>,
}

/// Reads the params of `notifications/message`.
pub fn log_message(params: Node<'_>) -> Option<LogMessage<'_>> {
    Some(LogMessage { level: set_level(params)?, logger: params.get("logger").and_then(Node::text), data: params.get("data")? })
}

/// The params of `notifications/cancelled`.
#[derive(Clone, Debug)]
pub struct Cancelled<'a> {
    /// The request, by its sender's id; only a task is cancelled without.
    pub request: Option<Id>,
    /// Why.
    pub reason: Option<Cow<'a, str>>,
}

/// Reads the params of `notifications/cancelled`.
pub fn cancelled(params: Node<'_>) -> Cancelled<'_> {
    Cancelled { request: params.get("requestId").and_then(|id| Id::read(id).ok()), reason: params.get("reason").and_then(Node::text) }
}

/// The params of `notifications/progress`.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// Which request, by the token that came with it.
    pub token: Id,
    /// The node of the token, to be mapped.
    pub token_node: Node<'a>,
    /// How far; it only rises.
    pub progress: f64,
    /// Of how much.
    pub total: Option<f64>,
    /// In words.
    pub message: Option<Cow<'a, str>>,
}

/// Reads the params of `notifications/progress`.
pub fn progress(params: Node<'_>) -> Option<Progress<'_>> {
    let token_node = params.get("progressToken")?;
    Some(Progress {
        token: Id::read(token_node).ok()?,
        token_node,
        progress: params.get("progress")?.float()?,
        total: params.get("total").and_then(Node::float),
        message: params.get("message").and_then(Node::text),
    })
}

/// The token in `_meta` of any params, which asks for notes of progress.
pub fn progress_token(params: Node<'_>) -> Option<Id> {
    params.get("_meta")?.get("progressToken").and_then(|token| Id::read(token).ok())
}

/// The cursor in the params of a list; `""` is one.
pub fn cursor(params: Node<'_>) -> Option<Cow<'_, str>> {
    params.get("cursor").and_then(Node::text)
}

/// The cursor of the next page in the result of a list.
pub fn next_cursor(result: Node<'_>) -> Option<Cow<'_, str>> {
    result.get("nextCursor").and_then(Node::text)
}

/// The result of `tools/call`.
#[derive(Clone, Debug)]
pub struct CallResult<'a> {
    /// The content blocks, an array.
    pub content: Node<'a>,
    /// The structured content: an object, or on the modern revision anything.
    pub structured: Option<Node<'a>>,
    /// Whether the tool says that it failed.
    pub failed: bool,
}

/// Reads the result of `tools/call`.
pub fn call_result(result: Node<'_>) -> Option<CallResult<'_>> {
    Some(CallResult {
        content: result.get("content")?,
        structured: result.get("structuredContent"),
        failed: result.get("isError").and_then(Node::truth).unwrap_or(false),
    })
}

/// How a person answered a server's question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// With what was asked for.
    Accept,
    /// With no.
    Decline,
    /// Not at all.
    Cancel,
}

/// The params of `elicitation/create`.
#[derive(Clone, Debug)]
pub enum Elicit<'a> {
    /// A form to fill in.
    Form {
        /// What is asked.
        message: Cow<'a, str>,
        /// Its flat schema.
        schema: Node<'a>,
    },
    /// A page to visit.
    Url {
        /// What is asked.
        message: Cow<'a, str>,
        /// The page.
        url: Cow<'a, str>,
        /// The server's name for this question; empty on the modern revision, which has none.
        id: Cow<'a, str>,
    },
}

/// Reads the params of `elicitation/create`.
pub fn elicit(params: Node<'_>) -> Option<Elicit<'_>> {
    let message = text(params, "message");
    if params.get("mode").is_some_and(|mode| mode.is_text("url")) {
        return Some(Elicit::Url { message, url: text(params, "url"), id: text(params, "elicitationId") });
    }
    Some(Elicit::Form { message, schema: params.get("requestedSchema")? })
}

/// Reads the result of `elicitation/create`: the action, and what was filled in.
pub fn elicited(result: Node<'_>) -> Option<(Action, Option<Node<'_>>)> {
    let action = match &*text(result, "action") {
        "accept" => Action::Accept,
        "decline" => Action::Decline,
        "cancel" => Action::Cancel,
        _ => return None,
    };
    Some((action, result.get("content")))
}

/// The addresses and names in the result of `roots/list`.
pub fn roots(result: Node<'_>) -> Vec<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    let roots = result.get("roots").into_iter().flat_map(Node::items);
    roots.map(|root| (text(root, "uri"), root.get("name").and_then(Node::text))).collect()
}
