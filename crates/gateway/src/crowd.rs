//! How many calls a server can do with at once, found out by how long they take.
//!
//! A server that has more to do than it can lets all of them wait. From then on as many are sent as it has been seen to get done in twice the time that
//! one usually takes, and what comes beyond is refused at once, while it still costs next to nothing.
//!
//! Calls of one server differ. So nothing is concluded from one that is slow, and nothing at all while few are under way: only when every one of many
//! in a row took more than twice the usual time is it the server that is late. If nothing has changed, each of them does so with a chance of less than a
//! half (Markov's inequality), and sixteen in a row with one of less than 1 in 65,536. Few calls at a time are always let through, and how long those take
//! is what is usual, so that a server that has become slower is soon taken as it is.
//!
//! What the gateway itself may have been late with says nothing of a server, and is taken off: a few turns of the call's lane, or all that a call takes where
//! the lane never rested meanwhile.
//!
//! A server that has all it can do with is shared: who has less than an equal part of it gets a place all the same, so that nobody is kept out by who asks
//! for more.
//!
//! Control: `transport.bounds`. Decision: `docs/decisions/0024-overload.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use terms::Instant;
use transport::party::{PARTIES, Party};

/// Calls at a time that are let through whatever is known of the server.
const FEW: usize = 16;
/// Calls at a time that are let through at most.
const MOST: usize = 4096;
/// Answers that are looked at together.
const ANSWERS: u64 = 16;
/// The least time over which they are, in nanoseconds.
const WINDOW: u64 = 100_000_000;
/// The most time over which they are: what took longer to gather says nothing of how much can be done at once.
const IDLE: u64 = 600_000_000_000;
/// In the place of a number of rests.
const NO_LANE: u64 = u64::MAX;
/// How many times as long as usual is late.
const LATE: u64 = 2;
/// How often a call waits for its lane between its server's being asked and its having answered: both go through tasks of their own.
const TURNS: u32 = 4;
/// How often it does at most where the lane has no rest: five times as often as was seen of a whole call.
const MOST_TURNS: u32 = 100;

/// The calls under way at one server. No lock is taken, and what is read may be a call old.
#[derive(Debug)]
pub struct Crowd {
    under_way: AtomicUsize,
    most: AtomicUsize,
    /// How many of them are whose, and how many have any.
    held: [AtomicU32; PARTIES],
    holders: AtomicUsize,
    /// How long a call takes on average while few are under way, in nanoseconds; 0 as long as that is not known.
    usual: AtomicU64,
    /// What is looked at together: since when, how many answers, the time that the quickest took, and how many calls were refused.
    since: AtomicU64,
    answers: AtomicU64,
    least: AtomicU64,
    refused: AtomicU64,
}

impl Default for Crowd {
    fn default() -> Self {
        Self {
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(MOST),
            held: [const { AtomicU32::new(0) }; PARTIES],
            holders: AtomicUsize::new(0),
            usual: AtomicU64::new(0),
            since: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            least: AtomicU64::new(u64::MAX),
            refused: AtomicU64::new(0),
        }
    }
}

/// One call's place in the crowd, given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    crowd: Arc<Crowd>,
    party: Party,
    /// When its server was asked; until then, when it got the place.
    since: AtomicU64,
    /// How often its lane had rested by then; [`NO_LANE`] where it runs on none.
    rests: AtomicU64,
    company: Company,
    answered: AtomicBool,
    left: AtomicBool,
}

/// In what company a call began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Company {
    Few,
    Many,
}

