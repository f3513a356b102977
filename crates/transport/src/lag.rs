//! How far behind a lane is: how long something that could run waits until it does.
//!
//! A lane that has more to do than it can is late with everything, so it is looked at by asking it for its turn: a task of nothing, put behind whatever waits
//! already. It is asked only while there are requests, and never twice at a time.
//!
//! A lane whose turns stay late, and that never rests between them, is strained. From then on it is behind as soon as a turn is a little late, until one
//! comes in good time: so what waits stays short, and what is taken in is done soon. It is strained no longer when it mostly rests between its turns.
//!
//! A lane that is behind takes from each party half of an equal part of what it took of late, and a few in any case: whoever asks for little is served, and
//! who asks for more than that comes back later.

use crate::party::{PARTIES, Party};
use std::cell::RefCell;
use std::time::{Duration, Instant};
use tokio::runtime::RuntimeMetrics;

/// How often a lane is asked for its turn at most.
const EACH: Duration = Duration::from_millis(2);
/// After what time without a look nothing is known.
const STALE: Duration = Duration::from_secs(1);
/// For how long each turn has to be late, without a rest between them, until the lane is strained: one long piece of work after the other, or a few hundred
/// clients that come at once, are no queue that stays.
const STANDING: Duration = Duration::from_millis(500);
/// What part of the bound a turn of a strained lane may wait.
const NARROW: u32 = 3;
/// After how many turns with a rest before them a lane is strained no longer; one without counts for two.
const RESTS: u32 = 32;
/// How many times the bound a turn of a lane is late that does not get down what it has to do.
const FAR: u32 = 20;
/// What is taken of each party in a second whatever a lane has to do.
const FEW: f32 = 8.0;
/// How often what was taken is forgotten by a part, and by which: what is left is about what came in a second.
const FADE: Duration = Duration::from_micros(62_500);
const FADED: f32 = 15.0 / 16.0;
/// The least that still counts.
const TRACE: f32 = 0.5;

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
    /// The longest wait of late: each turn takes an eighth off it.
    longest: Duration,
    /// Since when each of them was late, without a rest between them.
    late: Option<Instant>,
    is_behind: bool,
    /// How many more turns than not came after a rest, where the lane is strained.
    strained: Option<u32>,
    /// How often it had rested when the last one came.
    rests: u64,
    /// The bound when it was asked last.
    bound: Duration,
    taken: Taken,
}

/// How many requests were taken from each party in about the last second.
#[derive(Debug)]
struct Taken {
    counts: [f32; PARTIES],
    faded: Option<Instant>,
}

impl Default for Taken {
    fn default() -> Self {
        Self { counts: [0.0; PARTIES], faded: None }
    }
}

impl Taken {
    fn fade(&mut self, now: Instant) {
        let faded = *self.faded.get_or_insert(now);
        let steps = u32::try_from(now.saturating_duration_since(faded).as_nanos() / FADE.as_nanos()).unwrap_or(u32::MAX);
        if steps == 0 {
            return;
        }
        let left = FADED.powf(steps as f32);
        for count in &mut self.counts {
            *count = if *count * left < TRACE { 0.0 } else { *count * left };
        }
        self.faded = Some(faded + steps * FADE);
    }

    fn take(&mut self, party: Party, now: Instant) {
        self.fade(now);
        if let Some(count) = self.counts.get_mut(party.at()) {
            *count += 1.0;
        }
    }

    /// Whether less was taken from `party` than half of what each had.
    fn has_share(&mut self, party: Party, now: Instant) -> bool {
        self.fade(now);
        let all: f32 = self.counts.iter().sum();
        let parties = self.counts.iter().filter(|count| **count > 0.0).count().max(1);
        let share = (all / parties as f32 / 2.0).max(FEW);
        self.counts.get(party.at()).is_some_and(|count| *count < share)
    }
}

impl Lane {
    fn behind(&mut self, bound: Duration, now: Instant) -> Behind {
        let idle = self.asked.is_none() && self.came.is_none_or(|came| now.saturating_duration_since(came) >= STALE);
        if idle {
            (self.late, self.is_behind, self.strained, self.longest) = (None, false, None, Duration::ZERO);
        }
        self.bound = bound;
        let waits = self.asked.map_or(Duration::ZERO, |asked| now.saturating_duration_since(asked));
        if self.strained.is_none() && waits >= bound && self.stands(now) {
            self.strained = Some(0);
        }
        self.is_behind |= self.strained.is_some() && waits >= self.narrow();
        match self.is_behind {
            false => Behind::No,
            true if self.waited.max(waits) >= FAR * bound => Behind::Far,
            true => Behind::Late,
        }
    }

    /// The longest wait for a turn of late, the one that is waited for now included.
    fn delay(&self, now: Instant) -> Duration {
        let waits = self.asked.map_or(Duration::ZERO, |asked| now.saturating_duration_since(asked));
        self.longest.max(waits)
    }

    /// How long a turn waits at most while the lane is strained and not behind.
    fn narrow(&self) -> Duration {
        self.bound / NARROW
    }

