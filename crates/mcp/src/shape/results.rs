//! The result of each method.

use super::block::{ANNOTATIONS, BLOCK, CONTENTS, ICONS, IMPLEMENTATION, META, ROLE, SAMPLING, TASK, TOOL};
use super::{Field, Shape, may, must};
use crate::bounds::Bounds;
use crate::document::Kind;
use crate::method::Method;
use crate::revision::Revision;

const JUNE: Revision = Revision::R2025_06_18;
const NOVEMBER: Revision = Revision::R2025_11_25;
const NEXT: Field = may("nextCursor", &Shape::Text);

static EMPTY: Shape = Shape::Object(&[META]);

static INITIALIZE: Shape = Shape::Object(&[
    META,
    must("protocolVersion", &Shape::Text),
    must("capabilities", &Shape::Open),
    must("serverInfo", &IMPLEMENTATION),
    may("instructions", &Shape::Text),
]);

static TOOLS: Shape = Shape::Object(&[META, NEXT, must("tools", &Shape::List(&TOOL))]);

static CALL: Shape = Shape::Object(&[
    META,
    must("content", &Shape::List(&BLOCK)),
    may("structuredContent", &Shape::Free).since(JUNE),
    may("isError", &Shape::Bool),
]);

static RESOURCES: Shape = Shape::Object(&[
    META,
    NEXT,
    must(
        "resources",
        &Shape::List(&Shape::Object(&[
            must("uri", &Shape::Uri),
            must("name", &Shape::Label),
            may("title", &Shape::Text).since(JUNE),
            may("description", &Shape::Text),
            may("mimeType", &Shape::Text),
            may("size", &Shape::Integer),
            may("annotations", &ANNOTATIONS),
            may("icons", &ICONS).since(NOVEMBER),
            META,
        ])),
    ),
]);

static TEMPLATES: Shape = Shape::Object(&[
    META,
    NEXT,
    must(
        "resourceTemplates",
        &Shape::List(&Shape::Object(&[
            must("uriTemplate", &Shape::Uri),
            must("name", &Shape::Label),
            may("title", &Shape::Text).since(JUNE),
            may("description", &Shape::Text),
            may("mimeType", &Shape::Text),
            may("annotations", &ANNOTATIONS),
            may("icons", &ICONS).since(NOVEMBER),
            META,
        ])),
    ),
]);

static READ: Shape = Shape::Object(&[META, must("contents", &Shape::List(&CONTENTS))]);

static PROMPTS: Shape = Shape::Object(&[
    META,
    NEXT,
    must(
        "prompts",
        &Shape::List(&Shape::Object(&[
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
            META,
        ])),
    ),
]);

static PROMPT: Shape = Shape::Object(&[
    META,
    may("description", &Shape::Text),
    must("messages", &Shape::List(&Shape::Object(&[must("role", &ROLE), must("content", &BLOCK)]))),
]);

static COMPLETION: Shape = Shape::Object(&[
    META,
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
    Shape::Object(&[META, must("roots", &Shape::List(&Shape::Object(&[must("uri", &Shape::Uri), may("name", &Shape::Text), META])))]);

static TASKS: Shape = Shape::Object(&[META, NEXT, must("tasks", &Shape::List(&TASK))]);

static DISCOVERED: Shape = Shape::Object(&[
    META,
    must("supportedVersions", &Shape::List(&Shape::Text)),
    must("capabilities", &Shape::Open),
    may("instructions", &Shape::Text),
]);

pub(super) fn of(method: Method) -> &'static Shape {
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
        Method::Ping | Method::Subscribe | Method::Unsubscribe | Method::SetLevel | Method::Listen | Method::UpdateTask => &EMPTY,
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
        | Method::TaskStatus
        | Method::TaskChanged => &EMPTY,
    }
}
