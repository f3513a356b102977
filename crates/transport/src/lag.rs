//! How far behind a lane is: how long something that could run waits until it does.
//!
//! A lane that has more to do than it can is late with everything, so it is looked at by asking it for its turn: a task of nothing, put behind whatever waits
//! already. It is asked only while there are requests, and never twice at a time.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How often a lane is asked for its turn at most.
const EACH: Duration = Duration::from_millis(2);
/// From when on a turn is late.
const LATE: Duration = Duration::from_millis(50);
/// For how long each turn has to be late until the lane is behind: one long piece of work, or a few hundred clients that come at once, are no queue that
/// stays.
const STANDING: Duration = Duration::from_millis(500);
/// After what time without a look nothing is known.
const STALE: Duration = Duration::from_secs(1);

/// What is known of this thread's lane.
#[derive(Clone, Copy)]
struct Look {
    /// Whether a turn is waited for, and since when.
    asked: Option<Instant>,
    /// When the last one came.
    came: Option<Instant>,
    /// Since when each of them was late.
    late: Option<Instant>,
}

thread_local! {
    static LOOK: Cell<Option<Look>> = const { Cell::new(None) };
}

/// Lets this thread be looked at: everything that runs on it takes its turn.
pub(crate) fn watch() {
    LOOK.set(Some(Look { asked: None, came: None, late: None }));
}

/// Whether the lane that this runs on has been late with everything for a while. Never on a thread that is no lane.
pub fn is_behind() -> bool {
    let Some(mut look) = LOOK.get() else { return false };
    let now = Instant::now();
    let since = |then: Option<Instant>| then.map(|then| now.saturating_duration_since(then));
    if since(look.came).is_none_or(|past| past >= STALE) && look.asked.is_none() {
        look.late = None;
    }
    if look.asked.is_none() && since(look.came).is_none_or(|past| past >= EACH) {
        look.asked = Some(now);
        tokio::spawn(async { came() });
    }
    LOOK.set(Some(look));
    since(look.late).is_some_and(|late| late >= STANDING)
}

/// The turn has come.
fn came() {
    let Some(look) = LOOK.get() else { return };
    let (now, asked) = (Instant::now(), look.asked);
    let is_late = asked.is_some_and(|asked| now.saturating_duration_since(asked) >= LATE);
    let late = if is_late { look.late.or(Some(now)) } else { None };
    LOOK.set(Some(Look { asked: None, came: Some(now), late }));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a lane of its own: whether it is behind after each of `pieces` of work of this length, between which it is asked.
    fn behind(pieces: usize, length: Duration) -> Vec<bool> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            watch();
            let mut seen = Vec::new();
            for _ in 0..pieces {
                seen.push(is_behind());
                std::thread::sleep(length);
                tokio::task::yield_now().await;
            }
            seen.push(is_behind());
            LOOK.set(None);
            seen
        })
    }

    #[test]
    fn one_long_piece_of_work_is_no_queue_and_many_are() {
        assert_eq!(behind(1, Duration::from_millis(400)), [false, false]);
        let many = behind(16, Duration::from_millis(70));
        assert!(!many[0] && !many[3] && many[15], "{many:?}");
    }

    #[test]
    fn short_pieces_are_none_and_other_threads_are_never_behind() {
        assert!(behind(50, Duration::from_millis(1)).iter().all(|behind| !behind));
        assert!(!is_behind());
    }
}
