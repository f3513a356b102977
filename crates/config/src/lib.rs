//! One YAML file becomes one checked [`File`]; everything that is wrong with it is said at once.
//!
//! Order of a load: bounds, the YAML tree with its places (`tree`), the typed file (`file`), what this release does
//! not build (`built`), what must fit together (`cross`), accepted risks (`risk`). Reading is pure: the bytes,
//! the home folder, the time and the facts about the file are handed in.

mod amend;
mod built;
mod cases;
mod client;
mod cross;
mod decode;
mod edit;
mod file;
mod init;
mod load;
mod locate;
mod parameters;
mod problem;
mod propose;
mod quota;
mod risk;
mod snapshot;
mod sources;
mod suppress;
mod tree;
mod unit;

pub use amend::{Amended, Boxed, amend};
pub use built::{NotBuilt, not_built};
pub use cases::{Caller, Case, Expect, Expected, Handled, Screened, cases};
pub use edit::{Edited, Put, edit, scalar};
pub use file::*;
pub use init::{Starter, init_text};
pub use load::{Loaded, Source, load, schema};
pub use locate::{Access, Facts, LocateError, Sort, Step, find};
pub use parameters::parameters;
pub use problem::{Fault, Place, Problem, Problems, pointed};
pub use propose::{Proposal, propose};
pub use risk::Risk;
pub use snapshot::{Locked, Unfit, listen, repinned, screens, snapshot};
pub use sources::sources;
pub use suppress::Suppressed;
pub use unit::{Amount, Rate, Several, Share, Size, Span, Unit};
