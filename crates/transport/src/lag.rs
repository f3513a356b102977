//! How far behind a lane is: how long something that could run waits until it does.
//!
//! A lane that has more to do than it can is late with everything, so it is looked at by asking it for its turn: a task of nothing, put behind whatever waits
//! already. It is asked only while there are requests, and never twice at a time.
//!
//! A lane that is behind takes from each party half of an equal part of what it took the second before, and a few in any case, until it has caught up: whoever
//! asks for little is served, and who asks for more than that comes back later.

use crate::party::{PARTIES, Party};
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// How often a lane is asked for its turn at most.
const EACH: Duration = Duration::from_millis(2);
/// After what time without a look nothing is known.
const STALE: Duration = Duration::from_secs(1);
/// Over what time what was taken is counted.
const SPAN: Duration = Duration::from_secs(1);
/// For how many times the bound each turn has to be late until the lane is behind: one long piece of work, or a few hundred clients that come at once, are no
/// queue that stays.
const STANDING: u32 = 2;
/// For how many times the bound a lane that has caught up is behind again as soon as it is late.
const RELAPSE: u32 = 4;
/// How many times the bound a turn of a lane is late that does not get down what it has to do.
const FAR: u32 = 4;
/// What is taken of each party in a span whatever a lane has to do.
const FEW: u64 = 8;

/// How far behind a lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Behind {
    /// It keeps up.
    No,
    /// It is late with everything.
    Late,
    /// It is so late that refusing costs more than it can.
    Far,
}

/// What is known of a lane.
#[derive(Debug, Default)]
struct Lane {
    /// Whether a turn is waited for, and since when.
    asked: Option<Instant>,
    /// When the last one came, and how long it was waited for.
    came: Option<Instant>,
    waited: Duration,
    /// Since when each of them was late.
    late: Option<Instant>,
    is_behind: bool,
    /// When it had caught up.
    caught_up: Option<Instant>,
    /// The bound when it was asked last.
    bound: Duration,
    taken: Taken,
}

/// How many requests were taken from each party: in this span, and in the one before.
#[derive(Debug)]
struct Taken {
    since: Option<Instant>,
    now: [u32; PARTIES],
    before: [u32; PARTIES],
}

impl Default for Taken {
    fn default() -> Self {
        Self { since: None, now: [0; PARTIES], before: [0; PARTIES] }
    }
}

impl Taken {
    fn turn(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let past = now.saturating_duration_since(since);
        if past >= SPAN {
            self.before = if past >= 2 * SPAN { [0; PARTIES] } else { self.now };
            self.now = [0; PARTIES];
            self.since = Some(now);
        }
    }

    fn take(&mut self, party: Party, now: Instant) {
        self.turn(now);
        if let Some(count) = self.now.get_mut(party.at()) {
            *count = count.saturating_add(1);
        }
    }

    /// Whether less was taken from `party` than half of what each had before.
    fn has_share(&mut self, party: Party, now: Instant) -> bool {
        self.turn(now);
        let known = if self.before.iter().all(|count| *count == 0) { &self.now } else { &self.before };
        let all: u64 = known.iter().map(|count| u64::from(*count)).sum();
        let parties = known.iter().filter(|count| **count > 0).count().max(1) as u64;
        let share = (all / parties / 2).max(FEW);
        self.now.get(party.at()).is_some_and(|count| u64::from(*count) < share)
    }
}

impl Lane {
    fn behind(&mut self, bound: Duration, now: Instant) -> Behind {
        let idle = self.asked.is_none() && self.came.is_none_or(|came| now.saturating_duration_since(came) >= STALE);
        if idle {
            (self.late, self.is_behind) = (None, false);
        }
        self.bound = bound;
        let waits = self.asked.map_or(Duration::ZERO, |asked| now.saturating_duration_since(asked));
        self.is_behind |= waits >= bound && self.stands(now);
        match self.is_behind {
            false => Behind::No,
            true if self.waited.max(waits) >= FAR * bound => Behind::Far,
            true => Behind::Late,
        }
    }

    /// Whether turns have been late for so long that it is more than one piece of work.
    fn stands(&self, now: Instant) -> bool {
        self.late.is_some_and(|late| now.saturating_duration_since(late) >= STANDING * self.bound)
    }

    /// Whether it is to be asked for its turn now; then it counts as asked.
    fn asks(&mut self, now: Instant) -> bool {
        let due = self.asked.is_none() && self.came.is_none_or(|came| now.saturating_duration_since(came) >= EACH);
        if due {
            self.asked = Some(now);
        }
        due
    }

    /// The turn has come.
    fn came(&mut self, now: Instant) {
        let Some(asked) = self.asked.take() else { return };
        self.came = Some(now);
        self.waited = now.saturating_duration_since(asked);
        if self.is_behind {
            if self.waited <= self.bound / 2 {
                (self.is_behind, self.late, self.caught_up) = (false, None, Some(now));
            }
        } else if self.waited >= self.bound {
            let relapsed = self.caught_up.is_some_and(|then| now.saturating_duration_since(then) <= RELAPSE * self.bound);
            self.is_behind = relapsed || self.stands(now);
            self.late.get_or_insert(asked);
        } else {
            self.late = None;
        }
    }
}

thread_local! {
    static LANE: RefCell<Option<Box<Lane>>> = const { RefCell::new(None) };
}

/// Lets this thread be looked at: everything that runs on it takes its turn.
pub(crate) fn watch() {
    LANE.set(Some(Box::default()));
}

/// What `look` sees of the lane that this runs on. Nothing on a thread that is no lane.
fn with<T>(look: impl FnOnce(&mut Lane, Instant) -> T) -> Option<T> {
    LANE.with_borrow_mut(|lane| lane.as_deref_mut().map(|lane| look(lane, Instant::now())))
}

