//! The params of each method.

use super::block::{IMPLEMENTATION, INNER_META, META, ROLE, SAMPLING, TASK, TOOL};
use super::results;
use super::{Field, Shape, case, may, must};
use crate::bounds::Bounds;
use crate::method::Method;
use crate::revision::Revision;

const MARCH: Revision = Revision::R2025_03_26;
const JUNE: Revision = Revision::R2025_06_18;
const NOVEMBER: Revision = Revision::R2025_11_25;
const MODERN: Revision = Revision::R2026_07_28;

/// `_meta` of a message.
const OWN_META: Field = may("_meta", &Shape::MessageMeta);
const STRINGS: Shape = Shape::Map(&Shape::Text);
const TASK_WISH: Field = may("task", &Shape::Object(&[may("ttl", &Shape::Integer)])).since(NOVEMBER).until(NOVEMBER);
/// What clients of an older revision wish is not minded.
const OLD_TASK_WISH: Field = may("task", &Shape::Open).since(Revision::R2026_07_28);

/// What a client returns with when it was asked something: the answers by the server's keys, and the server's state.
const ANSWERS: Field = may("inputResponses", &ANSWER_MAP).since(MODERN);
static ANSWER_MAP: Shape = Shape::MapUpTo(Bounds::QUESTIONS, &results::ANSWER);
const STATE: Field = may("requestState", &Shape::TextUpTo(Bounds::STATE)).since(MODERN);

static PLAIN: Shape = Shape::Object(&[OWN_META]);
static PAGE: Shape = Shape::Object(&[OWN_META, may("cursor", &Shape::Text)]);
static ROOTS: Shape = Shape::Object(&[META]);
static READ: Shape = Shape::Object(&[OWN_META, must("uri", &Shape::Uri), ANSWERS, STATE]);
static ADDRESS: Shape = Shape::Object(&[OWN_META, must("uri", &Shape::Uri)]);
static OF_TASK: Shape = Shape::Object(&[OWN_META, must("taskId", &Shape::Name)]);

