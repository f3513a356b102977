//! Translation between two revisions: what fits the one side fits the other after it.

use crate::grammar::{JUNE, MARCH, MODERN, Maker, NOVEMBER, SPOKEN};
use crate::input::Given;
use crate::json::canonical;
use crate::{Input, Tree, message};
use mcp::definition::Sort;
use mcp::view::{ResultKind, result_kind};
use mcp::{Bounds, Document, Edits, Kind, Legs, Method, Node, Output, Revision, check_question, check_result, translate};

/// The methods whose results go from one side to the other.
const RELAYED: [Method; 8] = [
    Method::CallTool,
    Method::ListTools,
    Method::ListPrompts,
    Method::ListResources,
    Method::ListResourceTemplates,
    Method::ReadResource,
    Method::GetPrompt,
    Method::Complete,
];
const QUESTIONS: [Method; 3] = [Method::Elicit, Method::CreateMessage, Method::ListRoots];

pub(crate) fn to_modern(bytes: &[u8]) {
    between(bytes, &[Legs { client: MODERN, server: NOVEMBER }]);
}

pub(crate) fn to_legacy(bytes: &[u8]) {
    between(bytes, &[Legs { client: NOVEMBER, server: MODERN }]);
}

pub(crate) fn modern(bytes: &[u8]) {
    between(bytes, &[Legs { client: MODERN, server: MODERN }]);
}

pub(crate) fn older(bytes: &[u8]) {
    let pairs = SPOKEN.iter().flat_map(|client| SPOKEN.iter().map(|server| Legs { client: *client, server: *server }));
    let old = |revision| matches!(revision, MARCH | JUNE);
    let legs: Vec<Legs> = pairs.filter(|legs| old(legs.client) || old(legs.server)).collect();
    between(bytes, &legs);
}

fn between(bytes: &[u8], pairs: &[Legs]) {
    match Given::of(bytes) {
        Given::Raw(text) => {
            let Ok(document) = Document::parse(text, &Bounds::default()) else { return };
            let root = document.root();
            for legs in pairs {
                let result = of(root.get("result").unwrap_or(root));
                RELAYED.iter().for_each(|method| relayed(*legs, *method, &result, Output::Plain));
                let params = of(root.get("params").unwrap_or(root));
                QUESTIONS.iter().for_each(|method| put(*legs, *method, &params));
                QUESTIONS.iter().for_each(|method| reply(*legs, *method, &result));
            }
        }
        Given::Built(mut input) => {
            let legs = input.pick(pairs);
            built(legs, &mut input);
        }
    }
}

/// A document of its own.
fn of(node: Node<'_>) -> Document {
    Document::parse(canonical(node), &Bounds::default()).expect("canonical text is JSON")
}

fn built(legs: Legs, input: &mut Input<'_>) {
    let choice = input.below(7);
    let method = match choice {
        0..4 => input.pick(&RELAYED),
        _ => input.pick(&QUESTIONS),
    };
    let revision = if choice == 6 { legs.client } else { legs.server };
    let mut maker = Maker { input: &mut *input, revision };
    let mut tree = match choice {
        0..4 => maker.result(method),
        4 | 5 => maker.question(method),
        _ => maker.answer(method),
    };
    for _ in 0..input.below(3) {
        tree.change(input);
    }
    let Ok(document) = Document::parse(tree.text().into(), &Bounds::default()) else { return };
    match choice {
        0..4 => {
            let enclosed = method == Method::CallTool && legs.server == MODERN && input.flip();
            relayed(legs, method, &document, if enclosed { Output::Enclosed } else { Output::Plain });
        }
        4 | 5 => put(legs, method, &document),
        _ => reply(legs, method, &document),
    }
}

fn printed(document: &Document, edits: &Edits) -> Document {
    let mut out = Vec::new();
    document.print(edits, &mut out);
    Document::parse(out.into(), &widened()).expect("what is translated is JSON")
}

/// The bounds of what is translated: a schema that is enclosed lies two levels deeper.
fn widened() -> Bounds {
    let bounds = Bounds::default();
    Bounds { nesting: bounds.nesting + 2, ..bounds }
}

/// A server's result, as the client gets it.
fn relayed(legs: Legs, method: Method, result: &Document, output: Output) {
    let root = result.root();
    let spoken = message::asked(method, legs.client) && message::asked(method, legs.server);
    if !spoken || check_result(method, root, legs.server).is_err() || result_kind(root) != ResultKind::Complete {
        return;
    }
    let mut edits = Edits::new();
    legs.result(method, root, output, &mut edits);
    if !legs.client.is_legacy() {
        translate::sign(root, "1", &mut edits);
    }
    let told = printed(result, &edits);
    if let Err(fault) = check_result(method, told.root(), legs.client) {
        panic!("row {} refuses a result of {method} from {} to {}: {}", fault.row, legs.server, legs.client, shown(&told));
    }
    kept(legs, method, root, told.root(), output);
    let mut edits = Edits::new();
    Legs { client: legs.client, server: legs.client }.result(method, told.root(), Output::Plain, &mut edits);
    if legs.client.is_legacy() {
        assert!(edits.is_empty(), "nothing changes within one legacy revision");
    }
    definitions(legs, method, root);
}

fn shown(document: &Document) -> String {
    String::from_utf8_lossy(document.source()).into_owned()
}

