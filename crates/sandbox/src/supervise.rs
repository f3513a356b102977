//! When a server that died may be started again: a state machine without a clock of its own.

use std::collections::VecDeque;
use std::time::Duration;
use terms::Instant;

/// Longest delay before a restart, however often it doubled.
const LONGEST: Duration = Duration::from_secs(60);

/// How restarts go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Before the first restart; doubles with each death within the window.
    pub delay: Duration,
    /// Most restarts within the window.
    pub most: u32,
    /// The window.
    pub within: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { delay: Duration::from_secs(1), most: 5, within: Duration::from_secs(600) }
    }
}

/// What follows a death, or an attempt to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It may be started now.
    Start,
    /// It may be started from this moment on.
    Wait(Instant),
    /// It died too often: it is not started until someone has looked.
    Aside,
}

/// Remembers a server's deaths and says whether it may be started.
#[derive(Clone, Debug)]
pub struct Supervisor {
    policy: RestartPolicy,
    deaths: VecDeque<Instant>,
    next: Next,
}

impl Supervisor {
    /// Of a server that has not died yet.
    pub fn new(policy: RestartPolicy) -> Self {
        Self { policy, deaths: VecDeque::new(), next: Next::Start }
    }

    /// Notes that the server died, or could not be started, at `now`. An end that was asked for is no death.
    pub fn died(&mut self, now: Instant) -> Next {
        self.deaths.retain(|death| now.since(*death) < self.policy.within);
        self.deaths.push_back(now);
        let count = u32::try_from(self.deaths.len()).unwrap_or(u32::MAX);
        if self.next != Next::Aside {
            self.next = if count > self.policy.most {
                Next::Aside
            } else {
                let doubled = self.policy.delay.saturating_mul(1_u32.checked_shl(count.saturating_sub(1)).unwrap_or(u32::MAX));
                Next::Wait(now.after(doubled.min(LONGEST.max(self.policy.delay))))
            };
        }
        while self.deaths.len() > usize::try_from(self.policy.most).unwrap_or(usize::MAX).saturating_add(1) {
            self.deaths.pop_front();
        }
        self.next
    }

    /// Whether it may be started at `now`.
    pub fn may_start(&self, now: Instant) -> Next {
        match self.next {
            Next::Wait(from) if now >= from => Next::Start,
            other => other,
        }
    }

    /// Whether it was put aside.
    pub fn is_aside(&self) -> bool {
        matches!(self.next, Next::Aside)
    }

    /// Someone has looked: it may be started at once, and its deaths are forgotten.
    pub fn release(&mut self) {
        self.deaths.clear();
        self.next = Next::Start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn delays_double_and_the_sixth_death_puts_aside() {
        let mut supervisor = Supervisor::new(RestartPolicy::default());
        assert_eq!(supervisor.may_start(at(0)), Next::Start);
        for (death, delay) in [1, 2, 4, 8, 16].into_iter().enumerate() {
            let now = at(20 * (death as u64 + 1));
            assert_eq!(supervisor.died(now), Next::Wait(now.after(Duration::from_secs(delay))));
            assert_ne!(supervisor.may_start(now), Next::Start);
            assert_eq!(supervisor.may_start(now.after(Duration::from_secs(delay))), Next::Start);
        }
        assert_eq!(supervisor.died(at(130)), Next::Aside);
        assert_eq!(supervisor.may_start(at(1_000_000)), Next::Aside);
        assert_eq!(supervisor.died(at(1_000_000)), Next::Aside);
        supervisor.release();
        assert_eq!(supervisor.may_start(at(1_000_001)), Next::Start);
        assert_eq!(supervisor.died(at(1_000_001)), Next::Wait(at(1_000_002)));
    }

    #[test]
    fn old_deaths_are_forgotten() {
        let mut supervisor = Supervisor::new(RestartPolicy::default());
        for death in 0..100 {
            assert_eq!(supervisor.died(at(death * 601)), Next::Wait(at(death * 601 + 1)));
        }
    }

    proptest! {
        #[test]
        fn restarts_never_exceed_the_policy(most in 0_u32..8, gaps in proptest::collection::vec(0_u64..200, 1..200)) {
            let policy = RestartPolicy { most, ..RestartPolicy::default() };
            let mut supervisor = Supervisor::new(policy);
            let mut now = 0;
            let mut starts: Vec<u64> = Vec::new();
            for gap in gaps {
                now += gap;
                if supervisor.may_start(at(now)) == Next::Start {
                    starts.push(now);
                    supervisor.died(at(now));
                }
            }
            for window in starts.windows(most as usize + 2) {
                prop_assert!(window.last().unwrap() - window.first().unwrap() >= 600);
            }
        }
    }
}