pub(super) const LEVEL: Shape = Shape::Choice(&["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]);

static INITIALIZE: Shape = Shape::Object(&[
    OWN_META,
    must("protocolVersion", &Shape::Text),
    must("capabilities", &Shape::Open),
    must("clientInfo", &IMPLEMENTATION),
]);

static CALL: Shape =
    Shape::Object(&[OWN_META, must("name", &Shape::Name), may("arguments", &Shape::Free), TASK_WISH, OLD_TASK_WISH, ANSWERS, STATE]);

static PROMPT: Shape = Shape::Object(&[OWN_META, must("name", &Shape::Name), may("arguments", &STRINGS), ANSWERS, STATE]);

static COMPLETE: Shape = Shape::Object(&[
    OWN_META,
    must(
        "ref",
        &Shape::Tagged(&[
            case(
                "ref/prompt",
                &Shape::Object(&[must("type", &Shape::Text), must("name", &Shape::Name), may("title", &Shape::Text).since(JUNE)]),
            ),
            case("ref/resource", &Shape::Object(&[must("type", &Shape::Text), must("uri", &Shape::Uri)])),
        ]),
    ),
    must("argument", &Shape::Object(&[must("name", &Shape::Name), must("value", &Shape::Text)])),
    may("context", &Shape::Object(&[may("arguments", &STRINGS)])).since(JUNE),
]);

static SET_LEVEL: Shape = Shape::Object(&[OWN_META, must("level", &LEVEL)]);

static LISTEN: Shape = Shape::Object(&[
    OWN_META,
    must(
        "notifications",
        &Shape::Object(&[
            may("toolsListChanged", &Shape::Bool),
            may("promptsListChanged", &Shape::Bool),
            may("resourcesListChanged", &Shape::Bool),
            may("resourceSubscriptions", &Shape::List(&Shape::Uri)),
        ]),
    ),
]);

/// Only a task is cancelled without naming a request.
static CANCELLED: Shape = Shape::Object(&[
    OWN_META,
    must("requestId", &Shape::Token).until(JUNE),
    may("requestId", &Shape::Token).since(NOVEMBER).until(NOVEMBER),
    must("requestId", &Shape::Token).since(MODERN),
    may("reason", &Shape::Text),
]);

static PROGRESS: Shape = Shape::Object(&[
    OWN_META,
    must("progressToken", &Shape::Token),
    must("progress", &Shape::Number),
    may("total", &Shape::Number),
    may("message", &Shape::Text).since(MARCH),
]);

static LOG: Shape = Shape::Object(&[OWN_META, must("level", &LEVEL), must("data", &Shape::Any), may("logger", &Shape::Text)]);

/// A form or an address; without `mode` it is a form.
static ELICIT: Shape = Shape::By(|node| match node.get("mode") {
    None => Some(&FORM),
    Some(mode) if mode.is_text("form") => Some(&FORM),
    Some(mode) if mode.is_text("url") => Some(&PAGE_OF_URL),
    Some(_) => None,
});
static FORM: Shape = Shape::Object(&[
    META,
    may("mode", &Shape::Text).since(NOVEMBER),
    must("message", &Shape::Text),
    must(
        "requestedSchema",
        &Shape::Object(&[
            may("$schema", &Shape::Text).since(NOVEMBER),
            TITLE,
            DESCRIPTION,
            must("type", &Shape::Choice(&["object"])),
            must("properties", &Shape::Map(&PRIMITIVE)),
            may("required", &Shape::List(&Shape::Text)),
        ]),
    ),
    TASK_WISH,
]);
static PAGE_OF_URL: Shape = Shape::Object(&[
    META,
    must("mode", &Shape::Text).since(NOVEMBER),
    must("message", &Shape::Text),
    must("url", &Shape::PageUri),
    must("elicitationId", &Shape::Name).until(NOVEMBER),
    TASK_WISH,
]);

/// The `data` of the error [`crate::URL_ELICITATION_REQUIRED`].
pub(super) static ELICITATIONS: Shape = Shape::Object(&[must("elicitations", &Shape::List(&PAGE_OF_URL))]);

/// The `data` of the error [`crate::CAPABILITY_MISSING`].
pub(super) static MISSING: Shape = Shape::Object(&[must("requiredCapabilities", &Shape::Open)]);

const TITLE: Field = may("title", &Shape::Text);
const DESCRIPTION: Field = may("description", &Shape::Text);
const CHOICES: Shape = Shape::List(&Shape::Object(&[must("const", &Shape::Text), must("title", &Shape::Text)]));

/// A question of a form: flat, and of a primitive kind.
static PRIMITIVE: Shape = Shape::Tagged(&[
    case(
        "string",
        &Shape::Object(&[
            must("type", &Shape::Text),
            TITLE,
            DESCRIPTION,
            may("minLength", &Shape::Integer),
            may("maxLength", &Shape::Integer),
            may("format", &Shape::Choice(&["date", "date-time", "email", "uri"])),
            may("enum", &Shape::List(&Shape::Text)),
            may("enumNames", &Shape::List(&Shape::Text)),
            may("oneOf", &CHOICES).since(NOVEMBER),
            may("default", &Shape::Text).since(NOVEMBER),
        ]),
    ),
    case("number", &NUMBER),
    case("integer", &NUMBER),
    case("boolean", &Shape::Object(&[must("type", &Shape::Text), TITLE, DESCRIPTION, may("default", &Shape::Bool)])),
    case(
        "array",
        &Shape::Object(&[
            must("type", &Shape::Text),
            TITLE,
            DESCRIPTION,
            may("minItems", &Shape::Integer),
            may("maxItems", &Shape::Integer),
            must(
                "items",
                &Shape::Object(&[
                    may("type", &Shape::Choice(&["string"])),
                    may("enum", &Shape::List(&Shape::Text)),
                    may("anyOf", &CHOICES),
                ]),
            ),
            may("default", &Shape::List(&Shape::Text)),
        ]),
    )
    .since(NOVEMBER),
]);
static NUMBER: Shape = Shape::Object(&[
    must("type", &Shape::Text),
    TITLE,
    DESCRIPTION,
    may("minimum", &Shape::Number),
    may("maximum", &Shape::Number),
    may("default", &Shape::Number).since(NOVEMBER),
]);

static CREATE_MESSAGE: Shape = Shape::Object(&[
    META,
    must("messages", &Shape::List(&Shape::Object(&[must("role", &ROLE), must("content", &SAMPLING), INNER_META.since(NOVEMBER)]))),
    must("maxTokens", &Shape::Integer),
    may(
        "modelPreferences",
        &Shape::Object(&[
            may("hints", &Shape::List(&Shape::Object(&[may("name", &Shape::Text)]))),
            may("costPriority", &Shape::Number),
            may("speedPriority", &Shape::Number),
            may("intelligencePriority", &Shape::Number),
        ]),
    ),
    may("systemPrompt", &Shape::Text),
    may("includeContext", &Shape::Choice(&["none", "thisServer", "allServers"])),
    may("temperature", &Shape::Number),
    may("stopSequences", &Shape::List(&Shape::Text)),
    may("metadata", &Shape::Open),
    may("tools", &Shape::List(&TOOL)).since(NOVEMBER),
    may("toolChoice", &Shape::Object(&[may("mode", &Shape::Choice(&["auto", "none", "required"]))])).since(NOVEMBER),
    TASK_WISH,
]);

static ELICITATION_COMPLETE: Shape = Shape::Object(&[OWN_META, must("elicitationId", &Shape::Name)]);

/// What a modern server asks in the result of another request.
pub(super) static QUESTION: Shape = Shape::By(|node| match Method::parse(&node.get("method")?.text()?)? {
    Method::Elicit => Some(&ASKED_ELICIT),
    Method::CreateMessage => Some(&ASKED_MESSAGE),
    Method::ListRoots => Some(&ASKED_ROOTS),
    _ => None,
});
static ASKED_ELICIT: Shape = Shape::Object(&[must("method", &Shape::Text), must("params", &ELICIT)]);
static ASKED_MESSAGE: Shape = Shape::Object(&[must("method", &Shape::Text), must("params", &CREATE_MESSAGE)]);
static ASKED_ROOTS: Shape = Shape::Object(&[must("method", &Shape::Text), may("params", &ROOTS)]);

pub(super) fn of(method: Method) -> &'static Shape {
    match method {
        Method::Initialize => &INITIALIZE,
        Method::Initialized
        | Method::Discover
        | Method::Ping
        | Method::ToolsChanged
        | Method::PromptsChanged
        | Method::ResourcesChanged
        | Method::RootsChanged => &PLAIN,
        Method::ListRoots => &ROOTS,
        Method::ListTools | Method::ListResources | Method::ListResourceTemplates | Method::ListPrompts | Method::ListTasks => &PAGE,
        Method::CallTool => &CALL,
        Method::ReadResource => &READ,
        Method::Subscribe | Method::Unsubscribe | Method::ResourceUpdated => &ADDRESS,
        Method::GetPrompt => &PROMPT,
        Method::Complete => &COMPLETE,
        Method::SetLevel => &SET_LEVEL,
        Method::Listen | Method::ListenAcknowledged => &LISTEN,
        Method::Cancelled => &CANCELLED,
        Method::Progress => &PROGRESS,
        Method::LogMessage => &LOG,
        Method::Elicit => &ELICIT,
        Method::ElicitationComplete => &ELICITATION_COMPLETE,
        Method::CreateMessage => &CREATE_MESSAGE,
        Method::GetTask | Method::TaskResult | Method::CancelTask => &OF_TASK,
        Method::TaskStatus => &TASK,
    }
}
