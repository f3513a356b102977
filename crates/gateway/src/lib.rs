//! The line, and what stands around it: sessions, doors to servers, records in the making.
//!
//! Read `line.rs` first: it is the life of a message. `doors.rs` is the only way to a server or a credential.

pub mod arrival;
pub mod calls;
mod channel;
mod content;
pub mod crowd;
pub mod cursor;
pub mod doors;
mod event;
pub mod forensics;
pub mod front;
pub mod gate;
mod halt;
pub mod kill;
pub mod line;
pub mod links;
pub mod local;
pub mod metrics;
pub mod moment;
mod names;
mod page;
mod place;
mod plain;
pub mod report;
pub mod rounds;
pub mod seal;
pub mod session;
pub mod snapshot;
mod standing;
pub mod strangers;
pub mod template;
mod trail;
pub mod withheld;
pub mod within;
