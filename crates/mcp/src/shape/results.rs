//! The result of each method.

use super::block::{ANNOTATIONS, BLOCK, CONTENTS, ICONS, IMPLEMENTATION, INNER_META, META, ROLE, SAMPLING, TASK, TOOL};
use super::{Field, SUBSCRIPTION_KEY, Shape, may, must, params};
use crate::bounds::Bounds;
use crate::document::{Kind, Node};
use crate::method::Method;
use crate::revision::Revision;

const JUNE: Revision = Revision::R2025_06_18;
const NOVEMBER: Revision = Revision::R2025_11_25;
const MODERN: Revision = Revision::R2026_07_28;
const NEXT: Field = may("nextCursor", &Shape::Text);

/// A server of an older revision says nothing, and a modern one that says nothing means the same.
const WHOLE: Field = may("resultType", &Shape::Choice(&["complete"])).since(MODERN);
const TTL: Field = must("ttlMs", &Shape::Natural).since(MODERN);
const SCOPE: Field = must("cacheScope", &Shape::Choice(&["private", "public"])).since(MODERN);

static EMPTY: Shape = Shape::Object(&[META, WHOLE]);

static LISTENED: Shape = Shape::Object(&[must("_meta", &Shape::MetaWith(SUBSCRIPTION_KEY)), WHOLE]);

/// Questions to the client, or only a state to come back with; one of the two there must be.
static INPUT_REQUIRED: Shape = Shape::By(|node| match (node.get("inputRequests"), node.get("requestState")) {
    (None, None) => None,
    _ => Some(&QUESTIONS),
});
static QUESTIONS: Shape = Shape::Object(&[
    META,
    must("resultType", &Shape::Choice(&["input_required"])).since(MODERN),
    may("inputRequests", &Shape::MapUpTo(Bounds::QUESTIONS, &params::QUESTION)).since(MODERN),
    may("requestState", &Shape::TextUpTo(Bounds::STATE)).since(MODERN),
]);

/// The answer to one question in a client's next request: which one it answers, only the server's key tells.
pub(super) static ANSWER: Shape = Shape::By(|node| match (node.get("action"), node.get("roots")) {
    (Some(_), None) => Some(&ELICITED),
    (None, Some(_)) => Some(&ROOTS),
    (None, None) => Some(&CREATED),
    (Some(_), Some(_)) => None,
});

static INITIALIZE: Shape = Shape::Object(&[
    META,
    must("protocolVersion", &Shape::Text),
    must("capabilities", &Shape::Open),
    must("serverInfo", &IMPLEMENTATION),
    may("instructions", &Shape::Text),
]);

static TOOLS: Shape = Shape::Object(&[META, WHOLE, TTL, SCOPE, NEXT, must("tools", &Shape::List(&TOOL))]);

static CALL: Shape = Shape::Object(&[
    META,
    WHOLE,
    must("content", &Shape::List(&BLOCK)),
    may("structuredContent", &Shape::Free).since(JUNE).until(NOVEMBER),
    may("structuredContent", &Shape::Any).since(MODERN),
    may("isError", &Shape::Bool),
]);

static RESOURCES: Shape = Shape::Object(&[META, WHOLE, TTL, SCOPE, NEXT, must("resources", &Shape::List(&RESOURCE))]);

pub(super) static RESOURCE: Shape = Shape::Object(&[
    must("uri", &Shape::Uri),
    must("name", &Shape::Label),
    may("title", &Shape::Text).since(JUNE),
    may("description", &Shape::Text),
    may("mimeType", &Shape::Text),
    may("size", &Shape::Integer),
    may("annotations", &ANNOTATIONS),
    may("icons", &ICONS).since(NOVEMBER),
    INNER_META,
]);

static TEMPLATES: Shape = Shape::Object(&[META, WHOLE, TTL, SCOPE, NEXT, must("resourceTemplates", &Shape::List(&TEMPLATE))]);

pub(super) static TEMPLATE: Shape = Shape::Object(&[
    must("uriTemplate", &Shape::Uri),
    must("name", &Shape::Label),
    may("title", &Shape::Text).since(JUNE),
    may("description", &Shape::Text),
    may("mimeType", &Shape::Text),
    may("annotations", &ANNOTATIONS),
    may("icons", &ICONS).since(NOVEMBER),
    INNER_META,
]);

static READ: Shape = Shape::Object(&[META, WHOLE, TTL, SCOPE, must("contents", &Shape::List(&CONTENTS))]);