impl Crowd {
    /// Lets one more of `party` in, unless there are as many as the server can do with and it has its part of them.
    pub(crate) fn enter(self: &Arc<Self>, party: Party, now: Instant) -> Option<Seat> {
        let before = self.under_way.fetch_add(1, Ordering::Relaxed);
        let own = self.held.get(party.at()).map_or(0, |held| held.fetch_add(1, Ordering::Relaxed)) as usize;
        let holders = if own == 0 { self.holders.fetch_add(1, Ordering::Relaxed) + 1 } else { self.holders.load(Ordering::Relaxed) };
        let most = self.most.load(Ordering::Relaxed);
        let has_part = before < 2 * most && own < (most / holders.max(1)).max(1);
        if before >= most && !has_part {
            self.leave(party);
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let company = if before < FEW { Company::Few } else { Company::Many };
        let (answered, left) = (AtomicBool::new(false), AtomicBool::new(false));
        Some(Seat {
            crowd: Arc::clone(self),
            party,
            since: AtomicU64::new(now.nanos()),
            rests: AtomicU64::new(NO_LANE),
            company,
            answered,
            left,
        })
    }

    /// Knows of its server what `before` has learnt of it.
    pub(crate) fn knows(&self, before: &Self) {
        self.usual.store(before.usual.load(Ordering::Relaxed), Ordering::Relaxed);
        self.most.store(before.most.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn leave(&self, party: Party) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        if self.held.get(party.at()).is_some_and(|held| held.fetch_sub(1, Ordering::Relaxed) == 1) {
            self.holders.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes note of a call that took so long, and for how long of it the gateway itself may have been late.
    fn learn(&self, took: u64, own: u64, company: Company, now: u64) {
        if company == Company::Few {
            let usual = self.usual.load(Ordering::Relaxed);
            let next = if usual == 0 { took } else { usual - usual / 8 + took / 8 };
            self.usual.store(next.max(1), Ordering::Relaxed);
        }
        let answers = self.answers.fetch_add(1, Ordering::Relaxed) + 1;
        if answers == 1 {
            self.since.store(now.saturating_sub(took), Ordering::Relaxed);
        }
        self.least.fetch_min(took.saturating_sub(own), Ordering::Relaxed);
        let since = self.since.load(Ordering::Relaxed);
        let span = now.saturating_sub(since);
        if answers < ANSWERS || span < WINDOW {
            return;
        }
        // Whoever is first closes the window; the others go on in the next one.
        if self.since.compare_exchange(since, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        self.answers.store(0, Ordering::Relaxed);
        let least = self.least.swap(u64::MAX, Ordering::Relaxed);
        let refused = self.refused.swap(0, Ordering::Relaxed);
        if span > IDLE {
            // Between the first and the last of them there was nothing to do for a while.
            return;
        }
        let (usual, most) = (self.usual.load(Ordering::Relaxed), self.most.load(Ordering::Relaxed));
        let in_time = usual.saturating_mul(LATE);
        let next = if usual > 0 && least > in_time {
            // What gets done in that time is what can be under way for no longer (Little's law).
            let done = u128::from(answers) * u128::from(in_time) / u128::from(span.max(1));
            usize::try_from(done).unwrap_or(MOST).clamp(FEW, most)
        } else if refused > 0 {
            (most + most / 4).min(MOST)
        } else {
            most
        };
        self.most.store(next, Ordering::Relaxed);
    }
}

impl Seat {
    /// The server is asked, by a lane that had so many rests.
    pub(crate) fn asked(&self, now: Instant, rests: Option<u64>) {
        self.since.store(now.nanos(), Ordering::Relaxed);
        self.rests.store(rests.unwrap_or(NO_LANE), Ordering::Relaxed);
    }

    /// The server has said something, or nothing for as long as it may; by now the lane had so many rests, and each of its turns waited for `delay`. What
    /// counts is the first time.
    pub(crate) fn answered(&self, now: Instant, rests: Option<u64>, delay: Duration) {
        if !self.answered.swap(true, Ordering::Relaxed) {
            let has_rested = rests.is_none_or(|rests| rests != self.rests.load(Ordering::Relaxed));
            let turns = if has_rested { TURNS } else { MOST_TURNS };
            let own = u64::try_from((turns * delay).as_nanos()).unwrap_or(u64::MAX);
            let took = now.nanos().saturating_sub(self.since.load(Ordering::Relaxed));
            self.crowd.learn(took, own, self.company, now.nanos());
        }
    }

    /// Gives the place back: it is not the server that the call waits for from here on.
    pub(crate) fn leave(&self) {
        if !self.left.swap(true, Ordering::Relaxed) {
            self.crowd.leave(self.party);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const MILLI: u64 = 1_000_000;

    /// The party that is kept at this place.
    fn party(at: usize) -> Party {
        (0..).map(|salt: u64| Party::of(&salt)).find(|party| party.at() == at).unwrap()
    }

    /// Offers a call every `each` nanoseconds for a second to a server that does `at_once` in `takes`, the others waiting in line; how many were answered, and
    /// refused.
    fn offer(crowd: &Arc<Crowd>, from: u64, each: u64, at_once: usize, takes: u64) -> (u64, u64) {
        let (mut done, mut refused) = (0, 0);
        let mut busy: VecDeque<(u64, Seat)> = VecDeque::new();
        let mut free: VecDeque<u64> = (0..at_once).map(|_| from).collect();
        let mut now = from;
        while now < from + 1000 * MILLI {
            while busy.front().is_some_and(|(end, _)| *end <= now) {
                let (end, seat) = busy.pop_front().unwrap();
                seat.answered(Instant::from_nanos(end), None, Duration::ZERO);
                done += 1;
            }
            match crowd.enter(party(1), Instant::from_nanos(now)) {
                None => refused += 1,
                Some(seat) => {
                    let end = free.pop_front().unwrap().max(now) + takes;
                    free.push_back(end);
                    busy.push_back((end, seat));
                }
            }
            now += each;
        }
        (done, refused)
    }

    #[test]
    fn a_server_that_keeps_up_is_sent_everything() {
        let crowd = Arc::new(Crowd::default());
        let (done, refused) = offer(&crowd, 0, MILLI / 2, 64, 20 * MILLI);
        assert!(refused == 0 && done > 1900, "{done} {refused}");
    }

    #[test]
    fn what_a_server_cannot_do_is_refused_and_it_stays_busy() {
        let crowd = Arc::new(Crowd::default());
        // Sixteen at once in ten milliseconds: 1,600 a second, and five times as many are asked.
        offer(&crowd, 0, MILLI / 8, 16, 10 * MILLI);
        let (done, refused) = offer(&crowd, 2000 * MILLI, MILLI / 8, 16, 10 * MILLI);
        assert!(done >= 1500 && refused >= 6000, "{done} {refused}");
        let most = crowd.most.load(Ordering::Relaxed);
        assert!((FEW..=64).contains(&most), "{most} wait for it");
        // Soon after it all are let through again.
        for round in 0..20 {
            offer(&crowd, (4000 + 1100 * round) * MILLI, MILLI, 16, 10 * MILLI);
        }
        assert_eq!(offer(&crowd, 60_000 * MILLI, MILLI, 16, 10 * MILLI).1, 0);
    }

    #[test]
    fn a_server_that_has_become_slower_is_taken_as_it_is() {
        let crowd = Arc::new(Crowd::default());
        offer(&crowd, 0, MILLI, 64, 10 * MILLI);
        let mut refused = 0;
        for round in 1..10 {
            refused = offer(&crowd, round * 2000 * MILLI, 10 * MILLI, 64, 300 * MILLI).1;
        }
        assert_eq!(refused, 0, "its thirty calls at a time are no queue");
    }

    #[test]
    fn what_the_gateway_is_late_with_is_not_the_servers() {
        for (delay, rests, most) in [(0, 1, FEW), (2, 1, FEW), (15, 1, MOST), (0, 0, FEW), (2, 0, MOST)] {
            let crowd = Arc::new(Crowd::default());
            offer(&crowd, 0, 4 * MILLI, 64, 10 * MILLI);
            let _many: Vec<Seat> = (0..FEW).filter_map(|_| crowd.enter(party(1), Instant::from_nanos(2000 * MILLI))).collect();
            for at in 0..100 {
                let begun = (2000 + 10 * at) * MILLI;
                let seat = crowd.enter(party(2), Instant::from_nanos(begun)).unwrap();
                seat.asked(Instant::from_nanos(begun), Some(7));
                seat.answered(Instant::from_nanos(begun + 70 * MILLI), Some(7 + rests), Duration::from_millis(delay));
            }
            assert_eq!(crowd.most.load(Ordering::Relaxed), most, "{delay} {rests}");
        }
    }

    #[test]
    fn who_asks_for_little_gets_a_place_at_a_server_that_others_fill() {
        let crowd = Arc::new(Crowd::default());
        crowd.most.store(FEW, Ordering::Relaxed);
        let now = Instant::from_nanos(0);
        let many: Vec<Seat> = (0..100).filter_map(|_| crowd.enter(party(1), now)).collect();
        assert_eq!(many.len(), FEW);
        let few: Vec<Seat> = (0..100).filter_map(|_| crowd.enter(party(2), now)).collect();
        assert_eq!(few.len(), FEW / 2);
        let third: Vec<Seat> = (3..63).filter_map(|at| crowd.enter(party(at), now)).collect();
        assert_eq!((crowd.under_way.load(Ordering::Relaxed), third.len()), (2 * FEW, FEW / 2), "one each, as far as there is room");
        drop((many, few, third));
        assert_eq!((crowd.under_way.load(Ordering::Relaxed), crowd.holders.load(Ordering::Relaxed)), (0, 0));
        assert!(crowd.held.iter().all(|held| held.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn who_waits_for_a_client_has_no_place_at_the_server() {
        let crowd = Arc::new(Crowd::default());
        let seat = crowd.enter(party(1), Instant::from_nanos(0)).unwrap();
        seat.leave();
        seat.leave();
        assert_eq!(crowd.under_way.load(Ordering::Relaxed), 0);
        drop(seat);
        assert_eq!(crowd.under_way.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn few_at_a_time_are_never_refused_and_a_slow_kind_among_quick_ones_is_no_queue() {
        let crowd = Arc::new(Crowd::default());
        for at in 0..1000 {
            let now = at * 10 * MILLI;
            let seats: Vec<Seat> = (0..FEW).filter_map(|_| crowd.enter(party(1), Instant::from_nanos(now))).collect();
            assert_eq!(seats.len(), FEW);
            for (kind, seat) in seats.iter().enumerate() {
                seat.answered(Instant::from_nanos(now + if kind == 0 { MILLI } else { 1000 * MILLI }), None, Duration::ZERO);
            }
        }
        assert_eq!(crowd.most.load(Ordering::Relaxed), MOST);
    }
}