/// What must be the same on both sides.
fn kept(legs: Legs, method: Method, from: Node<'_>, to: Node<'_>, output: Output) {
    if !legs.client.is_legacy() {
        assert!(to.get("resultType").is_some_and(|kind| kind.is_text("complete")), "a modern client is told that a result is whole");
        assert!(!method.is_cached() || to.get("cacheScope").is_some_and(|scope| scope.is_text("private")), "nothing is shared");
        let ours = to.get("_meta").and_then(|meta| meta.get("io.modelcontextprotocol/serverInfo")).and_then(|info| info.get("name"));
        assert!(ours.is_some_and(|name| name.is_text("bastide")), "no server speaks in our name");
    } else if !legs.alike() {
        let theirs =
            to.get("_meta").into_iter().flat_map(Node::members).any(|member| member.name().starts_with("io.modelcontextprotocol/"));
        assert!(!theirs, "what belongs to one leg does not cross");
    }
    let text = |node: Node<'_>, key: &str| node.get(key).and_then(Node::text).map(std::borrow::Cow::into_owned);
    for list in ["content", "contents", "tools", "prompts", "resources", "resourceTemplates", "messages"] {
        let (Some(one), Some(other)) = (from.get(list), to.get(list)) else { continue };
        assert_eq!(one.items().count(), other.items().count(), "nothing is lost of {list}");
        for (one, other) in one.items().zip(other.items()) {
            if text(one, "type").as_deref() != Some("resource_link") {
                for key in ["type", "text", "blob", "data", "name", "uri", "uriTemplate", "role", "description", "mimeType"] {
                    assert_eq!(text(one, key), text(other, key), "{key} of {list} is kept");
                }
            }
        }
    }
    assert_eq!(text(from, "nextCursor"), text(to, "nextCursor"));
    assert_eq!(from.get("isError").map(Node::truth), to.get("isError").map(Node::truth));
    if let (Some(one), Some(other)) = (from.get("structuredContent"), to.get("structuredContent")) {
        let enclosed = !legs.alike() && legs.client.is_legacy() && (output == Output::Enclosed || one.kind() != Kind::Object);
        let other = if enclosed { other.get("result").expect("what is enclosed stands under its key") } else { other };
        assert_eq!(canonical(one), canonical(other), "structured content is kept");
    }
}

/// Definitions as they are listed from the pins.
fn definitions(legs: Legs, method: Method, result: Node<'_>) {
    let (key, sort) = match method {
        Method::ListTools => ("tools", Sort::Tool),
        Method::ListPrompts => ("prompts", Sort::Prompt),
        Method::ListResourceTemplates => ("resourceTemplates", Sort::Template),
        Method::ListResources => ("resources", Sort::Resource),
        _ => return,
    };
    for item in result.get(key).into_iter().flat_map(Node::items) {
        let item = of(item);
        let mut edits = Edits::new();
        legs.definition(sort, item.root(), &mut edits);
        let told = printed(&item, &edits);
        let mut page = crate::tree::object([(key, Tree::Array(vec![Tree::of(told.root())]))]);
        if legs.client == MODERN {
            page.put("ttlMs", 0.into());
            page.put("cacheScope", "private".into());
        }
        let page = Document::parse(page.text().into(), &widened()).expect("a page");
        if let Err(fault) = check_result(method, page.root(), legs.client) {
            panic!("row {} refuses a definition from {} to {}: {}", fault.row, legs.server, legs.client, shown(&told));
        }
    }
}

/// A server's question, as the client gets it.
fn put(legs: Legs, method: Method, params: &Document) {
    let had = |revision: Revision| revision >= JUNE || method != Method::Elicit;
    if !had(legs.server) || check_question(method, params.root(), legs.server).is_err() {
        return;
    }
    let mut edits = Edits::new();
    if legs.question(method, params.root(), "q-1", &mut edits).is_err() {
        assert!(legs.client != legs.server, "what one revision asks it can be asked");
        return;
    }
    let told = printed(params, &edits);
    if let Err(fault) = check_question(method, told.root(), legs.client) {
        panic!("row {} refuses a question {method} from {} to {}: {}", fault.row, legs.server, legs.client, shown(&told));
    }
    let message = |node: Node<'_>| node.get("message").and_then(Node::text).map(std::borrow::Cow::into_owned);
    assert_eq!(message(params.root()), message(told.root()), "what a person reads is kept");
}

/// A client's answer, as the server gets it.
fn reply(legs: Legs, method: Method, answer: &Document) {
    if check_result(method, answer.root(), legs.client).is_err() {
        return;
    }
    let mut edits = Edits::new();
    legs.answer(method, answer.root(), &mut edits);
    let told = printed(answer, &edits);
    let action = |node: Node<'_>| node.get("action").and_then(Node::text).map(std::borrow::Cow::into_owned);
    assert_eq!(action(answer.root()), action(told.root()), "what a person decided is kept");
    if method == Method::CreateMessage && legs.server < NOVEMBER && legs.client >= NOVEMBER {
        // A server that was not asked with tools gets none; what it does not know it refuses.
        return;
    }
    if let Err(fault) = check_result(method, told.root(), legs.server) {
        panic!("row {} refuses an answer to {method} from {} to {}: {}", fault.row, legs.client, legs.server, shown(&told));
    }
}
