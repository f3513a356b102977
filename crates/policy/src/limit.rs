//! `limits.calls`: at most N calls in any span of the unit, never one more.
//!
//! A leaky bucket (GCRA) that grants a burst of N lets almost 2N pass in one unit; a stated limit would then be untrue. So calls are
//! counted in sixty slots of the unit, and the slots that reach into the last unit may hold N together.

use crate::{Engine, Error, Situation};
use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;
use terms::{Instant, Name, Principal};

/// Slots that a unit is counted in.
const SLOTS: u64 = 60;
/// One more than that: a call in the middle of a slot reaches back into the middle of the sixtieth before.
const RING: usize = 61;
/// The most counters by default: 300 bytes each.
const KEYS: usize = 65_536;

/// The span that a limit counts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// `s`
    Second,
    /// `min`
    Minute,
    /// `h`
    Hour,
    /// `day`
    Day,
}

impl Unit {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Hour, Self::Day];

    /// Its length.
    pub const fn span(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        })
    }

    /// The name in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
            Self::Day => "day",
        }
    }
}

/// Why a text is not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a whole number from 1 and s, min, h or day, such as 120/min")]
pub struct RateError;

/// At most so many in a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many; at least 1.
    pub most: u32,
    /// In which span.
    pub unit: Unit,
}

impl std::str::FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (count, unit) = text.split_once('/').ok_or(RateError)?;
        let most = count.trim().parse().ok().filter(|most| *most > 0).ok_or(RateError)?;
        let unit = Unit::ALL.into_iter().find(|one| one.as_str() == unit.trim()).ok_or(RateError)?;
        Ok(Self { most, unit })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.most, self.unit.as_str())
    }
}

/// Whose calls are counted: one principal in one role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MeterKey {
    /// The role whose limit it is.
    pub role: Name,
    /// Which program.
    pub agent: Name,
    /// For whom.
    pub user: Option<Name>,
}

/// What became of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Counted.
    Within,
    /// Not counted: a limit is reached.
    Over {
        /// Which.
        limit: Rate,
        /// When there is room again, at the latest, if nothing else is counted.
        retry_after: Duration,
    },
}

/// Counts against limits: the port.
pub trait Meters: Send + Sync {
    /// Counts one call against all of `limits`, or against none when one of them is reached.
    ///
    /// # Errors
    /// [`Error`] when the counters cannot be reached: the caller refuses.
    fn charge(&self, limits: &[(MeterKey, Rate)], now: Instant) -> Result<Charge, Error>;
}

/// [`Meters`] in memory, for one process.
pub struct MemoryMeters {
    counters: Mutex<HashMap<MeterKey, Counter>>,
    most: usize,
}

impl Default for MemoryMeters {
    fn default() -> Self {
        Self::new(KEYS)
    }
}

impl MemoryMeters {
    /// Counters for at most `most` principals and roles. When all are in use by calls of the last unit, further ones are [`Error::Full`].
    pub fn new(most: usize) -> Self {
        Self { counters: Mutex::new(HashMap::new()), most: most.max(1) }
    }
}

impl Meters for MemoryMeters {
    fn charge(&self, limits: &[(MeterKey, Rate)], now: Instant) -> Result<Charge, Error> {
        let mut counters = self.counters.lock().map_err(|_| Error::Meters)?;
        let missing = limits.iter().filter(|(key, _)| !counters.contains_key(key)).count();
        if counters.len() + missing > self.most {
            counters.retain(|_, counter| !counter.idle(now));
            if counters.len() + missing > self.most {
                return Err(Error::Full(self.most));
            }
        }
        let mut worst: Option<(Rate, Duration)> = None;
        for (key, rate) in limits {
            let counter = counters.entry(key.clone()).or_insert_with(|| Counter::new(*rate));
            counter.turn(*rate, now);
            if let Some(wait) = counter.wait(now)
                && worst.is_none_or(|(_, longest)| wait > longest)
            {
                worst = Some((*rate, wait));
            }
        }
        if let Some((limit, retry_after)) = worst {
            return Ok(Charge::Over { limit, retry_after });
        }
        for (key, _) in limits {
            counters.get_mut(key).ok_or(Error::Meters)?.count();
        }
        Ok(Charge::Within)
    }
}

impl fmt::Debug for MemoryMeters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "MemoryMeters(at most {})", self.most)
    }
}

/// Calls of the last unit, by slot.
struct Counter {
    rate: Rate,
    /// The number of the newest slot since the start of the clock.
    newest: u64,
    /// `ring[slot % RING]`: the counts of the slots `newest - 60 ..= newest`.
    ring: [u32; RING],
    total: u32,
}

impl Counter {
    const fn new(rate: Rate) -> Self {
        Self { rate, newest: 0, ring: [0; RING], total: 0 }
    }

    fn slot_nanos(&self) -> u64 {
        u64::try_from(self.rate.unit.span().as_nanos()).unwrap_or(u64::MAX) / SLOTS
    }

    /// Moves on to `now`; a changed unit starts anew, a changed number keeps the counts.
    fn turn(&mut self, rate: Rate, now: Instant) {
        if rate.unit != self.rate.unit {
            *self = Self::new(rate);
        }
        self.rate = rate;
        let slot = now.nanos() / self.slot_nanos();
        // INVARIANT: the clock is monotonic; were it not, the newest slot stays and counts too much rather than too little.
        for gone in (self.newest + 1..=slot).take(RING) {
            if let Some(count) = self.ring.get_mut(position(gone)) {
                self.total -= std::mem::take(count);
            }
        }
        self.newest = self.newest.max(slot);
    }

