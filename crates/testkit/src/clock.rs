//! Time that moves when the test says so.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use terms::{Clock, Instant, Utc};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct SetClock {
    utc: AtomicU64,
    instant: AtomicU64,
}

impl SetClock {
    /// A clock that says `utc`, its monotonic side at zero.
    pub const fn at(utc: Utc) -> Self {
        Self { utc: AtomicU64::new(utc.nanos()), instant: AtomicU64::new(0) }
    }

    /// Moves both sides on by `span`.
    pub fn pass(&self, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).expect("a span under 500 years");
        self.utc.fetch_add(nanos, Ordering::SeqCst);
        self.instant.fetch_add(nanos, Ordering::SeqCst);
    }

    /// Sets the wall clock alone, forwards or back: what an administrator or NTP does.
    pub fn set(&self, utc: Utc) {
        self.utc.store(utc.nanos(), Ordering::SeqCst);
    }
}

/// 2026-11-21T10:00:00Z, a moment like any other.
impl Default for SetClock {
    fn default() -> Self {
        Self::at(Utc::from_seconds(1_795_255_200))
    }
}

impl Clock for SetClock {
    fn utc(&self) -> Utc {
        Utc::from_nanos(self.utc.load(Ordering::SeqCst))
    }

    fn instant(&self) -> Instant {
        Instant::from_nanos(self.instant.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_only_when_told() {
        let clock = SetClock::default();
        assert_eq!(clock.utc().to_string(), "2026-11-21T10:00:00.000000000Z");
        clock.pass(Duration::from_secs(90));
        assert_eq!(clock.utc().to_string(), "2026-11-21T10:01:30.000000000Z");
        clock.set(Utc::from_seconds(0));
        assert_eq!((clock.utc().nanos(), clock.instant().nanos()), (0, 90_000_000_000));
    }
}
