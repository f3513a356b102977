//! The counters of one process, in memory: a restart begins at zero.

use super::pace::Pace;
use super::window::Window;
use super::{Bound, Charge, Claim, MeterKey, Meters};
use crate::Error;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use terms::{Instant, SessionId};

/// The most counters by default, and the most sessions.
const KEYS: usize = 65_536;
/// What is said of calls under way: nobody knows when one ends.
const SOON: Duration = Duration::from_secs(1);

/// [`Meters`] in memory, for one process.
pub struct MemoryMeters {
    counters: Mutex<Counters>,
    most: usize,
}

#[derive(Default)]
struct Counters {
    by_key: HashMap<MeterKey, Counter>,
    sessions: HashMap<SessionId, Vec<(MeterKey, u64)>>,
}

enum Counter {
    Window(Window, u64),
    Pace(Pace),
    Flight(u64),
}

impl Default for MemoryMeters {
    fn default() -> Self {
        Self::new(KEYS)
    }
}

impl MemoryMeters {
    /// At most `most` counters, and as many sessions. When all are in use, further ones are [`Error::Full`].
    pub fn new(most: usize) -> Self {
        Self { counters: Mutex::default(), most: most.max(1) }
    }

    fn lock(&self) -> Result<MutexGuard<'_, Counters>, Error> {
        self.counters.lock().map_err(|_| Error::Meters)
    }
}

impl Meters for MemoryMeters {
    fn charge(&self, claims: &[Claim], now: Instant) -> Result<Charge, Error> {
        let now = now.nanos();
        let mut counters = self.lock()?;
        let mut worst: Option<(usize, Option<Duration>)> = None;
        for (at, claim) in claims.iter().enumerate() {
            let wait = counters.wait(claim, now);
            if wait == Some(Duration::ZERO) {
                continue;
            }
            let longer = match worst {
                None => true,
                Some((_, None)) => false,
                Some((_, Some(longest))) => wait.is_none_or(|wait| wait > longest),
            };
            if longer {
                worst = Some((at, wait));
            }
        }
        if let Some((at, retry_after)) = worst {
            return Ok(Charge::Over { at, retry_after });
        }
        counters.room(claims, self.most, now)?;
        for claim in claims.iter().filter(|claim| claim.amount > 0) {
            counters.take(claim, now);
        }
        Ok(Charge::Within)
    }

    fn refund(&self, claims: &[Claim]) -> Result<(), Error> {
        let mut counters = self.lock()?;
        for claim in claims {
            counters.give(claim);
        }
        Ok(())
    }

    fn renew(&self, session: SessionId, key: MeterKey) -> Result<(), Error> {
        if let Some(totals) = self.lock()?.sessions.get_mut(&session) {
            totals.retain(|(other, _)| *other != key);
        }
        Ok(())
    }

    fn forget(&self, session: SessionId) {
        if let Ok(mut counters) = self.counters.lock() {
            counters.sessions.remove(&session);
        }
    }
}

impl Counters {
    /// How long until a claim fits: nothing where it does now, none where waiting does not help.
    fn wait(&mut self, claim: &Claim, now: u64) -> Option<Duration> {
        let asked = claim.amount.max(1);
        match (claim.bound, self.by_key.get_mut(&claim.key)) {
            (Bound::Window { most, span }, Some(Counter::Window(window, _))) => {
                window.turn(nanos(span), now);
                window.wait(most, asked, nanos(span), now)
            }
            (Bound::Pace { most, span }, Some(Counter::Pace(pace))) => pace.wait(most, asked, nanos(span), now),
            (Bound::Pace { most, span }, _) => Pace::default().wait(most, asked, nanos(span), now),
            (Bound::Flight { most }, Some(Counter::Flight(count))) => {
                Some(if count.saturating_add(asked) <= most { Duration::ZERO } else { SOON })
            }
            (Bound::Session { most, session }, _) => {
                (self.total(session, claim.key).saturating_add(asked) <= most).then_some(Duration::ZERO)
            }
            (Bound::Window { most, .. } | Bound::Flight { most }, _) => (asked <= most).then_some(Duration::ZERO),
        }
    }

