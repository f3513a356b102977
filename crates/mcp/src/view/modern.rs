//! Views of what the modern revision alone has: `_meta` of a request, questions in results and their answers, listening.

use super::{Level, text};
use crate::document::Node;
use crate::id::Id;
use crate::method::Method;
use crate::shape::{CAPABILITIES_KEY, CLIENT_KEY, LEVEL_KEY, SERVER_KEY, SUBSCRIPTION_KEY};
use std::borrow::Cow;

/// The `_meta` of a modern request.
#[derive(Clone, Debug)]
pub struct Declared<'a> {
    /// What the client can do as far as this request goes, an open object. Ask it with [`super::declares`].
    pub capabilities: Node<'a>,
    /// What it says of itself: display only.
    pub client_info: Option<Node<'a>>,
    /// From which gravity on it wants log messages of this request; none if it wants none.
    pub log_level: Option<Level>,
}

/// Reads the `_meta` of a modern request that passed its check.
pub fn declared(params: Node<'_>) -> Option<Declared<'_>> {
    let meta = params.get("_meta")?;
    Some(Declared {
        capabilities: meta.get(CAPABILITIES_KEY)?,
        client_info: meta.get(CLIENT_KEY),
        log_level: meta.get(LEVEL_KEY).and_then(Node::text).and_then(|level| Level::parse(&level)),
    })
}

/// What kind of result it is, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultKind {
    /// The whole result; that of a server that says nothing is one.
    Complete,
    /// Questions to the client, who then asks anew.
    InputRequired,
    /// None that is spoken here (row 68).
    Unknown,
}

/// What kind of result it is.
pub fn result_kind(result: Node<'_>) -> ResultKind {
    match result.get("resultType") {
        None => ResultKind::Complete,
        Some(kind) if kind.is_text("complete") => ResultKind::Complete,
        Some(kind) if kind.is_text("input_required") => ResultKind::InputRequired,
        Some(_) => ResultKind::Unknown,
    }
}

/// A question of a server, as it stands in a result.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// What the server calls it.
    pub key: Cow<'a, str>,
    /// What is asked: elicitation, sampling or roots.
    pub method: Method,
    /// The params, an object; only a question for roots can do without.
    pub params: Option<Node<'a>>,
}

/// A result that is `input_required`.
#[derive(Clone, Debug)]
pub struct InputRequired<'a> {
    /// The questions, in the order of the source; none if the client shall only come back.
    pub questions: Vec<Question<'a>>,
    /// What the server wants to have back with the answers.
    pub state: Option<Cow<'a, str>>,
}

/// Reads a result that is `input_required` and passed its check.
pub fn input_required(result: Node<'_>) -> InputRequired<'_> {
    let entries = result.get("inputRequests").into_iter().flat_map(Node::members);
    let questions = entries.filter_map(|member| {
        let method = Method::parse(&text(member.value, "method")).filter(|method| method.is_question())?;
        Some(Question { key: member.name(), method, params: member.value.get("params") })
    });
    InputRequired { questions: questions.collect(), state: result.get("requestState").and_then(Node::text) }
}

/// What a client brings along that asks anew after an `input_required`.
#[derive(Clone, Debug)]
pub struct Retry<'a> {
    /// The answers, an object: an answer under each key of a question. Check each with [`crate::check_result`] once its method is known.
    pub answers: Option<Node<'a>>,
    /// What it was given to bring back.
    pub state: Option<Cow<'a, str>>,
}

impl Retry<'_> {
    /// Whether it is one: a request that brings neither is a fresh one.
    pub fn is_one(&self) -> bool {
        self.answers.is_some() || self.state.is_some()
    }
}

/// Reads what params of `tools/call`, `prompts/get` or `resources/read` bring along.
pub fn retry(params: Node<'_>) -> Retry<'_> {
    Retry { answers: params.get("inputResponses"), state: params.get("requestState").and_then(Node::text) }
}

/// The result of `server/discover`.
#[derive(Clone, Debug)]
pub struct Discovered<'a> {
    /// The revisions that the server speaks, as it spells them.
    pub revisions: Vec<Cow<'a, str>>,
    /// What it can do, an open object.
    pub capabilities: Node<'a>,
    /// What it tells the model.
    pub instructions: Option<Cow<'a, str>>,
    /// What it says of itself: display only.
    pub server_info: Option<Node<'a>>,
}

