//! The outside world: the only place that reads the clock and the generator of chance.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};
use terms::{Clock, Entropy, Instant, Utc};

/// The system's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// The clocks, monotonic time counted from here.
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn utc(&self) -> Utc {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Utc::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    fn instant(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// The system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

/// Bytes drawn ahead by each thread, for ids: one system call gives many.
const AHEAD: usize = 512;

thread_local! {
    static DRAWN: RefCell<([u8; AHEAD], usize)> = const { RefCell::new(([0; AHEAD], AHEAD)) };
}

impl Entropy for SystemEntropy {
    /// INVARIANT: what cannot be drawn is never replaced by something weaker: the process ends. Keys, and all that is longer than an id, are drawn
    /// for themselves; of what is drawn ahead no byte is given twice.
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > 8 {
            return draw(bytes);
        }
        DRAWN.with_borrow_mut(|(ahead, used)| {
            if *used + bytes.len() > AHEAD {
                draw(ahead);
                *used = 0;
            }
            let end = *used + bytes.len();
            if let Some(fresh) = ahead.get_mut(*used..end) {
                bytes.copy_from_slice(fresh);
                fresh.fill(0);
            }
            *used = end;
        });
    }
}

fn draw(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_err() {
        std::process::abort();
    }
}
