//! Which controls hold, on what evidence, and what follows from it.
//!
//! [`Evidence`] is what one control showed in one run; [`score`] makes an [`Assessment`] of it: a level, what blocks the next one, and sums.
//! [`Catalogue`] says how each control is assessed, what it maps to and what to do when it does not hold. [`json`] and [`text`] print.
//! This crate probes nothing: whoever drives the gateway hands the evidence in.

mod catalogue;
mod error;
mod evidence;
mod level;
mod report;
mod tally;
mod text;

pub use catalogue::{Catalogue, Entry, Framework, How, Mapping, Method, catalogue};
pub use error::Error;
pub use evidence::{Evidence, Outcome, Step};
pub use level::{Assessment, Level, Next, score};
pub use report::{Scope, json};
pub use tally::{Checklist, List, Tally};
pub use text::{Detail, text};