    /// How long until one more fits; none when it fits now.
    fn wait(&self, now: Instant) -> Option<Duration> {
        if self.total < self.rate.most {
            return None;
        }
        let mut excess = self.total - self.rate.most + 1;
        let oldest = self.newest.saturating_sub(SLOTS);
        for slot in oldest..=self.newest {
            let held = self.ring.get(position(slot)).copied().unwrap_or_default();
            if held >= excess {
                let leaves = (slot + SLOTS + 1).saturating_mul(self.slot_nanos());
                return Some(Instant::from_nanos(leaves).since(now));
            }
            excess -= held;
        }
        Some(self.rate.unit.span())
    }

    fn count(&mut self) {
        if let Some(count) = self.ring.get_mut(position(self.newest)) {
            *count += 1;
            self.total += 1;
        }
    }

    fn idle(&self, now: Instant) -> bool {
        self.total == 0 || now.nanos() / self.slot_nanos() > self.newest + SLOTS
    }
}

fn position(slot: u64) -> usize {
    usize::try_from(slot % RING as u64).unwrap_or_default()
}

impl Engine {
    /// The `limits.calls` that `principal` is under: one for each of its roles that has one. All must hold.
    pub fn limits_of(&self, principal: &Principal) -> Vec<(MeterKey, Rate)> {
        let limit = |role: &crate::role::Role| {
            let key = MeterKey { role: role.source.name.clone(), agent: principal.agent.clone(), user: principal.user.clone() };
            role.source.limits.calls.map(|rate| (key, rate))
        };
        self.held(principal, &Situation::Any).into_iter().filter_map(limit).collect()
    }

    /// Counts one call of `principal` against every limit that it is under.
    ///
    /// Control: `access.rate-limits`.
    ///
    /// # Errors
    /// [`Error`] when the counters cannot be reached: the caller refuses.
    pub fn charge(&self, principal: &Principal, meters: &dyn Meters, now: Instant) -> Result<Charge, Error> {
        match self.limits_of(principal) {
            limits if limits.is_empty() => Ok(Charge::Within),
            limits => meters.charge(&limits, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(role: &str) -> MeterKey {
        MeterKey { role: Name::new(role).unwrap(), agent: Name::new("a").unwrap(), user: None }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_rate_prints_what_it_parses() {
        for text in ["120/min", "1/s", "5/h", "9/day"] {
            assert_eq!(text.parse::<Rate>().map(|rate| rate.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "120", "0/min", "-1/min", "1/week", "1.5/s", "99999999999/s"] {
            assert_eq!(text.parse::<Rate>(), Err(RateError), "{text}");
        }
    }

    #[test]
    fn a_burst_passes_and_the_next_waits() {
        let meters = MemoryMeters::default();
        let limits = [(key("r"), "3/min".parse().unwrap())];
        for _ in 0..3 {
            assert_eq!(meters.charge(&limits, at(1_000)).unwrap(), Charge::Within);
        }
        let Charge::Over { retry_after, .. } = meters.charge(&limits, at(1_500)).unwrap() else { panic!("over the limit") };
        assert!(retry_after <= Duration::from_secs(61) && retry_after > Duration::from_secs(59), "{retry_after:?}");
        let then = at(1_500).after(retry_after);
        assert_eq!(meters.charge(&limits, then).unwrap(), Charge::Within);
    }

    #[test]
    fn one_limit_reached_charges_none() {
        let meters = MemoryMeters::default();
        let (tight, wide) = ((key("tight"), "1/min".parse().unwrap()), (key("wide"), "2/min".parse().unwrap()));
        let both = [tight, wide.clone()];
        assert_eq!(meters.charge(&both, at(0)).unwrap(), Charge::Within);
        assert!(matches!(meters.charge(&both, at(1)).unwrap(), Charge::Over { .. }));
        assert_eq!(meters.charge(&[wide], at(2)).unwrap(), Charge::Within);
    }

    #[test]
    fn full_counters_refuse_until_some_run_out() {
        let meters = MemoryMeters::new(1);
        let rate = "1/s".parse().unwrap();
        assert_eq!(meters.charge(&[(key("a"), rate)], at(0)).unwrap(), Charge::Within);
        assert!(matches!(meters.charge(&[(key("b"), rate)], at(10)), Err(Error::Full(1))));
        assert_eq!(meters.charge(&[(key("b"), rate)], at(1_100)).unwrap(), Charge::Within);
    }

    proptest! {
        #[test]
        fn never_over_the_limit(most in 1_u32..8, gaps in prop::collection::vec(0_u64..700, 1..200)) {
            let meters = MemoryMeters::default();
            let limits = [(key("r"), Rate { most, unit: Unit::Second })];
            let mut now = 0;
            let mut passed: Vec<u64> = Vec::new();
            for gap in gaps {
                now += gap;
                match meters.charge(&limits, at(now)).unwrap() {
                    Charge::Within => passed.push(now),
                    Charge::Over { retry_after, .. } => prop_assert!(retry_after <= Duration::from_millis(1_017)),
                }
                let recent = passed.iter().filter(|then| now - **then < 1_000).count();
                prop_assert!(recent <= most as usize, "{recent} in one second");
            }
        }

        #[test]
        fn who_waits_as_told_passes(most in 1_u32..8, gaps in prop::collection::vec(0_u64..50, 1..100)) {
            let meters = MemoryMeters::default();
            let limits = [(key("r"), Rate { most, unit: Unit::Second })];
            let mut now = at(0);
            for gap in gaps {
                now = now.after(Duration::from_millis(gap));
                if let Charge::Over { retry_after, .. } = meters.charge(&limits, now).unwrap() {
                    now = now.after(retry_after);
                    prop_assert_eq!(meters.charge(&limits, now).unwrap(), Charge::Within);
                }
            }
        }
    }
}
