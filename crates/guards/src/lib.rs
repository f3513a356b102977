//! Judges argument values: against the tool's JSON Schema, and against the operator's own constraints.
//!
//! Stands in `resolve` (schemas, constraints) and in `screen` (structured results). Schemas come from servers and are hostile input:
//! [`schema::Compiled::new`] takes only those that can be checked in bounded time and memory.
//!
//! Controls: `access.argument-schemas`, `access.argument-policies`.

mod constraint;
mod error;
mod format;
mod mismatch;
pub mod schema;

pub use constraint::{Bound, Constraint, Constraints, GuardKind, Kind, Normal, Text};
pub use error::Error;
pub use format::Format;
pub use mismatch::Mismatch;