    /// Whether turns have been late for so long that it is more than one piece of work.
    fn stands(&self, now: Instant) -> bool {
        self.late.is_some_and(|late| now.saturating_duration_since(late) >= STANDING)
    }

    /// Whether it is to be asked for its turn now; then it counts as asked.
    fn asks(&mut self, now: Instant) -> bool {
        let due = self.asked.is_none() && self.came.is_none_or(|came| now.saturating_duration_since(came) >= EACH);
        if due {
            self.asked = Some(now);
        }
        due
    }

    /// The turn has come, and the lane had nothing to do so many times since it began.
    fn came(&mut self, now: Instant, rests: u64) {
        let Some(asked) = self.asked.take() else { return };
        self.came = Some(now);
        self.waited = now.saturating_duration_since(asked);
        self.longest = self.waited.max(self.longest - self.longest / 8);
        let rested = std::mem::replace(&mut self.rests, rests) != rests;
        match &mut self.strained {
            Some(turns) => {
                *turns = if rested { *turns + 1 } else { turns.saturating_sub(2) };
                if *turns >= RESTS {
                    (self.strained, self.is_behind, self.late) = (None, false, None);
                } else if self.waited >= self.narrow() {
                    self.is_behind = true;
                } else if self.waited <= self.narrow() / 2 {
                    self.is_behind = false;
                }
            }
            None if rested || self.waited < self.bound => self.late = None,
            None => {
                if self.stands(now) {
                    (self.strained, self.is_behind) = (Some(0), true);
                }
                self.late.get_or_insert(asked);
            }
        }
    }
}

/// A lane, and what counts its rests.
#[derive(Debug)]
struct Watched {
    lane: Lane,
    metrics: RuntimeMetrics,
}

thread_local! {
    static WATCHED: RefCell<Option<Box<Watched>>> = const { RefCell::new(None) };
}

/// Lets this thread be looked at, which alone runs a runtime that counts with `metrics`: everything that runs on it takes its turn.
pub(crate) fn watch(metrics: RuntimeMetrics) {
    WATCHED.set(Some(Box::new(Watched { lane: Lane::default(), metrics })));
}

/// What `look` sees of the lane that this runs on. Nothing on a thread that is no lane.
fn with<T>(look: impl FnOnce(&mut Lane, Instant) -> T) -> Option<T> {
    WATCHED.with_borrow_mut(|watched| watched.as_deref_mut().map(|watched| look(&mut watched.lane, Instant::now())))
}

/// How far behind the lane is that this runs on, where a turn is late after `bound`. Never on a thread that is no lane.
pub fn behind(bound: Duration) -> Behind {
    let looked = with(|lane, now| (lane.behind(bound, now), lane.asks(now)));
    let (behind, asks) = looked.unwrap_or((Behind::No, false));
    if asks {
        tokio::spawn(async { turn() });
    }
    behind
}

/// Takes the lane's turn.
fn turn() {
    WATCHED.with_borrow_mut(|watched| {
        if let Some(Watched { lane, metrics }) = watched.as_deref_mut() {
            lane.came(Instant::now(), metrics.worker_park_count(0));
        }
    });
}

/// How often the lane that this runs on had nothing to do since it began. Nothing on a thread that is no lane.
pub fn rests() -> Option<u64> {
    WATCHED.with_borrow(|watched| watched.as_deref().map(|watched| watched.metrics.worker_park_count(0)))
}

