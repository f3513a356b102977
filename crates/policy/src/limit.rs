//! What may be used up: rates, budgets and calls under way, counted behind one port.
//!
//! A stated rate such as `120/min` is at most 120 in any minute, never one more: a leaky bucket that grants a burst of N lets almost 2N pass in one
//! unit. So what was used is kept as a log of its last unit ([`Bound::Window`]). A pace (`10/s` towards an interface) spreads calls evenly instead,
//! by the generic cell rate algorithm (ITU-T I.371; [`Bound::Pace`]).
//!
//! Controls: `access.rate-limits`, `access.budgets`.

mod claim;
mod memory;
mod pace;
mod window;

pub use claim::{Bound, Charge, Claim, Holder, MeterKey, Rule as LimitRule};
pub use memory::MemoryMeters;

use crate::{Engine, Error, Situation};
use std::fmt;
use std::time::Duration;
use terms::{Instant, Name, Principal, SessionId};

/// The span that a limit counts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// `s`
    Second,
    /// `min`
    Minute,
    /// `h`
    Hour,
    /// `d`
    Day,
}

impl Unit {
    /// Its length.
    pub const fn span(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        })
    }

    /// Its name in a sentence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Calls.
    Calls,
    /// Calls that change something, or of which that is not known.
    Mutations,
    /// Bytes received.
    Bytes,
    /// Units of cost.
    Cost,
    /// Calls of a session since a person was last asked.
    Depth,
    /// Calls under way.
    Inflight,
}

impl Measure {
    /// Its name in a sentence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Mutations => "calls that change something",
            Self::Bytes => "bytes received",
            Self::Cost => "units of cost",
            Self::Depth => "calls without a person in between",
            Self::Inflight => "calls under way",
        }
    }
}

/// Over what a quota counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Per {
    /// Any span of this unit.
    Unit(Unit),
    /// This unit, spread evenly over it.
    Pace(Unit),
    /// One session.
    Session,
    /// One moment.
    Moment,
}

/// At most so much of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Of what.
    pub measure: Measure,
    /// How much; at least 1.
    pub most: u64,
    /// Over what.
    pub per: Per,
}

impl Quota {
    /// At most `most` of `measure` in any span of `unit`.
    pub const fn window(measure: Measure, most: u64, unit: Unit) -> Self {
        Self { measure, most, per: Per::Unit(unit) }
    }

    /// At most `most` of `measure` in one session.
    pub const fn session(measure: Measure, most: u64) -> Self {
        Self { measure, most, per: Per::Session }
    }

    /// What `amount` of it takes from the counter of `holder` under `rule`.
    pub fn claim(&self, rule: LimitRule<'_>, holder: Holder<'_>, session: SessionId, amount: u64) -> Claim {
        let bound = match self.per {
            Per::Unit(unit) => Bound::Window { most: self.most, span: unit.span() },
            Per::Pace(unit) => Bound::Pace { most: self.most, span: unit.span() },
            Per::Session => Bound::Session { most: self.most, session },
            Per::Moment => Bound::Flight { most: self.most },
        };
        Claim { key: MeterKey::of(self.measure, self.per, rule, holder), bound, amount }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.most, self.measure.word())?;
        match self.per {
            Per::Unit(unit) => write!(out, " in a {}", unit.word()),
            Per::Pace(unit) => write!(out, " in a {}, evenly", unit.word()),
            Per::Session => out.write_str(" in a session"),
            Per::Moment => Ok(()),
        }
    }
}

/// The quotas of a server or a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Those of each principal.
    pub each: Vec<Quota>,
    /// Those of all principals together: what the interface behind is to bear.
    pub together: Vec<Quota>,
}

/// Counts against limits: the port. Several gateways may count behind one.
pub trait Meters: Send + Sync {
    /// Takes all of `claims`, or none of them when one does not fit. No two of them have the same key.
    ///
    /// # Errors
    /// [`Error`] when the counters cannot be reached: the caller refuses.
    fn charge(&self, claims: &[Claim], now: Instant) -> Result<Charge, Error>;

    /// Gives back what was taken: calls that are not under way any more, and what was taken for a call that did not come to be.
    ///
    /// # Errors
    /// [`Error`] when the counters cannot be reached: what was taken counts on.
    fn refund(&self, claims: &[Claim]) -> Result<(), Error>;

    /// Begins the counter `key` of `session` anew.
    ///
    /// # Errors
    /// [`Error`] when the counters cannot be reached: it counts on.
    fn renew(&self, session: SessionId, key: MeterKey) -> Result<(), Error>;

    /// Forgets what was counted of a session that has ended.
    fn forget(&self, session: SessionId);
}

impl Engine {
    /// The roles of `principal`, from wherever it comes, that limit something, each with its limits. All must hold.
    pub fn limits_of(&self, principal: &Principal) -> impl Iterator<Item = (&Name, &crate::Limits)> {
        let held = self.is_limited().then(|| self.held(principal, &Situation::Any)).into_iter().flatten();
        held.map(|role| (&role.source.name, &role.source.limits)).filter(|(_, limits)| !limits.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_said_in_words() {
        assert_eq!(Quota::window(Measure::Calls, 120, Unit::Minute).to_string(), "120 calls in a minute");
        assert_eq!(Quota::session(Measure::Bytes, 9).to_string(), "9 bytes received in a session");
        assert_eq!(Quota { measure: Measure::Inflight, most: 4, per: Per::Moment }.to_string(), "4 calls under way");
    }
}