static PROMPTS: Shape = Shape::Object(&[META, WHOLE, TTL, SCOPE, NEXT, must("prompts", &Shape::List(&PROMPT_LISTED))]);

pub(super) static PROMPT_LISTED: Shape = Shape::Object(&[
    must("name", &Shape::Label),
    may("title", &Shape::Text).since(JUNE),
    may("description", &Shape::Text),
    may(
        "arguments",
        &Shape::List(&Shape::Object(&[
            must("name", &Shape::Label),
            may("title", &Shape::Text).since(JUNE),
            may("description", &Shape::Text),
            may("required", &Shape::Bool),
        ])),
    ),
    may("icons", &ICONS).since(NOVEMBER),
    INNER_META,
]);

static PROMPT: Shape = Shape::Object(&[
    META,
    WHOLE,
    may("description", &Shape::Text),
    must("messages", &Shape::List(&Shape::Object(&[must("role", &ROLE), must("content", &BLOCK)]))),
]);

static COMPLETION: Shape = Shape::Object(&[
    META,
    WHOLE,
    must(
        "completion",
        &Shape::Object(&[
            must("values", &Shape::ListUpTo(Bounds::COMPLETIONS, &Shape::Text)),
            may("total", &Shape::Integer),
            may("hasMore", &Shape::Bool),
        ]),
    ),
]);

static ELICITED: Shape = Shape::Object(&[
    META,
    must("action", &Shape::Choice(&["accept", "decline", "cancel"])),
    may(
        "content",
        &Shape::Map(&Shape::By(|node| match node.kind() {
            Kind::Text => Some(&Shape::Text),
            Kind::Number => Some(&Shape::Number),
            Kind::Bool => Some(&Shape::Bool),
            Kind::Array => Some(&Shape::List(&Shape::Text)),
            Kind::Null | Kind::Object | Kind::Key => None,
        })),
    ),
]);

static CREATED: Shape =
    Shape::Object(&[META, must("role", &ROLE), must("content", &SAMPLING), must("model", &Shape::Text), may("stopReason", &Shape::Text)]);

static ROOTS: Shape =
    Shape::Object(&[META, must("roots", &Shape::List(&Shape::Object(&[must("uri", &Shape::Uri), may("name", &Shape::Text), INNER_META])))]);

static TASKS: Shape = Shape::Object(&[META, NEXT, must("tasks", &Shape::List(&TASK))]);

/// Drafts of the revision named the server here, and servers do still; it is read from `_meta` alone.
static DISCOVERED: Shape = Shape::Object(&[
    META,
    WHOLE,
    TTL,
    SCOPE,
    must("supportedVersions", &Shape::List(&Shape::Text)),
    must("capabilities", &Shape::Open),
    may("instructions", &Shape::Text),
    may("serverInfo", &IMPLEMENTATION),
]);

/// The shape of `result`. A modern server may answer some methods with questions first, which the result says itself.
pub(super) fn of(method: Method, result: Node<'_>, revision: Revision) -> &'static Shape {
    if !revision.is_legacy() && method.may_ask() && result.get("resultType").is_some_and(|kind| kind.is_text("input_required")) {
        return &INPUT_REQUIRED;
    }
    match method {
        Method::Initialize => &INITIALIZE,
        Method::Discover => &DISCOVERED,
        Method::ListTools => &TOOLS,
        Method::CallTool => &CALL,
        Method::ListResources => &RESOURCES,
        Method::ListResourceTemplates => &TEMPLATES,
        Method::ReadResource => &READ,
        Method::ListPrompts => &PROMPTS,
        Method::GetPrompt => &PROMPT,
        Method::Complete => &COMPLETION,
        Method::Elicit => &ELICITED,
        Method::CreateMessage => &CREATED,
        Method::ListRoots => &ROOTS,
        Method::GetTask | Method::CancelTask => &TASK,
        Method::TaskResult => &Shape::Free,
        Method::ListTasks => &TASKS,
        Method::Listen => &LISTENED,
        Method::Ping | Method::Subscribe | Method::Unsubscribe | Method::SetLevel => &EMPTY,
        Method::Initialized
        | Method::ListenAcknowledged
        | Method::Cancelled
        | Method::Progress
        | Method::LogMessage
        | Method::ToolsChanged
        | Method::PromptsChanged
        | Method::ResourcesChanged
        | Method::ResourceUpdated
        | Method::ElicitationComplete
        | Method::RootsChanged
        | Method::TaskStatus => &EMPTY,
    }
}
