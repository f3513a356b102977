//! When a credential is due for a new value.

use crate::Address;
use std::time::Duration;
use terms::Utc;

/// How often a credential gets a new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// How old a value may become.
    pub every: Duration,
}

/// Whether a value is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Not before this time.
    Later(Address, Utc),
    /// Since this time.
    Since(Address, Utc),
}

impl Rotation {
    /// Whether the value of `address`, set at `updated`, is due at `now`.
    pub fn due(self, address: Address, updated: Utc, now: Utc) -> Due {
        let at = updated.after(self.every);
        if now < at { Due::Later(address, at) } else { Due::Since(address, at) }
    }
}