/// Reads the result of `server/discover`.
pub fn discovered(result: Node<'_>) -> Option<Discovered<'_>> {
    Some(Discovered {
        revisions: result.get("supportedVersions")?.items().filter_map(Node::text).collect(),
        capabilities: result.get("capabilities")?,
        instructions: result.get("instructions").and_then(Node::text),
        server_info: result.get("_meta").and_then(|meta| meta.get(SERVER_KEY)),
    })
}

/// The revisions in the `data` of the error [`crate::REVISION_UNSUPPORTED`], as the server spells them.
pub fn supported(data: Node<'_>) -> Vec<Cow<'_, str>> {
    data.get("supported").into_iter().flat_map(Node::items).filter_map(Node::text).collect()
}

/// What a client listens for, or what a server has agreed to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter<'a> {
    /// That the list of tools changed.
    pub tools: bool,
    /// That the list of prompts changed.
    pub prompts: bool,
    /// That the list of resources changed.
    pub resources: bool,
    /// That one of these resources did.
    pub updates: Vec<Cow<'a, str>>,
}

/// Reads the params of `subscriptions/listen` or `notifications/subscriptions/acknowledged`.
pub fn filter(params: Node<'_>) -> Filter<'_> {
    let Some(wanted) = params.get("notifications") else { return Filter::default() };
    let on = |key| wanted.get(key).and_then(Node::truth).unwrap_or(false);
    Filter {
        tools: on("toolsListChanged"),
        prompts: on("promptsListChanged"),
        resources: on("resourcesListChanged"),
        updates: wanted.get("resourceSubscriptions").into_iter().flat_map(Node::items).filter_map(Node::text).collect(),
    }
}

/// The listen request whose stream a notification or result is on: of params or a result.
pub fn subscription(node: Node<'_>) -> Option<Id> {
    node.get("_meta")?.get(SUBSCRIPTION_KEY).and_then(|id| Id::read(id).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Document};

    fn document(source: &str) -> Document {
        Document::parse(source.to_owned().into(), &Bounds::default()).unwrap()
    }

    #[test]
    fn a_request_says_what_its_client_can_do() {
        let document = document(
            r#"{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}}},"io.modelcontextprotocol/logLevel":"error"},
                "inputResponses":{"a":{"action":"decline"}},"requestState":""}"#,
        );
        let declared = declared(document.root()).unwrap();
        assert!(super::super::declares(declared.capabilities, &["elicitation", "url"]));
        assert_eq!((declared.log_level, declared.client_info.is_none()), (Some(Level::Error), true));
        let retry = retry(document.root());
        assert_eq!((retry.state.as_deref(), retry.answers.unwrap().members().count(), retry.is_one()), (Some(""), 1, true));
    }

    #[test]
    fn questions_and_streams_are_read() {
        let result = document(
            r#"{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"},"b":{"method":"elicitation/create","params":{"message":""}}},
                "_meta":{"io.modelcontextprotocol/subscriptionId":"7"}}"#,
        );
        assert_eq!(result_kind(result.root()), ResultKind::InputRequired);
        let asked = input_required(result.root());
        assert_eq!(asked.questions.iter().map(|question| question.method).collect::<Vec<_>>(), [Method::ListRoots, Method::Elicit]);
        assert_eq!((asked.state, subscription(result.root())), (None, Some(Id::Text("7".into()))));
        assert_eq!(result_kind(document(r#"{"resultType":"task"}"#).root()), ResultKind::Unknown);
        let listen = document(r#"{"notifications":{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["a:b"]}}"#);
        assert_eq!(filter(listen.root()), Filter { tools: true, updates: vec!["a:b".into()], ..Filter::default() });
    }
}
