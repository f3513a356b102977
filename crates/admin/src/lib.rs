//! Everything administrative: the closed list of acts, the one function that performs them, and the API over it.
//!
//! Read `act.rs` and `perform.rs` first. The API (`api`) and the command line only build an [`Act`] and hand it to [`perform`]; what is only looked at comes
//! from `view`. What the binary provides comes in as [`Admin`].
//!
//! An agent's token cannot be offered here: operators are known by the socket's credentials or by the key of this installation.

mod act;
mod answer;
mod api;
mod authority;
pub mod client;
mod error;
mod guard;
mod key;
mod listen;
mod operator;
mod perform;
mod review;
mod view;

pub use act::{Act, Gravity, TokenWish};
pub use answer::{Answer, Cut, Handed, Pass, Revoked};
pub use api::{OPENAPI, router};
pub use authority::{
    Adoption, Authorities, CertificateWish, Certified, Founded, Founding, Invited, KeyPlace, Renewal, Renewed, TakenBack, Unissued,
};
pub use error::{Error, Fault};
pub use key::Key;
pub use listen::{Opened, serve_local, serve_tcp};
pub use operator::{Operator, Way};
pub use perform::{Admin, Lobby, Pending, Reload, Reloaded, Side, perform};
pub use review::{Approved, Call, Differs, Forgotten, Look, Noted, Reviews, Seek, Unreviewed, Watched, Watching, Whose, Withheld};
pub use view::{Held, ServerView, SessionView, StatusView, servers, sessions, status};