    fn total(&self, session: SessionId, key: MeterKey) -> u64 {
        let totals = self.sessions.get(&session).into_iter().flatten();
        totals.filter(|(other, _)| *other == key).map(|(_, total)| *total).sum()
    }

    /// Makes room for the counters that `claims` need and are not there.
    fn room(&mut self, claims: &[Claim], most: usize, now: u64) -> Result<(), Error> {
        let new = |counters: &Self| {
            let taken = claims.iter().filter(|claim| claim.amount > 0);
            let (mut keys, mut sessions) = (0, 0);
            for claim in taken {
                match claim.bound {
                    Bound::Session { session, .. } => sessions = usize::from(!counters.sessions.contains_key(&session)),
                    Bound::Window { .. } | Bound::Pace { .. } | Bound::Flight { .. } => {
                        keys += usize::from(!counters.by_key.contains_key(&claim.key));
                    }
                }
            }
            (keys, sessions)
        };
        let (keys, sessions) = new(self);
        if keys > 0 && self.by_key.len() + keys > most {
            self.by_key.retain(|_, counter| !counter.is_idle(now));
        }
        // What was there may have been idle itself.
        let keys = if self.by_key.len() + keys > most { new(self).0 } else { keys };
        let full = (keys > 0 && self.by_key.len() + keys > most) || (sessions > 0 && self.sessions.len() + sessions > most);
        if full { Err(Error::Full(most)) } else { Ok(()) }
    }

    fn take(&mut self, claim: &Claim, now: u64) {
        let amount = claim.amount;
        match claim.bound {
            Bound::Window { span, .. } => {
                let fresh = || Counter::Window(Window::default(), nanos(span));
                if let Counter::Window(window, kept) = self.counter(claim.key, fresh) {
                    *kept = nanos(span);
                    window.take(amount, nanos(span), now);
                }
            }
            Bound::Pace { most, span } => {
                if let Counter::Pace(pace) = self.counter(claim.key, || Counter::Pace(Pace::default())) {
                    pace.take(most, amount, nanos(span), now);
                }
            }
            Bound::Flight { .. } => {
                if let Counter::Flight(count) = self.counter(claim.key, || Counter::Flight(0)) {
                    *count = count.saturating_add(amount);
                }
            }
            Bound::Session { session, .. } => {
                let totals = self.sessions.entry(session).or_default();
                match totals.iter_mut().find(|(key, _)| *key == claim.key) {
                    Some((_, total)) => *total = total.saturating_add(amount),
                    None => totals.push((claim.key, amount)),
                }
            }
        }
    }

    fn counter(&mut self, key: MeterKey, fresh: impl FnOnce() -> Counter) -> &mut Counter {
        self.by_key.entry(key).or_insert_with(fresh)
    }

    fn give(&mut self, claim: &Claim) {
        match (claim.bound, self.by_key.get_mut(&claim.key)) {
            (Bound::Window { .. }, Some(Counter::Window(window, _))) => window.give(claim.amount),
            (Bound::Pace { most, span }, Some(Counter::Pace(pace))) => pace.give(most, claim.amount, nanos(span)),
            (Bound::Flight { .. }, Some(Counter::Flight(count))) => {
                *count = count.saturating_sub(claim.amount);
                if *count == 0 {
                    self.by_key.remove(&claim.key);
                }
            }
            (Bound::Session { session, .. }, _) => {
                let totals = self.sessions.get_mut(&session).into_iter().flatten();
                if let Some((_, total)) = totals.into_iter().find(|(key, _)| *key == claim.key) {
                    *total = total.saturating_sub(claim.amount);
                }
            }
            (Bound::Window { .. } | Bound::Pace { .. } | Bound::Flight { .. }, _) => {}
        }
    }
}

impl Counter {
    fn is_idle(&mut self, now: u64) -> bool {
        match self {
            Self::Window(window, span) => {
                window.turn(*span, now);
                window.is_empty()
            }
            Self::Pace(pace) => pace.is_idle(now),
            Self::Flight(count) => *count == 0,
        }
    }
}

impl fmt::Debug for MemoryMeters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "MemoryMeters(at most {})", self.most)
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
