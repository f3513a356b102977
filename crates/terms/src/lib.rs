//! The glossary as types: the nouns that every other crate speaks in.
//!
//! Pure and synchronous. What comes from outside (time, chance) enters through the ports [`Clock`] and [`Entropy`].

mod address;
mod control;
mod finding;
mod id;
mod label;
mod name;
mod port;
mod principal;
mod refusal;
mod secret;
mod time;
mod untrusted;

pub use address::{Reach, reach};
pub use control::{Control, Priority};
pub use finding::{Action, Class, Finding, Span};
pub use id::{CallId, FindingId, KeyId, ParseIdError, RecordId, SessionId, TokenId};
pub use label::{Label, Operation, Trust};
pub use name::{Name, NameError, ServerName};
pub use port::{Clock, Entropy};
pub use principal::{Authenticated, Principal, Workload};
pub use refusal::{Argument, Code, Hole, Refusal, Side};
pub use secret::Secret;
pub use time::{Instant, Utc};
pub use untrusted::Untrusted;
