//! The objects that params and results share: content, resources, icons, what an implementation says of itself.

use super::{Case, Field, Shape, case, may, must};
use crate::revision::Revision;

const MARCH: Revision = Revision::R2025_03_26;
const JUNE: Revision = Revision::R2025_06_18;
const NOVEMBER: Revision = Revision::R2025_11_25;
const MODERN: Revision = Revision::R2026_07_28;

/// `_meta` of a result or of params that are no message of their own.
pub(super) const META: Field = may("_meta", &Shape::Meta);
/// `_meta` of what stands inside of a message.
pub(super) const INNER_META: Field = META.since(JUNE);
pub(super) const ROLE: Shape = Shape::Choice(&["user", "assistant"]);

static TEXTS: Shape = Shape::List(&Shape::Text);

pub(super) static ICONS: Shape = Shape::List(&Shape::Object(&[
    must("src", &Shape::IconUri),
    may("mimeType", &Shape::Text),
    may("sizes", &TEXTS),
    may("theme", &Shape::Choice(&["light", "dark"])),
]));

pub(super) static IMPLEMENTATION: Shape = Shape::Object(&[
    must("name", &Shape::Text),
    must("version", &Shape::Text),
    may("title", &Shape::Text).since(JUNE),
    may("description", &Shape::Text).since(NOVEMBER),
    may("websiteUrl", &Shape::Text).since(NOVEMBER),
    may("icons", &ICONS).since(NOVEMBER),
]);

pub(super) static ANNOTATIONS: Shape =
    Shape::Object(&[may("audience", &Shape::List(&ROLE)), may("priority", &Shape::Number), may("lastModified", &Shape::Text).since(JUNE)]);

/// What a resource holds: text or Base64, never both.
pub(super) static CONTENTS: Shape = Shape::By(|node| match (node.get("text"), node.get("blob")) {
    (Some(_), None) => Some(&TEXT_CONTENTS),
    (None, Some(_)) => Some(&BLOB_CONTENTS),
    _ => None,
});
static TEXT_CONTENTS: Shape =
    Shape::Object(&[must("uri", &Shape::Uri), must("text", &Shape::Text), may("mimeType", &Shape::Text), INNER_META]);
static BLOB_CONTENTS: Shape =
    Shape::Object(&[must("uri", &Shape::Uri), must("blob", &Shape::Base64), may("mimeType", &Shape::Text), INNER_META]);

static TEXT: Shape = Shape::Object(&[must("type", &Shape::Text), must("text", &Shape::Text), may("annotations", &ANNOTATIONS), INNER_META]);
static MEDIA: Shape = Shape::Object(&[
    must("type", &Shape::Text),
    must("data", &Shape::Base64),
    must("mimeType", &Shape::Text),
    may("annotations", &ANNOTATIONS),
    INNER_META,
]);
static LINK: Shape = Shape::Object(&[
    must("type", &Shape::Text),
    must("uri", &Shape::Uri),
    must("name", &Shape::Label),
    may("title", &Shape::Text),
    may("description", &Shape::Text),
    may("mimeType", &Shape::Text),
    may("size", &Shape::Integer),
    may("annotations", &ANNOTATIONS),
    may("icons", &ICONS).since(NOVEMBER),
    INNER_META,
]);
static EMBEDDED: Shape =
    Shape::Object(&[must("type", &Shape::Text), must("resource", &CONTENTS), may("annotations", &ANNOTATIONS), INNER_META]);

/// What a tool returns or a prompt says.
pub(super) static BLOCK: Shape = Shape::Tagged(&[
    case("text", &TEXT),
    case("image", &MEDIA),
    AUDIO,
    case("resource_link", &LINK).since(JUNE),
    case("resource", &EMBEDDED),
]);
const AUDIO: Case = case("audio", &MEDIA).since(MARCH);

static TOOL_USE: Shape = Shape::Object(&[
    must("type", &Shape::Text),
    must("id", &Shape::Text),
    must("name", &Shape::Name),
    must("input", &Shape::Free),
    INNER_META,
]);
static TOOL_RESULT: Shape = Shape::Object(&[
    must("type", &Shape::Text),
    must("toolUseId", &Shape::Text),
    must("content", &Shape::List(&BLOCK)),
    may("structuredContent", &Shape::Free).until(NOVEMBER),
    may("structuredContent", &Shape::Any).since(MODERN),
    may("isError", &Shape::Bool),
    INNER_META,
]);

/// What a model is told or says.
pub(super) static SAMPLING: Shape = Shape::OneOrMany(
    NOVEMBER,
    &Shape::Tagged(&[
        case("text", &TEXT),
        case("image", &MEDIA),
        AUDIO,
        case("tool_use", &TOOL_USE).since(NOVEMBER),
        case("tool_result", &TOOL_RESULT).since(NOVEMBER),
    ]),
);

pub(super) static TOOL: Shape = Shape::Object(&[
    must("name", &Shape::Label),
    must("inputSchema", &Shape::Schema),
    may("title", &Shape::Text).since(JUNE),
    may("description", &Shape::Text),
    may("outputSchema", &Shape::Schema).since(JUNE).until(NOVEMBER),
    may("outputSchema", &Shape::Free).since(MODERN),
    may(
        "annotations",
        &Shape::Object(&[
            may("title", &Shape::Text),
            may("readOnlyHint", &Shape::Bool),
            may("destructiveHint", &Shape::Bool),
            may("idempotentHint", &Shape::Bool),
            may("openWorldHint", &Shape::Bool),
        ]),
    )
    .since(MARCH),
    may("execution", &Shape::Object(&[may("taskSupport", &Shape::Choice(&["forbidden", "optional", "required"]))]))
        .since(NOVEMBER)
        .until(NOVEMBER),
    may("icons", &ICONS).since(NOVEMBER),
    INNER_META,
]);

pub(super) static TASK: Shape = Shape::Object(&[
    META,
    must("taskId", &Shape::Name),
    must("status", &Shape::Choice(&["working", "input_required", "completed", "failed", "cancelled"])),
    must("createdAt", &Shape::Text),
    must("lastUpdatedAt", &Shape::Text),
    must("ttl", &Shape::IntegerOrNull),
    may("pollInterval", &Shape::Integer),
    may("statusMessage", &Shape::Text),
]);