/// How long a turn of the lane that this runs on waited of late at most. Nothing on a thread that is no lane.
pub fn delay() -> Duration {
    with(|lane, now| lane.delay(now)).unwrap_or_default()
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

    const BOUND: Duration = Duration::from_millis(50);
    const MILLI: Duration = Duration::from_millis(1);

    /// A lane that does a call in a millisecond, and refuses one in a tenth of it. For `seconds`, each of `parties` offers so many calls a second. How much
    /// of it is done of each, and the longest wait of what was done after the first four seconds.
    fn offer(parties: &[(Party, u32)], seconds: u32) -> (BTreeMap<usize, u32>, Duration) {
        let mut lane = Lane::default();
        let (start, mut done, mut longest) = (Instant::now(), BTreeMap::new(), Duration::ZERO);
        let mut due: Vec<(Duration, Party)> = parties
            .iter()
            .flat_map(|(party, rate)| (0..rate * seconds).map(move |at| (Duration::from_secs(1) * at / *rate, *party)))
            .collect();
        due.sort_by_key(|(at, _)| *at);
        // The lane's own turn stands in line behind what had come when it was asked for.
        let (mut now, mut turn, mut rests) = (Duration::ZERO, None, 0);
        for (at, party) in due {
            rests += u64::from(now < at);
            now = now.max(at);
            if turn.is_some_and(|turn| turn <= at) {
                lane.came(start + now, rests);
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
    fn with_more_than_it_can_it_stays_busy_and_what_it_takes_in_is_done_soon() {
        // Refusing what is too much takes .22 and .44 of the time.
        for (rate, least) in [(3000, 0.75), (5000, 0.53)] {
            let (done, longest) = offer(&[(Party(1), rate), (Party(2), 10)], 20);
            let whole: u32 = done.values().sum();
            assert!(f64::from(whole) > least * 20_000.0, "{done:?} of 20,000");
            assert!(done[&2] > 190, "{done:?} of 200");
            assert!(longest < 4 * BOUND, "{longest:?}");
        }
    }

    #[test]
    fn who_asks_for_little_is_served_where_refusing_alone_is_too_much() {
        let (done, _) = offer(&[(Party(1), 12_000), (Party(2), 6)], 12);
        assert_eq!(done[&2], 72, "{done:?}");
    }

    /// A lane that is strained at the first of these turns, of which each came after so many milliseconds and as many rests.
    fn strained(turns: impl IntoIterator<Item = (u32, u64)>) -> Vec<Behind> {
        let (mut lane, mut now) = (Lane { strained: Some(0), bound: BOUND, ..Lane::default() }, Instant::now());
        let mut rests = 0;
        turns
            .into_iter()
            .map(|(waited, rested)| {
                now += EACH;
                assert!(lane.asks(now));
                now += waited * MILLI;
                rests += rested;
                lane.came(now, rests);
                lane.behind(BOUND, now)
            })
            .collect()
    }

    #[test]
    fn one_long_piece_of_work_is_no_queue_and_a_queue_that_stays_is_one() {
        let (mut lane, start) = (Lane::default(), Instant::now());
        let mut seen = Vec::new();
        for at in 0..6 {
            seen.push(lane.behind(BOUND, start + at * 400 * MILLI));
            assert!(lane.asks(start + at * 400 * MILLI));
            lane.came(start + (at + 1) * 400 * MILLI - 10 * MILLI, 0);
        }
        assert_eq!(seen, [Behind::No, Behind::No, Behind::Late, Behind::Late, Behind::Late, Behind::Late]);
        // A turn in good time ends it; the next that is a little late begins it again, and after a while without a look nothing is known.
        let now = start + 2400 * MILLI;
        assert!(lane.asks(now));
        lane.came(now + MILLI, 0);
        assert_eq!(lane.behind(BOUND, now + 2 * MILLI), Behind::No);
        assert!(lane.asks(now + 10 * MILLI));
        assert_eq!(lane.behind(BOUND, now + 20 * MILLI), Behind::No);
        assert_eq!(lane.behind(BOUND, now + 30 * MILLI), Behind::Late);
        lane.came(now + 30 * MILLI, 0);
        assert_eq!(lane.behind(BOUND, now + 1400 * MILLI), Behind::No);
        assert!(lane.strained.is_none());
    }

    #[test]
    fn whoever_rests_between_long_pieces_of_work_has_no_queue() {
        let (mut lane, mut now) = (Lane::default(), Instant::now());
        for at in 0..20 {
            assert_eq!(lane.behind(BOUND, now), Behind::No);
            assert!(lane.asks(now));
            lane.came(now + 300 * MILLI, at + 1);
            now += 310 * MILLI;
        }
    }

    #[test]
    fn who_mostly_rests_is_strained_no_longer() {
        assert!(strained([(20, 0); 100]).iter().all(|behind| *behind == Behind::Late));
        assert_eq!(strained([(20, 1); 100]).iter().filter(|behind| **behind == Behind::Late).count(), RESTS as usize - 1);
        assert!(strained((0..100).map(|at| (20, at % 2))).iter().all(|behind| *behind == Behind::Late));
    }

    #[test]
    fn a_turn_that_does_not_come_is_far_behind() {
        let (mut lane, start) = (Lane { strained: Some(0), is_behind: true, bound: BOUND, ..Lane::default() }, Instant::now());
        assert!(lane.asks(start));
        lane.came(start + 300 * MILLI, 0);
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
    fn what_was_taken_is_forgotten() {
        let (mut taken, start) = (Taken::default(), Instant::now());
        (0..100).for_each(|_| taken.take(Party(1), start));
        assert!(!taken.has_share(Party(1), start) && taken.has_share(Party(2), start));
        assert!(!taken.has_share(Party(1), start + 2 * FADE));
        assert!(taken.has_share(Party(1), start + Duration::from_secs(10)));
        assert!(taken.counts.iter().all(|count| *count == 0.0));
    }

    #[test]
    fn a_lane_is_asked_for_its_turn_and_takes_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        watch(runtime.metrics());
        runtime.block_on(async {
            for _ in 0..16 {
                behind(BOUND);
                std::thread::sleep(Duration::from_millis(3));
                tokio::task::yield_now().await;
            }
            assert!(with(|lane, _| lane.came.is_some() && lane.rests == 0).unwrap());
            assert!(delay() >= Duration::from_millis(2));
            tokio::time::sleep(Duration::from_millis(3)).await;
            behind(BOUND);
            tokio::task::yield_now().await;
            assert!(with(|lane, _| lane.rests > 0).unwrap());
        });
        WATCHED.set(None);
    }
}
