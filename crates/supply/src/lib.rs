//! The signed lock: what was reviewed of each server, and how it differs from what the server offers now.
//!
//! Pure and synchronous: bytes come in and go out, keys and times are handed in. A [`Lock`] can only come from
//! signed bytes or from [`approve`]; what a server offers is compared with it by [`compare`], and [`judge`] says per
//! definition whether it may be used.

mod approve;
mod canonical;
mod content;
mod difference;
mod error;
mod judge;
mod lock;
mod lookalike;
mod offer;
mod print;
mod review;
mod runner;
mod shown;

pub use approve::{Approval, approve};
pub use canonical::Definition;
pub use content::{Content, Digest, Package, Transport};
pub use difference::{Change, Changed, Difference, Part, compare};
pub use error::Error;
pub use judge::{Judgement, Status, judge};
pub use lock::{Aside, Lock, Pin, ServerPin, ServerRow};
pub use lookalike::{LookAlike, Resemblance, look_alikes};
pub use offer::{Fetched, Item, Kind, Offered};
pub use print::visible;
pub use review::Review;
pub use runner::{Registry, Runner, Wanted};
pub use shown::{fold, shown_as};
