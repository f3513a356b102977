//! How much one server may send and get, over all of its sandboxes together.

use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The span in which bytes are counted.
const HOUR: Duration = Duration::from_secs(3600);

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Out of the sandbox.
    Out,
    /// Into it.
    Back,
}

/// The bounds on one server's traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// New connections a second; as many may come at once.
    pub opening: u32,
    /// Bytes out of the sandbox within an hour.
    pub bytes_out: u64,
    /// Bytes into it within an hour.
    pub bytes_back: u64,
    /// Bytes a second, each way.
    pub rate: u64,
    /// Longest time in which nothing comes from either side.
    pub idle: Duration,
    /// Longest time until the first bytes are complete.
    pub first: Duration,
    /// Longest time for resolving and connecting.
    pub connect: Duration,
    /// Names of one sandbox.
    pub names: usize,
    /// Questions for names a second; as many may come at once.
    pub questions: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            opening: 64,
            bytes_out: 1 << 30,
            bytes_back: 16 << 30,
            rate: 256 << 20,
            idle: Duration::from_secs(300),
            first: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            names: 256,
            questions: 128,
        }
    }
}

/// What is left of the bounds.
pub(crate) struct Allowance {
    places: Arc<Semaphore>,
    opening: Bucket,
    questions: Bucket,
    rate: [Bucket; 2],
    bytes: [Hourly; 2],
}

impl Allowance {
    pub(crate) fn new(limits: &Limits) -> Self {
        let rate = || Bucket::new(limits.rate as f64, limits.rate as f64 / 4.0);
        Self {
            places: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
            opening: Bucket::new(limits.opening.into(), limits.opening.into()),
            questions: Bucket::new(limits.questions.into(), limits.questions.into()),
            rate: [rate(), rate()],
            bytes: [Hourly::new(limits.bytes_out), Hourly::new(limits.bytes_back)],
        }
    }

    /// A place among the connections, held until it is dropped.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Whether another connection may be opened now, or after which time.
    pub(crate) fn opening(&self) -> Result<(), Duration> {
        self.opening.try_take(1.0)
    }

    /// Whether another question may be asked now, or after which time.
    pub(crate) fn question(&self) -> Result<(), Duration> {
        self.questions.try_take(1.0)
    }

    /// Whether so many more bytes may be moved within the hour.
    pub(crate) fn bytes(&self, direction: Direction, count: u64) -> bool {
        let [out, back] = &self.bytes;
        match direction {
            Direction::Out => out.take(count),
            Direction::Back => back.take(count),
        }
    }

    /// For how long to wait after so many bytes.
    pub(crate) fn wait(&self, direction: Direction, count: u64) -> Duration {
        let [out, back] = &self.rate;
        match direction {
            Direction::Out => out.take(count as f64),
            Direction::Back => back.take(count as f64),
        }
    }
}

/// A token bucket.
struct Bucket {
    rate: f64,
    most: f64,
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    fn new(rate: f64, most: f64) -> Self {
        Self { rate: rate.max(0.001), most, level: Mutex::new((most, Instant::now())) }
    }

    fn filled(&self, level: &mut (f64, Instant)) -> f64 {
        let now = Instant::now();
        let filled = (level.0 + now.duration_since(level.1).as_secs_f64() * self.rate).min(self.most);
        *level = (filled, now);
        filled
    }

    /// Takes `count`, or says when it will be there.
    fn try_take(&self, count: f64) -> Result<(), Duration> {
        let mut level = self.level.lock();
        let filled = self.filled(&mut level);
        if filled >= count {
            level.0 -= count;
            return Ok(());
        }
        Err(Duration::try_from_secs_f64((count - filled) / self.rate).unwrap_or(Duration::MAX))
    }

    /// Takes `count` in any case, and says for how long to wait until that is made up for.
    fn take(&self, count: f64) -> Duration {
        let mut level = self.level.lock();
        let left = self.filled(&mut level) - count;
        level.0 = left;
        if left >= 0.0 { Duration::ZERO } else { Duration::try_from_secs_f64(-left / self.rate).unwrap_or(Duration::MAX) }
    }
}

/// An amount within an hour.
struct Hourly {
    most: u64,
    used: Mutex<(u64, Instant)>,
}

impl Hourly {
    fn new(most: u64) -> Self {
        Self { most, used: Mutex::new((0, Instant::now())) }
    }

    fn take(&self, count: u64) -> bool {
        let mut used = self.used.lock();
        if used.1.elapsed() >= HOUR {
            *used = (0, Instant::now());
        }
        match used.0.checked_add(count) {
            Some(sum) if sum <= self.most => {
                used.0 = sum;
                true
            }
            Some(_) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_gives_its_burst_and_then_its_rate() {
        let bucket = Bucket::new(10.0, 5.0);
        assert_eq!((0..20).filter(|_| bucket.try_take(1.0).is_ok()).count(), 5);
        assert!(bucket.try_take(1.0).is_err_and(|wait| wait <= Duration::from_millis(101)));
        tokio::time::advance(Duration::from_millis(300)).await;
        assert_eq!((0..20).filter(|_| bucket.try_take(1.0).is_ok()).count(), 3);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(bucket.take(5.0), Duration::ZERO);
        assert_eq!(bucket.take(10.0), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_hour_has_so_many_bytes() {
        let hourly = Hourly::new(100);
        assert!(hourly.take(60) && !hourly.take(41) && hourly.take(40) && !hourly.take(1));
        assert!(!hourly.take(u64::MAX));
        tokio::time::advance(HOUR).await;
        assert!(hourly.take(100));
    }
}
