//! Lanes: threads that each serve their own connections, from the first byte to the last.
//!
//! A connection stays on the lane that it was given to, with everything that runs for it: what it waits for wakes its own thread and no other. A wake-up of
//! another processor is the dearest thing in a short call.

use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The lanes of a process. Dropped, they end, and so does whatever runs on them.
#[derive(Debug)]
pub struct Lanes {
    lanes: Vec<Lane>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Lane {
    handle: Handle,
    open: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

/// Counts out what ran on a lane.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lanes {
    /// Starts `count` lanes.
    ///
    /// # Errors
    /// Those of the system.
    pub fn start(count: NonZeroUsize) -> io::Result<Self> {
        let mut lanes = Self { lanes: Vec::with_capacity(count.get()), stop: CancellationToken::new() };
        for ordinal in 0..count.get() {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (handle, stop, metrics) = (runtime.handle().clone(), lanes.stop.clone(), runtime.metrics());
            let thread = std::thread::Builder::new().name(format!("lane-{ordinal}")).spawn(move || {
                crate::lag::watch(metrics);
                runtime.block_on(stop.cancelled());
            })?;
            lanes.lanes.push(Lane { handle, open: Arc::default(), thread: Some(thread) });
        }
        Ok(lanes)
    }

    /// Runs `work` on the lane that has the least, counted by `tracker`.
    pub fn spawn(&self, tracker: &TaskTracker, work: impl Future<Output = ()> + Send + 'static) {
        let Some(lane) = self.lanes.iter().min_by_key(|lane| lane.open.load(Ordering::Relaxed)) else { return };
        lane.open.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(&lane.open));
        tracker.spawn_on(
            async move {
                let _place = place;
                work.await;
            },
            &lane.handle,
        );
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.lanes.iter_mut().filter_map(|lane| lane.thread.take()) {
            // A lane whose thread panicked has ended all the same.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::thread::ThreadId;
    use tokio::sync::mpsc;

    #[test]
    fn work_goes_where_there_is_least_and_stays_there() {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let lanes = Lanes::start(NonZeroUsize::new(3).unwrap()).unwrap();
            let (tracker, hold) = (TaskTracker::new(), CancellationToken::new());
            let (seen, mut threads) = mpsc::unbounded_channel::<(ThreadId, ThreadId)>();
            for _ in 0..6 {
                let (seen, hold) = (seen.clone(), hold.clone());
                lanes.spawn(&tracker, async move {
                    let first = std::thread::current().id();
                    hold.cancelled().await;
                    let _ = seen.send((first, std::thread::current().id()));
                });
            }
            assert!(lanes.lanes.iter().all(|lane| lane.open.load(Ordering::Relaxed) == 2));
            hold.cancel();
            tracker.close();
            tracker.wait().await;
            drop(seen);
            let mut used = HashSet::new();
            while let Some((first, last)) = threads.recv().await {
                assert_eq!(first, last);
                used.insert(first);
            }
            assert_eq!(used.len(), 3);
            assert!(lanes.lanes.iter().all(|lane| lane.open.load(Ordering::Relaxed) == 0));
        });
    }

    #[test]
    fn what_still_runs_ends_with_its_lane() {
        let lanes = Lanes::start(NonZeroUsize::MIN).unwrap();
        let (tracker, ended) = (TaskTracker::new(), CancellationToken::new());
        let guard = ended.clone().drop_guard();
        lanes.spawn(&tracker, async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        drop(lanes);
        assert!(ended.is_cancelled());
    }
}
