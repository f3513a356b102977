//! The decision point: may this principal do this, and under which obligations.
//!
//! Roles (from YAML) and raw Cedar files compile to one Cedar policy set. [`Engine::decide`] is the only judge: listing, calling and
//! explaining go through it. Deny by default; a forbid wins; an evaluation that errs refuses.
//!
//! Stands in `decide`; [`Meters`] stands in `admit` and `enforce`. Controls: `access.deny-by-default`, `access.filtered-discovery`,
//! `access.rate-limits`, `access.budgets`, `data.labels`.

mod check;
mod compile;
mod condition;
mod diff;
mod digest;
mod engine;
mod error;
mod explain;
mod facts;
mod glob;
mod hours;
mod kept;
mod limit;
mod member;
mod misnamed;
mod model;
mod pattern;
mod place;
mod print;
mod raw;
mod replay;
mod role;
mod rule;
mod situation;
mod slice;
mod source;
mod space;
mod suggest;
mod unknown;
mod verdict;

pub use check::{Inventory, Notice, Why};
pub use condition::{Compare, Range, Scalar, Test, When};
pub use diff::{Change, Difference, Direction, Known, Side, diff, direction};
pub use engine::Engine;
pub use error::Error;
pub use explain::{Explanation, Miss, Near};
pub use facts::{Action, Facts, Method, Question, Subject};
pub use glob::{Glob, GlobError};
pub use hours::{HoursError, Schedule};
pub use limit::{Bound, Charge, Claim, Holder, LimitRule, Measure, MemoryMeters, MeterKey, Meters, Per, Quota, Quotas, Unit};
pub use member::{Environment, EnvironmentError, Member, MemberError, Network, NetworkError};
pub use pattern::{Pattern, PatternError};
pub use place::{Excerpt, Place, Problem};
pub use replay::{Alike, Decided, Ending, Many, Partly, Past, Replay};
pub use rule::{Effect, Rule};
pub use situation::{Arguments, Circumstances, Holds, Situation, Transport};
pub use source::{
    CedarSource, Discovery, Entry, Hours, Limits, Parameter, ParameterKind, Presence, RoleSource, ServerEntries, Sources, Strict, Tools,
};
pub use space::{Space, Spoken, TooMany};
pub use suggest::{Done, Globs, Suggested, Suggestion, Unused, Usage};
pub use verdict::{Judgement, Obligation, Reason, Release, Verdict, Wait, release};
