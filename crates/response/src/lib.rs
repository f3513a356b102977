//! The kill switch: what was stopped, by whom, and whether a call under way may go on.
//!
//! Pure: what must outlive the process goes through the port [`EpochStore`]. Stands behind the stages `accept`, `admit` and `forward`.
//! Control: `response.kill-switch`.

mod epoch;
mod error;
mod scope;
mod switch;

pub use epoch::{CallScope, Carried, Epochs, Stop, Stopped, Watch};
pub use error::{Error, Pending, PortFault};
pub use scope::{Member, Scope};
pub use switch::{EpochStore, Kept, Switch, Thrown};
