//! Judges argument values: against the tool's JSON Schema, and against the operator's own constraints and guards.
//!
//! Stands in `resolve` (schemas, constraints), in `inspect` (guards) and in `screen` (structured results). Schemas come from servers and are hostile
//! input: [`schema::Compiled::new`] takes only those that can be checked in bounded time and memory. A guard gives a value's normal form, or why it is
//! refused ([`Reason`]); a normal form is its own. What a guard reads in a value tells which kind of operation a call is ([`operation`]).
//!
//! Controls: `access.argument-schemas`, `access.argument-policies`, `access.operations`, `tools.process`, `tools.files`, `tools.http`, `tools.database`,
//! `intent.smuggling`.

pub mod argv;
mod constraint;
mod error;
mod format;
mod guard;
pub mod jsonl;
mod mismatch;
mod open;
pub mod operation;
pub mod path;
mod refused;
pub mod schema;
pub mod smuggling;
pub mod sql;
mod text;
pub mod url;

pub use constraint::{Bound, Constraint, Constraints, Denied, Kind, Normal, Text};
pub use error::Error;
pub use format::Format;
pub use guard::{Found, Guard, GuardKind, Guards, Judged, Words};
pub use mismatch::Mismatch;
pub use open::OpenText;
pub use refused::{Reason, Refused};
