//! Spans, as `trace.proto` has them.

use crate::context::{SpanId, TraceId};
use crate::protobuf::Writer;

/// The most bytes of a text in an attribute.
const TEXT: usize = 256;
/// The attribute that a span has which failed.
const ERROR: &str = "error.type";
/// That our parent, where there is one, is known, and is somebody else's (`SpanFlags`).
const REMOTE: u32 = 0x300;
/// That it is known, and is ours.
const OWN: u32 = 0x100;

/// Who a span is told from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From who answers.
    Server,
    /// From who asks.
    Client,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text; what is longer than 256 bytes is cut.
    Text(String),
    /// A word of ours.
    Word(&'static str),
    /// A whole number.
    Int(i64),
}

/// What happened on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub name: &'static str,
    /// When, in nanoseconds since 1970.
    pub at: u64,
}

/// One span.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its trace.
    pub trace: TraceId,
    /// Itself.
    pub id: SpanId,
    /// Within which; none where the trace begins with it.
    pub parent: Option<SpanId>,
    /// From whom.
    pub kind: Kind,
    /// What it is called.
    pub name: String,
    /// From when, in nanoseconds since 1970.
    pub from: u64,
    /// Until when, in nanoseconds since 1970.
    pub to: u64,
    /// What is known of it. With `error.type` among them it failed.
    pub attributes: Vec<(&'static str, Value)>,
    /// What happened on the way, in order.
    pub events: Vec<Event>,
}

/// What tells.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its attributes, such as `service.name`.
    pub attributes: Vec<(&'static str, Value)>,
    /// Its version.
    pub version: &'static str,
}

impl Resource {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.message(1, |resource| attributes(resource, 1, &self.attributes));
    }

    pub(crate) fn scope(&self, out: &mut Writer) {
        out.message(1, |scope| {
            scope.bytes(1, b"bastide");
            scope.bytes(2, self.version.as_bytes());
        });
    }
}

pub(crate) fn attribute(out: &mut Writer, field: u32, key: &str, value: &Value) {
    out.message(field, |entry| {
        entry.bytes(1, key.as_bytes());
        entry.message(2, |any| match value {
            Value::Text(text) => any.bytes(1, text.get(..text.floor_char_boundary(TEXT)).unwrap_or_default().as_bytes()),
            Value::Word(word) => any.bytes(1, word.as_bytes()),
            Value::Int(number) => any.int(3, *number),
        });
    });
}

fn attributes(out: &mut Writer, field: u32, all: &[(&'static str, Value)]) {
    for (key, value) in all {
        attribute(out, field, key, value);
    }
}

/// Prints an `ExportTraceServiceRequest`.
pub fn print_spans(resource: &Resource, spans: &[Span]) -> Vec<u8> {
    let mut out = Writer::default();
    out.message(1, |all| {
        resource.write(all);
        all.message(2, |scoped| {
            resource.scope(scoped);
            for span in spans {
                scoped.message(2, |out| print(span, out));
            }
        });
    });
    out.finish()
}

fn print(span: &Span, out: &mut Writer) {
    out.bytes(1, span.trace.bytes());
    out.bytes(2, span.id.bytes());
    if let Some(parent) = &span.parent {
        out.bytes(4, parent.bytes());
    }
    out.bytes(5, span.name.as_bytes());
    let (kind, whose) = match span.kind {
        Kind::Server => (2, REMOTE),
        Kind::Client => (3, OWN),
    };
    out.uint(6, kind);
    out.fixed64(7, span.from);
    out.fixed64(8, span.to);
    attributes(out, 9, &span.attributes);
    for event in &span.events {
        out.message(11, |out| {
            out.fixed64(1, event.at);
            out.bytes(2, event.name.as_bytes());
        });
    }
    if span.attributes.iter().any(|(key, _)| *key == ERROR) {
        out.message(15, |status| status.uint(3, 2));
    }
    // What is sent at all was sampled.
    out.fixed32(16, 1 | if span.parent.is_some() { whose } else { OWN });
}