/// How far behind the lane is that this runs on, where a turn is late after `bound`. Never on a thread that is no lane.
pub fn behind(bound: Duration) -> Behind {
    let looked = with(|lane, now| (lane.behind(bound, now), lane.asks(now)));
    let (behind, asks) = looked.unwrap_or((Behind::No, false));
    if asks {
        tokio::spawn(async { with(Lane::came) });
    }
    behind
}

/// Counts a message of `party`, unless the lane is `behind` and the party has had its share; whether it had not.
pub fn take(party: Party, behind: Behind) -> bool {
    let taken = with(|lane, now| {
        let has_share = behind == Behind::No || lane.taken.has_share(party, now);
        if has_share {
            lane.taken.take(party, now);
        }
        has_share
    });
    taken.unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const BOUND: Duration = Duration::from_millis(250);
    const MILLI: Duration = Duration::from_millis(1);

    /// A lane that does a call in a millisecond, and refuses one in a tenth of it. For `seconds`, each of `parties` offers so many calls a second. How much
    /// of it is done of each, and the longest wait of what was done after the first four.
    fn offer(parties: &[(Party, u32)], seconds: u32) -> (BTreeMap<usize, u32>, Duration) {
        let mut lane = Lane::default();
        let (start, mut done, mut longest) = (Instant::now(), BTreeMap::new(), Duration::ZERO);
        let mut due: Vec<(Duration, Party)> = parties
            .iter()
            .flat_map(|(party, rate)| (0..rate * seconds).map(move |at| (Duration::from_secs(1) * at / *rate, *party)))
            .collect();
        due.sort_by_key(|(at, _)| *at);
        // The lane's own turn stands in line behind what had come when it was asked for.
        let (mut now, mut turn) = (Duration::ZERO, None);
        for (at, party) in due {
            now = now.max(at);
            if turn.is_some_and(|turn| turn <= at) {
                lane.came(start + now);
                turn = None;
            }
            let behind = lane.behind(BOUND, start + now);
            if lane.asks(start + now) {
                turn = Some(now);
            }
            if behind > Behind::No && !lane.taken.has_share(party, start + now) {
                now += MILLI / 10;
                continue;
            }
            lane.taken.take(party, start + now);
            now += MILLI;
            *done.entry(party.at()).or_insert(0) += 1;
            if at > Duration::from_secs(4) {
                longest = longest.max(now - at);
            }
        }
        (done, longest)
    }

    #[test]
    fn what_it_can_do_is_all_done() {
        let (done, _) = offer(&[(Party(1), 500), (Party(2), 300)], 5);
        assert_eq!(done.values().sum::<u32>(), 4000);
    }

    #[test]
    fn with_more_than_it_can_it_stays_busy_and_who_asks_for_little_is_served() {
        let (done, longest) = offer(&[(Party(1), 3000), (Party(2), 10)], 20);
        let whole: u32 = done.values().sum();
        assert!(whole > 10_000, "{done:?} of 20,000");
        assert!(done[&2] > 180, "{done:?} of 200");
        assert!(longest < Duration::from_secs(2), "{longest:?}");
    }

    #[test]
    fn who_asks_for_little_is_served_where_refusing_alone_is_too_much() {
        let (done, _) = offer(&[(Party(1), 12_000), (Party(2), 6)], 12);
        assert_eq!(done[&2], 72, "{done:?}");
    }

    #[test]
    fn one_long_piece_of_work_is_no_queue_and_a_queue_that_stays_is_one() {
        let (mut lane, start) = (Lane::default(), Instant::now());
        let mut seen = Vec::new();
        for at in 0..6 {
            seen.push(lane.behind(BOUND, start + at * 400 * MILLI));
            assert!(lane.asks(start + at * 400 * MILLI));
            lane.came(start + (at + 1) * 400 * MILLI - 10 * MILLI);
        }
        assert_eq!(seen, [Behind::No, Behind::No, Behind::Late, Behind::Late, Behind::Late, Behind::Late]);
        // A turn in good time ends it; the next late one begins it again, and after a while without a look nothing is known.
        let now = start + 2400 * MILLI;
        assert!(lane.asks(now));
        lane.came(now + MILLI);
        assert_eq!(lane.behind(BOUND, now + 2 * MILLI), Behind::No);
        assert!(lane.asks(now + 10 * MILLI));
        lane.came(now + 310 * MILLI);
        assert_eq!(lane.behind(BOUND, now + 311 * MILLI), Behind::Late);
        assert_eq!(lane.behind(BOUND, now + 1400 * MILLI), Behind::No);
    }

    #[test]
    fn a_turn_that_does_not_come_is_far_behind() {
        let (mut lane, start) = (Lane { is_behind: true, ..Lane::default() }, Instant::now());
        assert!(lane.asks(start));
        lane.came(start + 300 * MILLI);
        assert!(lane.asks(start + 310 * MILLI));
        assert_eq!(lane.behind(BOUND, start + 400 * MILLI), Behind::Late);
        assert_eq!(lane.behind(BOUND, start + 1310 * MILLI), Behind::Far);
    }

    #[test]
    fn other_threads_are_never_behind() {
        assert_eq!(behind(Duration::ZERO), Behind::No);
        assert!(take(Party(0), Behind::Far));
    }

    #[test]
    fn a_lane_is_asked_for_its_turn_and_takes_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            watch();
            for _ in 0..16 {
                behind(BOUND);
                std::thread::sleep(Duration::from_millis(3));
                tokio::task::yield_now().await;
            }
            assert!(with(|lane, _| lane.came.is_some() && lane.waited >= Duration::from_millis(2)).unwrap());
            LANE.set(None);
        });
    }
}
