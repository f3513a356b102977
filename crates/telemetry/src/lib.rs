//! Trace context, spans and metrics, printed as the OpenTelemetry protocol says them. Pure: who sends them is `gateway/src/report.rs`.
//!
//! Only what is sent is printed here, field by field; of what comes back one number is read. So no schema compiler and no generated code is needed.
//!
//! Sources: W3C Trace Context; OpenTelemetry protocol 1.9 (`trace.proto`, `metrics.proto`, `resource.proto`, `common.proto`).
//! Control: `audit.correlation`.

mod context;
mod metric;
mod protobuf;
mod span;
mod state;

pub use context::{Context, Sampled, SpanId, TraceId, Traceparent};
pub use metric::{Moments, Printed, print_metrics};
pub use protobuf::rejected;
pub use span::{Event, Kind, Resource, Span, Value, print_spans};
pub use state::Tracestate;
