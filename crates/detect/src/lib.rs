//! bytes in, findings out: decoding ladder, secrets, personal and financial data, injection, leaks
//!
//! Stands in the stages `inspect` and `screen`. It reports facts and never decides; what is done with a fact is the policy's word,
//! which [`redact`] carries out. A bound that is reached is a finding of [`terms::Class::Unseen`], so that nothing passes unseen.

mod budget;
mod card;
mod check;
mod credit;
mod custom;
mod detector;
mod echo;
mod email;
mod engine;
mod error;
mod hidden;
pub mod jsonl;
mod keyword;
mod ladder;
mod leak;
mod mask;
mod number;
mod part;
mod person;
mod redact;
mod rule;
mod scan;
mod secret;
mod stream;
mod turned;
mod view;
mod words;

pub use budget::Budget;
pub use check::Check;
pub use credit::{is_credit, is_credit_key};
pub use custom::{LONGEST_PATTERN, check_pattern, words};
pub use echo::Echo;
pub use engine::{Channel, Engine, Report, Scratch};
pub use error::Error;
pub use hidden::{Hidden, hidden};
pub use leak::leaks;
pub use redact::{Actions, Marks, Numbers, Personal, Tokens, mark, redact};
pub use rule::{REACH, Rule, Rules};
pub use stream::Stream;
